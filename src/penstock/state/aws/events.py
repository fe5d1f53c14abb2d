"""The record of events."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any

from penstock.naming import EventName, TableName
from penstock.state.aws.database import Database, Told
from penstock.state.aws.documents import Doc
from penstock.state.aws.layout import KEPT_SECONDS, counter_at, number
from penstock.state.aws.unit import Unit
from penstock.state.events import Event

NOTICES = "notices"
FROM_THE_START = frozenset({NOTICES, "dead_letters"})
"""Consumers that are told everything from the first event on, also when nobody looked after them."""


class Events:
    """The record; keeps the contract of `Events`, but that `add` gives 0 within what happens together."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: EventName, table: TableName | None, facts: dict[str, Any]) -> int:
        """Record an event; its sequence is known once it is written."""
        now = self._database.clock.now()
        event = {"name": name, "table": str(table or ""), "at": now, "facts": facts}
        return int(self._database.call(lambda unit: unit.tell(event, now + KEPT_SECONDS["events"]), first=True) or 0)

    def listen(self, listener: Callable[[list[Told]], None]) -> None:
        """Call `listener` after each write of this process in which events were recorded."""
        self._database.listen(listener)

    def after(self, sequence: int, limit: int = 1_000) -> list[Event]:
        """Events recorded after `sequence`, oldest first."""
        found = list[Event]()
        for page in self._database.calls.query("events", number(sequence + 1), "~", page=min(limit, 1_000)):
            found += [_event(at.doc or {}) for _, at in page]
            if len(found) >= limit:
                break
        return found[:limit]

    def cursor(self, consumer: str) -> int:
        """The sequence up to which a consumer has acted."""
        if (known := self._cursors().get(consumer)) is not None or consumer in FROM_THE_START:
            return known or 0
        newest = (self._database.calls.get(counter_at("events")).doc or {}).get("last", 0)

        def begin(unit: Unit) -> int:
            there = unit.get(("cursors", consumer))
            if there is None:
                unit.put(("cursors", consumer), {"sequence": newest})
            return int((there or {"sequence": newest})["sequence"])

        return int(self._database.call(begin, first=True))

    def _cursors(self) -> dict[str, int]:
        return {key[1]: int(doc["sequence"]) for key, doc in self._database.documents("cursors")}

    def advance(self, consumer: str, sequence: int) -> None:
        """Remember that a consumer has acted on everything up to `sequence`."""

        def advanced(unit: Unit) -> None:
            there = unit.get(("cursors", consumer)) or {"sequence": 0}
            unit.put(("cursors", consumer), {"sequence": max(there["sequence"], sequence)})

        self._database.call(advanced, first=True)

    def trim(self, before: float, at_latest: float = 0.0) -> int:
        """Forget old events; what nobody trims is forgotten by DynamoDB when it expires."""
        acted = min({NOTICES: 0, **self._cursors()}.values())
        gone = list[Doc]()
        for _, at in chain.from_iterable(self._database.calls.query("events")):
            event = at.doc or {}
            if event["at"] >= max(before, at_latest):
                break  # events are in order of time, but for what clocks differ
            if event["at"] < at_latest or event["sequence"] <= acted:
                gone.append(event)
        for event in gone:
            self._database.call(partial(Unit.discard, key=("events", number(event["sequence"]))))
        return len(gone)


def _event(facts: Doc) -> Event:
    return Event(**{**facts, "table": TableName.parse(facts["table"]) if facts["table"] else None})
