"""The state store: arrivals, leases, runs and the cache of table heads. The tables stay the truth."""

from penstock.naming import EventName
from penstock.state.backlog import Backlog, Due
from penstock.state.checks import CheckOutcome, Checks
from penstock.state.events import Event, Events
from penstock.state.files import DataFile, Member
from penstock.state.messages import Message, Messages, MessageState, Tally
from penstock.state.specs import Spec
from penstock.state.sqlite import SqliteState
from penstock.state.store import (
    Accounting,
    Arrival,
    Arrivals,
    Head,
    Heads,
    Lease,
    Leases,
    NoHeads,
    Run,
    Runs,
    State,
)
from penstock.state.trouble import NO_TROUBLE, Trouble
from penstock.state.workflows import Schedules, StepRecord, WorkflowRun, WorkflowRuns, WorkflowState

__all__ = [
    "NO_TROUBLE",
    "Accounting",
    "Arrival",
    "Arrivals",
    "Backlog",
    "CheckOutcome",
    "Checks",
    "DataFile",
    "Due",
    "Event",
    "EventName",
    "Events",
    "Head",
    "Heads",
    "Lease",
    "Leases",
    "Member",
    "Message",
    "MessageState",
    "Messages",
    "NoHeads",
    "Run",
    "Runs",
    "Schedules",
    "Spec",
    "SqliteState",
    "State",
    "StepRecord",
    "Tally",
    "Trouble",
    "WorkflowRun",
    "WorkflowRuns",
    "WorkflowState",
]
