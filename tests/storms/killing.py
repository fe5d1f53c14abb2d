"""Processes that run a lake over and over until they are killed, and what proves that they were at work."""

from __future__ import annotations

import ctypes
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any

import psutil

import penstock
from penstock import faults
from tests.road.lakes import CONTEXT

LAST, FILES, RUNS = range(len(faults.PLACES), len(faults.PLACES) + 3)
"""Where a process shows the last place that it reached, and how many files it began and runs it ended."""


class Victim:
    """A process that runs a lake over and over; it shows the places on the road that it reaches."""

    def __init__(self, lake: Path) -> None:
        """Start the process."""
        self._lake = lake
        self._reached = RawArray(ctypes.c_long, len(faults.PLACES) + 3)
        self._process: ForkServerProcess = CONTEXT.Process(target=_run_on, args=(str(lake), self._reached))
        self._process.start()

    def wait_until_busy(self) -> None:
        """Wait until it has taken its first file into its hands, or found none; a slow machine takes its time."""
        self._wait(lambda: bool(self._reached[FILES]))

    def wait_until_committed(self) -> None:
        """Wait until it has seen a commit through, or found that there is none to make."""
        self._wait(lambda: self.commits > 0)

    def _wait(self, until: Callable[[], bool]) -> None:
        while self._process.is_alive() and not until() and not self._reached[RUNS]:
            time.sleep(0.005)

    def hold(self) -> bool:
        """Stop it if it has files in its hands; gives whether it did. Otherwise it goes on."""
        process = self._stopped()
        if self.busy:
            return True
        process.resume()
        return False

    def kill(self) -> bool:
        """Kill it by SIGKILL; gives whether it died with files in its hands.

        It is stopped before they are counted: as soon as it is dead, another process may take them over.
        """
        self._stopped()
        busy = self.busy
        self._process.kill()
        self._process.join()
        assert self._process.exitcode == -signal.SIGKILL
        return busy

    def _stopped(self) -> psutil.Process:
        assert self._process.is_alive(), f"the process ended by itself with {self._process.exitcode}"
        process = psutil.Process(self._process.pid)
        process.suspend()
        while process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_DISK_SLEEP):
            time.sleep(0.001)
        return process

    @property
    def busy(self) -> bool:
        """Whether it has files in its hands, as the state store has it."""
        return held(self._lake, self._process.pid) > 0

    @property
    def last(self) -> str:
        """The last place that it reached."""
        at = int(self._reached[LAST])
        return faults.PLACES[at - 1] if at else "before the first place"

    @property
    def commits(self) -> int:
        """How many commits of tables it saw through."""
        return int(self._reached[faults.PLACES.index("tables.committed")])


@dataclass
class Toll:
    """What came of the kills.

    Attributes:
        kills: Processes that were killed with files in their hands.
        idle: Processes that were killed between two pieces of work; they do not count.
        commits: Commits that landed between the kills.
        places: Last place reached, of the kills that count.
        fruitless: Processes in a row that were killed before any commit.
    """

    kills: int = 0
    idle: int = 0
    commits: int = 0
    places: Counter[str] = field(default_factory=Counter)
    fruitless: int = 0

    def kill(self, victim: Victim) -> None:
        """Kill a process and count it."""
        busy = victim.kill()
        self.kills += busy
        self.idle += not busy
        self.commits += victim.commits
        self.fruitless = 0 if victim.commits else self.fruitless + 1
        self.places.update([victim.last] if busy else [])

    def __str__(self) -> str:
        """Say it in a line."""
        places = ", ".join(f"{count} after {place}" for place, count in self.places.most_common())
        return f"{self.kills} kills ({places}; {self.idle} idle ones not counted), {self.commits} commits between them"


def held(lake: Path, pid: int | None) -> int:
    """How many arrivals a process has in its hands, as the state store has it; the lake is not opened for it.

    A process that was stopped while it had the store for itself, to open or to tidy it, counts as having none.
    """
    file = lake / ".penstock" / "state.db"
    if not file.exists():
        return 0
    with closing(sqlite3.connect(file, timeout=5)) as connection:
        try:
            ((count,),) = connection.execute(
                "SELECT count(*) FROM arrivals WHERE state='working' AND worker LIKE ?", (f"{pid}-%",)
            ).fetchall()
        except sqlite3.OperationalError as error:
            stopped_at = ("no such table", "locked", "locking protocol")  # the last: while it read the log in anew
            if not any(words in str(error) for words in stopped_at):
                raise
            return 0
    return int(count)


def _run_on(lake: str, reached: ctypes.Array[ctypes.c_long]) -> None:
    """Run a lake until killed; a run starts anew each time, as from the command line."""
    number = {place: at for at, place in enumerate(faults.PLACES)}

    def reach(place: str) -> None:
        at = number.get(place)
        if at is not None:
            reached[at] += 1
            reached[LAST] = at + 1

    def begin(_facts: dict[str, Any]) -> None:
        reached[FILES] += 1

    faults.install(reach)
    parent = os.getppid()
    while os.getppid() == parent:  # an orphan ends
        with penstock.open(lake) as opened:
            opened.signals.listen("started", begin)
            opened.run()
            reached[RUNS] += 1
