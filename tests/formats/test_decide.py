"""Deciding how files are written: the choices with their reasons, what is declared, what is refused, later files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import BadFileError
from penstock.formats import Dialect, Reading, detect_dialect, read_carefully, scan, verify
from tests.formats.test_records import Taken


@pytest.fixture(name="decide")
def _decide(tmp_path: Path) -> Any:
    def decide(content: str | bytes, **declared: Any) -> Reading:
        path = tmp_path / "file.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return detect_dialect(str(path), scan(str(path)), declared)

    return decide


ROWS = "".join(f"{at};x{at};{at},5\n" for at in range(1, 9))

CHOICES = [
    ("a,b\n1,2\n", "delimiter", ",", "all records of the file have the header's 2 fields with comma", 1, None),
    ("a;b;c\n" + ROWS, "delimiter", ";", "all records of the file have the header's 3 fields with semicolon", 1, None),
    ("a;b;c\n" + ROWS, "decimal", ",", "no number of the first records has a decimal point", 2, "1,5"),
    (
        "a||b\n1||2\n3||4\n5||6\n",
        "delimiter",
        "||",
        "100% of the first records have the header's 2 fields with",
        1,
        None,
    ),
    (
        "a:b\n1:2\n3:4\n5:6\n",
        "delimiter",
        ":",
        "all records of the file have the header's 2 fields with colon",
        1,
        None,
    ),
    (
        "a b\n1 2\n3 4\n5 6\n",
        "delimiter",
        " ",
        "100% of the first records have the header's 2 fields with space",
        1,
        None,
    ),
    ("a;b\n1;2\n3\n", "delimiter", ";", "50% of the first records have the header's 2 fields with semicolon", 1, None),
    ("a\n1\n", "delimiter", ",", "the header holds none of comma, semicolon, tab or vertical bar: one column", 1, None),
    ("city\nParis, France\nLyon\nNice\n", "delimiter", ";", "the header holds none of comma, semicolon", 1, None),
    ("a,b\n'x, y',2\n'z',3\n", "quote", "'", "2 of the first fields have them around", None, None),
    ('a\tb\n"x\t1\n"y\t2\n"z\t3\n', "quote", "", "no field has quotes around it", None, None),
    ('a,b\n"x \\"y\\"",2\n', "escape", "\\", "only so do the quotes within quoted fields match", None, None),
    ("a,b\n1,2\n", "encoding", "utf-8", "all bytes are ASCII", None, None),
    ("a,b\n1,é\n", "encoding", "utf-8", "all bytes are valid UTF-8", None, None),
    ("\ufeffa,b\n1,é\n", "encoding", "utf-8", "the byte order mark at the start of the file", 1, None),
    ("# made\na,b\n1,2\n# end\n", "comment", "#", "2 of the first lines start with it and are no records", 1, "# made"),
    (
        "Report\n\na,b\n1,2\n",
        "skip",
        "2",
        "line 3 is the first that is as wide as the rows and names columns",
        1,
        "Report",
    ),
    ("a,b\n1,2\n", "header", "1", '"a" is none of the numbers, dates or times below it', 1, "a | b"),
    ("a,b\nx,y\n", "header", "1", "the first line names the columns", 1, "a | b"),
    ("n,2019,2020\nFR,1,2\n", "header", "1", "the first line names the columns", 1, "n | 2019 | 2020"),
    ("a,b,\n1,2,\n3,4,\n", "trailing", "yes", "all 3 first records end in a delimiter with nothing behind it", 1, None),
]


@pytest.mark.parametrize(("content", "what", "choice", "reason", "line", "value"), CHOICES)
def test_every_choice_has_its_reason(
    decide: Any, content: str, what: str, choice: str, reason: str, line: int | None, value: str | None
) -> None:
    """What was chosen is kept with the reason, and with the line and the value that decided it."""
    found = decide(content).dialect.why(what)
    assert (found.choice, found.line) == (choice, line)
    assert found.reason.startswith(reason)
    if value is not None:
        assert found.value == value


def test_a_header_of_several_lines(decide: Any) -> None:
    """Names in two lines are joined where the numbers below show that the second line is no row."""
    body = "".join(f"x{at},{at}.5,{at}\n" for at in range(6))
    reading = decide("item,price,weight\nname,EUR,kg\n" + body)
    assert reading.names == ("item name", "price EUR", "weight kg")
    assert reading.dialect.header == 2
    assert reading.notes == ("the header is made of 2 lines: 2 columns are numbers or dates below them",)
    assert decide("item,price,weight\nx,n/a,-\n" + body).dialect.header == 1, "words for null are a row's"
    assert decide("item,price\nx,unknown yet\n" + "".join(f"x,{at}\n" for at in range(6))).dialect.header == 1


LIKE_A_ROW = "line 1 should name the columns, but looks like a row:"
REFUSED = [
    ("1,2,x\n3,4,y\n", f'{LIKE_A_ROW} "1" is a value, not a name; found "1 | 2 | x"'),
    ("P,Lyon\nN,Lyon\nM,Lille\n", f'{LIKE_A_ROW} "Lyon" stands in the same column again; found "P | Lyon"'),
    ("a,,c\n1,2,3\n", "line 1: column 2 has no name"),
    ("a,b,A\n1,2,3\n", 'line 1: columns 1 and 3 are both called "A" (column 1 as "a")'),
    ("a,b\n1,2,3\n4,5,6\n7,8,9\n", 'line 1 has 2 fields, but 3 of the 3 records below it have 3 with ",": "a | b"'),
    ("x,y;z\na,b;c\nd,e;f\ng,h;i\n", "the delimiter may be comma (2 fields) or semicolon (2 fields): both fit"),
    ("a,b\nx\ny\nz\n", "line 1 has 2 names with comma, but most records have one field"),
    ("a\x1b[2J,b,a\x1b[2J\n1,2,3\n", 'line 1: columns 1 and 3 are both called "a·[2J"'),
    ("a,__penstock_x\n1,2\n", 'line 1: the name "__penstock_x" is taken by the system'),
    ("", "the file is empty"),
    ("\ufeff\n \n", "the file is empty"),
    ("a\0b\n\0\0\n", "line 1 holds a NUL byte, as do 2 of 2 lines: this is no text file"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_what_is_refused(decide: Any, content: str, message: str) -> None:
    """A file is refused rather than a row eaten or a cut guessed; the error says what was found and the next step."""
    with pytest.raises(BadFileError) as caught:
        decide(content)
    assert caught.value.what.startswith(message)
    assert caught.value.hint


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_two_ways_to_cut_are_told_apart_by_declaring(decide: Any, delimiter: str) -> None:
    """What fits in two ways is read as it is declared."""
    reading = decide("x,y;z\na,b;c\nd,e;f\ng,h;i\n", delimiter=delimiter)
    assert reading.dialect.delimiter == delimiter
    assert reading.names == (("x", "y;z") if delimiter == "," else ("x,y", "z"))
    assert reading.dialect.reason == "declared"


def test_what_is_declared_wins(decide: Any) -> None:
    """No declared key is looked for in the file, and each is kept as declared."""
    reading = decide(
        "t\n;1|'x\\'y'|NA\n%\n",
        delimiter="|",
        quote="'",
        escape="\\",
        comment="%",
        skip=1,
        header=0,
        decimal=",",
        encoding="latin1",
        nulls=["NA"],
        columns=["a", "b", "c"],
    )
    dialect = reading.dialect
    assert reading.names == ("a", "b", "c")
    assert (dialect.delimiter, dialect.quote, dialect.escape, dialect.comment) == ("|", "'", "\\", "%")
    assert (dialect.skip, dialect.header, dialect.decimal, dialect.encoding) == (1, 0, ",", "latin-1")
    assert (dialect.nulls, dialect.names) == (("NA",), ("a", "b", "c"))
    assert {found.what for found in dialect.evidence if found.reason == "declared"} == {
        "delimiter", "quote", "escape", "comment", "skip", "header", "decimal", "encoding",
    }  # fmt: skip


def test_columns_without_a_header_are_numbered(decide: Any) -> None:
    """A declared header of none gives names; all lines are rows."""
    reading = decide("1,2\n3,4\n", header=0)
    assert reading.names == ("column_1", "column_2")
    assert reading.dialect.header == 0


def test_a_declared_header_is_not_doubted(decide: Any) -> None:
    """Numbers may be names where that is declared."""
    assert decide("1,2\n3,4\n", header=1).names == ("1", "2")


def test_a_dialect_is_stored_and_read(decide: Any) -> None:
    """Through JSON a dialect stays the same; one of an earlier version is read, too."""
    dialect = decide("# x\na;b\n1,5;2\n# y\n").dialect
    assert Dialect.from_dict(json.loads(json.dumps(dialect.as_dict()))) == dialect
    assert Dialect(**json.loads(json.dumps(dialect.as_dict()))) == dialect
    assert Dialect(delimiter=";", quote='"', reason="x").header == 1
    assert Dialect.from_dict({"delimiter": ";", "of a later version": 1}) == Dialect(";")


@pytest.mark.parametrize(
    ("content", "delimiter", "names", "notes"),
    [
        ("a,b\n1,2\n", ",", ("a", "b"), ()),
        ("B,c\n1,2\n", ",", ("B", "c"), ()),
        ("a;b\n1;2\n3;4\n", ";", ("a", "b"), ('read with the delimiter ";" instead of ","',)),
        (
            "Report\n\na,b\n1,2\n3,4\n",
            ",",
            ("a", "b"),
            (
                '2 lines before the header were passed over, the first is "Report"',
                'read with the number of lines before the header "2" instead of "0"',
            ),
        ),
    ],
)
def test_later_files(
    tmp_path: Path, content: str, delimiter: str, names: tuple[str, ...], notes: tuple[str, ...]
) -> None:
    """A later file is read as the table's files are; where that does not fit, as it is written, and that is said."""
    path = tmp_path / "later.csv"
    path.write_text(content)
    reading = verify(str(path), scan(str(path)), Dialect(","), ["a", "b"])
    assert (reading.dialect.delimiter, reading.names, reading.notes) == (delimiter, names, notes)
    taken = Taken()
    read_carefully(str(path), reading.dialect, len(names), taken)
    assert taken.rows[0] == ["1", "2"]
    assert taken.aside == []


