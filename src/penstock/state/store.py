"""What the state store can do: records, and the contracts that every store keeps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

from penstock.naming import ArrivalName, TableName
from penstock.state.alarms import Alarms
from penstock.state.backlog import Backlog
from penstock.state.checks import Checks
from penstock.state.events import Events
from penstock.state.figures import Figures
from penstock.state.files import DataFile
from penstock.state.messages import Messages
from penstock.state.overview import Overview
from penstock.state.processes import Process
from penstock.state.specs import UNPARTITIONED, Spec
from penstock.state.trouble import NO_TROUBLE, Trouble
from penstock.state.workflows import Schedules, WorkflowRuns

LEASE_SECONDS = 60.0
"""How long a lease or a claim lasts that nobody prolongs."""
ArrivalState = Literal["pending", "working", "finished", "dead", "superseded", "discarded"]
RunState = Literal["finished", "empty", "failed"]


@dataclass(frozen=True)
class Accounting:
    """Where the rows of an arrival or run went; `rows_in` is counted apart from the rest.

    Attributes:
        rows_in: Records of the files.
        rows_out: Rows written.
        dropped: Rows that a rule let go, by its name.
        quarantined: Records and rows set aside.
        bytes_in: Size of the files.
        bytes_out: Size of what was written.
        added: Rows that steps made beyond those that came in, such as `explode`.
        warned: Rows that were kept and are spoken of, by the rule's name.
    """

    rows_in: int = 0
    rows_out: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    quarantined: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    added: int = 0
    warned: dict[str, int] = field(default_factory=dict)

    @property
    def adds_up(self) -> bool:
        """Whether every row that came in is accounted for."""
        return self.rows_in + self.added == self.rows_out + sum(self.dropped.values()) + self.quarantined

    def __add__(self, other: Accounting) -> Accounting:
        """Add two accounts, rule by rule."""
        return Accounting(
            self.rows_in + other.rows_in,
            self.rows_out + other.rows_out,
            _sums(self.dropped, other.dropped),
            self.quarantined + other.quarantined,
            self.bytes_in + other.bytes_in,
            self.bytes_out + other.bytes_out,
            self.added + other.added,
            _sums(self.warned, other.warned),
        )


def _sums(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {
        rule: one.get(rule, 0) + other.get(rule, 0) for rule in [*one, *(rule for rule in other if rule not in one)]
    }


@dataclass(frozen=True)
class Arrival:
    """One version of one file that landed, and how far its work is.

    Attributes:
        sequence: Order in which arrivals were recorded; a later one of the same key is the newer one.
        table: The table its rows belong to.
        key: Path below `raw/`.
        version: SHA-256 of the content, hexadecimal.
        generation: How often the same content was processed again on request.
        mark: What the storage said of the file when it was recorded; equal marks mean equal bytes.
        attempt: Fencing token of the current lease; part of the names of the files that the attempt writes.
        reason: Why it is dead, or why its last attempt failed.
        plan: Fingerprint of the declaration that a dead arrival failed under.
        failed_at: When an attempt failed first; None while none has.
        trouble: What else is known of the last failure.
    """

    sequence: int
    table: TableName
    key: str
    version: str
    generation: int
    size: int
    modified_ns: int
    mark: str
    state: ArrivalState
    attempts: int = 0
    attempt: str = ""
    worker: str = ""
    recorded_at: float = 0.0
    finished_at: float | None = None
    run: str | None = None
    reason: str | None = None
    plan: str | None = None
    accounting: Accounting = Accounting()
    quarantine_stem: str | None = None
    failed_at: float | None = None
    trouble: Trouble = NO_TROUBLE

    @cached_property
    def name(self) -> ArrivalName:
        """Identity as it stands in file names."""
        return ArrivalName.of(self.key, self.version, self.generation)


@dataclass(frozen=True)
class Lease:
    """The right to do something alone for a while; `token` rises with every new holder."""

    name: str
    worker: str
    token: int


@dataclass(frozen=True)
class Run:
    """One execution of some work on one table and its outcome."""

    run: str
    table: TableName
    state: RunState
    accounting: Accounting
    started: float
    duration_ms: int
    arrivals: list[str]
    snapshot: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        id: Iceberg field id.
        name: Its name.
        type: DuckDB type.
        nested: Field ids of what the type is made of, each before those of its own parts: fields of a struct, the
            element of a list, key and value of a map.
    """

    id: int
    name: str
    type: str
    nested: tuple[int, ...] = ()


@dataclass(frozen=True)
class Head:
    """A table as of one metadata pointer: enough to read it without opening the catalog's own library.

    Attributes:
        last_column_id: Highest field id that the table ever gave, columns that were dropped included.
        displaced: Arrivals whose rows another writer took out of their files; see `penstock.tables.outside`.
        specs: Every way in which the table's files were ever laid out; the first is the one for new files.
    """

    table: TableName
    pointer: str
    snapshot: int | None
    committed_at: float | None
    columns: tuple[Column, ...]
    files: tuple[DataFile, ...]
    last_column_id: int = 0
    displaced: str = ""
    specs: tuple[Spec, ...] = UNPARTITIONED

    @property
    def spec(self) -> Spec:
        """How new files are laid out."""
        return self.specs[0]

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """Bytes of the table's data files."""
        return sum(file.bytes for file in self.files)


