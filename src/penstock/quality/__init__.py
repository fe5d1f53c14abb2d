"""Quality: row accounting, and quarantine for the rows that could not be kept.

What judges rows while an engine writes them stands in modules of its own: queries load this package without engines.
"""

from penstock.quality.quarantine import QUARANTINE_SCHEMA, Kept, Writing, quarantine_key, write_quarantine

__all__ = ["QUARANTINE_SCHEMA", "Kept", "Writing", "quarantine_key", "write_quarantine"]
