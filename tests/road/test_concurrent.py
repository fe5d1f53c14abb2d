"""Several processes work on one lake without harming each other."""

from __future__ import annotations

from pathlib import Path

import pytest

import penstock
from tests.road.lakes import contents, drop, make_lake, recomputed, start


@pytest.mark.timeout(300)
def test_four_runs_at_once_give_every_row_once(tmp_path: Path) -> None:
    """Four processes started together share the files; each file is finished once, no data file is doubled."""
    lake = make_lake(tmp_path / "lake")
    for at in range(40):
        drop(lake, f"events-{at}.csv", seed=at)
        drop(lake, f"codes/c{at}.csv", seed=100 + at, rows=3)
    processes = [start(lake) for _ in range(4)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    found, wanted = contents(lake), recomputed(lake, tmp_path / "recomputed")
    assert found["rows"] == wanted["rows"]
    assert found["accounts"] == wanted["accounts"]
    assert found["waiting"] == 0
    with penstock.open(lake) as opened:
        for name in opened.catalog.tables():
            head = opened.catalog.head(name)
            assert head is not None
            arrivals = [member.arrival for file in head.files for member in file.members]
            assert len(arrivals) == len(set(arrivals))


@pytest.mark.timeout(300)
def test_overwrites_while_four_runs_work_end_with_the_newest(tmp_path: Path) -> None:
    """A key that is overwritten again and again while runs work on it ends with the rows of its last version only."""
    lake = make_lake(tmp_path / "lake")
    drop(lake, "events-a.csv", seed=0)
    for round_ in range(1, 8):
        processes = [start(lake) for _ in range(4)]
        for version in range(10):
            drop(lake, "events-a.csv", seed=round_ * 10 + version, rows=300)
        for process in processes:
            process.join()
    start(lake).join()
    found, wanted = contents(lake), recomputed(lake, tmp_path / "recomputed")
    assert found["rows"] == wanted["rows"]
    assert found["quarantine"] == wanted["quarantine"]
