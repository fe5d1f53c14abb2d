"""Corrected rows as a file for the engine, so that they take the same way as the rows of any file.

Each is one record whose line is its place among them, from 1, by which whatever becomes of it is told apart again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from penstock.arrivals.planning.known import SourceSchema
from penstock.arrivals.staging.intake import Opened, format_of, open_file
from penstock.declaration import Json, Table
from penstock.engines import Source
from penstock.formats import Dialect, Place, SpillWriter
from penstock.formats.csv.fields import cut
from penstock.naming import ArrivalName
from penstock.quality import Writing
from penstock.quality.collect import Delivered
from penstock.quality.corrections import json_text, json_value
from penstock.state import Arrival

Cells = dict[str, Any]


class UnfitError(ValueError):
    """A correction is no record of the table's files; the message says why."""


@dataclass(frozen=True)
class Corrected:
    """A row of the quarantine with what it is to become.

    Attributes:
        number: Its number in the file of corrections, from 1.
        row: The row as it stands in quarantine.
        record: The corrected record: cells by column.
        corrections: Name of the file of corrections.
        source: Who said so first: `readmitted` and `run` of an earlier readmission; empty for a new one.
    """

    number: int
    row: dict[str, Any]
    record: Cells
    corrections: str
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Listed(Opened):
    """Corrected records as a file whose sample is at hand."""

    records: tuple[Corrected, ...] = ()

    def sample(self) -> Iterator[tuple[int, list[str | None]]]:
        """The records with their places."""
        return (
            (at, [found.record.get(name) for name in self.header]) for at, found in enumerate(self.records, start=1)
        )


@dataclass(frozen=True)
class Form:
    """How a table's records are written.

    Attributes:
        dialect: How CSV files are written.
        json: Whether records are JSON objects.
        nulls: Texts that stand for no value.
    """

    dialect: Dialect
    json: bool
    nulls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """Corrected rows of one file.

    Attributes:
        arrival: The file.
        name: The arrival as the table knows it.
        form: How its records are written.
        rows: The rows.
    """

    arrival: Arrival
    name: ArrivalName
    form: Form
    rows: list[Corrected]


def form_of(key: str, table: Table, known: SourceSchema | None, writing: Writing) -> Form:
    """How the file `key` of a table is written."""
    kind = format_of(key, table)
    dialect = writing.dialect or (known.dialect if known else Dialect(","))
    return Form(dialect, kind == "json", dialect.nulls if kind == "csv" else ())


def corrected_record(form: Form, row: dict[str, Any], cells: Cells, raw: str | None, columns: Sequence[str]) -> Cells:
    """What a row becomes.

    Args:
        form: How the table's records are written.
        row: The row in quarantine.
        cells: The cells that the correction gives.
        raw: The record that the correction gives instead.
        columns: Columns of the file, in its order, for cutting `raw`.

    Raises:
        UnfitError: The correction is no record.
    """
    if raw is not None:
        if any(value is not None for value in cells.values()):
            message = "gives both cells and _raw; leave one of them empty"
            raise UnfitError(message)
        return _from_raw(form, raw, columns)
    was: Cells | None = json_value(row["cells"]) if row["cells"] else None
    if was is None and not any(value is not None for value in cells.values()):
        message = "gives neither cells nor _raw"
        raise UnfitError(message)
    if was is None and (missing := next((name for name in columns if name.lower() not in _lower(cells)), None)):
        message = f'gives no cell for "{missing}", and the record as delivered could not be cut into cells'
        raise UnfitError(message)
    return _merged(form, was or {}, cells)


def _merged(form: Form, was: Cells, cells: Cells) -> Cells:
    names = {name.lower(): name for name in was}
    record = dict(was)
    for name, cell in cells.items():
        there = names.get(name.lower(), name)
        if was and there not in was and cell is None:
            continue  # the record has no such column, and is not to get one
        if form.json:
            _put_json(record, there, cell)
        else:
            text = None if cell is None else as_text(cell)
            record[there] = None if text in {"", *form.nulls} else text
    return record


def _put_json(record: Cells, name: str, cell: Any) -> None:
    """Take a cell for a JSON record; what was written as text and has not changed keeps its kind and its digits."""
    there = record.get(name)
    if name in record and (json_text(cell) == json_text(there) or cell == (as_text(there) or None)):
        return
    if isinstance(cell, str) and not isinstance(there, str):
        with contextlib.suppress(ValueError):
            cell = json_value(cell)
    if name not in record or json_text(cell) != json_text(_as_exported(there)):
        record[name] = cell


def _as_exported(value: Any) -> Any:
    """A JSON value as the export writes it: numbers as doubles show them."""
    if isinstance(value, Decimal):
        return Decimal(repr(float(value)))
    if isinstance(value, dict):
        return {name: _as_exported(there) for name, there in value.items()}
    return [_as_exported(there) for there in value] if isinstance(value, list) else value


def as_text(value: Any) -> str:
    """A cell as text: JSON for what is no text."""
    if value is None or isinstance(value, str):
        return value or ""
    return json_text(value)


def _lower(cells: Cells) -> set[str]:
    return {name.lower() for name in cells}


def _from_raw(form: Form, raw: str, columns: Sequence[str]) -> Cells:
    if form.json:
        return _json_record(raw)
    if not columns:
        message = "the columns of the delivered file are not known; give its cells instead of _raw"
        raise UnfitError(message)
    found = cut(raw, form.dialect)
    if found.damage or found.stray:
        message = found.damage or "a quote in a field without quotes around it"
        raise UnfitError(f"_raw cannot be cut into fields for sure: {message}")
    fields = found.fields[:-1] if form.dialect.trailing and found.fields[-1:] == [""] else found.fields
    if len(fields) != len(columns):
        message = f"_raw has too {'few' if len(fields) < len(columns) else 'many'} fields: {len(columns)} expected"
        raise UnfitError(f"{message}, {len(fields)} found")
    if broken := next((text for text, at in zip(fields, count()) if "\n" in text and at not in found.quoted), None):
        message = f"_raw is more than one record: there is a line break in {broken!r}"
        raise UnfitError(message)
    return {name: None if text in {"", *form.nulls} else text for name, text in zip(columns, fields, strict=True)}


def _json_record(raw: str) -> Cells:
    try:
        record = json_value(raw)
    except ValueError as error:
        message = f"_raw is not JSON: {error}"
        raise UnfitError(message) from None
    if not isinstance(record, dict):
        message = "_raw is no JSON object"
        raise UnfitError(message)
    return record


def open_records(
    records: list[Corrected], folder: Path, table: Table, form: Form, known: SourceSchema | None
) -> Opened:
    """Corrected records as a file for the engine; `folder` takes what is made of them."""
    if form.json:
        path = folder / "corrected"
        lines = [json_text(found.record) for found in records]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        plain = table.model_copy(update={"format": "json", "json_": Json(flatten=table.json_.flatten)})
        return open_file(path, "corrected.ndjson", plain, known)
    import pyarrow as pa

    header = tuple(dict.fromkeys(name for found in records for name in found.record))
    with SpillWriter(folder, "corrected", [pa.string()] * len(header)) as writer:
        for at, found in enumerate(records, start=1):
            writer.keep([found.record.get(name) for name in header], Place(at))
    spilled = writer.spilled
    source = Source(spilled.path, form.dialect, len(header), ("VARCHAR",) * len(header), rows=spilled.rows)
    return Listed(source, Delivered("corrected", header, None), {}, records=tuple(records))
