"""Rows of a query, written as a table, JSON, CSV or Parquet; streamed, so that memory does not grow with them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain, islice
from typing import Any, BinaryIO, TextIO

from penstock.cli.layout import Cells, Column, Layout, terminal_width
from penstock.cli.output import harmless_json, say
from penstock.naming import printable
from penstock.queries import Result

SAMPLE = 1000
NUMBERS = frozenset(f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")) | {
    "INTEGER",
    "UINTEGER",
    "DOUBLE",
    "FLOAT",
}
_QUOTED = frozenset('",\r\n')


@dataclass(frozen=True)
class Wanted:
    """At most how many rows, and whether a person reads them on a terminal."""

    limit: int | None
    terminal: bool


def write_table(result: Result, file: TextIO, wanted: Wanted) -> int:
    """Aligned columns. Widths come from the first rows: a later, longer value shifts its line, nothing is lost."""
    if result.columns == ["explain_key", "explain_value"]:
        return _write_plan(result, file)
    columns = [_column(name, kind) for name, kind in zip(result.columns, result.types, strict=True)]
    rows = (_cells(row) for row in islice(result, wanted.limit))
    sample = list(islice(rows, SAMPLE))
    layout = Layout(columns, sample, terminal_width() if wanted.terminal else None)
    count = 0
    for line in chain(layout.head(), layout.lines(chain(sample, rows))):
        _put(line, file, terminal=wanted.terminal)
        count += 1
    if layout.hidden:
        names = ", ".join(layout.hidden)
        say(f"no room for {len(layout.hidden)} of {len(columns)} columns: {names}; --format csv writes all", err=True)
    elif layout.cut:
        say("some values are cut to fit; --format csv writes them whole", err=True)
    return count - 2


def write_json(result: Result, file: TextIO, wanted: Wanted) -> int:
    """One array of objects, one object a line."""
    names = [harmless_json(json.dumps(name, ensure_ascii=False)) for name in _distinct(result.columns)]
    count = 0
    for row in islice(result, wanted.limit):
        pairs = ", ".join(f"{name}: {as_json(value)}" for name, value in zip(names, row, strict=True))
        file.write(f"{',' if count else '['}\n{{{pairs}}}")
        count += 1
    file.write("\n]\n" if count else "[]\n")
    return count


def write_csv(result: Result, file: TextIO, wanted: Wanted) -> int:
    """RFC 4180: a null is nothing, an empty text is two quotes. On a terminal, control characters are made visible."""
    clean: Callable[[str], str] = printable if wanted.terminal else str
    end = "\n" if wanted.terminal else "\r\n"
    file.write(",".join(_quoted(clean(name)) for name in result.columns) + end)
    count = 0
    for row in islice(result, wanted.limit):
        cells = ("" if value is None else _quoted(clean(as_text(value))) for value in row)
        file.write(",".join(cells) + end)
        count += 1
    return count


def write_parquet(result: Result, file: BinaryIO, limit: int | None) -> int:
    """One Parquet file, Snappy-compressed."""
    import pyarrow.parquet as pq

    count = 0
    batches = result.batches()
    with pq.ParquetWriter(file, batches.schema, compression="snappy") as writer:
        for batch in batches:
            kept = batch if limit is None else batch.slice(0, limit - count)
            writer.write_batch(kept)
            count += kept.num_rows
            if count == limit:
                break
    return count


WRITERS: dict[str, Callable[[Result, TextIO, Wanted], int]] = {
    "table": write_table,
    "json": write_json,
    "csv": write_csv,
}


def as_text(value: Any) -> str:
    """A value as text: ISO 8601 for times, bytes in hexadecimal, JSON for nested values."""
    return _TEXT.get(type(value), str)(value)


def as_json(value: Any) -> str:
    """A value as JSON: decimals with all their digits, times in ISO 8601, bytes in hexadecimal, NaN as text."""
    return _JSON.get(type(value), _text_as_json)(value)


def _text_as_json(value: Any) -> str:
    return harmless_json(json.dumps(as_text(value), ensure_ascii=False))


def _number_as_json(value: float) -> str:
    return repr(value) if math.isfinite(value) else f'"{value}"'


def _list_as_json(value: Iterable[Any]) -> str:
    return f"[{', '.join(map(as_json, value))}]"


def _dict_as_json(value: dict[Any, Any]) -> str:
    pairs = ", ".join(f"{_text_as_json(key)}: {as_json(there)}" for key, there in value.items())
    return f"{{{pairs}}}"


_JSON: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "null",
    bool: json.dumps,
    int: str,
    float: _number_as_json,
    Decimal: lambda value: format(value, "f"),
    datetime: lambda value: f'"{value.isoformat()}"',
    list: _list_as_json,
    tuple: _list_as_json,
    dict: _dict_as_json,
}
_TEXT: dict[type, Callable[[Any], str]] = {
    str: lambda value: value,
    bool: json.dumps,
    datetime: lambda value: value.isoformat(" "),
    date: date.isoformat,
    time: time.isoformat,
    Decimal: lambda value: format(value, "f"),
    bytes: bytes.hex,
    list: _list_as_json,
    tuple: _list_as_json,
    dict: _dict_as_json,
}


def _write_plan(result: Result, file: TextIO) -> int:
    """A query plan is a drawing: its lines are kept."""
    count = 0
    for _key, text in result:
        count += 1
        file.writelines(printable(line) + "\n" for line in str(text).splitlines())
    return count


def _put(line: str, file: TextIO, *, terminal: bool) -> None:
    if terminal:
        say(line)
    else:
        import click

        file.write(click.unstyle(line) + "\n")


def _cells(row: tuple[Any, ...]) -> Cells:
    return [None if value is None else printable(as_text(value)) for value in row]


def _column(name: str, kind: str) -> Column:
    number = kind in NUMBERS or (kind.startswith("DECIMAL") and kind.endswith(")"))
    return Column(printable(name), right=number, shortens=not number)


def _quoted(text: str) -> str:
    if text and _QUOTED.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _distinct(names: Iterable[str]) -> Iterator[str]:
    """Names of an object's members: a column that repeats a name gets a number."""
    seen = set[str]()
    for name in names:
        new, at = name, 1
        while new in seen:
            at += 1
            new = f"{name}_{at}"
        seen.add(new)
        yield new
