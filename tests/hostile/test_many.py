"""Many bad files, the same bad file for two tables, and defects of the product itself."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest  # noqa: TC002 - pytest reads the annotations

import penstock
from penstock.arrivals.staging import through
from tests.cli.conftest import call
from tests.hostile.hostile import GOOD, HEAD, bytes_of, contents, put


def test_three_hundred_bad_files_do_not_hold_up_three_hundred_good_ones(tmp_path: Path) -> None:
    """All good files are in, every bad one is a dead letter, in bounded time; a second run does nothing."""
    chance = random.Random(6)
    (tmp_path / "lake.yaml").write_text('lake: x\ntables:\n  t: {files: "**"}\n', encoding="utf-8")
    put(tmp_path / "raw", "first.csv", HEAD + b"0,first,1\n", 1_000_000_000.0)
    for at in range(300):
        put(tmp_path / "raw", f"good/{at}.csv", HEAD + b"%d,x,1\n" % (at + 1))
        bad = chance.choice([b"", b"\x89PNG\r\n\x1a\n", b"x|y\n1|2\n", b"\0" * 50, b"id,id\n1,2\n", b"\x1f\x8b\x08"])
        put(tmp_path / "raw", f"bad/{at}.csv", bad)
    before = bytes_of(tmp_path / "raw")
    began = time.monotonic()
    with penstock.open(tmp_path) as lake:
        summary = lake.run()
        assert time.monotonic() - began < 100
        assert len(summary.dead) == 300
        assert {dead.key.partition("/")[0] for dead in summary.dead} == {"bad"}
        assert lake.query("SELECT count(*), min(id), max(id), sum(id) FROM t").fetchall() == [(301, 0, 300, 45_150)]
        again = lake.run()
        assert (again.files, again.dead) == ({}, [])
    assert bytes_of(tmp_path / "raw") == before


def test_two_tables_want_the_same_bad_file(tmp_path: Path) -> None:
    """Each table has a dead letter, or rows and quarantine, of its own; the accounts add up in both."""
    (tmp_path / "lake.yaml").write_text(
        'lake: x\ntables:\n  one: {files: "*.csv"}\n  two: {files: "**"}\n', encoding="utf-8"
    )
    put(tmp_path / "raw", "good.csv", GOOD, 1_000_000_000.0)
    put(tmp_path / "raw", "ragged.csv", HEAD + b"7,a,1\n8\n")
    put(tmp_path / "raw", "empty.csv", b"")
    with penstock.open(tmp_path) as lake:
        lake.run()
        for table in ("one", "two"):
            assert lake.query(f"SELECT count(*) FROM {table}").fetchall() == [(4,)]
        assert lake.query("SELECT table_name, file FROM penstock.dead_letters ORDER BY 1").fetchall() == [
            ("one", "empty.csv"),
            ("two", "empty.csv"),
        ]
        assert lake.query("SELECT table_name, line FROM penstock.quarantine ORDER BY 1").fetchall() == [
            ("one", 3),
            ("two", 3),
        ]
    before = contents(tmp_path)
    with penstock.open(tmp_path) as lake:
        lake.run()
    assert contents(tmp_path) == before


def test_a_defect_of_the_product_is_a_dead_letter_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that waiting cannot heal is not waited for; the reason says what to do, and the log has the details."""

    def broken(*_arguments: object) -> None:
        raise KeyError("forgotten")

    (tmp_path / "lake.yaml").write_text('lake: x\ntables:\n  t: {files: "*.csv"}\n', encoding="utf-8")
    put(tmp_path / "raw", "a.csv", GOOD)
    monkeypatch.setattr(through, "open_file", broken)
    retries: list[Any] = []
    with penstock.open(tmp_path) as lake:
        lake.signals.listen("failed", retries.append)
        (dead,) = lake.run().dead
        assert retries == []
        assert dead.reason == (
            "internal error: Penstock cannot process this file, and should be able to; please report it with the file; "
            "the log has the details: penstock logs --json"
        )
        (event,) = lake.journal.tail(1)
        assert "KeyError: 'forgotten'" in event["traceback"]
    outcome = call("-C", tmp_path, "logs", "--json")
    logged = [json.loads(line) for line in outcome.out.splitlines()]
    assert ["KeyError: 'forgotten'" in event["traceback"] for event in logged if event["event"] == "dead"] == [True]
    assert "forgotten" not in call("-C", tmp_path, "logs").out
    monkeypatch.undo()
    (tmp_path / "lake.yaml").write_text(
        'lake: x\ntables:\n  t: {files: "*.csv", description: "tried again"}\n', encoding="utf-8"
    )
    with penstock.open(tmp_path) as lake:
        assert lake.run().dead == []


def test_the_real_command_says_it_all_and_ends_with_3(tmp_path: Path) -> None:
    """`penstock run` names every dead file with its reason, prints no traceback, and ends with 3."""
    (tmp_path / "lake.yaml").write_text('lake: x\ntables:\n  t: {files: "*.csv"}\n', encoding="utf-8")
    put(tmp_path / "raw", "good.csv", GOOD, 1_000_000_000.0)
    put(tmp_path / "raw", "a\x1b[31m\n.csv", b"")
    put(tmp_path / "raw", "b.csv", b"\x89PNG\r\n\x1a\n")
    os.mkfifo(tmp_path / "raw" / "pipe.csv")
    outcome = call("-C", tmp_path, "run")
    assert outcome.code == 3
    assert "a\\x1b[31m\\n.csv: the file is empty" in outcome.out
    assert "b.csv: the file is not CSV, it is a PNG picture" in outcome.out
    assert "\x1b" not in outcome.out + outcome.err
    assert "Traceback" not in outcome.out + outcome.err
    assert call("-C", tmp_path, "run").code == 0
