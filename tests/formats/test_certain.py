"""Values that are told before their text is read in SQL are those that SQL would read, and nothing depends on them."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import penstock
from penstock.formats.csv import feed as feeding
from penstock.formats.csv import proof, survey
from penstock.formats.csv.certain import CERTAIN, arrow_type, certain_column, certain_columns, certain_values
from tests.formats.test_text_types import ADVERSARIAL, ANY, DATELIKE, NUMBERLIKE, asked

ALIKE = [
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.integers(0, 200).map(str),
    st.integers(0, 10**18).map(str),
    st.decimals(-(10**6), 10**6, places=2).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.dates().map(str),
    st.datetimes(timezones=st.none()).map(lambda moment: moment.isoformat(" ", "seconds")),
    st.datetimes().map(datetime.isoformat),
    st.from_regex(r"\A0x[0-9A-F]{1,12}\Z"),
    st.from_regex(r"\A-?0[0-9]{0,3}(\.[0-9]{1,3})?\Z"),
]
"""Blocks of texts that are written in one way, which are read at once."""
ODD = st.one_of(st.none(), st.just(""), NUMBERLIKE, DATELIKE, ANY, st.sampled_from(ADVERSARIAL))
BLOCKS = st.one_of([st.lists(kind, max_size=30) for kind in ALIKE]).flatmap(
    lambda texts: st.lists(ODD, max_size=2).flatmap(lambda odd: st.permutations([*texts, *odd]))
)


@pytest.mark.parametrize("kind", CERTAIN)
@given(texts=BLOCKS)
@example(texts=["0xFFFFFFFFFFFFFFFF", "007"])
@example(texts=["0xFFFFFFFFFF", "012"])
@example(texts=["-0", "12"])
@example(texts=["0000-01-01", "2024-01-01"])
@example(texts=["2024-01-01 10+01:00"])
@example(texts=["-00.5", "-7"])
def test_what_is_certain_is_what_sql_reads(kind: str, texts: list[str | None]) -> None:
    """A value that is told is held by its text without loss, and is the very one that the engine would make of it."""
    told = certain_values(pa.array(texts, pa.string()), kind).to_pylist()
    assert len(told) == len(texts)
    found = [(text, value) for text, value in zip(texts, told, strict=True) if value is not None]
    for (_, value), (text, holds, read) in zip(found, asked([str(text) for text, _ in found], kind), strict=True):
        assert holds, (text, value)
        assert repr(value) == repr(read), text


PLAIN: dict[str, Callable[[int], str]] = {
    "BIGINT": lambda at: str((at * 7919) % 10_007),
    "DOUBLE": lambda at: f"{1 + at / 100:.2f}",
    "DATE": lambda at: str(date(1890, 1, 1) + timedelta(days=at)),
    "TIMESTAMP": lambda at: str(datetime(2001, 1, 1) + timedelta(minutes=at)),  # noqa: DTZ001 - no zone is meant
}


@pytest.mark.parametrize("damage", ["", "x", "2024-02-30", "007", "1e5"])
@pytest.mark.parametrize("kind", CERTAIN)
def test_what_is_written_plainly_is_certain(kind: str, damage: str) -> None:
    """Else nothing would be gained: also beside texts that are none, whether few texts differ or all do."""
    for differ in (100, 5_000):
        texts: list[str | None] = [PLAIN[kind](at % differ) for at in range(5_000)]
        texts[1_234:1_237] = [None, damage, damage]
        told = certain_values(pa.array(texts, pa.string()), kind).to_pylist()
        assert [at for at, value in enumerate(told) if value is None] == [1_234, 1_235, 1_236], (differ, damage)


def test_a_select_says_which_values_it_can_do_with() -> None:
    """By the names of their columns; such a name beyond the file's columns, as in somebody's text, is none."""
    sql = f"SELECT {certain_column(0, 'BIGINT')}, {certain_column(2, 'DATE')}, '{certain_column(9, 'DOUBLE')}'"
    assert list(certain_columns(sql, 3).values()) == [(0, "BIGINT"), (2, "DATE")]


NASTY = ["", "1", "01", "-0", "x", "1.5", "0x1F", "1e5", " 7 ", "2024-02-29", "2023-02-29", "2024-1-5", "0000-01-01",
         "2024-01-05 10:11:12", "2024-01-05T10:11:12.5", "10:11", "9" * 20, "+5", "inf", "3,5"]  # fmt: skip
STEPS = {
    "as they are": "[]",
    "parsed": "[parse: {a: integer, b: double, c: date, d: timestamp}]",
    "parsed under other names": "[rename: {a: b, b: a}, rename: {c: e}, parse: {a: double, b: integer, e: date}]",
    "cast": "[cast: {a: integer, b: double, c: date}]",
    "changed before": "[trim: [a, b], fill: {c: '2024-01-01'}, parse: {a: integer, b: {type: double}, c: date}]",
    "made anew before": "[explode: {column: a, on: x}, parse: {a: integer, b: {type: double}, c: date}]",
    "twice": "[derive: {e: c}, parse: {c: date, e: date, d: {type: timestamp, otherwise: 'null'}}]",
}


def _outcome(folder: Path, rows: list[list[str]], steps: str) -> tuple[Any, ...]:
    (folder / "raw").mkdir(parents=True)
    (folder / "lake.yaml").write_text(f'lake: x\ntables: {{t: {{files: "*.csv", steps: {steps}}}}}\n')
    for name, part in (("a.csv", rows[:2_000]), ("b.csv", rows)):  # types are decided by the first
        lines = [",".join(f'"{cell}"' if "," in cell else cell for cell in row) for row in part]
        (folder / "raw" / name).write_text("\n".join(["a,b,c,d,n", *lines, ""]), encoding="utf-8")
    with penstock.open(folder) as lake:
        lake.run()
        found = lake.query("SELECT * FROM t ORDER BY ALL").fetchall()
        aside = lake.query("SELECT line, rule, reason, raw FROM penstock.quarantine ORDER BY ALL").fetchall()
        return found, aside


@pytest.mark.parametrize("steps", STEPS)
def test_nothing_depends_on_what_is_certain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: str) -> None:
    """Rows, types and quarantine are the same when no value is told at all; texts that a step changed are read anew."""
    for module in (survey, proof):
        monkeypatch.setattr(module, "LARGE_BYTES", 0)
    chance = random.Random(steps)
    rows = [[PLAIN[kind](at) for kind in CERTAIN] + [str(at)] for at in range(4_000)]
    for row in rows[2_000:]:
        if chance.random() < 0.05:
            row[chance.randrange(4)] = chance.choice(NASTY)
    told: list[int] = []

    def counted(texts: pa.Array, kind: str) -> pa.Array:
        values = certain_values(texts, kind)
        told.append(len(values) - values.null_count)
        return values

    monkeypatch.setattr(feeding, "certain_values", counted)
    found = _outcome(tmp_path / "told", rows, STEPS[steps])
    assert sum(told) > 4_000
    monkeypatch.setattr(feeding, "certain_values", lambda texts, kind: pa.nulls(len(texts), arrow_type(kind)))
    assert found == _outcome(tmp_path / "read", rows, STEPS[steps])
    kept, aside = found
    assert len(kept) > 5_000
    assert len(aside) > 20
