"""The careful reader: what a record is, where it stands, what is set aside and what carries a warning."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.formats import Dialect, Place, SpillWriter, first_records, read_carefully
from penstock.formats.csv.dialect import DECLARED, Choice
from penstock.formats.spill import Fate

CELL = st.text(st.sampled_from("ab1é ,;|\t\"'\\\n\r#"), max_size=6)


class Taken:
    """Keeps what was read."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.rows: list[list[str | None]] = []
        self.places: list[Place] = []
        self.aside: list[tuple[int, str, str]] = []
        self.warned: list[tuple[int, str, str | None]] = []

    def keep(self, cells: Sequence[Any], place: Place) -> None:
        """Take a record."""
        self.rows.append(list(cells))
        self.places.append(place)

    def remark(self, fate: Fate, place: Place, rule: str, reason: str, raw: str, column: str | None = None) -> None:
        """Take a remark."""
        if fate == "quarantined":
            assert rule == "malformed"
            self.aside.append((place.line, reason, raw))
        else:
            self.warned.append((place.line, rule, column))


def read(content: bytes, dialect: Dialect, width: int, names: tuple[str, ...] = ()) -> tuple[Taken, tuple[str, ...]]:
    """Read a file carefully; checks that every place is where the record stands in the file's bytes."""
    taken = Taken()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        path.write_bytes(content)
        notes = read_carefully(str(path), dialect, width, taken, names)
    return taken, notes


@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=12),
    st.sampled_from(",;\t|"),
    st.sampled_from("\"'"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "cp1252"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_a_writer_writes_is_read_back(
    rows: list[list[str]], delimiter: str, quote: str, end: str, encoding: str, quoting: Any
) -> None:
    """Rows written in any dialect and encoding are read back exactly, and each place is where the row stands."""
    if quoting == csv.QUOTE_MINIMAL:  # the writer leaves a carriage return without quotes
        rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, quotechar=quote, lineterminator=end, quoting=quoting)
    writer.writerow(["n", "x", "y", "z"])
    writer.writerows([str(at), *row] for at, row in enumerate(rows))
    content = buffer.getvalue().encode(encoding)
    taken, _ = read(content, Dialect(delimiter, quote, encoding=encoding), 4)
    stray = any(cell.startswith(" ") and quote in cell for row in rows for cell in row)
    assert taken.aside == []
    assert taken.rows == [[str(at), *(cell or None for cell in row)] for at, row in enumerate(rows)]
    assert not taken.warned or stray or any("\r" in cell or "\n" in cell for row in rows for cell in row)
    for place, row in zip(taken.places, taken.rows, strict=True):
        assert place.offset is not None
        assert place.length is not None
        text = content[place.offset : place.offset + place.length].decode(encoding)
        assert text.startswith((f"{row[0]}{delimiter}", f"{quote}{row[0]}{quote}{delimiter}"))
        assert content[place.offset + place.length :].decode(encoding).startswith(end)


