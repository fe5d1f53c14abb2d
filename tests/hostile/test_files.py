"""What stands in raw/ beside files: folders, pipes, devices, links, and what may not be read."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.storage import LocalZone
from tests.cli.conftest import environment
from tests.hostile.hostile import GOOD, GOOD_ROWS, HEAD, bytes_of, contents, put

DECLARATION = 'lake: hostile\ntables:\n  t: {files: "**/*.csv"}\n'
RUN = """
import json, os, sys, penstock
def run(folder):
    with penstock.open(folder) as lake:
        found = lake.run()
        rows = lake.query("SELECT * FROM t ORDER BY ALL").fetchall()
    return [rows, [[dead.key, dead.reason] for dead in found.dead], found.notes]
run(sys.argv[1])  # everything is imported now: the one that this process becomes may not read the program
os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[3]))
print(json.dumps(run(sys.argv[2])))
"""
NOBODY = 65534


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with one good file."""
    return make(tmp_path / "lake")


@pytest.fixture
def open_lake() -> Iterator[Path]:
    """The same, where every user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield make(folder / "lake")
    shutil.rmtree(folder)


def make(lake: Path) -> Path:
    """Make a lake with one good file."""
    put(lake / "raw", "good.csv", GOOD, 1_000_000_000.0)
    (lake / "lake.yaml").write_text(DECLARATION, encoding="utf-8")
    return lake


def taken(lake: Path) -> list[str]:
    """Files whose rows are in, after one run; a second one must change nothing."""
    with penstock.open(lake) as opened:
        assert opened.run().dead == []
    after = contents(lake)
    with penstock.open(lake) as opened:
        opened.run()
    assert contents(lake) == after
    with penstock.open(lake) as opened:
        return [row[0] for row in opened.query("SELECT file FROM penstock.arrivals ORDER BY 1").fetchall()]


@pytest.mark.timeout(20)
def test_what_is_no_file_is_no_file(lake: Path) -> None:
    """A folder, a pipe, a socket or a device named like a file is passed over, and nothing waits for it."""
    raw = lake / "raw"
    put(raw / "folder.csv", "inside.csv", HEAD + b"7,a,1\n")
    os.mkfifo(raw / "pipe.csv")
    (raw / "to_pipe.csv").symlink_to("pipe.csv")
    with socket.socket(socket.AF_UNIX) as end:
        here = Path.cwd()
        os.chdir(raw)  # a socket's path may not be long
        try:
            end.bind("socket.csv")
        finally:
            os.chdir(here)
    (raw / "zero.csv").symlink_to("/dev/zero")
    with contextlib.suppress(PermissionError):
        os.mknod(raw / "device.csv", 0o20644, os.makedev(1, 5))
    assert taken(lake) == ["folder.csv/inside.csv", "good.csv"]


@pytest.mark.timeout(20)
def test_a_pipe_in_a_files_place_makes_nobody_wait(tmp_path: Path) -> None:
    """Even when a pipe takes the place of a file after it was looked at, opening it does not wait for a writer."""
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(FileNotFoundError):
        LocalZone(tmp_path).open("a.csv")


def test_links(lake: Path) -> None:
    """A link within the zone is a file; one that leads out, to nowhere, to itself or in a circle is none."""
    raw, outside = lake / "raw", lake / "outside"
    put(outside, "secret.csv", HEAD + b"70,secret,1\n")
    put(outside, "given.csv", HEAD + b"71,given,1\n")
    (raw / "out.csv").symlink_to(outside / "secret.csv")
    (raw / "up.csv").symlink_to("../outside/secret.csv")
    (raw / "folder").symlink_to(outside)
    (raw / "around").symlink_to(".")
    (raw / "nowhere.csv").symlink_to("missing.csv")
    (raw / "one.csv").symlink_to("two.csv")
    (raw / "two.csv").symlink_to("one.csv")
    (raw / "self.csv").symlink_to("self.csv")
    (raw / "memory.csv").symlink_to("/proc/self/mem")
    (raw / "within.csv").symlink_to("good.csv")
    (raw / "hard.csv").hardlink_to(outside / "given.csv")
    assert taken(lake) == ["good.csv", "hard.csv", "within.csv"]
    assert "secret" not in repr(contents(lake))


def test_hidden_and_unfinished_files(lake: Path) -> None:
    """Names that start with a dot or an underscore, or end as unfinished files do, are not taken in."""
    for name in (".hidden.csv", "_private.csv", "a.csv.part", "b.csv.tmp", "c.csv~", ".folder/a.csv", "_folder/a.csv"):
        put(lake / "raw", name, HEAD + b"7,a,1\n")
    assert taken(lake) == ["good.csv"]


@pytest.mark.skipif(os.geteuid() != 0, reason="never: only root can become somebody who may not read")
def test_what_may_not_be_read_is_named(open_lake: Path) -> None:
    """An unreadable file is a dead letter with the next step, an unreadable folder is named; both heal."""
    lake = open_lake
    raw = lake / "raw"
    put(raw, "secret.csv", HEAD + b"7,a,1\n").chmod(0)
    for folder, mode in (("closed", 0o000), ("unlisted", 0o311), ("unentered", 0o644)):
        put(raw / folder, "a.csv", HEAD + b"8,b,1\n")
        (raw / folder).chmod(mode)
    for path in (lake, *lake.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    before = bytes_of(raw)
    rows, dead, notes = _run_as_nobody(lake)
    reason = (
        "the file cannot be read: permission denied; allow the user that runs Penstock to read it; it is tried again "
        "as soon as its permissions change"
    )
    assert rows == list(map(list, GOOD_ROWS))
    assert dead == [["secret.csv", reason]]
    denied = "cannot be looked into: permission denied"
    assert sorted(notes) == [["closed", denied], ["unentered/a.csv", denied], ["unlisted", denied]]
    assert bytes_of(raw) == before
    (raw / "secret.csv").chmod(0o644)
    (raw / "closed").chmod(0o755)
    (raw / "unlisted").chmod(0o755)
    (raw / "unentered").chmod(0o755)
    with penstock.open(lake) as opened:
        summary = opened.run()
        assert (summary.dead, summary.notes) == ([], [])
        ids = opened.query("SELECT id FROM t ORDER BY id").fetchall()
    assert [row[0] for row in ids] == [1, 2, 3, 7, 8, 8, 8]


def _run_as_nobody(lake: Path) -> Any:
    """Run a lake in a process that may not read everything."""
    warm = lake.parent / "warm"
    if not warm.exists():
        put(make(warm) / "raw", "bad.csv", b"")
    done = subprocess.run(
        [sys.executable, "-P", "-c", RUN, warm, lake, str(NOBODY)],
        cwd="/",
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
