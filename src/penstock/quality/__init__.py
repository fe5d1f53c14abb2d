"""Quality: row accounting, and quarantine for the rows that could not be kept."""

from penstock.quality.accounting import account
from penstock.quality.quarantine import QUARANTINE_SCHEMA, collect, quarantine_key, write_quarantine

__all__ = ["QUARANTINE_SCHEMA", "account", "collect", "quarantine_key", "write_quarantine"]
