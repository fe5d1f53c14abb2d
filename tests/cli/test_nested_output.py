"""Structs, lists and maps in what `penstock query` writes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any, TextIO

import duckdb

from penstock.cli.writers import Wanted, write_csv, write_json, write_table
from penstock.queries import Result

SQL = """SELECT {'a': 1, 'q"': 'x,y', 'n': NULL, 'd': 1.50::DECIMAL(5,2), 't': TIMESTAMP '2024-01-05 10:00:00',
    'e': chr(27) || '[31m'} AS s, [{'x': [1.5, NULL]}] AS l, MAP {'k': DATE '2024-01-05'} AS m, [] AS e"""
S = {"a": 1, 'q"': "x,y", "n": None, "d": 1.5, "t": "2024-01-05T10:00:00", "e": "\x1b[31m"}
VALUES: dict[str, Any] = {"s": S, "l": [{"x": [1.5, None]}], "m": {"k": "2024-01-05"}, "e": []}


def written(write: Callable[[Result, TextIO, Wanted], int]) -> str:
    """What a writer makes of one row of nested values."""
    with duckdb.connect() as connection:
        file = io.StringIO(newline="")
        write(Result(connection.sql(SQL), connection), file, Wanted(None, terminal=False))
    return file.getvalue()


def test_json_keeps_the_nesting() -> None:
    """Structs and maps are objects, lists are arrays, decimals keep their digits."""
    text = written(write_json)
    assert json.loads(text) == [VALUES]
    assert '"d": 1.50' in text


def test_csv_holds_json() -> None:
    """A nested value is one field of JSON, quoted as CSV asks."""
    (row,) = csv.DictReader(io.StringIO(written(write_csv), newline=""))
    assert {name: json.loads(text) for name, text in row.items()} == VALUES


def test_tables_show_json_without_escapes_of_the_terminal() -> None:
    """A person sees JSON, and control characters as what they are called."""
    text = written(write_table)
    assert '[{"x": [1.5, null]}]' in text
    assert "\x1b" not in text
