"""How alarms stand, and how they stood: records, and the contract of their store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from penstock.naming import TableName

AlarmState = Literal["OK", "ALARM"]


@dataclass(frozen=True)
class AlarmStatus:
    """How an alarm stands.

    Attributes:
        table: The table it is about, for kinds that look at each table alone.
        since: When it came into this state, seconds since 1970.
        checked: When it was last looked at and something about it was new.
        value: What was measured then; None where there was nothing to measure.
        reason: What that means, for people.
        memory: What the next look needs to know.
    """

    alarm: str
    table: TableName | None
    kind: str
    state: AlarmState
    since: float
    checked: float
    value: float | None
    reason: str
    memory: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AlarmChange:
    """A change of an alarm's state; `change` rises with each."""

    change: int
    alarm: str
    table: TableName | None
    kind: str
    state: AlarmState
    at: float
    value: float | None
    reason: str


class Alarms(Protocol):
    """How alarms stand. Every call is one transaction, or part of the one at hand."""

    def all(self) -> list[AlarmStatus]:
        """Every alarm that was looked at, by name and table."""

    def put(self, before: AlarmStatus | None, after: AlarmStatus) -> bool:
        """Keep how an alarm stands now; a change of state goes into the history.

        False, and nothing is changed, unless it still stands as `before` says: somebody else looked at it.
        """

    def remove(self, gone: AlarmStatus) -> bool:
        """Forget an alarm that is no longer declared; its history stays. False unless it still stands as told."""

    def history(self, alarm: str | None = None, limit: int = 1_000) -> list[AlarmChange]:
        """Changes of state, newest first, of one alarm if given."""

    def trim(self, before: float) -> int:
        """Forget changes older than `before`, each alarm's newest excepted; gives their number."""
