"""Commits that fail, or never get their turn, leave nothing behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from penstock import faults
from penstock.clock import HeldClock
from penstock.engines import DuckDBEngine
from penstock.lake import Lake
from penstock.naming import TableName
from tests.road.lakes import drop, make_lake
from tests.road.test_fencing import PausedEngine, worker_of

EVENTS = TableName.parse("events")


def _data(lake: Path) -> list[str]:
    return sorted(file.name for file in (lake / "processed" / "main" / "events" / "data").rglob("*.parquet"))


def _lake(folder: Path, clock: HeldClock) -> Path:
    """A lake with a file in its table, and another one that landed."""
    lake = make_lake(folder)
    drop(lake, "events-a.csv", seed=1)
    with Lake(lake, clock) as opened:
        opened.run()
    drop(lake, "events-b.csv", seed=2)
    return lake


def test_tries_on_a_full_disk_do_not_fill_it_further(tmp_path: Path) -> None:
    """A commit whose metadata cannot be written leaves no data file; when there is room, the rows come in once."""
    clock = HeldClock()
    lake = _lake(tmp_path / "lake", clock)
    before, reached = _data(lake), list[str]()

    def full(place: str) -> None:
        if place.startswith("metadata.write"):
            reached.append(place)
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with Lake(lake, clock) as opened:
        opened.discover()
        worker = worker_of(opened, DuckDBEngine(tmp_path / "spill"))
        faults.install(full)
        try:
            for _ in range(3):
                worker.advance(opened.declared)
                assert _data(lake) == before
                clock.sleep(120.0)
        finally:
            faults.install(None)
        assert len(reached) >= 3
        worker.drain(opened.declared)
        assert len(_data(lake)) == len(before) + 1
        assert opened.query("SELECT count(*) = count(DISTINCT id) FROM events").fetchall() == [(True,)]


def test_what_is_in_the_table_stays_when_its_record_fails(tmp_path: Path) -> None:
    """Between commit and record the disk is full: the data file is the table's, and the next try finds its rows."""
    clock = HeldClock()
    lake = _lake(tmp_path / "lake", clock)
    failed = list[str]()

    def full(place: str) -> None:
        if place == "tables.committed" and not failed:
            failed.append(place)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Lake(lake, clock) as opened:
        opened.discover()
        worker = worker_of(opened, DuckDBEngine(tmp_path / "spill"))
        faults.install(full)
        try:
            worker.advance(opened.declared)
        finally:
            faults.install(None)
        assert failed
        worker.drain(opened.declared)
        figures = opened.query("SELECT sum(rows_out) FROM penstock.arrivals").fetchall()
        assert opened.query("SELECT count(DISTINCT id) FROM events").fetchall() == figures
        assert len(_data(lake)) == 2


def test_a_worker_that_is_stopped_waits_for_no_table(tmp_path: Path) -> None:
    """Another one has the table and does not let go of it: who is to stop gives its file back, and nothing is left."""
    clock = HeldClock()
    lake = _lake(tmp_path / "lake", clock)
    before = _data(lake)
    with Lake(lake, clock) as opened, Lake(lake, clock) as other:
        opened.discover()
        assert other.state.leases.acquire("table events") is not None

        def stop() -> None:
            worker.stop()

        worker = worker_of(opened, PausedEngine(tmp_path / "spill", stop))
        started = clock.now()
        worker.drain(opened.declared)
        assert clock.now() - started < 10.0
        (waiting,) = opened.state.arrivals.find(EVENTS, ("pending",))
        assert (waiting.key, waiting.attempts, waiting.reason) == ("events-b.csv", 0, "the work was stopped")
        assert _data(lake) == before
