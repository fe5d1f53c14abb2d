"""The store as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from penstock.clock import Clock, SystemClock
from penstock.errors import PenstockError
from penstock.state.aws import elsewhere
from penstock.state.aws.arrivals import Arrivals
from penstock.state.aws.backlog import Backlog
from penstock.state.aws.checks import Checks
from penstock.state.aws.claims import Claims
from penstock.state.aws.database import Database
from penstock.state.aws.events import Events
from penstock.state.aws.figures import Figures
from penstock.state.aws.heads import Heads
from penstock.state.aws.layout import KEPT_SECONDS, worker_at
from penstock.state.aws.leases import Leases
from penstock.state.aws.messages import Messages
from penstock.state.aws.overview import Overview
from penstock.state.aws.runs import Runs
from penstock.state.aws.unit import Unit
from penstock.state.processes import Process, dumped
from penstock.state.store import LEASE_SECONDS


class DynamoState:
    """The store; keeps the contract of `State`, but for what AWS has services for: alarms and workflows."""

    def __init__(self, table: str, clock: Clock | None = None, region: str | None = None) -> None:
        """Use the table of this name; nothing is asked of AWS yet."""
        self._database = Database(table, clock or SystemClock(), region)
        self.arrivals = Arrivals(self._database)
        self.backlog = Backlog(self._database)
        self.leases = Leases(self._database)
        self.runs = Runs(self._database)
        self.checks = Checks(self._database)
        self.heads = Heads(self._database)
        self.events = Events(self._database)
        self.messages = Messages(self._database)
        self.overview = Overview(self._database, self.messages)
        self.figures = Figures(self._database, self.arrivals, self.runs)
        self.alarms: Any = elsewhere.alarms()
        self.workflows: Any = elsewhere.workflows()
        self.schedules: Any = elsewhere.schedules()

    @property
    def worker(self) -> str:
        """This process's name among the workers."""
        return self._database.worker

    def describe(self, process: Process) -> None:
        """Say, for others to read, what this process is; it counts as at work from then on."""
        now, at = self._database.clock.now(), worker_at(self.worker)

        def described(unit: Unit) -> None:
            until = (unit.get(at) or {}).get("until", now + LEASE_SECONDS)
            unit.put(at, {"until": until, "process": dumped(process)}, now + KEPT_SECONDS["worker"])

        self._database.call(described)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write everything that is recorded inside at once.

        What does not fit into one transaction of DynamoDB (100 items, 4 MB) is cut so that a crash between two of them
        is harmless; see `penstock.state.aws.unit`. Claims are not part of it, and events get their sequence at its end.

        Raises:
            StateError: Somebody else changed what was decided on inside; nothing of it was kept.
        """
        with self._database.together():
            yield

    def close(self) -> None:
        """Let everything go that this worker holds; what AWS cannot be told is free when its time has run out."""
        with suppress(PenstockError):
            Claims(self._database).give_back()
            self.leases.give_up()
