"""A disk that is full while a lake is up: nothing is lost, nothing counts, and the work goes on by itself."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from penstock import faults
from penstock.lake import Lake
from penstock.service.live import Live
from penstock.service.station import Station
from tests.waiting import until

DECLARED = 'lake: shop\nup: {min_free: 100KB}\ntables:\n  orders: {files: "o*.csv"}\n'


class FullDisk:
    """A disk on which some places have no room until it is emptied."""

    def __init__(self, *places: str) -> None:
        self.places = places
        self.met = 0

    def __call__(self, place: str) -> None:
        """Refuse what needs room."""
        if place.startswith(self.places):
            self.met += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def alive(live: Live) -> Iterator[None]:
    """Ask a lake's work to end, however the block is left."""
    try:
        yield
    finally:
        faults.install(None)
        live.stop()
        assert live.wait(30)


@pytest.mark.parametrize("places", [("engine.write", "metadata.write"), ("state.write",), ("catalog.",)])
def test_files_wait_while_the_disk_is_full(tmp_path: Path, places: tuple[str, ...]) -> None:
    """Whatever has no room, files are in once there is some, with one attempt each, and health told of it meanwhile."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "lake.yaml").write_text(DECLARED)
    with Lake(tmp_path) as lake:
        live = Live(lake, workers=2)
        with closing(Station(lake, live)) as station, alive(live):
            station.open()
            live.start()
            station.start()
            (tmp_path / "raw" / "o0.csv").write_text("id\n0\n")
            assert until(lambda: live.counts.files == 1)
            disk = FullDisk(*places)
            faults.install(disk)
            for number in range(1, 6):
                (tmp_path / "raw" / f"o{number}.csv").write_text(f"id\n{number}\n")
            assert until(lambda: station.vitals.health().status == "degraded"), station.vitals.health()
            assert disk.met
            assert live.counts.files == 1
            faults.install(None)
            assert until(lambda: live.counts.files == 6), (live.troubles, live.phase)
            assert until(lambda: station.vitals.health().status == "ok"), station.vitals.health()
        assert lake.query("SELECT id FROM orders ORDER BY id").fetchall() == [(number,) for number in range(6)]
        assert [arrival.attempts for arrival in lake.state.arrivals.find()] == [1] * 6
