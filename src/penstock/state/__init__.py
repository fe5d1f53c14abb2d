"""The state store: arrivals, leases, runs and the cache of table heads. The tables stay the truth."""

from penstock.state.events import Event, EventName, Events
from penstock.state.files import DataFile, Member
from penstock.state.specs import Spec
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
    NoHeads,
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
    "DataFile",
    "Event",
    "EventName",
    "Events",
    "Head",
    "Heads",
    "Lease",
    "Leases",
    "Member",
    "NoHeads",
    "Run",
    "Runs",
    "Spec",
    "SqliteState",
    "State",
]
