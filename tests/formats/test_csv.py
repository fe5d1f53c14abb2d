"""The dialect of CSV files, their header, and what is refused."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BadFileError
from penstock.formats import Dialect, detect, missing_column, open_records, read_head, read_header

NAME = st.text(st.sampled_from("abcdefé_ "), min_size=1, max_size=6).filter(str.strip)
CELL = st.text(st.sampled_from('ab1é ,;|\t"\n'), max_size=8)


@given(
    st.lists(NAME, min_size=2, max_size=5),
    st.lists(st.lists(CELL, min_size=5, max_size=5), max_size=20),
    st.sampled_from(",;\t|"),
    st.booleans(),
)
def test_the_delimiter_is_found(names: list[str], rows: list[list[str]], delimiter: str, mark: bool) -> None:  # noqa: FBT001 - an example
    """Whatever stands in quoted values, and with a byte order mark or without, the header's delimiter is found."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([names, *(row[: len(names)] for row in rows)])
    head = buffer.getvalue().encode("utf-8-sig" if mark else "utf-8")
    found = detect(head, whole=True)
    assert found.delimiter == delimiter
    assert f"header's {len(names)} fields" in found.reason
    records = list(open_records(head, found, whole=True))
    assert records == [row[: len(names)] for row in rows]


@pytest.mark.parametrize(
    ("content", "delimiter", "reason"),
    [
        ("a,b\n1,2\n", ",", "100% of the first records have the header's 2 fields with comma"),
        ("a;b\n1,5;2\n", ";", "100% of the first records have the header's 2 fields with semicolon"),
        ("a\tb\n1\t2\n", "\t", "100% of the first records have the header's 2 fields with tab"),
        ("a|b\n1|2\n3\n", "|", "67% of the first records have the header's 2 fields with vertical bar"),
        ('"a;b",c\n1,2\n', ",", "100% of the first records have the header's 2 fields with comma"),
        ("a\n1\n", ",", "the header holds none of comma, semicolon, tab or vertical bar: one column"),
        ("a;b;c\n1,5;2,5;3,5\n", ";", "100% of the first records have the header's 3 fields with semicolon"),
    ],
)
def test_why_a_delimiter_was_chosen(content: str, delimiter: str, reason: str) -> None:
    """The choice comes with its reason."""
    assert detect(content.encode(), whole=True) == Dialect(delimiter, '"', reason)


def test_a_declared_delimiter_is_not_detected() -> None:
    """What is declared is taken as it is."""
    assert detect(b"a,b\n", whole=True, delimiter=";", quote="'") == Dialect(";", "'", "declared")


def test_a_record_that_the_sample_cuts_does_not_count() -> None:
    """The end of a sample says nothing about widths, and is no record."""
    head = b"a,b,c\n1,2,3\n4,5"
    assert detect(head, whole=False).reason.startswith("100%")
    assert list(open_records(head, Dialect(","), whole=False)) == [["1", "2", "3"]]
    assert list(open_records(head, Dialect(","), whole=True)) == [["1", "2", "3"], ["4", "5"]]


def test_a_letter_that_the_sample_cuts_is_no_error() -> None:
    """A sample may end within a letter of several bytes; a file may not."""
    head = "a,b\n1,é".encode()[:-1]
    assert read_header(head, Dialect(","), whole=False) == ["a", "b"]
    with pytest.raises(BadFileError, match="line 2 is not UTF-8"):
        read_header(head, Dialect(","), whole=True)


def test_read_head_says_whether_that_was_all() -> None:
    """The sample of a small file is the whole file."""
    assert read_head(io.BytesIO(b"a,b\n")) == (b"a,b\n", True)
    head, whole = read_head(io.BytesIO(b"x" * 1_000_000))
    assert (len(head) < 1_000_000, whole) == (True, False)


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"a,b\n", ["a", "b"]),
        (b"\xef\xbb\xbfa,b", ["a", "b"]),
        (b" a , b \r\n", ["a", "b"]),
        (b'"a,x","b ""q"""\n', ["a,x", 'b "q"']),
        (b'"a\nb",c\n', ["a\nb", "c"]),
        ("é,日本\n".encode(), ["é", "日本"]),
    ],
)
def test_headers(content: bytes, names: list[str]) -> None:
    """Names are what stands in line 1, without white space around them."""
    assert read_header(content, Dialect(","), whole=True) == names


EMPTY = "the file is empty\n  a CSV file starts with a line of column names; deliver the file again"
REFUSED = [
    (b"", EMPTY),
    (b" \r\n\t\n", EMPTY),
    (b"\xef\xbb\xbf", EMPTY),
    (
        b"\n\na,b\n1,2\n",
        "line 1 holds no column names\n  a CSV file starts with a line of column names",
    ),
    (
        b",,\n1,2,3\n",
        "line 1 holds no column names\n  a CSV file starts with a line of column names",
    ),
    (
        b"a,,c\n",
        "line 1: column 2 has no name\n  give every column a name and deliver the file again",
    ),
    (
        b"a,b,A\n",
        'line 1: columns 1 and 3 are both called "A"\n  names must differ by more than upper and lower case',
    ),
    (
        b"a,__Penstock_fate\n",
        'line 1: the name "__Penstock_fate" is taken by the system\n  names must not start with __penstock_',
    ),
    (
        "a,b\n1,2\n".encode("utf-16"),
        "the file is UTF-16; UTF-8 is expected\n  save it as UTF-8 and deliver it again",
    ),
    (
        "a,b\n1,2\n".encode("utf-16-be"),
        "line 1 holds a NUL byte: this is no text file\n  check that the file is CSV and arrived whole",
    ),
    (
        b"a,b\n1,2\nx\0y,3\n",
        "line 3 holds a NUL byte: this is no text file\n  check that the file is CSV and arrived whole",
    ),
    (
        "a,b\n1,é\n".encode("latin-1"),
        "line 2 is not UTF-8 (byte 6 is 0xe9)\n  save the file as UTF-8 and deliver it again",
    ),
]


@pytest.mark.parametrize(("content", "text"), REFUSED)
def test_what_is_refused_is_told(content: bytes, text: str) -> None:
    """An error names the line, what was found and the next step."""
    with pytest.raises(BadFileError) as caught:
        read_header(content, Dialect(","), whole=True)
    assert str(caught.value) == text


def test_a_missing_column_is_told_with_the_nearest() -> None:
    """A name that is not there comes with the one that was meant, or with all there are."""
    assert missing_column("pateint", ["id", "patient"]) == 'no column "pateint"; did you mean "patient"?'
    assert missing_column("x", ["id", "patient"]) == 'no column "x"; there are id, patient'
