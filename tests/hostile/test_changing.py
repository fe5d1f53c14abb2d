"""Files that change while they are read: one version or another is taken in whole, never a mixture."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock import faults
from penstock.arrivals import Summary
from tests.hostile.hostile import GOOD, assert_settled, put

DECLARATION = 'lake: hostile\ntables:\n  t: {files: "*"}\n'
OLD = b"id,name,amount\n" + b"".join(b"%d,old,1\n" % at for at in range(100, 30_100))
NEW = b"id,name,amount\n" + b"".join(b"%d,new,2\n" % at for at in range(100, 30_100))
PLACES = ("scratch.link", "engine.write")
WRITER = """
import sys, time
with open(sys.argv[1], "wb") as file:
    file.write(b"id,name,amount\\n")
    for at in range(100, 3100):
        file.write(b"%d,grown,1\\n" % at)
        if at % 50 == 0:
            file.flush()
            time.sleep(0.02)
"""


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with one good file."""
    put(tmp_path / "raw", "good.csv", GOOD, 1_000_000_000.0)
    (tmp_path / "lake.yaml").write_text(DECLARATION, encoding="utf-8")
    with penstock.open(tmp_path) as opened:
        opened.run()
    return tmp_path


def run_and(lake: Path, place: str, change: Callable[[], None], retries: list[Any] | None = None) -> Summary:
    """Run a lake; when it first reaches a place on a file's road, change something. Tells what is to be tried again."""
    left = [change]

    def reach(reached: str) -> None:
        if reached == place and left:
            left.pop()()

    faults.install(reach)
    try:
        with penstock.open(lake) as opened:
            opened.signals.listen("failed", ([] if retries is None else retries).append)
            summary = opened.run()
    finally:
        faults.install(None)
    assert not left, "the place was not reached"
    return summary


def names(lake: Path) -> dict[str, int]:
    """Rows by name, without the good file's."""
    with penstock.open(lake) as opened:
        found: list[tuple[Any, ...]] = opened.query(
            "SELECT name, count(*) FROM t WHERE id >= 100 GROUP BY name"
        ).fetchall()
        assert opened.query("SELECT count(*) FROM t WHERE id < 100").fetchall() == [(3,)]
    return dict(found)


@pytest.mark.parametrize("place", PLACES)
def test_replaced_while_read(lake: Path, place: str) -> None:
    """The new version alone is in the table, though its size is the same: old and new rows are never mixed."""
    path = put(lake / "raw", "a.csv", OLD)

    def change() -> None:
        put(lake, "aside", NEW)
        (lake / "aside").replace(path)

    assert run_and(lake, place, change).dead == []
    assert names(lake) == {"new": 30_000}
    assert_settled(lake)


@pytest.mark.parametrize("place", PLACES)
def test_overwritten_while_read(lake: Path, place: str) -> None:
    """The same holds for a file that is written over in its place, its times set back."""
    path = put(lake / "raw", "a.csv", OLD)

    def change() -> None:
        put(lake / "raw", path.name, NEW)

    assert run_and(lake, place, change).dead == []
    assert names(lake) == {"new": 30_000}
    assert_settled(lake)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("key", ["a.csv", "a.csv.gz"])
def test_truncated_while_read(lake: Path, place: str, key: str) -> None:
    """What is left is a version of its own; nothing is said of the version that nobody can read any more."""
    path = put(lake / "raw", key, gzip.compress(OLD, 1) if key.endswith("gz") else OLD)

    def change() -> None:
        os.truncate(path, OLD.index(b"\n250,") + 1 if key == "a.csv" else 1_000)

    summary = run_and(lake, place, change)
    if key == "a.csv":
        assert summary.dead == []
        assert names(lake) == {"old": 150}
    else:
        assert [dead.reason.split(":")[0] for dead in summary.dead if dead.reason] == ["the compressed file breaks off"]
        assert names(lake) == {}
    assert_settled(lake)


@pytest.mark.parametrize("place", PLACES)
def test_deleted_while_read(lake: Path, place: str) -> None:
    """A dead letter says so, at once, and the good file's rows stay."""
    path = put(lake / "raw", "a.csv", OLD)
    retries: list[Any] = []
    summary = run_and(lake, place, path.unlink, retries)
    assert retries == []
    assert [dead.reason for dead in summary.dead] == ["the file was removed before it was read; deliver it again"]
    assert names(lake) == {}
    put(lake / "raw", "a.csv", NEW)
    with penstock.open(lake) as opened:
        opened.run()
    assert names(lake) == {"new": 30_000}


def test_a_pipe_takes_the_place_of_a_file(lake: Path) -> None:
    """A file that becomes a pipe is gone; nothing waits for a writer."""
    path = put(lake / "raw", "a.csv", OLD)

    def change() -> None:
        path.unlink()
        os.mkfifo(path)

    summary = run_and(lake, "scratch.link", change)
    assert [dead.reason for dead in summary.dead] == ["the file was removed before it was read; deliver it again"]


def test_growing_while_read(lake: Path) -> None:
    """Runs beside a slow writer end, take in what there is, and the last one has each row once."""
    path = lake / "raw" / "grown.csv"
    with subprocess.Popen([sys.executable, "-c", WRITER, path]) as writer:
        while writer.poll() is None:
            with penstock.open(lake) as opened:
                assert opened.run().dead == []
            assert names(lake).get("grown", 0) <= 3_000
    with penstock.open(lake) as opened:
        opened.run()
    assert names(lake) == {"grown": 3_000}
    assert_settled(lake)


@pytest.mark.parametrize("key", ["bad.csv", "bad.json"])
def test_a_corrected_file_takes_the_dead_letters_place(lake: Path, key: str) -> None:
    """A bad file delivered again, corrected, under the same name: its rows are in, and the dead letter is gone."""
    put(lake / "raw", key, b"\x89PNG\r\n\x1a\n")
    with penstock.open(lake) as opened:
        assert len(opened.run().dead) == 1
    put(lake / "raw", key, b'{"id": 100, "name": "a", "amount": 1}\n' if key == "bad.json" else NEW[:28])
    with penstock.open(lake) as opened:
        assert opened.run().dead == []
        assert opened.query("SELECT * FROM penstock.dead_letters").fetchall() == []
    assert sum(names(lake).values()) == 1
