"""Accounts as they are kept in a column: JSON."""

from __future__ import annotations

import json

from penstock.state.store import Accounting


def dumped(accounting: Accounting) -> str:
    """Write an account."""
    return json.dumps(
        {
            "rows_in": accounting.rows_in,
            "rows_out": accounting.rows_out,
            "dropped": accounting.dropped,
            "quarantined": accounting.quarantined,
            "added": accounting.added,
            "warned": accounting.warned,
            "bytes_in": accounting.bytes_in,
            "bytes_out": accounting.bytes_out,
        }
    )


def loaded(text: str) -> Accounting:
    """Read an account."""
    return Accounting(**json.loads(text))
