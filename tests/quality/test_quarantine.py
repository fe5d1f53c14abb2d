"""Quarantine: where each row stood and what it was, against files that were put together piece by piece."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import penstock
from penstock.declaration import Step
from penstock.engines import DuckDBEngine, Source, Work
from penstock.formats import Dialect
from penstock.naming import TableName
from penstock.quality import QUARANTINE_SCHEMA, Kept, quarantine_key, write_quarantine
from penstock.quality.accounting import account
from penstock.quality.collect import Delivered, collect
from penstock.state import Accounting
from penstock.state.store import Column
from penstock.steps import SourceColumn, compile_steps
from penstock.storage import LocalZone
from tests.road.lakes import drop, make_lake

T = TableName.parse("layer.t")
STEPS: list[dict[str, Any]] = [
    {"parse": {"n": "integer"}},
    {"bucket": {"column": "n", "into": "group", "upto": {"low": 10, "high": 20}}},
    {"require": ["word"]},
]
COLUMNS = (Column(1, "n", "BIGINT"), Column(2, "word", "VARCHAR"), Column(3, "group", "VARCHAR"))
NUMBERS = st.sampled_from(["1", "20", "21", "x", "", "1.5", " 7 ", 'it"s', "a,b", "two\nlines", "é"])
WORDS = st.one_of(st.sampled_from(["w", "", " ", "é日", 'say "so"', "a,b", "x\r\ny"]), st.text("ab ,\n", max_size=4))
RECORDS = st.tuples(NUMBERS, WORDS)
MALFORMED = {
    "one": "too few fields: 2 expected, 1 found",
    "1,2,3": "too many fields: 2 expected, 3 found",
    '1,"a"b': "a quote that is not closed, or text after a closing quote",
    '"1\n2"': "too few fields: 2 expected, 1 found",
}
PIECES = st.one_of(RECORDS, RECORDS, RECORDS, st.sampled_from(sorted(MALFORMED)), st.just(None))


@dataclass
class Shop:
    """An engine, a raw zone and a processed one."""

    engine: DuckDBEngine
    raw: LocalZone
    processed: LocalZone

    def collected(self, content: bytes, steps: list[dict[str, Any]]) -> tuple[Accounting, list[dict[str, Any]]]:
        """Process a file; gives its account and its quarantined rows."""
        path = self.raw.root / "d" / "file.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        source = Source(str(path), Dialect(","), 2)
        compiled = compile_steps(
            "t",
            [Step.model_validate(step) for step in steps],
            [SourceColumn("n", "VARCHAR", 0), SourceColumn("word", "VARCHAR", 1)],
            2,
            lambda select: dict(self.engine.describe(source, select)),
        )
        columns = tuple(column for column in COLUMNS if column.name in {field.name for field in compiled.fields})
        work = Work(source, compiled.select, columns, compiled.rules)
        written = self.engine.write(work, str(self.processed.root / "out.parquet"))
        figures = account(written, work.rules, len(content))
        return figures, list(collect(self.engine, work, written, Delivered("d/file.csv", ("n", "word"), str(path))))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One shop for all examples."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "processed").mkdir()
    engine = DuckDBEngine(folder / "spill", threads=2)
    yield Shop(engine, LocalZone(folder / "raw"), LocalZone(folder / "processed"))
    engine.close()


def built(pieces: list[tuple[str, str] | str | None], end: str) -> tuple[bytes, list[dict[str, Any]], int]:
    """A file, the quarantined rows that a plain reading of it expects, and the number of rows dropped."""
    content, malformed, aside, dropped = "n,word" + end, list[dict[str, Any]](), list[dict[str, Any]](), 0
    for piece in pieces:
        text = "" if piece is None else piece if isinstance(piece, str) else written(piece)
        place = {
            "file": "d/file.csv",
            "line": content.count("\n") + 1,
            "byte_offset": len(content.encode()),
            "raw": text,
        }
        if isinstance(piece, str):
            malformed.append(
                place | {"column_name": None, "rule": "malformed", "reason": MALFORMED[piece], "cells": None}
            )
        elif piece is not None and (reason := refusal(piece[0])):
            cells = json.dumps({"n": piece[0] or None, "word": piece[1] or None}, ensure_ascii=False)
            aside.append(place | {"column_name": "n", "cells": cells} | reason)
        elif piece is not None:
            dropped += not piece[1].strip(" \n")
        content += text + end
    return content.encode(), malformed + aside, dropped


def written(record: tuple[str, str]) -> str:
    """A record as programs write it: quotes only where they are needed, or around everything when it is empty."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(record)
    return buffer.getvalue().removesuffix("\r\n")


