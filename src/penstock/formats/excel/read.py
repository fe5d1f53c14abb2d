"""Excel workbooks: one sheet's rows become typed cells, read twice, row by row.

Cells hold numbers, texts, dates and truth values already; a column has the type that all its cells have, and is text
where they differ. Formulas count with the values that the spreadsheet program stored. Read with openpyxl, because it
streams a sheet, where faster libraries hold all of it in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from penstock.errors import BadFileError
from penstock.formats.csv.dialect import RESERVED
from penstock.formats.excel.book import Row, Sheet, letter, open_book
from penstock.formats.excel.types import Shape, Values, as_text
from penstock.formats.intake import Intake
from penstock.formats.json.values import compact
from penstock.formats.nested import arrow_type, parse_type
from penstock.formats.spill import Place, SpillWriter

MALFORMED = "malformed"
_SHOWN_AREAS = 3


class Header(NamedTuple):
    """The names of columns by position, and the row they stand in."""

    line: int
    names: dict[int, str]


class Refusal(NamedTuple):
    """Why a row is set aside: the rule, the reason, and the column to blame."""

    rule: str
    reason: str
    column: str | None


def read_excel(
    path: str,
    folder: Path,
    name: str,
    *,
    sheet: str | int | None = None,
    skip: int = 0,
    known: Mapping[str, str] | None = None,
) -> Intake:
    """Read one sheet of a workbook into typed cells.

    Args:
        path: The workbook.
        folder: Where the rows are written, for the caller to remove.
        name: Start of the names of what is written there.
        sheet: Name or number (from 1) of the sheet; the first visible one when left out.
        skip: Rows before the header.
        known: DuckDB types of the columns that the table's files have, by name.

    Raises:
        BadFileError: It is no workbook, is damaged or encrypted, has no such sheet, or no sound header.
        PenstockError: The library that reads workbooks is not installed.
    """
    kinds = {column.lower(): kind for column, kind in (known or {}).items()}
    with open_book(path, sheet) as opened:
        header, seen = _look(opened, skip)
        shapes = {at: seen[at].shape(kinds.get(called.lower())) for at, called in header.names.items()}
        types = [arrow_type(parse_type(shape.kind)) for shape in shapes.values()]
        with SpillWriter(folder, name, types) as spill:
            for row in _data(opened, header):
                _write(row, header, shapes, spill)
        notes = (*opened.notes, *_merged(opened, header))
    return Intake(
        tuple(header.names.values()),
        tuple(shape.kind for shape in shapes.values()),
        tuple(shape.why for shape in shapes.values()),
        spill.spilled,
        notes,
    )


def _look(sheet: Sheet, skip: int) -> tuple[Header, dict[int, Values]]:
    """Read the header, and take note of all values below it."""
    rows = sheet.rows()
    first = next((row for row in rows if row.line > skip), None)
    if first is None:
        raise BadFileError(f'the sheet "{sheet.name}" is empty', hint="declare another with `excel: {sheet: NAME}`")
    header = _header(sheet, first)
    seen = {at: Values() for at in header.names}
    for row in rows:
        if _refusal(row, header) is None:
            for cell in row.cells:
                seen[cell.at].see(cell.value, row.line)
    return header, seen


def _header(sheet: Sheet, row: Row) -> Header:
    names: dict[int, str] = {}
    seen: dict[str, str] = {}
    for cell in row.cells:
        name, place = as_text(cell.value).strip(), f"{letter(cell.at)}{row.line}"
        if cell.error:
            raise BadFileError(f"the name of a column, {place}, is {cell.value}", hint="correct the header")
        if not name:
            continue
        if name.lower().startswith(RESERVED) or "\0" in name:
            message = f'{place}: the name "{name}" is taken by the system'
            raise BadFileError(message, hint=f"names must not start with {RESERVED}")
        if name.lower() in seen:
            raise BadFileError(
                f'{seen[name.lower()]} and {place} are both called "{name}"',
                hint="names must differ by more than upper and lower case",
            )
        seen[name.lower()] = place
        names[cell.at] = name
    if not names:
        message = f'row {row.line} of the sheet "{sheet.name}" holds no names of columns'
        raise BadFileError(message, hint="declare `excel: {skip: N}` for the rows before the header")
    if row.line > 1 and any(len(text) > 1 for text in names.values()):
        sheet.notes.append(f"the names of the columns stand in row {row.line}")
    return Header(row.line, dict(sorted(names.items())))


def _data(sheet: Sheet, header: Header) -> Iterator[Row]:
    """The rows below the header."""
    rows = sheet.rows()
    for row in rows:
        if row.line == header.line:
            break
    yield from rows


def _refusal(row: Row, header: Header) -> Refusal | None:
    """Why a row cannot be read; None when it can."""
    for cell in row.cells:
        place, name = f"{letter(cell.at)}{row.line}", header.names.get(cell.at)
        if name is None:
            return Refusal(MALFORMED, f"{place} holds {as_text(cell.value)} in a column without a name", None)
        if cell.error:
            return Refusal(f"error {name}", f"{place} holds {cell.value}", name)
    if len({cell.at for cell in row.cells}) < len(row.cells):
        return Refusal(MALFORMED, "a cell stands in the row twice", None)
    return None


def _write(row: Row, header: Header, shapes: Mapping[int, Shape], spill: SpillWriter) -> None:
    refusal = _refusal(row, header)
    place = Place(row.line)
    if refusal is not None:
        raw = compact({f"{letter(cell.at)}{row.line}": as_text(cell.value) for cell in row.cells})
        spill.remark("quarantined", place, refusal.rule, refusal.reason, raw, refusal.column)
        return
    values = {cell.at: cell.value for cell in row.cells}
    spill.keep([shape.convert(values[at]) if at in values else None for at, shape in shapes.items()], place)


def _merged(sheet: Sheet, header: Header) -> Iterator[str]:
    """Say which cells below the header are merged: all but the first of them are empty."""
    below = [area for area in sheet.merged if int("".join(filter(str.isdigit, area.partition(":")[2]))) > header.line]
    if below:
        shown = ", ".join(below[:_SHOWN_AREAS]) + (" ..." if len(below) > _SHOWN_AREAS else "")
        yield f"merged cells ({shown}): their value is in the first cell, the others are empty"
