"""Templates: folders that `penstock init` copies to start a lake, some of them with sample data."""

from penstock.templates.create import TEMPLATES, create

__all__ = ["TEMPLATES", "create"]