def test_a_later_file_in_another_encoding(tmp_path: Path) -> None:
    """Each file's own encoding is decided anew, unless it is declared; a guess is said."""
    path = tmp_path / "later.csv"
    path.write_bytes("a,b\n1,été\n".encode("cp1252"))
    reading = verify(str(path), scan(str(path)), Dialect(","), ["a", "b"])
    assert reading.dialect.encoding == "cp1252"
    assert reading.notes[0].startswith("read as Windows-1252: not UTF-8 from line 2 on")
    assert (
        verify(str(path), scan(str(path)), Dialect(","), ["a", "b"], {"encoding": "utf-8"}).dialect.encoding == "utf-8"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,y\n1,2\n", "line 1 has none of the table's columns (a, b); found x, y"),
        ("a,a\n1,2\n", 'line 1: columns 1 and 2 are both called "a"'),
        ("", "the file is empty"),
    ],
)
def test_files_of_another_table_are_refused(tmp_path: Path, content: str, message: str) -> None:
    """A file without the table's columns is no later file of it, however it is read."""
    path = tmp_path / "later.csv"
    path.write_text(content)
    with pytest.raises(BadFileError) as caught:
        verify(str(path), scan(str(path)), Dialect(","), ["a", "b"])
    assert caught.value.what == message


def test_a_declared_delimiter_holds_for_later_files(tmp_path: Path) -> None:
    """What is declared is not given up because a file would be read with something else."""
    path = tmp_path / "later.csv"
    path.write_text("a;b\n1;2\n")
    with pytest.raises(BadFileError):
        verify(str(path), scan(str(path)), Dialect(","), ["a", "b"], {"delimiter": ","})


def test_the_whole_file_is_looked_at(decide: Any) -> None:
    """Whether all records fit is known for the whole file, not for a sample."""
    rows = "".join(f"{at},x\n" for at in range(40_000))
    assert decide("a,b\n" + rows).dialect.reason.startswith("all records of the file")
    late = decide("a,b\n" + rows + "1,2,3\n")
    assert late.dialect.reason == "100% of the first records have the header's 2 fields with comma"
    assert (late.proof.plain, late.proof.parallel) == (True, False)
