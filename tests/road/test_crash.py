"""Killed at any moment, a lake ends with every row once after one plain run."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.road.lakes import contents, drop, make_lake, places_reached, recomputed, start

KILLS = 25
SEED = 20261121


def _land(lake: Path, round_: int) -> None:
    """New files, an overwritten one, a duplicate of another's bytes, and a bad one."""
    drop(lake, f"events-{round_}.csv", seed=round_)
    drop(lake, f"codes/c{round_}.csv", seed=500 + round_, rows=5)
    drop(lake, "events-again.csv", seed=900 + round_)
    drop(lake, f"events-copy-{round_}.csv", seed=round_)
    (lake / "raw" / f"events-bad-{round_}.csv").write_bytes(b"")


def _assert_sound(lake: Path, folder: Path) -> None:
    found, wanted = contents(lake), recomputed(lake, folder)
    assert found["waiting"] == 0
    assert found["rows"] == wanted["rows"]
    assert found["quarantine"] == wanted["quarantine"]
    assert found["accounts"] == wanted["accounts"]


@pytest.mark.timeout(600)
def test_killed_at_seeded_places_every_row_is_there_once(tmp_path: Path) -> None:
    """SIGKILL at 25 seeded places on the road, each followed by more files, loses and doubles nothing."""
    trial = make_lake(tmp_path / "trial")
    _land(trial, 0)
    places = places_reached(trial)
    assert places > 40
    chance = random.Random(SEED)
    lake = make_lake(tmp_path / "lake")
    killed = 0
    for round_ in range(KILLS):
        if round_ % 3 == 0:
            _land(lake, round_)
        else:
            drop(lake, "events-again.csv", seed=700 + round_)
        process = start(lake, kill_at=chance.randint(1, places))
        process.join()
        killed += process.exitcode == -signal.SIGKILL
    assert killed >= KILLS // 2, f"only {killed} of {KILLS} runs were killed"
    start(lake).join()
    _assert_sound(lake, tmp_path / "recomputed")


@pytest.mark.timeout(600)
def test_killed_at_random_times_every_row_is_there_once(tmp_path: Path) -> None:
    """SIGKILL after random times, between and inside any two instructions, loses and doubles nothing."""
    chance = random.Random(SEED + 1)
    lake = make_lake(tmp_path / "lake")
    killed = 0
    for round_ in range(12):
        _land(lake, round_)
        process = start(lake)
        time.sleep(chance.uniform(0.02, 0.5))
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
    assert killed >= 6
    start(lake).join()
    _assert_sound(lake, tmp_path / "recomputed")


def test_a_lost_state_store_reads_nothing_in_twice(tmp_path: Path) -> None:
    """After the state store was deleted, the same files add no row: the live files' names say what is there."""
    lake = make_lake(tmp_path / "lake")
    _land(lake, 1)
    start(lake).join()
    before = contents(lake)
    for file in (lake / ".penstock").glob("state.db*"):
        file.unlink()
    start(lake).join()
    assert contents(lake) == before


TORN = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size=1")  # what is written goes to the file before the transaction ends
connection.execute("BEGIN")
connection.execute("UPDATE iceberg_tables SET metadata_location='nowhere'")
connection.execute("CREATE TABLE filler AS SELECT randomblob(100000) AS blob")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_in_the_middle_of_a_catalogs_transaction(tmp_path: Path) -> None:
    """What a killed writer left of the catalog is undone by whoever comes next, also by one that only reads."""
    lake = make_lake(tmp_path / "lake")
    _land(lake, 1)
    start(lake).join()
    before = contents(lake)
    catalog = lake / "processed" / "catalog.db"
    assert subprocess.run([sys.executable, "-c", TORN, catalog], check=False).returncode == -signal.SIGKILL
    assert catalog.with_name("catalog.db-journal").stat().st_size > 0
    assert contents(lake) == before
    start(lake).join()
    assert contents(lake) == before
