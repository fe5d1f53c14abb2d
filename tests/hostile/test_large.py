"""Files that are too much: each in a process of its own, within 512 MB, in bounded time and disk, with a clear word."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import environment
from tests.hostile import packs
from tests.hostile.hostile import GOOD, HEAD, Content, put

MEMORY = 512
RUN = """
import json, sys, time
from pathlib import Path
import penstock
folder = Path(sys.argv[1])
with penstock.open(folder) as lake:
    began = time.process_time()  # what else the machine does is not measured
    found = lake.run()
    seconds = time.process_time() - began
    status = Path("/proc/self/status").read_text()
    again = lake.run()
    left = sum(path.stat().st_size for path in (folder / ".penstock").rglob("*") if path.is_file())
    print(json.dumps({
        "memory": int(status.split("VmHWM:")[1].split()[0]) / 1024,
        "seconds": seconds,
        "left": left,
        "dead": [str(dead.reason) for dead in found.dead],
        "again": len(again.files) + len(again.dead),
        "good": lake.query("SELECT count(*) FROM good").fetchall()[0][0],
        "bad": lake.query("SELECT rows_in, rows_out, rows_quarantined FROM penstock.arrivals "
            "WHERE table_name = 'bad'").fetchall(),
        "aside": lake.query("SELECT line, reason, length(raw) FROM penstock.quarantine").fetchall(),
    }))
"""


def run(folder: Path, key: str, content: Content) -> dict[str, Any]:
    """Run a lake with a good and a bad file in a process of its own."""
    declared = 'lake: large\ntables:\n  bad: {files: "bad.*"}\n  good: {files: "good.csv"}\n'
    (folder / "lake.yaml").write_text(declared, encoding="utf-8")
    put(folder / "raw", "good.csv", GOOD)
    path = put(folder / "raw", key, content)
    before = (path.stat().st_size, path.stat().st_mtime_ns)
    (folder / "run.py").write_text(RUN, encoding="utf-8")
    command = [sys.executable, "-P", str(folder / "run.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=110, check=False)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == before
    path.unlink()
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["good"] == 3
    assert found["again"] == 0
    assert found["memory"] < MEMORY
    assert found["left"] < 5_000_000
    return found


def wide(columns: int, rows: int = 20) -> bytes:
    """A CSV file of many columns."""
    names = ",".join(f"c{at}" for at in range(columns))
    return "\n".join([names, *[",".join(map(str, range(columns)))] * rows, ""]).encode()


def wide_json(columns: int) -> bytes:
    """A JSON file of many keys."""
    return (json.dumps({f"c{at}": at for at in range(columns)}) + "\n").encode() * 20


def long_line(megabytes: int, head: bytes = HEAD, end: bytes = b"") -> Callable[[Path], None]:
    """What makes a file with one line that is long."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.write(head)
            for _ in range(megabytes):
                file.write(b"y" * 1_000_000)
            file.write(end)

    return make


def test_five_hundred_columns(tmp_path: Path) -> None:
    """Five hundred columns are no matter."""
    found = run(tmp_path, "bad.csv", wide(500, 2_500))
    assert (found["dead"], found["bad"]) == ([], [[2_500, 2_500, 0]])


@pytest.mark.parametrize(
    ("key", "columns", "reason"),
    [
        (
            "bad.csv",
            5_000,
            "5,000 columns do not fit into 300MB of memory; allow more with the environment variable PENSTOCK_MEMORY",
        ),
        ("bad.csv", 50_000, "the file has 50,000 columns; at most 10,000 are taken in"),
        ("bad.json", 50_000, 'more than 10,000 different keys, "c10000" being the last'),
    ],
)
def test_too_many_columns(tmp_path: Path, key: str, columns: int, reason: str) -> None:
    """What does not fit is refused in seconds, and the reason says what to allow or to change."""
    found = run(tmp_path, key, wide(columns, 3) if key == "bad.csv" else wide_json(columns))
    assert [dead[: len(reason)] for dead in found["dead"]] == [reason]
    assert found["seconds"] < 20


def test_five_thousand_keys(tmp_path: Path) -> None:
    """JSON comes with types, which costs less: five thousand keys fit."""
    found = run(tmp_path, "bad.json", wide_json(5_000))
    assert (found["dead"], found["bad"]) == ([], [[20, 20, 0]])


@pytest.mark.parametrize("quote", [b"", b'"'])
def test_a_field_of_three_megabytes(tmp_path: Path, quote: bytes) -> None:
    """A long value is a value."""
    content = HEAD + b"7,a,1\n8," + quote + b"z" * 3_000_000 + quote + b",2\n9,b,3\n"
    found = run(tmp_path, "bad.csv", content)
    assert (found["dead"], found["bad"], found["aside"]) == ([], [[3, 3, 0]], [])


@pytest.mark.parametrize("megabytes", [6, 200])
def test_a_line_that_is_too_long(tmp_path: Path, megabytes: int) -> None:
    """One line of more than 4 MB is set aside with its start; the others are in, and memory stays."""
    found = run(tmp_path, "bad.csv", long_line(megabytes, HEAD + b"7,a,1\n8,", b",2\n9,b,3\n"))
    assert (found["dead"], found["bad"]) == ([], [[3, 2, 1]])
    assert [(line, reason) for line, reason, _ in found["aside"]] == [(3, "longer than 4,000,000 bytes")]
    assert found["aside"][0][2] < 2_000
    assert found["seconds"] < 30


@pytest.mark.parametrize(
    ("key", "head", "reason"),
    [
        ("bad.csv", b"", "line 1: the header cannot be read: longer than 4,000,000 bytes"),
        ("bad.json", b'{"a": "', "line 1, column 1: a record is longer than 16,777,216 characters"),
    ],
)
def test_two_hundred_megabytes_without_a_line_end(tmp_path: Path, key: str, head: bytes, reason: str) -> None:
    """A file that never ends its line is refused, and memory stays."""
    found = run(tmp_path, key, long_line(200, head))
    assert [dead[: len(reason)] for dead in found["dead"]] == [reason]
    assert found["seconds"] < 30


def test_a_million_empty_lines(tmp_path: Path) -> None:
    """Empty lines are no rows, however many."""
    found = run(tmp_path, "bad.csv", HEAD + b"7,a,1\n" + b"\n" * 1_000_000 + b"8,b,2\n")
    assert (found["dead"], found["bad"]) == ([], [[2, 2, 0]])
    assert found["seconds"] < 20


@pytest.mark.parametrize(
    ("key", "make", "reason"),
    [
        ("bad.csv.gz", packs.gzip_bomb, "that is a decompression bomb"),
        ("bad.json.gz", packs.gzip_bomb, "that is a decompression bomb"),
        ("bad.xlsx", packs.sheet_bomb, "in the workbook would unpack to 600,000,"),
        ("bad.xlsx", packs.laughs, "limit on input amplification factor"),
    ],
    ids=["gzip", "gzip json", "xlsx", "laughs"],
)
def test_bombs(tmp_path: Path, key: str, make: Callable[..., Any], reason: str) -> None:
    """A small file that would grow beyond measure is refused; neither memory nor disk is filled."""
    content: Content = make() if key.endswith("xlsx") else make
    found = run(tmp_path, key, content)
    assert len(found["dead"]) == 1
    assert reason in found["dead"][0]
    assert found["seconds"] < 40