def refusal(text: str) -> dict[str, str] | None:
    """The rule and reason for which a number is not kept."""
    number = text.strip(" ")
    if number and not number.isdecimal():
        return {"rule": "parse n", "reason": f'n: "{text}" is not an integer'}
    if number and int(number) > 20:
        return {"rule": "bucket group", "reason": f'n: "{text}" is above every bound of group'}
    return None


@given(st.lists(PIECES, max_size=14), st.sampled_from(["\n", "\r\n"]))
@example([("x", "a"), ("x", "a"), ("1", "x,a\nx,a"), "one", ("x", "a")], "\n")
@example([("1", "\nx,w\n"), ("x", "w")], "\n")
@example([('"x"', "w"), ("x", '"w"'), None, ("21", "w")], "\r\n")
def test_every_row_is_kept_with_its_place(shop: Shop, pieces: list[tuple[str, str] | str | None], end: str) -> None:
    """File, line, byte, column, rule, reason and raw text of each row, read independently of the engine."""
    content, expected, dropped = built(pieces, end)
    figures, found = shop.collected(content, STEPS)
    assert found == [
        {key: row[key] for key in row if key != "file"} | {"fate": "quarantined", "whole": True} for row in expected
    ]
    records = sum(piece is not None for piece in pieces)
    assert (figures.rows_in, figures.quarantined) == (records, len(expected))
    assert figures.rows_out == records - len(expected) - dropped
    for row in found:
        raw = row["raw"].encode()
        assert content[row["byte_offset"] :].startswith(raw)
        assert content[: row["byte_offset"]].count(b"\n") + 1 == row["line"]


def test_long_values_are_shortened_in_reasons(shop: Shop) -> None:
    """The reason shows the start of a long value; the raw text is whole."""
    _, (row,) = shop.collected(f"n,word\n{'x' * 5000},w\n".encode(), STEPS)
    assert row["reason"] == f'n: "{"x" * 99}…" is not an integer'
    assert row["raw"] == "x" * 5000 + ",w"


def test_fields_longer_than_other_readers_take(shop: Shop) -> None:
    """A field of more than 128 KiB, the limit of Python's own reader, is found like any other."""
    content = b'n,word\n1,w\nx,"' + b'a""b,\n' * 50_000 + b'"\ny,z\n'
    _, rows = shop.collected(content, STEPS)
    assert [(row["line"], row["byte_offset"]) for row in rows] == [(3, 11), (50_004, content.index(b"y,z"))]


def test_bytes_that_are_no_text_are_shown(shop: Shop) -> None:
    """A record that is not UTF-8 is kept with its bytes made visible."""
    _, (row,) = shop.collected(b"n,word\n1,a\n2,caf\xe9\n3,b\n", STEPS)
    assert (row["line"], row["byte_offset"], row["rule"], row["reason"]) == (3, 11, "malformed", "not UTF-8")
    assert row["raw"].startswith("2,caf")


def test_derived_values_have_no_place_in_the_file(shop: Shop) -> None:
    """A value that a step made is told without quoting the file; the row is still found."""
    steps: list[dict[str, Any]] = [{"derive": {"n": "CAST(word AS DOUBLE)"}}, {"cast": {"n": "integer"}}]
    _, (row,) = shop.collected(b"n,word\na,1\nb,1.5\n", steps)
    assert (row["line"], row["raw"], row["rule"]) == (3, "b,1.5", "cast n")
    assert row["reason"] == "n: its value does not fit BIGINT without loss"


