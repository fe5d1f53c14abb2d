"""An hour of a busy lake: eight writers, four readers and upkeep, all at once.

An hour is what a busy lake does in an hour, not how long that takes: 8 writers that commit once a minute. Data files
and snapshots are removed while queries run, by a safety age that is as much shorter as the hour is.
`make upkeep-storm` runs a day of it.
"""

from __future__ import annotations

import json
import os
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

import penstock
from tests.road.lakes import CONTEXT
from tests.told import say
from tests.upkeep.busy import COLUMNS, ROWS, SEEN, T, deliveries, main

FULL = os.environ.get("PENSTOCK_UPKEEP") == "full"
WRITERS, READERS = 8, 4
COMMITS = int(os.environ.get("PENSTOCK_UPKEEP_COMMITS", "0")) or 60 * (24 if FULL else 1)
ORPHAN_AGE = 8
DECLARATION = f"""
lake: busy
upkeep: {{max_snapshots: 20, min_snapshots: 5, orphan_age: {ORPHAN_AGE}s}}
tables:
  t: {{files: "*.csv"}}
"""


def start(role: str, folder: Path, number: int, *rest: object) -> tuple[ForkServerProcess, Path]:
    """Start a program of the busy lake; gives it, and the file that will say what it saw."""
    told = folder / f"{role}{number}.json"
    process = CONTEXT.Process(target=main, args=(role, str(folder), str(told), *map(str, rest)))
    process.start()
    return process, told


def outcome(process: ForkServerProcess, told: Path) -> dict[str, Any]:
    """What a program saw; it must have ended well."""
    process.join()
    found: dict[str, Any] = json.loads(told.read_text())
    assert "failed" not in found, found["failed"]
    return found


@pytest.mark.timeout(7200 if FULL else 600)
def test_an_hour_of_a_busy_lake(tmp_path: Path) -> None:
    """No reader meets an error or a state that no commit made; at the end every row is there once."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "lake.yaml").write_text(DECLARATION)
    with penstock.open(tmp_path) as lake:
        lake.catalog.create(T, COLUMNS, {})
        (tmp_path / "processed" / "main" / "t" / "data").mkdir(parents=True, exist_ok=True)
    stop, started = tmp_path / "stop", time.monotonic()
    others = [start("maintain", tmp_path, 0, stop), *(start("read", tmp_path, at, stop) for at in range(READERS))]
    writers = [start("write", tmp_path, at, at, COMMITS) for at in range(WRITERS)]
    try:
        written = [outcome(*writer) for writer in writers]
        stop.touch()
        upkeep, *readers = (outcome(*other) for other in others)
    finally:
        for process, _ in [*writers, *others]:
            process.kill()
            process.join()
    took = time.monotonic() - started
    slowest = max(one["slowest"] for one in written)
    say("upkeep", f"{WRITERS * COMMITS} commits and {sum(one['queries'] for one in readers)} queries in {took:.0f} s")
    say("upkeep", f"upkeep {upkeep}; readers {readers}; slowest commit {slowest} s")
    assert sum(one["commits"] for one in written) == WRITERS * COMMITS
    assert all(one["queries"] > 0 for one in readers)
    assert max(one["slowest"] for one in readers) < ORPHAN_AGE, "the machine is too slow for so short a safety age"
    assert sum(one["looked_again"] for one in readers) == 0
    assert upkeep["joined"] > COMMITS
    assert upkeep["expired"] > COMMITS
    assert upkeep["removed"] > 0, "files were to be removed while queries ran"
    newest = {key: version for at in range(WRITERS) for key, version in deliveries(at, COMMITS)}
    total = sum(sum(range(version, version + ROWS)) for version in newest.values())
    with penstock.open(tmp_path) as lake:
        lake.maintain()
        time.sleep(ORPHAN_AGE + 0.5)
        lake.maintain()
        assert lake.query(SEEN).fetchall() == [(len(newest) * ROWS, len(newest), len(newest), ROWS, ROWS, total)]
        files = list((tmp_path / "processed" / "main" / "t" / "data").iterdir())
    assert len(files) < 120, "files of 20 snapshots, and no more"
