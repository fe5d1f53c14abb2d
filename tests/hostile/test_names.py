"""Hostile file names: every one is taken in, found again, and shown so that it does no harm."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import penstock
from tests.cli.conftest import call, on_terminal
from tests.hostile.hostile import HEAD, assert_settled, bytes_of, put

NAMES = (
    "line\nend.csv",
    "tab\t.csv",
    "q\"u'o`te.csv",
    "back\\slash.csv",
    "'; DROP TABLE t;--.csv",
    "$(id).csv",
    "%s%n{0}.csv",
    "a..b/c..d/e...csv",
    "-rf.csv",
    "--help",
    "[a]*?.csv",
    "{x,y}.csv",
    "x" * 251 + ".csv",
    "é" * 125 + ".csv",
    "rtl\u202ecsv.exe.csv",
    "\x1b]0;title\x07\x1b[31m.csv",
    "\x9b31m.csv",
    "\u00e9.csv",
    "e\u0301.csv",
    "\u200bzero.csv",
    "space .csv ",
    " space.csv",
    "CASE.csv",
    "case.csv",
    "no ending",
    "data.parquet.csv",
    "file",
    "file%20x.csv",
    "s3:%2F%2Fb.csv",
    "http:.csv",
    "a|b&c;d.csv",
    ":memory:.csv",
    "NUL.csv",
    "=cmd|' /C calc'!A0.csv",
    "<script>alert(1)<",
    "\U0001f600.csv",
    "\uf7ff.csv",
    "new\nline/in folder.csv",
)
BYTES = (b"not \xff\xfe UTF-8.csv", b"\xe9.csv", b"cut \xf0\x9f.csv", b"\xed\xa0\x80 half.csv")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a file under every name; each holds one row with its number."""
    lake = tmp_path_factory.mktemp("names")
    (lake / "lake.yaml").write_text('lake: x\ntables:\n  t: {files: "**"}\n', encoding="utf-8")
    for at, name in enumerate(NAMES):
        put(lake / "raw", name, HEAD + b"%d,x,1\n" % at)
    for at, encoded in enumerate(BYTES, start=len(NAMES)):
        put(lake / "raw", os.fsdecode(encoded), HEAD + b"%d,x,1\n" % at)
    put(lake / "raw", "bad\x1b[31m\nname.csv", HEAD + b"1\n")
    before = bytes_of(lake / "raw")
    with penstock.open(lake) as opened:
        summary = opened.run()
    assert summary.dead == []
    assert bytes_of(lake / "raw") == before
    return lake


def test_every_name_is_taken_in_once(lake: Path) -> None:
    """Each file's row is in, whatever the file is called; what differs in one byte is another file."""
    with penstock.open(lake) as opened:
        rows = opened.query("SELECT id FROM t ORDER BY id").fetchall()
    assert [row[0] for row in rows] == list(range(len(NAMES) + len(BYTES)))


def test_a_second_run_knows_them_all(lake: Path) -> None:
    """No name is lost on the way to the state and back: nothing is new."""
    assert_settled(lake)


def test_keys_are_the_names(lake: Path) -> None:
    """Keys are the names, byte for byte; bytes that are not UTF-8 stand in the private range, and lead back."""
    with penstock.open(lake) as opened:
        keys = {row[0] for row in opened.query("SELECT file FROM penstock.arrivals").fetchall()}
        assert set(NAMES) - {"\uf7ff.csv"} <= keys
        assert {"not \uf7ff\uf7fe UTF-8.csv", "\uf7e9.csv", "\uf7ef\uf79f\uf7bf.csv"} <= keys
        assert all(opened.raw.stat(key) is not None for key in keys)
        assert {os.fsencode(Path(opened.raw.location(key)).name) for key in keys} >= set(BYTES)


def test_names_are_harmless_on_screen(lake: Path) -> None:
    """No control, escape or direction mark of a name reaches a terminal or a pipe, in no command."""
    for command in (
        ("query", "SELECT file, reason FROM penstock.quarantine UNION ALL SELECT file, state FROM penstock.arrivals"),
        ("logs", "--lines", "200"),
        ("status",),
        ("runs",),
        ("quarantine", "list"),
        ("run", "--reprocess", "t"),
    ):
        outcome = call("-C", lake, *command)
        assert outcome.code == 0, outcome.err
        assert not CONTROL.search(outcome.out + outcome.err), command
    shown = on_terminal("-C", lake, "logs", "--lines", "200", columns=200, NO_COLOR="1")
    assert "bad\\x1b[31m\\nname.csv" in shown
    assert not CONTROL.search(shown.replace("\r", ""))
    as_json = call("-C", lake, "logs", "--json", "--lines", "200")
    assert not CONTROL.search(as_json.out)
