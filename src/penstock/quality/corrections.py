"""Corrected rows, on their way back: reading what `quarantine export` wrote, after people worked on it.

A correction names the row by its id and gives its cells, or the whole record anew as raw text. Columns that a file of
corrections leaves out keep what they had. CSV is read with the comma, semicolon or tab that spreadsheets write.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from penstock.errors import QuarantineError

META = ("id", "file", "line", "reason", "raw")
MOST = 200_000
MANY = "correct the rows in the delivered file and deliver it again, or bring them back in several files"


def meta_name(name: str, columns: list[str]) -> str:
    """How a column of ours is called beside a file's own: `_id`, or `__penstock_id` where the file has an `_id`."""
    short = f"_{name}"
    return short if short not in {column.lower() for column in columns} else f"__penstock_{name}"


def json_value(text: str) -> Any:
    """What JSON text says, every digit of a number kept. Raises ValueError when it is none."""
    return json.loads(text, parse_float=Decimal)


def json_text(value: Any) -> str:
    """JSON text of what `json_value` gave."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json_text(str(name))}: {json_text(there)}' for name, there in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(json_text, value))}]"
    return json.dumps(value, ensure_ascii=False, default=str)


@dataclass(frozen=True)
class Correction:
    """A corrected row.

    Attributes:
        number: Its number in the file of corrections, from 1.
        id: Which row it corrects.
        cells: Its cells by column: text, or JSON values; None where there is none.
        raw: The record anew, as it would stand in the delivered file; None where cells are given.
    """

    number: int
    id: str
    cells: dict[str, Any]
    raw: str | None


@dataclass(frozen=True)
class Corrections:
    """A file of corrections.

    Attributes:
        name: Its name, without folders.
        columns: Columns of the delivered files that it gives.
        rows: The corrected rows.
    """

    name: str
    columns: list[str]
    rows: list[Correction]


def read_corrections(path: Path) -> Corrections:
    """Read a file of corrections: CSV, JSON (an array or lines of objects) or Parquet, by the ending of its name.

    Raises:
        QuarantineError: It cannot be read, names no ids, or holds more rows than fit.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        message = f'cannot tell what "{path.name}" is; its name must end in one of {", ".join(_READERS)}'
        raise QuarantineError(message, where=str(path))
    if not path.is_file():
        message = "there is no such file"
        raise QuarantineError(message, where=str(path), hint="penstock quarantine export TABLE --to FILE makes one")
    header, records = reader(path)
    return _understood(path, header, records)


def _understood(path: Path, header: list[str], records: Iterator[dict[str, Any]]) -> Corrections:
    lower = [name.lower() for name in header]
    doubled = next((name for name in header if lower.count(name.lower()) > 1), None)
    if doubled is not None:
        raise QuarantineError(f'two columns are called "{doubled}"', where=str(path), hint="keep one of them")
    meta = {name: _found(name, header) for name in META}
    if not header and path.suffix.lower() not in {".csv", ".parquet"}:
        return Corrections(path.name, [], [])  # a list of nothing names no column
    if meta["id"] is None:
        found = ", ".join(header[:8]) or "nothing"
        hint = "start from: penstock quarantine export TABLE --to FILE; the column _id says which row is meant"
        raise QuarantineError(f"no column _id; found {found}", where=str(path), hint=hint)
    columns = [name for name in header if name not in meta.values()]
    rows = []
    for number, record in enumerate(records, start=1):
        if number > MOST:
            raise QuarantineError(f"more than {MOST:,} rows", where=str(path), hint=MANY)
        raw = record.get(meta["raw"]) if meta["raw"] else None
        cells = {name: record[name] for name in columns if name in record}
        rows.append(Correction(number, str(record.get(meta["id"]) or "").strip(), cells, raw or None))
    return Corrections(path.name, columns, rows)


def _found(name: str, header: list[str]) -> str | None:
    for wanted in (f"__penstock_{name}", f"_{name}"):
        for there in header:
            if there.lower() == wanted:
                return there
    return None


def _read_csv(path: Path) -> tuple[list[str], Iterator[dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8"
        raise QuarantineError(message, where=str(path), hint='save it as "CSV UTF-8"') from None
    with io.StringIO(text, newline="") as file:
        csv.field_size_limit(1 << 30)
        reader = csv.reader(file, delimiter=_delimiter(text), strict=True)
        try:
            header = next(reader, [])
            records = [_record(path, header, record, reader.line_num) for record in reader if record]
        except csv.Error as error:
            message = f"not CSV: {error}"
            raise QuarantineError(message, where=f"{path}:{reader.line_num}") from None
    return header, iter(records)


def _delimiter(text: str) -> str:
    """The one with which the header names an id; spreadsheets choose it by the country."""
    for delimiter in ",;\t":
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        if _found("id", names):
            return delimiter
    return ","


def _record(path: Path, header: list[str], record: list[str], line: int) -> dict[str, Any]:
    if len(record) != len(header):
        message = f"{len(record)} fields, {len(header)} expected"
        raise QuarantineError(
            message, where=f"{path}:{line}", hint="write every field, and quote those with delimiters"
        )
    return {name: cell or None for name, cell in zip(header, record, strict=True)}


def _read_json(path: Path) -> tuple[list[str], Iterator[dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if text.lstrip().startswith("["):
            records = json_value(text)
        else:
            records = [json_value(line) for line in text.split("\n") if line.strip()]
    except (UnicodeDecodeError, ValueError) as error:
        raise QuarantineError(f"not JSON: {error}", where=str(path)) from None
    if not all(isinstance(record, dict) for record in records):
        message = "expected objects, one for each row"
        raise QuarantineError(message, where=str(path))
    return list(dict.fromkeys(name for record in records for name in record)), iter(records)


def _read_parquet(path: Path) -> tuple[list[str], Iterator[dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise QuarantineError(f"not Parquet: {error}", where=str(path)) from None
    rows = (row for batch in file.iter_batches(2_000) for row in batch.to_pylist())
    return list(file.schema_arrow.names), rows


_READERS: dict[str, Callable[[Path], tuple[list[str], Iterator[dict[str, Any]]]]] = {
    ".csv": _read_csv,
    ".json": _read_json,
    ".ndjson": _read_json,
    ".jsonl": _read_json,
    ".parquet": _read_parquet,
}
