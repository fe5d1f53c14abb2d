"""Figures of how the lake does, for those who watch over it: counted by the store, never listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from penstock.naming import TableName

Tables = Sequence[TableName] | None
"""Which tables are meant; None for all, those that are no longer declared included."""
Counts = Literal["breaches", "given_up"]


@dataclass(frozen=True)
class DeadFigures:
    """Dead letters that wait for a decision.

    Attributes:
        waiting: How many.
        trying: Files that were dead and are being tried again, replayed or in a newer version.
        first: The latest of them, a few: sequence, table, file, reason.
    """

    waiting: int
    trying: int
    first: tuple[tuple[int, str, str, str], ...] = ()


@dataclass(frozen=True)
class AttemptFigures:
    """Attempts to process files since some moment.

    Attributes:
        all: How many ended.
        failed: How many of them failed.
        oldest: When the first of them ended; None when there is none.
    """

    all: int
    failed: int
    oldest: float | None


@dataclass(frozen=True)
class RunFigures:
    """How long runs took since some moment.

    Attributes:
        runs: How many ended.
        seconds: The time that was asked for.
        run: The run that took it.
        table: Its table.
        oldest: When the first of them ended.
    """

    runs: int
    seconds: float
    run: str
    table: str
    oldest: float


@dataclass(frozen=True)
class Counted:
    """How often something happened since some moment.

    Attributes:
        count: How often.
        example: The newest case, for people.
        oldest: When it first did; None when it did not.
    """

    count: int
    example: str
    oldest: float | None


class Figures(Protocol):
    """Counts over what the store knows; every call is one reading, quick however long the history is."""

    def dead(self, tables: Tables) -> DeadFigures:
        """Dead letters."""

    def fates(self, sequences: Sequence[int]) -> list[tuple[str, str]]:
        """What became of arrivals that were dead: file, and `finished`, `discarded`, `dead`, `pending` or `working`.

        That of a file whose newer version came is that version's.
        """

    def attempts(self, tables: Tables, since: float) -> AttemptFigures:
        """Attempts that ended after `since`."""

    def runs(self, tables: Tables, since: float, quantile: float) -> RunFigures | None:
        """Of the runs that ended after `since`, the time that so many of them did not exceed; None without any."""

    def oldest_waiting(self, tables: Tables) -> tuple[str, str, float] | None:
        """Table, file and beginning of the longest wait among the files next in turn; None when none waits."""

    def committed(self, table: TableName) -> float | None:
        """When a run last committed rows to a table."""

    def counted(self, what: Counts, tables: Tables, since: float) -> Counted:
        """Breaches of checks that were found after `since`, or messages from after it that were given up."""

    def last_workflow(self, workflow: str) -> tuple[str, float, str] | None:
        """State, end and error of the workflow's last run that ended."""
