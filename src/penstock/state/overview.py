"""What the state store says of a lake as a whole, in figures."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

from penstock.naming import TableName


@dataclass(frozen=True)
class Standing:
    """How far a table's files are.

    Attributes:
        waiting: Files that wait for a worker, or for their next attempt.
        since: When the file that has waited longest began to, seconds since 1970; None when none waits.
        quarantined: Rows set aside, of the versions that the table holds now.
        warned: Rows that were kept and are spoken of.
    """

    waiting: int = 0
    working: int = 0
    finished: int = 0
    dead: int = 0
    since: float | None = None
    quarantined: int = 0
    warned: int = 0


@dataclass(frozen=True)
class Ledger:
    """What runs did together; sums only ever grow.

    Attributes:
        commits: Runs that committed.
        last_commit: When the last of them ended, seconds since 1970; 0 when there is none.
    """

    runs: int = 0
    commits: int = 0
    rows_in: int = 0
    rows_out: int = 0
    rows_dropped: int = 0
    rows_quarantined: int = 0
    rows_added: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    last_commit: float = 0.0

    def __add__(self, other: Ledger) -> Ledger:
        """Add figure by figure; the last commit is the later one."""
        last = max(self.last_commit, other.last_commit)
        sums = {at.name: getattr(self, at.name) + getattr(other, at.name) for at in fields(self)}
        return Ledger(**{**sums, "last_commit": last})


class Overview(Protocol):
    """Counts of the whole store, which make no work wait."""

    def standing(self) -> dict[TableName, Standing]:
        """How far every table's files are; tables without any are left out."""

    def ledgers(self) -> dict[tuple[TableName, str], Ledger]:
        """What all runs did together, by table and by the state in which they ended."""

    def waiting(self) -> int:
        """How many files wait, or are worked on."""

    def counts(self, table: str) -> dict[str, int]:
        """How many rows of `messages` or `alarms` are in each state."""

    def trouble(self) -> str | None:
        """Why the store cannot be used; None when it can."""
