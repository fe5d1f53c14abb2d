"""A state store with events, a held clock, and the notifier of a declaration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock.clock import HeldClock
from penstock.declaration import loads
from penstock.naming import TableName
from penstock.notices import Notifier, notifier_of
from penstock.signals import Signals
from penstock.state import Message, SqliteState

ORDERS = TableName.parse("orders")


class World:
    """A lake as far as notices know it."""

    def __init__(self, folder: Path, declaration: str, clock: Any = None) -> None:
        """Open the store below `folder`."""
        self.folder = folder
        self.clock = clock or HeldClock()
        self.state = SqliteState(folder / ".penstock", self.clock)
        self.told: list[dict[str, Any]] = []
        signals = Signals()
        signals.listen("*", self.told.append)
        text = f"lake: shop\n{declaration}\ntables:\n  orders: {{files: '*.csv'}}\n  curated.codes: {{files: 'c/*'}}\n"
        declared = loads(text, environment={})
        place = folder, folder / ".penstock"
        self.notifier: Notifier = notifier_of(declared, place, self.state, self.clock, signals)

    def happen(self, name: Any, table: TableName | None = ORDERS, **facts: Any) -> None:
        """Record an event."""
        self.state.events.add(name, table, facts)

    def die(self, *files: str, reason: str = "is empty") -> None:
        """Let files end as dead letters."""
        for file in files:
            self.happen("dead", file=file, reason=reason, attempts=1, run="r", arrival=1)

    def attend(self) -> float | None:
        """Look once, and wait for what was started."""
        due = self.notifier.attend()
        self.wait()
        return due

    def wait(self) -> None:
        """Wait for attempts at hand."""
        for lane in list(self.notifier._lanes.values()):
            lane.join(30)

    def after(self, seconds: float) -> float | None:
        """Look again later."""
        self.clock.seconds += seconds
        return self.attend()

    @property
    def messages(self) -> list[Message]:
        """Every message."""
        return self.state.messages.list()

    @property
    def outbox(self) -> list[str]:
        """What stands in the outbox."""
        return [file.read_text() for file in sorted((self.folder / ".penstock" / "outbox").glob("*.txt"))]

    def close(self) -> None:
        """End as a process does."""
        self.notifier.close()
        self.state.close()
