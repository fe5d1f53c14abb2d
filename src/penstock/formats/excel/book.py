"""The workbook: which sheet holds the rows, and its cells row by row.

A workbook is a zip archive, so its sizes are looked at before anything of it is read.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from penstock.errors import BadFileError, PenstockError
from penstock.naming import did_you_mean

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
LARGEST_SHEET = 2_000_000_000
LARGEST_PART = 100_000_000
_SUSPICIOUS = 50_000_000
_RATIO = 200
_LOOKED_AT = 10
_ALPHABET = 26
NO_VALUE = "a formula without a stored value"


class Cell(NamedTuple):
    """A cell: its column, from 0, its value, and whether the value is an error such as `#DIV/0!`."""

    at: int
    value: Any
    error: bool


class Row(NamedTuple):
    """A row with the cells that hold something, by its number in the sheet, from 1."""

    line: int
    cells: list[Cell]


class Sheet:
    """The sheet that holds the rows."""

    def __init__(self, worksheet: Any, notes: list[str]) -> None:
        """Read `worksheet`; `notes` say what was decided to come to it."""
        self.name, self.notes = str(worksheet.title), notes
        self.merged: list[str] = []
        self._worksheet = worksheet

    def rows(self) -> Iterator[Row]:
        """Rows that hold something, as they stand in the sheet; after the last one `merged` is known."""
        with _translated(), self._worksheet._get_source() as source:  # noqa: SLF001 - rows out of order are not lost
            parser = _parser(source, self._worksheet)
            for line, cells in parser.parse():
                found = [
                    Cell(cell["column"] - 1, cell["value"], cell["data_type"] == "e")
                    for cell in cells
                    if cell["value"] is not None and cell["value"] != ""
                ]
                if found:
                    yield Row(line, found)
            merged = parser.merged_cells
            self.merged = [str(area.ref) for area in merged.mergeCell] if merged else []


@contextmanager
def open_book(path: str, sheet: str | int | None) -> Iterator[Sheet]:
    """Open the sheet with a name or number (from 1) of the workbook at `path`; the first visible one when left out.

    Raises:
        BadFileError: It is no workbook, is damaged, encrypted or too large, or has no such sheet.
        PenstockError: The library that reads workbooks is not installed.
    """
    try:
        import openpyxl
    except ModuleNotFoundError:
        raise PenstockError(
            "reading Excel files needs a library that is not installed", hint='pip install "penstock[excel]"'
        ) from None
    _assert_workbook(path)
    with Path(path).open("rb") as file, _translated():
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            yield _chosen(book, sheet)
        finally:
            book.close()


def letter(at: int) -> str:
    """The letters of the column at position `at`, from 0."""
    text = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, _ALPHABET)
        text = chr(ord("A") + rest) + text
    return text


def _assert_workbook(path: str) -> None:
    with Path(path).open("rb") as file:
        head = file.read(len(OLE))
        if head == OLE:
            encrypted = "EncryptedPackage".encode("utf-16-le") in file.read(1 << 20)
            raise BadFileError(
                "the file is protected with a password" if encrypted else "the file is of the old format .xls",
                hint="save it as .xlsx without a password and deliver it again",
            )
    if not head:
        raise BadFileError("the file is empty", hint="deliver it again")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise BadFileError(f"the file is no workbook: {error}", hint="save it as .xlsx and deliver it again") from None
    for part in parts:
        limit = LARGEST_SHEET if part.filename.startswith("xl/worksheets/") else LARGEST_PART
        swollen = part.file_size > _SUSPICIOUS and part.file_size > _RATIO * max(part.compress_size, 1)
        if part.filename.endswith((".xml", ".rels")) and (part.file_size > limit or swollen):
            raise BadFileError(
                f'"{part.filename}" in the workbook would unpack to {part.file_size:,} bytes',
                hint="split the workbook, or deliver its sheets as CSV",
            )


def _chosen(book: Any, sheet: str | int | None) -> Sheet:
    sheets = list(book.worksheets)
    names = [str(there.title) for there in sheets]
    if not sheets:
        raise BadFileError("the workbook has no sheet with cells", hint="check what was delivered")
    if isinstance(sheet, str):
        if sheet not in names:
            raise BadFileError(
                f'no sheet "{sheet}"{did_you_mean(sheet, names) or "; there are " + ", ".join(names)}',
                hint="declare `excel: {sheet: NAME}`",
            )
        return Sheet(sheets[names.index(sheet)], [])
    if sheet is not None:
        if not 1 <= sheet <= len(sheets):
            raise BadFileError(
                f"no sheet {sheet}; there are {len(sheets)}: {', '.join(names)}", hint="declare `excel: {sheet: 1}`"
            )
        return Sheet(sheets[sheet - 1], [])
    chosen = next((there for there in sheets if there.sheet_state == "visible"), sheets[0])
    others = [str(there.title) for there in sheets if there is not chosen and _holds_something(there)]
    notes = [f'read the sheet "{chosen.title}"; not read: {", ".join(others)}'] if others else []
    return Sheet(chosen, notes)


def _holds_something(worksheet: Any) -> bool:
    rows = Sheet(worksheet, []).rows()
    return next(rows, None) is not None


def _parser(source: Any, worksheet: Any) -> Any:
    """The library's parser, which also tells formulas that no program has calculated yet."""
    from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

    class Parser(WorkSheetParser):
        def parse_cell(self, element: Any) -> dict[str, Any]:
            cell: dict[str, Any] = super().parse_cell(element)
            if cell["value"] is None and element.find(FORMULA_TAG) is not None and element.get("t") != "str":
                cell |= {"value": NO_VALUE, "data_type": "e"}
            return cell

    book = worksheet.parent
    return Parser(
        source,
        worksheet._shared_strings,  # noqa: SLF001
        data_only=True,
        epoch=book.epoch,
        date_formats=book._date_formats,  # noqa: SLF001
        timedelta_formats=book._timedelta_formats,  # noqa: SLF001
    )


@contextmanager
def _translated() -> Iterator[None]:
    """Whatever the library stumbles over is the file's fault; what it warns of does not concern the cells."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (PenstockError, GeneratorExit, OSError, MemoryError):
            raise
        except Exception as error:
            reason = str(error).strip().split("\n", 1)[0]
            raise BadFileError(
                f"the workbook is damaged: {reason or type(error).__name__}",
                hint="open it in a spreadsheet program, save it as .xlsx and deliver it again",
            ) from error
