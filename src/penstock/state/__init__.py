"""The state store: arrivals, leases, runs and the cache of table heads. The tables stay the truth."""

from penstock.state.sqlite import SqliteState
from penstock.state.store import (
    Accounting,
    Arrival,
    Arrivals,
    CheckOutcome,
    Checks,
    Head,
    Heads,
    Lease,
    Leases,
    LiveFile,
    Run,
    Runs,
    State,
)

__all__ = [
    "Accounting",
    "Arrival",
    "Arrivals",
    "CheckOutcome",
    "Checks",
    "Head",
    "Heads",
    "Lease",
    "Leases",
    "LiveFile",
    "Run",
    "Runs",
    "SqliteState",
    "State",
]