@pytest.mark.parametrize("rows", [1, 25_000])
def test_many_rows(shop: Shop, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows or more than are noted while the file is written: every one is found."""
    monkeypatch.setattr("penstock.engines.duckdb_sql.NOTED_ROWS", 20_000)
    content = b"n,word\n" + b"".join(b"x%d,w\n1,w\n" % at for at in range(rows))
    figures, found = shop.collected(content, STEPS)
    assert figures == Accounting(rows * 2, rows, {}, rows, len(content), figures.bytes_out)
    assert [(row["line"], row["raw"]) for row in found] == [(2 + 2 * at, f"x{at},w") for at in range(rows)]


def test_rows_are_written(shop: Shop, tmp_path: Path) -> None:
    """Quarantined rows stand in one Parquet file with the declared columns; no rows, no file."""
    zone = LocalZone(tmp_path)
    _, rows = shop.collected("n,word\nx,é\n1,2,3\n".encode(), STEPS)
    assert write_quarantine(zone, T, "stem-attempt", "d/file.csv", iter(rows)) == Kept(2, 0)
    table = pq.read_table(zone.location(quarantine_key(T, "stem-attempt")))
    assert table.column_names == [*(name for name, _ in QUARANTINE_SCHEMA), "fate", "cells", "whole"]
    known = {"table_name": "layer.t", "file": "d/file.csv"}
    assert table.to_pylist() == [{"id": f"layer.t/stem-{at}"} | known | row for at, row in enumerate(rows, start=1)]
    assert [version.key for version in zone.list("**")] == []
    assert write_quarantine(zone, T, "empty", "d/file.csv", iter(())) == Kept()
    assert zone.stat(quarantine_key(T, "empty")) is None


def test_many_rows_are_written_in_parts(tmp_path: Path) -> None:
    """More rows than one batch: none is lost at the seams."""
    zone = LocalZone(tmp_path)
    row: dict[str, Any] = dict.fromkeys(name for name, _ in QUARANTINE_SCHEMA[3:])
    rows = [row | {"line": at, "fate": "quarantined" if at else "warned"} for at in range(6_001)]
    assert write_quarantine(zone, T, "stem-attempt", "d/file.csv", iter(rows)) == Kept(6_000, 1)
    table = pq.read_table(zone.location(quarantine_key(T, "stem-attempt")))
    assert table["line"].to_pylist() == list(range(6_001))
    assert len(set(table["id"].to_pylist())) == 6_001


@pytest.mark.parametrize("rows", [200, 300_000])
def test_where_there_are_no_quotes_they_are_text(tmp_path: Path, rows: int) -> None:
    """A file whose declaration says that it has none: rows set aside are found by line, however large it is."""
    (tmp_path / "raw").mkdir()
    declared = 'lake: x\ntables: {t: {files: "*.csv", csv: {quote: ""}, steps: [parse: {n: integer}]}}\n'
    (tmp_path / "lake.yaml").write_text(declared)
    bad = {at: f'x{at},it is "so", 5" wide' if at % 2 else f'x{at},"so' for at in range(7, rows, 97)}
    lines = [bad.get(at, f'{at},it is "so" and 5" wide') for at in range(rows)]
    (tmp_path / "raw" / "a.csv").write_text("\n".join(["n,word", *lines, ""]))
    with penstock.open(tmp_path) as lake:
        lake.run()
        found = lake.query("SELECT line - 2, raw FROM penstock.quarantine").fetchall()
        assert dict(found) == bad
        assert lake.query("SELECT count(*) FROM t").fetchall() == [(rows - len(bad),)]


@pytest.mark.parametrize(("files", "rows"), [(12, 60), (1, 60_000)], ids=["many small files", "a large file"])
def test_a_row_is_called_the_same_whenever_it_is_set_aside(tmp_path: Path, files: int, rows: int) -> None:
    """What a row of quarantine is called depends on its place in its file, not on the threads that found it."""
    called = []
    for name in ("one", "two"):
        lake = make_lake(tmp_path / name)
        drop(lake, "events-first.csv", 99, 10)
        for at in range(files):
            drop(lake, f"events{at}.csv", at, rows)
        with penstock.open(lake) as opened:
            opened.run()
            called.append(opened.query("SELECT id, line FROM penstock.quarantine ORDER BY ALL").fetchall())
    assert len(called[0]) > files * rows / 5
    assert called[0] == called[1]
    places = [(row.rpartition("-")[0], int(row.rpartition("-")[2]), line) for row, line in called[0]]
    places.sort()
    in_file = [(stem, line) for stem, _, line in places]
    assert in_file == sorted(in_file)
