"""The functions' code: chosen, fetched, slimmed and zipped, the same way every time."""

from penstock.deployment.bundle.build import ARCHITECTURES, PYTHON, RUNTIME, Bundle, Content, build
from penstock.deployment.bundle.slim import SERVICES

__all__ = ["ARCHITECTURES", "PYTHON", "RUNTIME", "SERVICES", "Bundle", "Content", "build"]
