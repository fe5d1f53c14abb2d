"""What happened, kept until everybody who acts on it has: the record that notices, alarms and workflows start from.

An event is recorded in the transaction of what it tells of, by whichever process did it, so that none is lost and none
is told that did not happen. Those who act on events, the consumers, each remember how far they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from penstock.naming import EventName, TableName

KEPT_SECONDS = 7 * 86_400.0
KEPT_AT_MOST_SECONDS = 90 * 86_400.0
"""How long events are kept that everybody has acted on, and those that somebody never did."""


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        sequence: Order in which events were recorded.
        table: The table it is about; None for what is about no table.
        at: When, seconds since 1970.
        facts: What is known of it; values are JSON.
    """

    sequence: int
    name: EventName
    table: TableName | None
    at: float
    facts: dict[str, Any]


class Events(Protocol):
    """The record of events, in order."""

    def add(self, name: EventName, table: TableName | None, facts: dict[str, Any]) -> int:
        """Record an event, within the transaction at hand if there is one; gives its sequence."""

    def after(self, sequence: int, limit: int = 1_000) -> list[Event]:
        """Events recorded after `sequence`, oldest first."""

    def cursor(self, consumer: str) -> int:
        """The sequence up to which a consumer has acted; one that was never seen starts at the newest event."""

    def advance(self, consumer: str, sequence: int) -> None:
        """Remember that a consumer has acted on everything up to `sequence`."""

    def listen(self, listener: Callable[[list[dict[str, Any]]], None]) -> None:
        """Call `listener`, which must not take long, after each transaction of this process that recorded events.

        It is given the events: `event`, `table` if there is one, and their facts.
        """

    def trim(self, before: float, at_latest: float = 0.0) -> int:
        """Forget events older than `before` that every consumer has acted on, and all older than `at_latest`.

        Both are moments in seconds since 1970; gives the number of events forgotten.
        """


def forget_old(events: Events, now: float) -> int:
    """Forget events that were kept for long enough; gives how many."""
    return events.trim(now - KEPT_SECONDS, now - KEPT_AT_MOST_SECONDS)
