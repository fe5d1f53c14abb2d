"""The sweep: a fault at the n-th place, then one plain run, for every n until a run meets no fault."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import signal
import sqlite3
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from penstock import faults
from penstock.clock import HeldClock
from penstock.errors import PenstockError
from penstock.lake import Lake
from tests.faults.worlds import WORLDS, World
from tests.road.lakes import CONTEXT

Kind = Literal["error", "torn write", "full disk", "kill"]
Span = Literal["once", "from then on", "there from then on"]
Contents = dict[str, list[str]]
LIMIT = 2_000
EXPECTED = (OSError, sqlite3.Error, PenstockError)
"""What a run may end with when the machine fails."""
SYSTEM = {
    "quarantined": "SELECT * FROM penstock.quarantine",
    "accounts": "SELECT table_name, file, version, rows_in, rows_out, rows_dropped, rows_quarantined "
    "FROM penstock.arrivals WHERE state = 'finished'",
    "waiting": "SELECT file FROM penstock.arrivals WHERE state IN ('pending', 'working')",
    "dead": "SELECT file, reason FROM penstock.dead_letters",
}


@dataclass
class Strike:
    """A hook that lets the n-th place fail.

    Attributes:
        at: The n-th place, from 1; 0 for none.
        kind: An error, a write of which half arrives, a full disk, or the end of the process.
        span: Once, from then on, or from then on at places of that name.
        only: The places that are counted.
        reached: The counted places, in order.
        struck: The place that failed first.
    """

    at: int
    kind: Kind = "error"
    span: Span = "once"
    only: frozenset[str] = frozenset(faults.PLACES)
    reached: list[str] = field(default_factory=list)
    struck: str = ""

    def __call__(self, place: str) -> None:
        """Count, and fail."""
        assert place in faults.PLACES, f"{place} is not among the places"
        if self.struck:
            if self.span == "from then on" or (self.span == "there from then on" and place == self.struck):
                raise self._error()
        elif place in self.only:
            self.reached.append(place)
            if len(self.reached) == self.at:
                self.struck = place
                raise self._error()

    def _error(self) -> OSError:
        match self.kind:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
                raise AssertionError
            case "torn write":
                return faults.TornWriteError()
            case "full disk":
                return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            case "error":
                return OSError(errno.EIO, os.strerror(errno.EIO))


@contextmanager
def striking(strike: Strike) -> Iterator[Strike]:
    """Install a hook for a block."""
    faults.install(strike)
    try:
        yield strike
    finally:
        faults.install(None)


def contents(lake: Path) -> Contents:
    """What must be the same however the lake was processed, by what it is; in one query, for it is asked often."""
    with Lake(lake) as opened:
        wanted = {**SYSTEM, **{table: f"SELECT * FROM {table}" for table in opened.tables}}
        parts = [f"SELECT '{what}', CAST(r AS VARCHAR) FROM ({sql}) r" for what, sql in wanted.items()]
        found: Contents = {what: [] for what in wanted}
        for what, row in sorted(opened.query(" UNION ALL ".join(parts)).fetchall()):
            found[what].append(row)
    return found


class Bench:
    """A world's lake, which can be put back to the moment before the files arrived."""

    def __init__(self, world: World, folder: Path) -> None:
        """Make the lake, process what is there before, let the files land, and process them undisturbed."""
        self.lake = world.make(folder / "lake")
        self._kept = folder / "kept"
        self.clock = HeldClock(time.time())
        self._land(world.before)
        if world.before:
            self.run()
        self._land(world.arriving)
        for name in (".penstock", "processed"):
            if (self.lake / name).exists():
                shutil.copytree(self.lake / name, self._kept / name)
        self.before = contents(self.lake)
        self.places = self._count()
        self.wanted = contents(self.lake)
        assert not self.wanted["waiting"]
        assert not self.wanted["dead"]
        assert self.wanted != self.before, "the files that arrive change nothing"

    def _land(self, files: Mapping[str, bytes]) -> None:
        for key, data in files.items():
            (self.lake / "raw" / key).write_bytes(data)
        time.sleep(0.06)  # a file that has just changed is waited for, in real time

    def _count(self) -> list[str]:
        """The places that an undisturbed run reaches, in order."""
        self.put_back()
        with striking(Strike(0)) as counter:
            self.run()
        return counter.reached

    def put_back(self) -> None:
        """Make everything as it was before the files arrived."""
        for name in (".penstock", "processed"):
            shutil.rmtree(self.lake / name, ignore_errors=True)
            if (self._kept / name).exists():
                shutil.copytree(self._kept / name, self.lake / name)

    def run(self) -> None:
        """Run the lake once, in this process."""
        with Lake(self.lake, self.clock) as lake:
            lake.run()

    def disturbed(self, strike: Strike) -> tuple[bool, str]:
        """Run the lake with a fault; whether it went on to its end, and what is wrong with the error that ended it."""
        self.put_back()
        self.clock.seconds = time.time()
        with striking(strike):
            try:
                self.run()
            except EXPECTED:
                went_on, wrong = False, ""
            except Exception as error:  # noqa: BLE001 - it is told
                went_on, wrong = False, f"the run ended with {error!r}"
            else:
                went_on, wrong = True, ""
        gc.collect()  # as at the end of a process: connections that could not be closed let go of their locks
        return went_on, wrong

    def killed(self, strike: Strike) -> bool:
        """Run the lake in a process of its own that ends at the fault; whether it did."""
        self.put_back()
        process = CONTEXT.Process(target=_run, args=(self.lake, strike))
        process.start()
        process.join()
        assert process.exitcode in {0, -signal.SIGKILL}, process.exitcode
        self.clock.seconds = time.time()
        return process.exitcode != 0

    def between(self) -> str:
        """What is wrong with what readers see after a fault and before the next run; empty when nothing is."""
        now = contents(self.lake)
        for table in self.wanted.keys() - SYSTEM.keys():
            counts = [len(there.get(table, [])) for there in (now, self.before, self.wanted)]
            if counts[0] not in counts[1:]:
                return f"readers see {counts[0]} rows of {table}, not {counts[1]} or {counts[2]}"
        return ""

    def after(self, *, dead: bool = False) -> str:
        """What is wrong after one plain run; empty when nothing is. Dead letters are right only where `dead` is set."""
        self.run()
        now = contents(self.lake)
        if dead and now["dead"]:
            untold = [letter for letter in now["dead"] if not any(word in letter for word in REASONS)]
            kept = {**self.before, "dead": now["dead"]}
            return f"no reason: {untold}" if untold else _difference(now, kept)
        return _difference(now, self.wanted)


