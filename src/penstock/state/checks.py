"""What came of checks: the record that the state store keeps of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from penstock.naming import TableName

CheckResult = Literal["held", "warned", "quarantined", "halted"]


@dataclass(frozen=True)
class CheckOutcome:
    """What came of one check for one file in one run.

    Attributes:
        name: The check's name, unlike that of the table's others.
        rows: Rows that the file held.
        breaches: Rows that broke it; 1 for a file that broke it as a whole.
        reason: What was wrong; None when nothing was.
    """

    run: str
    table: TableName
    file: str
    name: str
    kind: str
    on_breach: str
    when: str
    rows: int
    breaches: int
    at: float
    reason: str | None = None

    @property
    def result(self) -> CheckResult:
        """What was done about it."""
        done: dict[str, CheckResult] = {"warn": "warned", "quarantine": "quarantined", "halt": "halted"}
        return done[self.on_breach] if self.breaches else "held"


class Checks(Protocol):
    """What came of checks, those that held included."""

    def add(self, outcomes: Iterable[CheckOutcome]) -> None:
        """Keep outcomes of one run; one that is kept already is replaced."""

    def list(
        self, table: TableName | None = None, run: str | None = None, limit: int = 1_000_000
    ) -> list[CheckOutcome]:
        """Newest run first, within a run in the order in which they were added."""
