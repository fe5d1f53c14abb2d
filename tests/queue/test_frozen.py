"""A worker that freezes past its lease, and wakes up when another has done its work, changes nothing any more."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.queue.freezing import Sleeper, files, land, places, recorded, run_later
from tests.road.lakes import contents, make_lake, recomputed, start
from tests.storms.storm import FULL, chance, size, tell

MOMENTS = size(10, 150)


@pytest.mark.timeout(3600 if FULL else 300)
def test_who_wakes_up_after_its_lease_was_taken_changes_nothing(tmp_path: Path) -> None:
    """Frozen at seeded places, in between claim, files, commit and record: what the other worker did stays as it is.

    Not a row, not a data or quarantine file, not a word in the state store is another one after the first has woken up.
    """
    lake, saved = make_lake(tmp_path / "lake"), tmp_path / "saved"
    land(lake, 0)
    start(lake).join()
    land(lake, 1)
    shutil.copytree(lake, saved)
    found = places(_put_back(saved, lake))
    luck, began = chance("frozen"), time.monotonic()
    first = found.index("scratch.mkdir")
    after = [number for number, place in enumerate(found, start=2) if place in {"tables.commit", "tables.committed"}]
    numbers = [*luck.sample(range(first, len(found) - 20), MOMENTS), *after]
    wanted, kinds = recomputed(lake, tmp_path / "recomputed"), Counter[str]()
    for number in numbers:
        sleeper = Sleeper(_put_back(saved, lake), number)
        own = files(lake)
        run_later(lake)
        before, theirs = recorded(lake), {path: file for path, file in files(lake).items() if path not in own}
        told = f"frozen at {sleeper.place}, place {number}"
        assert sleeper.wake() == 0, told
        assert recorded(lake) == before, told
        assert files(lake).items() >= theirs.items(), told
        made = contents(lake)
        assert made["rows"] == wanted["rows"], told
        assert _unnamed(made["quarantine"]) == _unnamed(wanted["quarantine"]), told
        assert made["accounts"] == wanted["accounts"], told
        kinds[sleeper.place] += 1
    assert len(kinds) > 5
    tell(f"frozen: woken up at {len(numbers)} places of {len(found)}: {dict(kinds)}, {time.monotonic() - began:.0f} s")


def _put_back(saved: Path, lake: Path) -> Path:
    """The lake as it was, at the same place: tables know their files by whole paths."""
    shutil.rmtree(lake)
    shutil.copytree(saved, lake)
    return lake


def _unnamed(rows: list[str]) -> list[str]:
    """Quarantined rows without their names, which say in what company their file was read."""
    return sorted(row.partition(", ")[2] for row in rows)
