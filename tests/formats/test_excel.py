"""Excel workbooks: typed cells, row by row, and what cannot be a row set aside."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest

from penstock.errors import BadFileError
from penstock.formats.excel.read import read_excel
from penstock.formats.intake import Intake

NOON = datetime(2024, 1, 5, 12, 30)  # noqa: DTZ001 - Excel knows no time zones
DAY = datetime(2024, 1, 5)  # noqa: DTZ001 - the same


def workbook(path: Path, rows: list[list[Any]], change: Callable[[Any], object] | None = None) -> str:
    """Write a workbook with one sheet."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    if change:
        change(sheet)
    book.save(path)
    return str(path)


def taken(tmp_path: Path, rows: list[list[Any]], **options: Any) -> Intake:
    """Write a workbook and read it."""
    change = options.pop("change", None)
    return read_excel(workbook(tmp_path / "x.xlsx", rows, change), tmp_path, "x", **options)


def cells(intake: Intake) -> list[list[Any]]:
    """The rows with their numbers in the sheet."""
    found = pq.read_table(intake.spilled.path).to_pylist()
    assert len(found) == intake.spilled.rows
    return [[*list(row.values())[:-3], row["__penstock_line"]] for row in found]


def remarks(intake: Intake) -> list[dict[str, Any]]:
    """What is said of rows."""
    found: list[dict[str, Any]] = pq.read_table(intake.spilled.remarks).to_pylist()
    assert len(found) == intake.spilled.quarantined
    return found


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        ([1, 2.0, None], "BIGINT", [1, 2, None]),
        ([1, 2.5], "DOUBLE", [1.0, 2.5]),
        ([True, False], "BOOLEAN", [True, False]),
        (["007", "é"], "VARCHAR", ["007", "é"]),
        ([DAY, DAY], "DATE", [DAY.date(), DAY.date()]),
        ([DAY, NOON], "TIMESTAMP", [DAY, NOON]),
        ([time(9, 5)], "TIME", [time(9, 5)]),
        ([timedelta(hours=26, minutes=30)], "VARCHAR", ["26:30:00"]),
        ([1, "x", True, 2.5, DAY, NOON], "VARCHAR", ["1", "x", "true", "2.5", "2024-01-05", "2024-01-05 12:30:00"]),
    ],
)
def test_a_column_has_the_type_of_all_its_cells(tmp_path: Path, values: list[Any], kind: str, read: list[Any]) -> None:
    """Cells of one kind give their type; cells of several become text as they are shown."""
    intake = taken(tmp_path, [["id", "x"], *([0, value] for value in values)])
    assert intake.types == ("BIGINT", kind)
    assert [row[1] for row in cells(intake)] == read


def test_the_reason_names_the_rows_that_disagree(tmp_path: Path) -> None:
    """Mixed columns say which rows made them text."""
    (why,) = taken(tmp_path, [["x"], [1], [2], ["n/a"]]).reasons
    assert why.reason == "row 2 holds an integer (1), row 4 text (n/a): kept as text"
    assert (why.line, why.value) == (4, "n/a")


def test_rows_keep_their_numbers(tmp_path: Path) -> None:
    """Empty rows are no records; the header may stand below others."""
    rows: list[list[Any]] = [["a title"], [], ["a", None, "b"], [1, None, "x"], [], [None, None, "y"]]
    intake = taken(tmp_path, rows, skip=1)
    assert intake.header == ("a", "b")
    assert cells(intake) == [[1, "x", 4], [None, "y", 6]]
    assert intake.notes == ()


def test_errors_are_set_aside(tmp_path: Path) -> None:
    """A row with an error, an uncalculated formula or a value without a column is kept in quarantine, with the cell."""
    rows: list[list[Any]] = [["a", "b"], [1, "#DIV/0!"], [2, "=A2+1"], [3, "x", "note"], [4, "fine"]]
    intake = taken(tmp_path, rows)
    assert cells(intake) == [[4, "fine", 5]]
    assert [(found["line"], found["column_name"], found["rule"], found["reason"]) for found in remarks(intake)] == [
        (2, "b", "error b", "B2 holds #DIV/0!"),
        (3, "b", "error b", "B3 holds a formula without a stored value"),
        (4, None, "malformed", "C4 holds note in a column without a name"),
    ]
    assert remarks(intake)[0]["raw"] == '{"A2":"1","B2":"#DIV/0!"}'


def test_formulas_give_their_stored_values(tmp_path: Path) -> None:
    """What the spreadsheet program calculated is what is read."""
    path = Path(workbook(tmp_path / "x.xlsx", [["a", "b"], [1, "=A2+1"]]))
    changed = path.with_name("y.xlsx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(
                name, data.replace(b"<f>A2+1</f><v></v>", b"<f>A2+1</f><v>2</v>").replace(b"<v />", b"<v>2</v>")
            )
    assert cells(read_excel(str(changed), tmp_path, "x")) == [[1, 2, 2]]