class Arrivals(Protocol):
    """The queue of files that landed. Every call is one transaction: it happens whole or not at all.

    The attempt's token fences: a worker that lost an arrival, because its lease ran out or a newer version landed, can
    change nothing of it any more. Calls that end an attempt say so.
    """

    def record(self, table: TableName, key: str, version: str, size: int, modified_ns: int, mark: str) -> bool:
        """Record a version of a file, once; True when it is new.

        A version equal to the newest recorded one only refreshes its mark. Older arrivals of the key that are not
        finished become `superseded`.
        """

    def claim(self, table: TableName, limit: int, size: int | None = None) -> list[Arrival]:
        """Lease up to `limit` arrivals that wait, oldest first, to this worker, each with a new attempt token.

        Together they have at most `size` bytes, if that is given; one alone may have more.

        Arrivals whose worker is dead, or let its lease run out, wait again; the attempt counts. It may be one of them
        that ended the process: they come apart from others, 16 at once; then one alone, in the whole lake.
        """

    def finish(
        self, arrival: Arrival, run: str, accounting: Accounting, quarantine_stem: str | None, *, replaces: bool = True
    ) -> bool | None:
        """Note that an arrival's rows are in; if it `replaces`, earlier versions of its key become `superseded`.

        True if the file had been dead: this version, or an earlier one and none since was finished. None, and nothing
        is changed, if another attempt has the arrival, or had; or if a newer version's rows replaced these already.
        """

    def give_back(
        self,
        arrival: Arrival,
        reason: str,
        delay: float = 0.0,
        *,
        counted: bool = True,
        trouble: Trouble | None = None,
    ) -> bool:
        """End an attempt without success: the arrival waits again, not before `delay` seconds.

        An attempt that is not `counted` was nobody's fault and does not bring the arrival nearer to its end. False, and
        nothing is changed, if the attempt no longer holds the arrival.
        """

    def bury(self, arrival: Arrival, reason: str, plan: str, run: str, trouble: Trouble = NO_TROUBLE) -> bool:
        """End an arrival as a dead letter, after as many attempts as `arrival` says.

        False, and nothing is changed, if the attempt no longer holds the arrival.
        """

    def held(self, arrival: Arrival) -> bool:
        """Whether this attempt still holds the arrival; False once another attempt or a newer version took over."""

    def held_among(self, arrivals: Sequence[Arrival]) -> set[int]:
        """Sequences of those arrivals that their attempts still hold; one question for all of them."""

    def find(self, table: TableName | None = None, states: tuple[ArrivalState, ...] = ()) -> list[Arrival]:
        """Arrivals in the order recorded, of one table and in some states if given."""

    def get(self, sequence: int) -> Arrival | None:
        """The arrival of that number; None when there is none."""

    def requeue(self, arrival: Arrival, generation: int) -> bool:
        """Make an arrival wait again, with no attempts counted; a higher generation processes the same content anew.

        False, and nothing is changed, unless the arrival still is in the state and generation that `arrival` says.
        """

    def discard(self, arrival: Arrival, why: str) -> bool:
        """Give a dead letter up for good: it waits for nobody. False, and nothing is changed, unless it is dead."""

    def requarantine(self, arrival: Arrival, stem: str | None) -> bool:
        """Name the file of an arrival's quarantined rows anew, None for no file.

        False, and nothing is changed, unless the arrival still is what `arrival` says.
        """


class Leases(Protocol):
    """Rights to do something alone."""

    def acquire(self, name: str) -> Lease | None:
        """Take the lease if it is free, run out, or its holder is dead; None when another worker holds it."""

    def held(self, lease: Lease) -> bool:
        """Whether the lease is still ours."""

    def release(self, lease: Lease) -> None:
        """Give the lease back; no error when it is no longer ours."""

    def renew(self) -> None:
        """Prolong every lease and claim of this worker."""


class Runs(Protocol):
    """The ledger of runs."""

    def add(self, run: Run) -> None:
        """Keep a run."""

    def list(self, table: TableName | None = None, limit: int = 100) -> list[Run]:
        """Newest first."""


class Heads(Protocol):
    """Cache of what tables hold, keyed by the catalog's pointer. Losing it costs time, never truth."""

    def get(self, table: TableName, pointer: str) -> Head | None:
        """The head for exactly this pointer; None when it is not cached."""

    def put(self, head: Head) -> None:
        """Keep a head in place of the table's earlier one."""


class NoHeads:
    """A cache of heads that keeps nothing."""

    def get(self, _table: TableName, _pointer: str) -> Head | None:
        """Nothing is kept."""
        return None

    def put(self, _head: Head) -> None:
        """Nothing is kept."""


class State(Protocol):
    """The whole store."""

    @property
    def arrivals(self) -> Arrivals:
        """The queue of files that landed."""

    @property
    def backlog(self) -> Backlog:
        """Short answers about the queue."""

    @property
    def leases(self) -> Leases:
        """Rights to do something alone."""

    @property
    def runs(self) -> Runs:
        """The ledger of runs."""

    @property
    def checks(self) -> Checks:
        """What came of checks."""

    @property
    def heads(self) -> Heads:
        """The cache of what tables hold."""

    @property
    def events(self) -> Events:
        """What happened."""

    @property
    def alarms(self) -> Alarms:
        """How alarms stand."""

    @property
    def figures(self) -> Figures:
        """Figures of how the lake does."""

    @property
    def messages(self) -> Messages:
        """Messages to people."""

    @property
    def workflows(self) -> WorkflowRuns:
        """Runs of workflows."""

    @property
    def schedules(self) -> Schedules:
        """How far schedules have been looked at."""

    @property
    def overview(self) -> Overview:
        """Counts of the whole store."""

    def describe(self, process: Process) -> None:
        """Say, for others to read, what this process is; it counts as at work from then on."""

    def together(self) -> AbstractContextManager[None]:
        """Everything that is recorded inside happens whole or not at all."""

    def close(self) -> None:
        """Let go of files and of everything this worker holds."""
