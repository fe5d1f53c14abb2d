"""Columns that are replaced while workers are killed, or race each other."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.road.lakes import start
from tests.road.schemas import aside, column, lake_of, rows, run, types


def test_a_killed_worker_leaves_the_table_whole(tmp_path: Path) -> None:
    """Killed at any point while a column is replaced, the table is as before or after; the next run ends it."""
    made = lake_of(tmp_path / "made")
    run(made, a_csv=column(["1", "2"]), z_csv=column(["3"]))
    (made / "raw" / "b.csv").write_text(column(["1.5", "7"]))
    before, after = [(1,), (2,), (3,)], [(1.0,), (1.5,), (2.0,), (3.0,), (7.0,)]
    killed = 0
    for at in range(1, 300, 12):
        lake = tmp_path / f"lake{at}"
        shutil.copytree(made, lake)
        _relocate(lake, made)
        process = start(lake, at)
        process.join()
        killed += process.exitcode != 0
        found = rows(lake, "v")
        assert found in (before, [(float(v),) for (v,) in before], after), at
        run(lake)
        assert rows(lake, "v") == after, at
        if process.exitcode == 0:
            break
    assert killed > 3


def _relocate(lake: Path, made: Path) -> None:
    """Tables know where they stand: start over in the copy."""
    shutil.rmtree(lake / "processed")
    shutil.rmtree(lake / ".penstock")
    (lake / "raw" / "b.csv").rename(lake / "b.csv")
    run(lake)
    (lake / "b.csv").rename(lake / "raw" / "b.csv")
    assert made.exists()


def test_workers_race_while_columns_change(tmp_path: Path) -> None:
    """Three workers take in files that widen, add and fill columns: every row is there once, with its values."""
    lake = lake_of(tmp_path)
    run(lake, a_csv="id,v,w\n0,1,\n")
    cells = [("2", ""), ("2.5", ""), ("3", "2024-01-05"), ("4", ""), (str(2**53 + 1), "2024-01-06"), ("5", "")]
    for at, (v, w) in enumerate(cells, start=1):
        extra = f",n{at}" if at % 2 else ""
        (lake / "raw" / f"f{at}.csv").write_text(f"id,v,w{extra}\n{at},{v},{w}{',1' if extra else ''}\n")
    for process in [start(lake) for _ in range(3)]:
        process.join()
        assert process.exitcode == 0
    (lake / "raw" / "a.csv").write_text("id,v,w\n0,9,\n")
    run(lake)
    kept = {int(row[0]): str(row[1]) for row in rows(lake, "id, v")}
    lost = {int(found[0][1]) for found in aside(lake)}
    assert kept.keys() | lost == set(range(7))
    assert lost <= {2, 5}, "only one of the two cannot be held beside the other, whichever came first"
    assert float(kept[0]) == 9.0
    assert types(lake)["w"] == "DATE"
    assert {"n1", "n3", "n5"} <= types(lake).keys()
