"""Whatever is delivered, under whatever layout, again and again: the table is what a plain model says.

PENSTOCK_LAYOUTS says how many histories are tried; each is worked out from its number.
"""

from __future__ import annotations

import csv
import io
import os
import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.partitioning.layouts import ask, assert_laid_out, declare, land, run

HISTORIES = int(os.environ.get("PENSTOCK_LAYOUTS", "3"))
WORDS = ["", "a", "ab", "abc", "x/y", "../z", "O'Hara", "é🇫🇷", 'q"q', "ABC", "null", "a=b"]
LAYOUTS = [
    "[]",
    "[word]",
    "[day(seen)]",
    "[month(seen), word]",
    '[year(seen), "truncate(2, word)"]',
    '["bucket(3, n)"]',
    '["truncate(10, n)", "bucket(2, word)"]',
    "[n]",
]
Row = tuple[int | None, str, date | None]


@pytest.mark.parametrize("number", range(HISTORIES))
def test_the_table_is_what_was_delivered(number: int, tmp_path: Path) -> None:
    """After each run, each under a layout of its own, the newest version of every file is there once, row by row."""
    chance = random.Random(number)
    model: dict[str, list[Row]] = {"first": [(1, "a", date(1970, 1, 1))]}
    layouts = [LAYOUTS[number % len(LAYOUTS)], *chance.choices(LAYOUTS, k=3)]
    land(declare(tmp_path, layouts[0]), "first.csv", _text(model["first"]))
    run(tmp_path)
    for layout in layouts:
        declare(tmp_path, layout)
        for _ in range(chance.randint(1, 5)):
            name = chance.choice("abcde")
            model[name] = [_row(chance) for _ in range(chance.randint(0, 30))]
            land(tmp_path, f"{name}.csv", _text(model[name]))
        run(tmp_path, reprocess=["t"] if chance.random() < 0.2 else [])
        wanted = sorted((row for rows in model.values() for row in rows), key=repr)
        found = [(n, word or "", seen) for n, word, seen in ask(tmp_path, "SELECT n, word, seen FROM t")]
        assert sorted(found, key=repr) == wanted
        assert sum(assert_laid_out(tmp_path).values()) == len(wanted)


def _row(chance: random.Random) -> Row:
    number = None if chance.random() < 0.1 else chance.randint(-30, 30)
    seen = None if chance.random() < 0.1 else date(1969, 12, 1) + timedelta(chance.randint(0, 90))
    return number, chance.choice(WORDS), seen


def _text(rows: list[Row]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["n", "word", "seen"])
    for n, word, seen in rows:
        writer.writerow(["" if n is None else n, word, "" if seen is None else seen.isoformat()])
    return out.getvalue()