def test_merged_cells_are_said(tmp_path: Path) -> None:
    """Only the first of merged cells holds the value: people are told."""
    intake = taken(tmp_path, [["a", "b"], [1, "x"], [2, None]], change=lambda sheet: sheet.merge_cells("B2:B3"))
    assert cells(intake) == [[1, "x", 2], [2, None, 3]]
    assert intake.notes == ("merged cells (B2:B3): their value is in the first cell, the others are empty",)


def test_sheets_are_chosen(tmp_path: Path) -> None:
    """By name, by number, or the first visible one, with a note when others hold something."""
    book = openpyxl.Workbook()
    book.worksheets[0].append(["first"])
    book.worksheets[0].sheet_state = "hidden"
    for name in ("Second", "Third", "Empty"):
        book.create_sheet(name)
        if name != "Empty":
            book[name].append([name.lower()])
    path = str(tmp_path / "x.xlsx")
    book.save(path)
    chosen = read_excel(path, tmp_path, "x")
    assert (chosen.header, chosen.notes) == (("second",), ('read the sheet "Second"; not read: Sheet, Third',))
    assert read_excel(path, tmp_path, "x", sheet="Third").header == ("third",)
    assert read_excel(path, tmp_path, "x", sheet=1).header == ("first",)
    with pytest.raises(BadFileError, match=r'no sheet "Thrd"; did you mean "Third"'):
        read_excel(path, tmp_path, "x", sheet="Thrd")
    with pytest.raises(BadFileError, match=r"no sheet 5; there are 4: Sheet, Second, Third, Empty"):
        read_excel(path, tmp_path, "x", sheet=5)
    with pytest.raises(BadFileError, match='the sheet "Empty" is empty'):
        read_excel(path, tmp_path, "x", sheet="Empty")


@pytest.mark.parametrize(
    ("known", "value", "kind", "read"),
    [
        ("DOUBLE", 1, "DOUBLE", 1.0),
        ("TIMESTAMP", DAY, "TIMESTAMP", DAY),
        ("VARCHAR", 7, "VARCHAR", "7"),
        ("BIGINT", 1.5, "VARCHAR", "1.5"),
        ("BIGINT", "x", "VARCHAR", "x"),
        ("DATE", NOON, "VARCHAR", "2024-01-05 12:30:00"),
        ("BIGINT", None, "BIGINT", None),
    ],
)
def test_known_types_are_kept(tmp_path: Path, known: str, value: object, kind: str, read: object) -> None:
    """The table's type stays where every cell fits; else cells are text, and the rows are told apart later."""
    intake = taken(tmp_path, [["id", "x"], [0, value]], known={"X": known})
    assert (intake.types[1], cells(intake)[0][1]) == (kind, read)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["a", "A"], [1, 2]], 'A1 and B1 are both called "a"|A1 and B1 are both called "A"'),
        ([["__penstock_x"]], "is taken by the system"),
        ([["#REF!"]], "the name of a column, A1, is #REF!"),
        ([], "is empty"),
    ],
)
def test_headers_must_be_sound(tmp_path: Path, rows: list[list[Any]], message: str) -> None:
    """What cannot name a column is refused, with the cell."""
    with pytest.raises(BadFileError, match=message):
        taken(tmp_path, rows)


def test_bad_files(tmp_path: Path) -> None:
    """Empty, foreign, old, encrypted, cut off, swollen: each has its own words."""
    whole = Path(workbook(tmp_path / "x.xlsx", [["a"], [1]])).read_bytes()
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    damaged = {
        b"": "the file is empty",
        b"a,b\n": "is no workbook",
        ole + b"x": "old format",
        ole + "EncryptedPackage".encode("utf-16-le"): "protected with a password",
        whole[: len(whole) // 2]: "is no workbook",
        whole.replace(b"xl/workbook.xml", b"xl/workbooc.xml"): "the workbook is damaged",
    }
    path = tmp_path / "y.xlsx"
    for content, message in damaged.items():
        path.write_bytes(content)
        with pytest.raises(BadFileError, match=message):
            read_excel(str(path), tmp_path, "x")


def test_bombs_are_refused(tmp_path: Path) -> None:
    """A small file that unpacks to very much is refused before it is unpacked."""
    path = tmp_path / "x.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", b" " * 60_000_000)
    with pytest.raises(BadFileError, match=r'"xl/sharedStrings.xml" in the workbook would unpack to 60,000,000 bytes'):
        read_excel(str(path), tmp_path, "x")


def test_without_the_library(tmp_path: Path) -> None:
    """People are told what to install."""
    path = workbook(tmp_path / "x.xlsx", [["a"], [1]])
    program = (
        "import sys; sys.modules['openpyxl'] = None\n"
        "from pathlib import Path\nfrom penstock.errors import PenstockError\n"
        "from penstock.formats.excel.read import read_excel\n"
        "try: read_excel(sys.argv[1], Path(sys.argv[2]), 'x')\nexcept PenstockError as error: print(error)"
    )
    command = [sys.executable, "-P", "-c", program, path, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert 'pip install "penstock[excel]"' in said