def _run(lake: Path, strike: Strike) -> None:
    with striking(strike), Lake(lake) as opened:
        opened.run()


REASONS = ("Input/output error", "No space left", "disk I/O error", "disk is full")


def _difference(now: Contents, wanted: Contents) -> str:
    wrong = [what for what in {*now, *wanted} if now.get(what, []) != wanted.get(what, [])]
    return "; ".join(f"{what}: {now.get(what)} instead of {wanted.get(what)}" for what in sorted(wrong))


@dataclass(frozen=True)
class Sweep:
    """What is swept.

    Attributes:
        world: Name of the world.
        kind: The kind of fault.
        span: How long it lasts.
        only: The places that are counted.
    """

    world: str
    kind: Kind
    span: Span
    only: frozenset[str] = frozenset(faults.PLACES)


@dataclass
class Found:
    """What a sweep found.

    Attributes:
        struck: How often each place was struck.
        wrong: What was wrong after a fault, in words.
        went_on: Number of runs that the fault did not end.
    """

    struck: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    went_on: int = 0


@cache
def bench_of(world: str, folder: Path) -> Bench:
    """The bench of a world in this process."""
    return Bench(next(one for one in WORLDS if one.name == world), Path(tempfile.mkdtemp(dir=folder)))


def sweep(wanted: Sweep, folder: Path, first: int, step: int) -> Found:
    """Strike at the places `first`, `first` + `step`, ... until a run meets no fault; at one of each name for good."""
    warnings.simplefilter("error")
    bench = bench_of(wanted.world, folder)
    found = Found()
    counted = [place for place in bench.places if place in wanted.only]
    each = sorted(counted.index(place) + 1 for place in set(counted)) if wanted.span == "there from then on" else None
    for at in each[first - 1 :: step] if each else range(first, LIMIT, step):
        strike = Strike(at, wanted.kind, wanted.span, wanted.only)
        if not _struck(bench, strike, found):
            return found
    if each:
        return found
    raise AssertionError(f"a run still meets faults after {LIMIT} places")


def _struck(bench: Bench, strike: Strike, found: Found) -> bool:
    """Strike once and look at what is left; False when the run met no fault."""
    wrong = []
    if strike.kind == "kill":
        if not bench.killed(strike):
            return False
        strike.struck = [place for place in bench.places if place in strike.only][strike.at - 1]
        wrong.append(bench.between())
    else:
        went_on, odd = bench.disturbed(strike)
        if not strike.struck:
            return False
        found.went_on += went_on
        wrong.append(odd)
    found.struck[strike.struck] += 1
    try:
        wrong.append(bench.after(dead=strike.span == "there from then on"))
    except Exception as error:  # noqa: BLE001 - whatever the plain run raises is what the sweep is looking for
        wrong.append(f"the plain run failed: {error!r}")
    found.wrong += [f"{strike.kind} {strike.span} at {strike.at}, {strike.struck}: {text}" for text in wrong if text]
    return True
