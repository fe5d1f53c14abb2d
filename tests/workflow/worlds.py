"""Workflows whose steps are told by tests, with a real state store and a clock that stands still."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penstock.clock import HeldClock
from penstock.declaration import loads
from penstock.declaration.workflows import ACTIONS
from penstock.lake import Lake
from penstock.naming import EventName, TableName
from penstock.signals import Signals
from penstock.state import SqliteState, WorkflowRun
from penstock.workflow import Workflows
from penstock.workflow.step import Attempt, Outcome

START = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
HOUR, DAY = 3_600.0, 86_400.0
LIMIT_SECONDS = 30.0
TABLES = """
lake: shop
tables:
  orders: {files: "orders/*.csv"}
  sales.returns: {files: "returns/*.csv"}
"""


@dataclass
class World:
    """A lake's state, its workflows, and what their steps did.

    Attributes:
        text: The declaration below its tables.
        does: What a step does, by its words; nothing when left out.
        done: Words of steps that were begun, in order.
        told: What was announced.
    """

    folder: Path
    text: str
    clock: HeldClock = field(default_factory=lambda: HeldClock(START))
    does: dict[str, Callable[[Attempt], Outcome]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Open the state store."""
        self.state = SqliteState(self.folder / ".penstock", self.clock)
        self.workflows = self.declare(self.text)

    def declare(self, text: str) -> Workflows:
        """Declare workflows, in place of those before."""
        signals = Signals()
        signals.listen("*", self.told.append)
        doers = dict.fromkeys(ACTIONS, self._do)
        workflows = loads(TABLES + text).workflows
        self.workflows = Workflows(workflows, doers, state=self.state, clock=self.clock, signals=signals)
        return self.workflows

    def _do(self, attempt: Attempt) -> Outcome:
        self.done.append(attempt.action.words)
        does = self.does.get(attempt.action.words)
        return does(attempt) if does else {}

    def happened(self, name: EventName, table: str | None = "orders", **facts: Any) -> int:
        """Record an event."""
        return self.state.events.add(name, TableName.parse(table) if table else None, facts)

    def settle(self) -> float | None:
        """Attend until nothing is left to do at this moment."""
        until = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < until:
            heard = len(self.told)
            following = self.workflows.attend()
            quiet = not self.workflows.busy and heard == len(self.told)
            if quiet and (following is None or following > self.clock.now()):
                return following
            time.sleep(0.01)
        message = "workflows did not come to rest"
        raise AssertionError(message)

    def pass_time(self, seconds: float) -> float | None:
        """Let time pass at once, and attend."""
        self.clock.seconds += seconds
        return self.settle()

    def live(self, seconds: float) -> None:
        """Let time pass, attending whenever something is due."""
        until = self.clock.now() + seconds
        while True:
            following = self.settle()
            if following is None or following > until:
                break
            self.clock.seconds = following
        self.clock.seconds = until
        self.settle()

    def runs(self, workflow: str | None = None) -> list[WorkflowRun]:
        """Runs, oldest first."""
        return self.workflows.runs(workflow, 10_000)[::-1]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Facts of recorded events."""
        return [event.facts for event in self.state.events.after(0, 10_000) if event.name == name]

    def close(self) -> None:
        """Let go of everything."""
        self.workflows.close()
        self.state.close()


def settle(lake: Lake) -> None:
    """Attend to the workflows of a lake until nothing is left to do at this moment."""
    until = time.monotonic() + 2 * LIMIT_SECONDS
    while time.monotonic() < until:
        idle, before = not lake.workflows().busy, lake.state.workflows.list()
        following = lake.workflows().attend()
        quiet = idle and not lake.workflows().busy and before == lake.state.workflows.list()
        if quiet and (following is None or following > lake.clock.now()):
            return
        time.sleep(0.01)
    message = "workflows did not come to rest"
    raise AssertionError(message)


def at(text: str) -> float:
    """A moment of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
