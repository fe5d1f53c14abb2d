"""The store as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.clock import Clock, SystemClock
from penstock.state.processes import Process, dumped
from penstock.state.sqlite.alarms import Alarms
from penstock.state.sqlite.arrivals import Arrivals
from penstock.state.sqlite.backlog import Backlog
from penstock.state.sqlite.checks import Checks
from penstock.state.sqlite.database import Database
from penstock.state.sqlite.events import Events
from penstock.state.sqlite.figures import Figures
from penstock.state.sqlite.heads import Heads
from penstock.state.sqlite.leases import Leases
from penstock.state.sqlite.messages import Messages
from penstock.state.sqlite.overview import Overview
from penstock.state.sqlite.runs import Runs
from penstock.state.sqlite.salvage import salvage
from penstock.state.sqlite.workflows import Schedules, WorkflowRuns


class SqliteState:
    """The store; keeps the contract of `State`."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        """Open, or make, the store in `folder` (the lake's `.penstock/`).

        Raises:
            StateError: The file cannot be opened, is damaged, or was written by a newer version.
        """
        self._database = Database(folder, clock or SystemClock())
        self.arrivals = Arrivals(self._database)
        self.backlog = Backlog(self._database)
        self.leases = Leases(self._database)
        self.runs = Runs(self._database)
        self.checks = Checks(self._database)
        self.heads = Heads(self._database)
        self.events = Events(self._database)
        self.workflows = WorkflowRuns(self._database)
        self.schedules = Schedules(self._database)
        self.overview = Overview(self._database.file)
        self.messages = Messages(self._database)
        self.alarms = Alarms(self._database)
        self.figures = Figures(self._database)

    @property
    def worker(self) -> str:
        """This process's name among the workers."""
        return self._database.worker

    @property
    def file(self) -> Path:
        """Where the store stands."""
        return self._database.file

    def describe(self, process: Process) -> None:
        """Say, for others to read, what this process is; it counts as at work from then on."""
        self._database.describe(dumped(process))

    def take_over(self, file: Path) -> dict[str, int]:
        """Take rows that are as they were written out of another, damaged store; gives how many, by table."""
        with self._database.transaction() as sql:
            return salvage(sql, file)

    def faults(self) -> list[str]:
        """Everything that is wrong with the store's file; nothing when it is sound. Reads all of it."""
        return self._database.faults()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make everything that is recorded inside one transaction."""
        with self._database.transaction():
            yield

    def close(self) -> None:
        """Let go of the database and of this worker's lock."""
        self._database.close()
