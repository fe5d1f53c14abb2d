"""A worker that comes back after its lease was taken cannot write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import penstock
from penstock.arrivals import Bench, Worker, Workshop
from penstock.clock import HeldClock
from penstock.engines import DuckDBEngine, Work, Written
from penstock.lake import Lake
from penstock.state.sqlite import LEASE_SECONDS
from tests.road.lakes import drop, make_lake


class PausedEngine(DuckDBEngine):
    """An engine whose first write is followed by a long pause, in which `meanwhile` happens."""

    def __init__(self, temporary: Path, meanwhile: Callable[[], None]) -> None:
        super().__init__(temporary)
        self._meanwhile: Callable[[], None] | None = meanwhile

    def write(self, work: Work, path: str) -> Written:
        """Write, then pause once."""
        written = super().write(work, path)
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return written


def worker_of(lake: Lake, engine: DuckDBEngine) -> Worker:
    """A worker that works on a lake with an engine of its own."""
    shop = Workshop(
        lake.raw, lake.processed, Bench(engine, lake.clock, lake.folder), lake.folder / ".penstock" / "scratch"
    )
    return Worker(shop, state=lake.state, catalog=lake.catalog, signals=lake.signals, tags={})


def test_a_worker_whose_lease_was_taken_cannot_commit(tmp_path: Path) -> None:
    """Paused in mid-work beyond its lease, a worker finds its file done by another and adds no row and no file."""
    folder = make_lake(tmp_path / "lake")
    drop(folder, "events-a.csv", seed=1)
    clock = HeldClock()
    with penstock.open(folder) as warm_up:
        warm_up.run()  # the table exists: both workers may stage at once
    drop(folder, "events-b.csv", seed=2)
    with Lake(folder, clock) as slow, Lake(folder, clock) as quick:

        def another_takes_over() -> None:
            clock.sleep(LEASE_SECONDS + 1)
            quick.worker().drain(quick.declared)

        slow.discover()
        engine = PausedEngine(tmp_path / "spill", another_takes_over)
        summary = worker_of(slow, engine).drain(slow.declared)
        assert summary.files == {}
        assert slow.query("SELECT count(*), count(DISTINCT id) FROM events").fetchall()[0] == (
            *slow.query("SELECT sum(rows_out), sum(rows_out) FROM penstock.arrivals").fetchall()[0],
        )
        files = list((folder / "processed" / "main" / "events" / "data").glob("*.parquet"))
        assert len(files) == 2


def test_a_file_overwritten_while_it_is_read_gives_its_newest_rows(tmp_path: Path) -> None:
    """Overwritten between reading and commit, a file ends with the rows of its new version, in the same pass."""
    folder = make_lake(tmp_path / "lake")
    drop(folder, "events-a.csv", seed=1)
    with penstock.open(folder) as lake:
        lake.discover()
        engine = PausedEngine(tmp_path / "spill", lambda: drop(folder, "events-a.csv", seed=2))
        worker_of(lake, engine).drain(lake.declared)
        ids = [row[0] for row in lake.query("SELECT id FROM events").fetchall()]
        assert ids
        assert all(2000 <= found < 3000 for found in ids)
