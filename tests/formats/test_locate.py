"""Where records stand: against files that were put together piece by piece."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.formats import Dialect, Located, cut, locate_offsets, locate_records

CELL = st.lists(st.sampled_from(["a", "é", "1", " ", '"', ",", ";", "\n", "\r\n", "日"]), max_size=5).map("".join)
RECORD = st.lists(CELL, min_size=2, max_size=2)
PIECE = st.one_of(
    RECORD,
    st.just("blank"),
    st.sampled_from(["only one", "a,b,c", '"x"y,z', '"two\nlines"', "\u00e9"]),
)


@dataclass
class Built:
    """A file, and what is known of its records from having built it."""

    content: bytes
    records: list[Located]
    refused: list[Located]


def build(pieces: list[list[str] | str], end: str, *, mark: bool, last_end: bool) -> Built:
    """Put a file together: a header, records, blank lines, and records that a reader refuses."""
    built = Built(b"\xef\xbb\xbf" if mark else b"", [], [])
    for at, piece in enumerate([["h1", 'h "2"'], *pieces]):
        text = written(piece) if isinstance(piece, list) else "" if piece == "blank" else piece
        start = 0 if at == 0 else len(built.content)
        place = Located(built.content.count(b"\n") + 1, start, built.content[start:] + text.encode())
        built.content += (text + end).encode()
        if at and piece != "blank":
            (built.records if isinstance(piece, list) else built.refused).append(place)
    if not last_end and not built.content.endswith((end * 2).encode()):
        built.content = built.content.removesuffix(end.encode())
    return built


def written(record: list[str]) -> str:
    """A record as programs write it."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(record)
    return buffer.getvalue().removesuffix("\r\n")


def located(built: Built, wanted: list[int], width: int = 2) -> list[Located]:
    """Find records by ordinal."""
    refused = {place.offset: len(place.raw) for place in built.refused}
    return list(locate_records(io.BytesIO(built.content), Dialect(","), width, iter(wanted), refused))


@given(st.lists(PIECE, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans(), st.data())
@example(pieces=[["\n\n", '"'], "blank", "only one", ["a", "b"]], end="\r\n", mark=True, last_end=False, data=None)
def test_records_are_found_where_they_stand(
    pieces: list[list[str] | str],
    end: str,
    mark: bool,  # noqa: FBT001 - an example, not a flag
    last_end: bool,  # noqa: FBT001 - the same
    data: st.DataObject | None,
) -> None:
    """Line, byte and bytes of every record are exact: line ends in quotes, blank lines, refused records, any ending."""
    built = build(pieces, end, mark=mark, last_end=last_end)
    everything = list(range(1, len(built.records) + 1))
    assert located(built, everything) == built.records
    if data is not None:
        some = [ordinal for ordinal in everything if data.draw(st.booleans())]
        assert located(built, some) == [built.records[ordinal - 1] for ordinal in some]


@given(st.lists(PIECE, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_refused_records_are_found_by_offset(pieces: list[list[str] | str], end: str, mark: bool) -> None:  # noqa: FBT001 - an example
    """A byte offset and a length give the line and the very bytes."""
    built = build(pieces, end, mark=mark, last_end=True)
    places = [(place.offset, len(place.raw)) for place in built.refused]
    assert list(locate_offsets(io.BytesIO(built.content), places)) == built.refused


def test_a_quote_within_a_field_is_text() -> None:
    """A quote that is not the first thing in its field opens nothing: inches do not swallow lines."""
    content = b'size,n\n5" pipe,1\nx"y"z",2\nlast,3\n'
    found = list(locate_records(io.BytesIO(content), Dialect(","), 2, iter([1, 2, 3]), {}))
    assert [(place.line, place.raw) for place in found] == [(2, b'5" pipe,1'), (3, b'x"y"z",2'), (4, b"last,3")]


def test_where_there_is_no_quote_it_is_text_like_any_other() -> None:
    """A file whose declaration says that it has none: its records are its lines, whatever stands in them."""
    plain = Dialect(",", quote="")
    content = b'a,b\n"x,5" pipe\n"",y"\n'
    found = list(locate_records(io.BytesIO(content), plain, 2, iter([1, 2]), {}))
    assert [(place.line, place.raw) for place in found] == [(2, b'"x,5" pipe'), (3, b'"",y"')]
    assert [cut(place.raw, plain) for place in found] == [['"x', '5" pipe'], ['""', 'y"']]


def test_spaces_before_a_quote_do_not_count() -> None:
    """A quote after spaces opens a field, as the engine reads it."""
    content = b'a,b\n1,  "x\ny"\n2,z\n'
    found = list(locate_records(io.BytesIO(content), Dialect(","), 2, iter([1, 2]), {}))
    assert [(place.line, place.raw) for place in found] == [(2, b'1,  "x\ny"'), (4, b"2,z")]


def test_a_file_of_one_column_has_blank_records() -> None:
    """With one column, a blank line is a record whose value is null; with more, it is nothing."""
    content = b"a\n1\n\n2\n"
    one = list(locate_records(io.BytesIO(content), Dialect(","), 1, iter([2, 3]), {}))
    assert one == [Located(3, 4, b""), Located(4, 5, b"2")]
    more = list(locate_records(io.BytesIO(content), Dialect(","), 2, iter([2]), {}))
    assert more == [Located(4, 5, b"2")]


def test_carriage_returns_alone_end_lines() -> None:
    """Files of very old programs end lines with a carriage return."""
    content = b"a,b\r1,2\r\r3,4\r"
    found = list(locate_records(io.BytesIO(content), Dialect(","), 2, iter([1, 2]), {}))
    assert found == [Located(2, 4, b"1,2"), Located(4, 9, b"3,4")]
    assert list(locate_offsets(io.BytesIO(content), [(9, 3)])) == [Located(4, 9, b"3,4")]


def test_what_is_not_there_is_not_found() -> None:
    """Ordinals beyond the end give nothing; no ordinals need no reading."""
    file = io.BytesIO(b"a,b\n1,2\n")
    assert list(locate_records(file, Dialect(","), 2, iter([]), {})) == []
    assert file.tell() == 0
    assert list(locate_records(file, Dialect(","), 2, iter([5]), {})) == []


def test_records_longer_than_a_read() -> None:
    """Fields of megabytes, with line ends in them, are found whole."""
    long = b'"' + b"x\n" * 1_500_000 + b'"'
    content = b"a,b\n1," + long + b"\n2,y\n"
    found = list(locate_records(io.BytesIO(content), Dialect(","), 2, iter([1, 2]), {}))
    assert [(place.line, len(place.raw)) for place in found] == [(2, len(long) + 2), (1_500_003, 3)]


@pytest.mark.parametrize(
    "dialect",
    [Dialect(","), Dialect(";"), Dialect("\t"), Dialect(",", "'"), Dialect("§")],
    ids=lambda d: repr(d.delimiter),
)
@given(st.lists(st.text(st.sampled_from("a é,;\t'\"§\n日"), max_size=6), min_size=1, max_size=4).filter(any))
def test_records_are_cut_as_they_were_written(dialect: Dialect, record: list[str]) -> None:
    """Cutting gives back the fields that a program wrote."""
    quote = dialect.quote
    text = dialect.delimiter.join(
        quote + cell.replace(quote, quote * 2) + quote if set(cell) & {dialect.delimiter, quote, "\n", " "} else cell
        for cell in record
    )
    assert cut(text.encode(), dialect) == record