@given(
    st.lists(st.lists(st.text(st.sampled_from('ab,"\\\n'), max_size=5), min_size=2, max_size=2), max_size=8),
    st.sampled_from([",", "||", "::", "~|~"]),
)
def test_escapes_and_long_delimiters_are_read_back(rows: list[list[str]], delimiter: str) -> None:
    """Quotes behind a backslash, and delimiters of several characters, are read back exactly."""

    def field(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    content = "".join(delimiter.join(map(field, row)) + "\n" for row in [["x", "y"], *rows]).encode()
    taken, _ = read(content, Dialect(delimiter, escape="\\"), 2)
    assert taken.aside == []
    assert taken.rows == [[cell or None for cell in row] for row in rows]


HEADER = b"a,b,c\n"
SET_ASIDE = [
    ("too few", b"1,2\n", "too few fields: 3 expected, 2 found"),
    ("too many", b"1,2,3,4\n", "too many fields: 3 expected, 4 found"),
    ("empty field too many", b"1,2,3,\n", "too many fields: 3 expected, 4 found"),
    ("quoted empty field too many", b'1,2,3,""\n', "too many fields: 3 expected, 4 found"),
    ("spaces only", b"  \n", "too few fields: 3 expected, 1 found"),
    ("text after", b'1,"x"y,3\n', "text after a closing quote"),
    ("not closed", b'1,"x,3\n', "a quote that is not closed"),
    ("not closed at the end of a line", b'1,2,"x\n', "a quote that is not closed"),
    ("nul", b"1,\0,3\n", "a NUL byte at position 3"),
    ("not text", b"1,\xe9,3\n", "not UTF-8: byte 0xE9 at position 3 of the line"),
    ("the header", b"a,b,c\n", "the header again"),
    ("the header with a mark", b"\xef\xbb\xbfa,b,c\n", "the header again"),
]


@pytest.mark.parametrize(("line", "reason"), [case[1:] for case in SET_ASIDE], ids=[case[0] for case in SET_ASIDE])
@pytest.mark.parametrize("others", [b'4,5,6\n7,"8",9\n', b"4,5,6\n" * 50, b'"4","5","6"\n' * 3, b'4,"5,5",6\n'])
def test_at_most_the_damaged_row_is_lost(line: bytes, reason: str, others: bytes) -> None:
    """A damaged line is set aside with the reason and its text; every other row is kept, wherever the damage stands."""
    count = others.count(b"\n")
    for content, at in ((line + others, 2), (others + line, count + 2), (others + line + others, count + 2)):
        taken, _ = read(HEADER + content, Dialect(","), 3)
        assert taken.aside == [(at, reason, line.decode("utf-8", "backslashreplace").rstrip("\n"))]
        assert len(taken.rows) == content.count(b"\n") - 1


WARNED = [
    (b'1,5" pipe,3\n', "stray quote", "b", ["1", '5" pipe', "3"]),
    (b'1,x""y,3\n', "stray quote", "b", ["1", 'x""y', "3"]),
    (b"1,x\ry,3\n", "carriage return", "b", ["1", "x\ry", "3"]),
    ("1,x\ufffd,3\n".encode(), "replaced character", "b", ["1", "x\ufffd", "3"]),
    ("1,\ufeffx,3\n".encode(), "byte order mark", "b", ["1", "\ufeffx", "3"]),
    (b"Total,,3\n", "total", "a", ["Total", None, "3"]),
    (b'1,"x\n4,5,6\n7,8,9\n",3\n', "lines in quotes", "b", ["1", "x\n4,5,6\n7,8,9\n", "3"]),
]


@pytest.mark.parametrize(("line", "rule", "column", "row"), WARNED)
def test_what_is_suspicious_is_kept_with_a_warning(line: bytes, rule: str, column: str, row: list[str]) -> None:
    """A row that can be read but may not be meant so is kept as it is, and the column to look at is named."""
    taken, _ = read(HEADER + b"0,0,0\n" + line + b"4,5,6\n", Dialect(","), 3, ("a", "b", "c"))
    assert taken.rows == [["0", "0", "0"], row, ["4", "5", "6"]]
    assert taken.warned == [(3, rule, column)]
    assert taken.aside == []


KEPT = [
    (b'1, "x,y" ,3\n', ["1", "x,y", "3"]),
    (b'1,"x\ny",3\n', ["1", "x\ny", "3"]),
    (b'1,"x\r\ny",3\n', ["1", "x\r\ny", "3"]),
    (b'1,"x\ry",3\n', ["1", "x\ry", "3"]),
    (b'1,"",3\n', ["1", None, "3"]),
    (b'1,"""x""",3\n', ["1", '"x"', "3"]),
    (b"1, x ,3\n", ["1", " x ", "3"]),
    (b"1,\x07\x1b,3\n", ["1", "\x07\x1b", "3"]),
    (b",,\n", [None, None, None]),
    ("1,\u202e🙂e\u0301,3\n".encode(), ["1", "\u202e🙂e\u0301", "3"]),
]


@pytest.mark.parametrize(("line", "row"), KEPT)
def test_what_is_well_formed_is_kept_as_it_is(line: bytes, row: list[str]) -> None:
    """Ordinary records carry no remark."""
    taken, _ = read(HEADER + line + b"\n\n4,5,6", Dialect(","), 3)
    assert taken.rows == [row, ["4", "5", "6"]]
    assert (taken.aside, taken.warned) == ([], [])


def test_a_quote_that_swallows_rows_of_the_right_width_is_damage() -> None:
    """Where the record is too short only because it swallowed good lines, these are read again on their own."""
    taken, _ = read(b'a,b,c\n1,"x\n4,5,6\n7,8,"\n9,9,9\n', Dialect(","), 3)
    assert [line for line, _, _ in taken.aside] == [2, 4]
    assert taken.rows == [["4", "5", "6"], ["9", "9", "9"]]


def test_a_quote_that_is_never_closed_does_not_take_the_rest_of_a_long_file() -> None:
    """Behind a limit the quote counts as damage, so that memory and time are bounded."""
    content = HEADER + b'1,"x,3\n' + b"4,5,6\n" * 400_000
    taken, _ = read(content, Dialect(","), 3)
    assert taken.aside == [(2, "a quote that is not closed", '1,"x,3')]
    assert len(taken.rows) == 400_000


def test_a_line_without_end_is_set_aside() -> None:
    """Of a line of more than four million bytes only the start is kept."""
    content = HEADER + b"1," + b"x" * 9_000_000 + b",3\n4,5,6\n"
    taken, _ = read(content, Dialect(","), 3)
    ((line, reason, raw),) = taken.aside
    assert (line, reason, len(raw)) == (2, "longer than 4,000,000 bytes", 1_001)
    assert taken.rows == [["4", "5", "6"]]
    place = taken.places[0]
    assert content[place.offset :] == b"4,5,6\n"


@pytest.mark.parametrize("ends", [["\r"], ["\n", "\r\n"], ["\n", "\r"], ["\r\n", "\r", "\n"], ["\r\r\n"]])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_any_line_end_ends_a_record(ends: list[str], encoding: str) -> None:
    """Line ends may differ from line to line; that is said once."""
    lines = ["a,b", *(f"{at},x" for at in range(9))]
    content = "".join(line + ends[at % len(ends)] for at, line in enumerate(lines)).encode(encoding)
    taken, notes = read(content, Dialect(",", encoding=encoding), 2)
    assert taken.rows == [[str(at), "x"] for at in range(9)]
    assert (taken.aside, taken.warned) == ([], [])
    assert len(notes) == (len(ends) > 1)


def test_comments_are_counted_and_rows_that_look_like_comments_are_kept() -> None:
    """A line that starts like a comment, but is as wide as a row, is a row, unless comments are declared."""
    content = b"# made\na,b\n1,2\n# note\n#3,4\n"
    taken, notes = read(content, Dialect(",", comment="#"), 2)
    assert taken.rows == [["1", "2"], ["#3", "4"]]
    assert taken.warned == [(5, "comment", None)]
    assert notes == ('2 lines that start with "#" are comments and were passed over',)
    declared = Dialect(",", comment="#", evidence=(Choice("comment", "#", DECLARED),))
    taken, _ = read(content, declared, 2)
    assert taken.rows == [["1", "2"]]


def test_every_record_ends_in_a_delimiter() -> None:
    """Where all do, one that does not, or has a value behind it, is set aside."""
    taken, _ = read(b"a,b,\n1,2,\n3,4\n5,6,7\n8,,\n", Dialect(",", trailing=True), 2)
    assert taken.rows == [["1", "2"], ["8", None]]
    assert [line for line, _, _ in taken.aside] == [3, 4]


def test_texts_that_mean_null() -> None:
    """What is declared to mean null is null, quoted or not."""
    taken, _ = read(b'a,b\nNA,"NA"\nna,-\n', Dialect(",", nulls=("NA", "-")), 2)
    assert taken.rows == [[None, None], ["na", None]]


def test_one_column_keeps_blank_lines_as_null() -> None:
    """A file of one column has a record in each line."""
    taken, _ = read(b"a\n1\n\n2\n", Dialect(","), 1)
    assert taken.rows == [["1"], [None], ["2"]]


def test_half_characters_are_set_aside() -> None:
    """UTF-16 with half a character, or cut at its end, loses these records only."""
    content = "a,b\n1,".encode("utf-16-le") + b"\x00\xd8" + "\n2,x\n3,y".encode("utf-16-le") + b"z"
    taken, _ = read(content, Dialect(",", encoding="utf-16-le"), 2)
    assert taken.rows == [["2", "x"]]
    assert [reason for _, reason, _ in taken.aside] == [
        "not UTF-16-LE: half a character at position 3 of the line",
        "not UTF-16-LE: the file ends within a character",
    ]


def test_records_reach_the_engine_as_parquet(tmp_path: Path) -> None:
    """Through the writer, cells, places and remarks stand in two Parquet files."""
    path = tmp_path / "x.csv"
    path.write_bytes(b'a,b\n1,\n2\n3,x"y\n')
    with SpillWriter(tmp_path, "x", [pa.string()] * 2) as writer:
        read_carefully(str(path), Dialect(","), 2, writer, ("a", "b"))
    assert (writer.spilled.rows, writer.spilled.quarantined, writer.spilled.warned) == (2, 1, 1)
    assert pq.read_table(writer.spilled.path).to_pylist()[1] == {
        "__penstock_r0": "3",
        "__penstock_r1": 'x"y',
        "__penstock_line": 4,
        "__penstock_offset": 9,
        "__penstock_length": 5,
    }
    assert [remark["line"] for remark in pq.read_table(writer.spilled.remarks).to_pylist()] == [3, 4]


def test_first_records_are_sound_ones(tmp_path: Path) -> None:
    """The sample for types has lines and cells, without damaged records."""
    path = tmp_path / "x.csv"
    path.write_bytes(b"title\n\na,b\n1,2\n3\n,4\n")
    assert first_records(str(path), Dialect(",", skip=2), 2) == [(4, ["1", "2"]), (6, [None, "4"])]
    assert first_records(str(path), Dialect(",", skip=2), 2, limit=1) == [(4, ["1", "2"])]
