"""Processes that freeze at a place on the road of a file, and wake up after others have taken over their work."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import psutil

import penstock
from penstock import faults
from penstock.clock import SystemClock
from penstock.lake import Lake
from penstock.state.sqlite import LEASE_SECONDS
from tests.road.lakes import CONTEXT, drop

LOCKS = {
    "state.begin": ("state.committed", "state.rollback"),
    "seals.begin": ("seals.committed", "seals.rollback"),
    "catalog.write": ("catalog.committed", "catalog.rollback"),
}
"""Places from which on a process has a database for itself, and those at which it has let go of it."""
SHARED = ("journal.write",)
"""Places at which a process has something else that all need."""


class Later(SystemClock):
    """The machine's clock, so far ahead that every lease has run out."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return super().now() + 2 * LEASE_SECONDS


def land(lake: Path, round_: int) -> None:
    """Files as a lake gets them: new ones, one written over, a copy, bad rows, and one that cannot become rows."""
    drop(lake, f"events-{round_}.csv", seed=round_ + 1)
    drop(lake, "events-again.csv", seed=900 + round_)
    drop(lake, f"events-copy-{round_}.csv", seed=round_ + 1)
    drop(lake, f"codes/c{round_}.csv", seed=500 + round_, rows=5)
    (lake / "raw" / f"events-bad-{round_}.csv").write_bytes(b"")


class Sleeper:
    """A process that runs a lake, and freezes at the n-th place that it reaches, or soon after it.

    It does so where it has nothing that keeps others from working.
    """

    def __init__(self, lake: Path, at: int) -> None:
        """Start it, and wait until it sleeps."""
        self._note = lake / "frozen"
        self._process: ForkServerProcess = CONTEXT.Process(target=_run_and_freeze, args=(str(lake), at, self._note))
        self._process.start()
        there = psutil.Process(self._process.pid)
        while self._process.is_alive() and there.status() != psutil.STATUS_STOPPED:
            time.sleep(0.002)
        assert self._process.is_alive(), f"the process ended by itself with {self._process.exitcode}"

    @property
    def place(self) -> str:
        """Where it sleeps."""
        return self._note.read_text()

    def wake(self) -> int | None:
        """Let it go on to its end; gives how it ended."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGCONT)
        self._process.join()
        return self._process.exitcode


def _run_and_freeze(lake: str, at: int, note: Path) -> None:
    left, held = at, set[str]()

    def reach(place: str) -> None:
        nonlocal left
        left -= 1
        if left <= 0 and not held and place not in SHARED and not note.exists():
            note.write_text(place)
            os.kill(os.getpid(), signal.SIGSTOP)
        if place in LOCKS:
            held.add(place)
        held.difference_update([begin for begin in held if place in LOCKS[begin]])

    faults.install(reach)
    with penstock.open(lake) as opened:
        opened.run()


def places(lake: Path) -> list[str]:
    """The places that an undisturbed run reaches, in order, in a process of its own."""
    told: SimpleQueue[list[str]] = CONTEXT.SimpleQueue()
    process = CONTEXT.Process(target=_run_and_tell, args=(str(lake), told))
    process.start()
    found = told.get()
    process.join()
    assert process.exitcode == 0
    return found


def _run_and_tell(lake: str, told: multiprocessing.SimpleQueue[list[str]]) -> None:
    found = list[str]()
    faults.install(found.append)
    with penstock.open(lake) as opened:
        opened.run()
    faults.install(None)
    told.put(found)


def recorded(lake: Path) -> list[dict[str, Any]]:
    """What the state store has of every arrival, the mark left out: whoever looks at a file refreshes it."""
    with penstock.open(lake) as opened:
        return [{**vars(arrival), "mark": "", "name": arrival.name} for arrival in opened.state.arrivals.find()]


def files(lake: Path, zone: str = "processed") -> dict[str, str]:
    """Every data and quarantine file, with a hash of its content."""
    found = (path for path in (lake / zone).rglob("*.parquet") if not path.name.startswith("."))
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def run_later(lake: Path, meanwhile: Callable[[Lake], object] | None = None) -> None:
    """Another worker runs the lake when every lease has run out."""
    with Lake(lake, Later()) as opened:
        opened.run()
        if meanwhile is not None:
            meanwhile(opened)
