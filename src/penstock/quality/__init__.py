"""Quality: row accounting, and quarantine for the rows that could not be kept."""

from penstock.quality.accounting import account
from penstock.quality.collect import Delivered, collect, first_halted
from penstock.quality.quarantine import QUARANTINE_SCHEMA, Kept, Writing, quarantine_key, write_quarantine

__all__ = [
    "QUARANTINE_SCHEMA",
    "Delivered",
    "Kept",
    "Writing",
    "account",
    "collect",
    "first_halted",
    "quarantine_key",
    "write_quarantine",
]
