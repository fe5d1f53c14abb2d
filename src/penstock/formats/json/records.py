"""JSON files: read twice, first for the types of all values, then for the cells.

Nothing is held but one window of the file and what was seen in each place of its records. Records that cannot be rows
(damaged ones, values that are no objects, doubled keys) are set aside in both passes alike and say nothing of types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from penstock.errors import BadFileError, FileChangedError
from penstock.formats.csv.dialect import RESERVED
from penstock.formats.intake import Intake
from penstock.formats.json.cells import Shape, fitted, misfit
from penstock.formats.json.text import Found, Records
from penstock.formats.json.types import Seen, Tree
from penstock.formats.nested import Scalar, Type, arrow_type, parse_type
from penstock.formats.spill import SpillWriter

MALFORMED = "malformed"
IRREGULAR = "irregular"


class Column(NamedTuple):
    """A column of the rows: its name, the keys that lead to it, and its shape."""

    name: str
    path: tuple[str, ...]
    shape: Shape


class Refusal(NamedTuple):
    """Why a record cannot be a row: the rule, the reason, and the column to blame."""

    rule: str
    reason: str
    column: str | None = None


def read_json(
    open_file: Callable[[], BinaryIO],
    folder: Path,
    name: str,
    *,
    records: str | None = None,
    flatten: bool = False,
    known: Mapping[str, str] | None = None,
) -> Intake:
    """Read a JSON file, whatever its layout, into typed cells.

    Args:
        open_file: Opens the file's bytes at the start; called twice.
        folder: Where the records are written, for the caller to remove.
        name: Start of the names of what is written there.
        records: The keys that lead to the list of records within one object, joined by dots.
        flatten: Whether the fields of nested objects become columns of their own, `a_b`.
        known: DuckDB types of the columns that the table's files have, by name.

    Raises:
        BadFileError: The file is empty, is no JSON, or is damaged where the next record cannot be found.
    """
    reader = _Reader(records, {key.lower(): parse_type(kind) for key, kind in (known or {}).items()}, flatten=flatten)
    with open_file() as file:
        notes = reader.look(file)
    columns = reader.columns()
    types = [arrow_type(column.shape.kind) for column in columns]
    with open_file() as file, SpillWriter(folder, name, types) as spill:
        reader.spill(file, columns, spill)
    return Intake(
        tuple(column.name for column in columns),
        tuple(str(column.shape.kind) for column in columns),
        tuple(column.shape.why for column in columns),
        spill.spilled,
        tuple(notes),
    )


class _Reader:
    """Reads one file; the second pass repeats what the first one decided."""

    def __init__(self, records: str | None, known: dict[str, Type], *, flatten: bool) -> None:
        self._records, self._known, self._flatten = records, known, flatten
        nested = {key: kind for key, kind in known.items() if not isinstance(kind, Scalar)}
        self._nested = {} if flatten and not nested else nested
        self._tree = Tree()
        self._done = False

    def look(self, file: BinaryIO) -> list[str]:
        """Take note of all values; gives notes on the file."""
        found = Records(file, self._records)
        only: Found | None = None
        count = 0
        for record in found:
            count += 1
            if self._refusal(record) is None:
                only = record
                self._tree.root.see(record.value, record.place.line)
        self._done = True
        return [*found.notes, *(_hints(only.value) if only is not None and count == 1 and not self._records else ())]

    def spill(self, file: BinaryIO, columns: list[Column], spill: SpillWriter) -> None:
        """Write the cells of all records, and the records that are set aside."""
        plan = [(column.path[0], column.path[1:], column.shape.convert) for column in columns]
        for record in Records(file, self._records):
            refusal = self._refusal(record)
            if refusal is not None:
                spill.remark("quarantined", record.place, refusal.rule, refusal.reason, as_raw(record), refusal.column)
                continue
            spill.keep(_cells(record.value, plan), record.place)
            if record.warning:
                spill.remark("warned", record.place, IRREGULAR, record.warning, as_raw(record))

    def columns(self) -> list[Column]:
        """The columns, in the order in which their keys first appear."""
        columns = list(self._below(self._tree.root, (), ""))
        there: dict[str, Column] = {}
        for column in columns:
            other = there.setdefault(column.name.lower(), column)
            if other is not column:
                one, two = (".".join(path) for path in (other.path, column.path))
                raise BadFileError(
                    f'"{one}" and "{two}" would both become the column "{column.name}"',
                    hint="declare `json: {flatten: false}`, or give one another name and deliver the file again",
                )
            if column.name.lower().startswith(RESERVED):
                raise BadFileError(
                    f'"{".".join(column.path)}" would become the column "{column.name}", a name taken by the system',
                    hint=f"names must not start with {RESERVED}",
                )
        return columns

    def _below(self, seen: Seen, path: tuple[str, ...], prefix: str) -> Iterator[Column]:
        for key, below in seen.fields.items():
            name, here = prefix + key, (*path, key)
            known = self._known.get(name.lower())
            if self._flatten and known is None:
                if below.fields and below.only("an object"):
                    yield from self._below(below, here, f"{name}_")
                    continue
                if self._is_flat_in_table(below, name):
                    continue
            yield Column(name, here, fitted(below, known))

    def _is_flat_in_table(self, seen: Seen, name: str) -> bool:
        """Whether a place without any field is one whose fields are columns of the table."""
        hollow = seen.without_value or (seen.only("an object") and not seen.fields)
        return hollow and any(column.startswith(f"{name.lower()}_") for column in self._known)

    def _refusal(self, record: Found) -> Refusal | None:
        if record.damage is not None:
            return Refusal(MALFORMED, record.damage)
        for key, value in record.value.items() if self._nested else ():
            known = self._nested.get(key.lower())
            if known is not None and (problem := misfit(value, known, key)):
                return Refusal(f"type {key}", problem, key)
        before = self._tree.count
        problem = self._tree.place(record.value)
        if problem is not None:
            return Refusal(MALFORMED, problem)
        if self._done and self._tree.count != before:
            raise FileChangedError("the file changed while it was read")
        return None


def _cells(value: dict[str, Any], plan: list[tuple[str, tuple[str, ...], Callable[[Any], Any] | None]]) -> list[Any]:
    cells = []
    for key, path, convert in plan:
        cell = value.get(key)
        for inner in path:
            if cell is None:
                break
            cell = cell.get(inner)
        cells.append(cell if convert is None else convert(cell))
    return cells


def as_raw(record: Found) -> str:
    r"""A record's text; bytes that are no text as `\xNN`."""
    if record.raw.isascii():
        return record.raw
    return record.raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _hints(value: dict[str, Any]) -> Iterator[str]:
    """Lists of objects in a file that is one object: they may be the rows that were meant."""
    for key, below in value.items():
        if type(below) is list and len(below) > 1 and all(type(element) is dict for element in below):
            yield (
                f'the file is one object, so one row; its "{key}" lists {len(below):,} objects: '
                f"`json: {{records: {key}}}` makes a row of each"
            )
