"""Nothing is forgotten: what was in a table once adds no row, however long ago, whatever else was lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.clock import HeldClock
from penstock.lake import Lake
from tests.storms.landing import Delivery, deliveries, make_lake, truth
from tests.storms.storm import chance, size, tell
from tests.storms.writing import expire

FILES, DAYS = size(30, 300), 400
AGAIN = size(3, 20)


def touched(lake: Path, key: str) -> None:
    """The file's times change, its bytes do not."""
    os.utime(lake / "raw" / key)


def delivered_again(lake: Path, key: str) -> None:
    """The file is deleted, and delivered anew."""
    content = (lake / "raw" / key).read_bytes()
    (lake / "raw" / key).unlink()
    Delivery(key, content, "again").land(lake)


def moved_away_and_back(lake: Path, key: str) -> None:
    """The file is moved out of raw/, and back."""
    shutil.move(lake / "raw" / key, lake / "away")
    run(lake)
    shutil.move(lake / "away", lake / "raw" / key)


def written_over(lake: Path, key: str) -> None:
    """The file is written in its place, with the same bytes."""
    (lake / "raw" / key).write_bytes((lake / "raw" / key).read_bytes())


WAYS = (touched, delivered_again, moved_away_and_back, written_over)


def nothing_lost(_lake: Path) -> None:
    """Only time passes."""


def history_trimmed(lake: Path) -> None:
    """Finished arrivals, runs and checks are gone from the state store, and earlier snapshots from the tables."""
    snapshots_expired(lake)
    with Lake(lake) as opened, opened.store._database.transaction() as sql:
        for table in ("arrivals WHERE state IN ('finished', 'superseded')", "runs", "checks"):
            sql.execute(f"DELETE FROM {table}")


def snapshots_expired(lake: Path) -> None:
    """Only the present snapshot of each table is left."""
    with Lake(lake) as opened:
        for table in opened.catalog.tables():
            expire(opened.catalog, table)


def state_deleted(lake: Path) -> None:
    """The state store is gone."""
    shutil.rmtree(lake / ".penstock")


def state_deleted_and_repaired(lake: Path) -> None:
    """The state store is gone, and was made again from the tables."""
    state_deleted(lake)
    with Lake(lake) as opened:
        assert opened.repair().left == []


def maintained(lake: Path) -> None:
    """Data files were joined, snapshots expired, and what nothing names was removed."""
    with Lake(lake) as opened:
        opened.maintain()
    history_trimmed(lake)


LOSSES = (nothing_lost, history_trimmed, state_deleted, state_deleted_and_repaired, maintained)


def run(lake: Path, days: int = 0) -> None:
    """Run once, some days after the day on which the clock is held."""
    clock = HeldClock()
    clock.sleep(days * 86_400.0)
    with Lake(lake, clock) as opened:
        opened.run()


def rows(lake: Path) -> dict[str, list[Any]]:
    """The tables' rows."""
    with Lake(lake) as opened:
        return {name: sorted(opened.query(f"SELECT * FROM {name}").fetchall()) for name in opened.tables}


@pytest.mark.parametrize("lose", LOSSES)
def test_nothing_is_forgotten(tmp_path: Path, lose: Callable[[Path], None]) -> None:
    """Files that come again by any way, 400 days later and after a loss, add no row; copies of them are other files."""
    luck = chance(f"forgetting {lose.__name__}")
    lake = make_lake(tmp_path / "lake")
    for delivery in deliveries(luck, FILES):
        delivery.land(lake)
    run(lake)
    before = rows(lake)
    assert before == {table: sorted(wanted) for table, wanted in truth(lake).rows.items()}
    keys = [str(file.relative_to(lake / "raw")) for file in sorted((lake / "raw").rglob("*.csv"))]
    again = 0
    for turn in range(len(WAYS)):
        lose(lake)
        for at, key in enumerate(luck.sample(keys, min(AGAIN * len(WAYS), len(keys)))):
            WAYS[(turn + at) % len(WAYS)](lake, key)
            again += 1
        run(lake, DAYS * (turn + 1))
        assert rows(lake) == before
    _assert_copies_are_files(lake, luck.sample(keys, AGAIN))
    tell(f"forgetting: {again} files came again in {DAYS * len(WAYS)} days, {lose.__name__.replace('_', ' ')}: no row")


def _assert_copies_are_files(lake: Path, keys: list[str]) -> None:
    """The same bytes under another name bring their rows."""
    for key in keys:
        target = lake / "raw" / Path(key).with_suffix(".copy.csv")
        shutil.copyfile(lake / "raw" / key, target)
    run(lake, DAYS)
    assert rows(lake) == {table: sorted(wanted) for table, wanted in truth(lake).rows.items()}
