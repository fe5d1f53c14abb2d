"""Damaged text: what can be told apart is kept, the damaged record is set aside with its line, the rest is refused."""

from __future__ import annotations

import codecs
import gzip
import io
import pickle
import sqlite3
import zipfile
from pathlib import Path

import openpyxl
import pytest

from tests.hostile.hostile import HEAD, Became, Case, assert_became, become, lake_of

EMPTY = "the file is empty; a CSV file starts with a line of column names; deliver the file again"
OPEN = "a quote that is not closed"
NOT_CSV = "the file is not CSV, it is {}, and deliver it again"
LOOK = "check what was delivered"


def _many(quoted: str, before: int, after: int) -> bytes:
    rows = [f"{at},{quoted}n{at}{quoted},5\n" for at in range(before + after)]
    return HEAD + "".join([*rows[:before], '900000,"a,1\n', *rows[before:]]).encode()


def _sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (a)")
    connection.commit()
    connection.close()


def _workbook() -> bytes:
    out = io.BytesIO()
    openpyxl.Workbook().save(out)
    return out.getvalue()


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", "id\n1\n")
    return out.getvalue()


CASES = {
    "empty": Case(b"", dead=EMPTY),
    "only_mark": Case(codecs.BOM_UTF8, dead=EMPTY),
    "only_space": Case(b"  \n \t\n\r\n", dead=EMPTY),
    "only_lines": Case(b"\n" * 1_000_000, dead=EMPTY),
    "late": Case(
        b"\n" * 5_000 + HEAD + b"7,a,1\n",
        dead="the first 3,000 lines are blank; a CSV file starts with a line of column names; deliver the file again",
    ),
    "header": Case(HEAD),
    "header_open": Case(HEAD[:-1]),
    "header_lines": Case(HEAD + b"\n\n\r\n"),
    "ragged": Case(
        HEAD + b"7,a,1\n8,b\n9,c,1,2\n10,d,2\n",
        rows=[(7, "a", 1), (10, "d", 2)],
        quarantined=[
            (3, "too few fields: 3 expected, 2 found"),
            (4, "too many fields: 3 expected, 4 found"),
        ],
    ),
    "open_first": Case(HEAD + b'7,"a,1\n8,b,2\n9,c,3\n', rows=[(8, "b", 2), (9, "c", 3)], quarantined=[(2, OPEN)]),
    "open_last": Case(HEAD + b'7,a,1\n8,"b,2\n', rows=[(7, "a", 1)], quarantined=[(3, OPEN)]),
    "open_header": Case(
        b'id,"name,amount\n7,a,1\n8,b,2\n',
        dead="line 1: the header cannot be read: a quote that is not closed; correct the header, or declare how the "
        "file is written: csv: {delimiter, quote, skip, header}",
    ),
    "semicolons": Case(b"id;name;amount\n7;a;1\n8;b;2\n", rows=[(7, "a", 1), (8, "b", 2)]),
    "other_table": Case(
        b"x|y|z\n1|2|3\n",
        dead="line 1 has none of the table's columns (id, name, amount); found x|y|z; the table's files have the "
        'delimiter "," and start with a line of column names',
    ),
    "utf_16": Case("id,name,amount\n7,é,1\n".encode("utf-16"), rows=[(7, "é", 1)]),
    "latin_1": Case("id,name,amount\n7,é,1\n".encode("latin-1"), rows=[(7, "é", 1)]),
    "koi8": Case(
        "id,name,amount\n7,привет мир,1\n8,как дела,2\n".encode("koi8-r"),
        dead="line 2 is not UTF-8 (byte 0xD0), and ",
    ),
    "one_nul": Case(HEAD + b"7,a\0b,1\n8,c,2\n", rows=[(8, "c", 2)], quarantined=[(2, "a NUL byte at position 4")]),
    "a_hole": Case(
        HEAD + b"\0" * 300 + b"8,c,2\n9,d,3\n", rows=[(9, "d", 3)], quarantined=[(2, "a NUL byte at position 1")]
    ),
    "many_nuls": Case(
        HEAD + b"7,a\0b,1\n" * 50 + b"8,c,2\n",
        dead="line 2 holds a NUL byte, as do 50 of 52 lines: this is no text file; ",
    ),
    "only_nuls": Case(
        b"\0" * 5_000,
        dead="line 1 holds a NUL byte, as do 1 of 1 lines: this is no text file; ",
    ),
    "picture": Case(
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 20, dead=NOT_CSV.format(f"a PNG picture; {LOOK}")
    ),
    "program": Case(b"\x7fELF\2\1\1" + bytes(range(256)) * 20, dead=NOT_CSV.format(f"a program; {LOOK}")),
    "document": Case(b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n", dead=NOT_CSV.format(f"a PDF document; {LOOK}")),
    "archive": Case(_zip(), dead=NOT_CSV.format("a ZIP archive; unpack it")),
    "workbook": Case(
        _workbook(),
        dead=NOT_CSV.format("an Excel workbook or another Office document; name it .xlsx or declare format: excel"),
    ),
    "database": Case(_sqlite, dead=NOT_CSV.format(f"an SQLite database; {LOOK}")),
    "bzip2": Case(
        b"BZh91AY&SY" + bytes(range(256)),
        dead=NOT_CSV.format("compressed with bzip2; deliver it plain, or compressed with gzip or zstd"),
    ),
    "pickled": Case(
        pickle.dumps({"a": list(range(1000))}),
        dead="the file is not CSV: its bytes are no text; check what was delivered; if it is text, declare its "
        "encoding, such as csv: {encoding: cp1252}",
    ),
    "parquet_named_in_text": Case(b"PAR1,ORC,BZh\n1,2,3\n", rows=[(1, 2, 3)], alone=True),
    "gzip_named_csv": Case(gzip.compress(HEAD + b"7,a,1\n"), rows=[(7, "a", 1)]),
    "csv_named_gz": Case(HEAD + b"7,a,1\n", key="bad.csv.gz", rows=[(7, "a", 1)]),
}
LARGE = {
    "open_quoted": (Case(_many('"', 0, 100_000)), 2),
    "open_plain": (Case(_many("", 0, 100_000)), 2),
    "open_middle": (Case(_many('"', 50_000, 50_000)), 50_002),
}


@pytest.fixture(scope="module")
def became(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Became]:
    """What became of all cases."""
    return become(lake_of(tmp_path_factory.mktemp("text"), CASES), CASES)


@pytest.mark.parametrize("name", CASES)
def test_damage_costs_no_more_than_the_damaged(became: dict[str, Became], name: str) -> None:
    """Exact rows, exact reasons, in time; the good file beside it is in, raw/ untouched, a second run idle."""
    assert_became(CASES[name], became[name])


def test_the_raw_text_of_a_damaged_record_is_kept(became: dict[str, Became]) -> None:
    """What was set aside stands in quarantine as it stood in the file."""
    assert became["ragged"].raw == ["8,b", "9,c,1,2"]
    assert became["open_first"].raw == ['7,"a,1']
    assert became["one_nul"].raw == ["7,a\0b,1"]


def test_an_unclosed_quote_costs_one_row_of_a_hundred_thousand(tmp_path: Path) -> None:
    """Only the line that opens the quote is lost, wherever it stands and whatever quotes follow, within seconds."""
    cases = {name: case for name, (case, _) in LARGE.items()}
    found = become(lake_of(tmp_path, cases), cases)
    for name, (_, line) in LARGE.items():
        assert found[name].quarantined == [(line, OPEN)]
        assert found[name].raw == ['900000,"a,1']
        assert found[name].accounts == (100_001, 100_000, 1)
        assert found[name].good
        assert found[name].seconds < 10, name
