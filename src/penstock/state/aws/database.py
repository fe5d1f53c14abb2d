"""The worker that this process is, and how its calls come to the table: alone, or together with others."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from penstock.clock import Clock
from penstock.naming import TableName
from penstock.state.aws.calls import ACTIONS, Calls
from penstock.state.aws.layout import Key
from penstock.state.aws.unit import Call, Unit

__all__ = ["ACTIONS", "Database", "Told"]

Told = dict[str, Any]
"""An event that was recorded: its `event`, `table` and facts."""


class Database:
    """One table, and the worker that this process is.

    A worker is a name. It holds a claim or a lease until the time that stands with it, or until the time that stands
    with the worker, whichever is later: prolonging is one write, however much is held. Nobody can see from elsewhere
    whether a function still runs; what it held is free when the time has run out.

    Attributes:
        claims: Attempts that this worker has at hand, each with its table, sequence and file.
        leases: Leases that it holds: name and token.
    """

    def __init__(self, table: str, clock: Clock, region: str | None) -> None:
        self.clock, self.calls = clock, Calls(table, region)
        self.worker = uuid.uuid4().hex[:16]
        self.claims: dict[str, tuple[TableName, int, str]] = {}
        self.leases: set[tuple[str, int]] = set()
        self._listeners: list[Callable[[list[Told]], None]] = []
        self._at = threading.local()

    def call(self, make: Callable[[Unit], Any], *, first: bool = False, exact: bool = True) -> Any:
        """Make a call, as part of what happens together, or alone; alone, it is made anew until nobody comes between.

        Args:
            make: Does it.
            first: Whether it is written before others; see `penstock.state.aws.unit`.
            exact: Whether its answer must stay the same until the unit is written.
        """
        call = Call(make, first, exact)
        if (unit := self.unit) is not None:
            return unit.do(call)
        alone = Unit(self.calls, alone=True)
        alone.do(call)
        self._commit(alone)
        return alone.sequences[-1] if alone.sequences and call.answer is None else call.answer

    @property
    def unit(self) -> Unit | None:
        """What happens together in this thread now."""
        return getattr(self._at, "unit", None)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Gather what is recorded inside, and write it at the end; inside another, part of that."""
        if self.unit is not None:
            yield
            return
        unit = self._at.unit = Unit(self.calls)
        try:
            yield
        finally:
            self._at.unit = None
        self._commit(unit)

    def _commit(self, unit: Unit) -> None:
        unit.commit()
        for attempt in unit.ended:
            self.claims.pop(attempt, None)
        told = [_told(doc) for call in unit.made for doc, _ in call.events]
        for listener in self._listeners if told else ():
            listener(told)

    def listen(self, listener: Callable[[list[Told]], None]) -> None:
        """Call `listener`, which must not take long, after each write in which something was told."""
        self._listeners.append(listener)

    def tables(self) -> list[TableName]:
        """All tables that anything was ever recorded of."""
        return [TableName.parse(name) for name in self.sums()]

    def sums(self) -> dict[str, dict[str, Any]]:
        """What was counted, by table."""
        return {key[1]: at.doc or {} for page in self.calls.query("sums") for key, at in page}

    def documents(self, partition: str, first: str = "", last: str = "") -> list[tuple[Key, dict[str, Any]]]:
        """Documents of a partition, in order; what happens together sees what it has changed."""
        return (self.unit or Unit(self.calls)).query(partition, first, last)


def until_in(worker: dict[str, Any] | None) -> float:
    """Until when a worker said that it lives, as its document has it."""
    return float((worker or {}).get("until", 0.0))


def _told(event: dict[str, Any]) -> Told:
    return {"event": event["name"], **({"table": event["table"]} if event["table"] else {}), **event["facts"]}
