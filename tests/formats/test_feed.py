"""A file that is fed to the engine in proven blocks is read as the careful reader reads it, or not at all."""

from __future__ import annotations

import gc
import random
import re
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import penstock
from penstock.errors import DamagedFileError
from penstock.formats import Dialect, glance, scan
from penstock.formats.csv import feed as feeding
from penstock.formats.csv import proof, survey
from penstock.formats.csv.feed import Feed, Refused
from tests.formats.test_records import Taken, read

PIECES = st.sampled_from(
    [
        '"',
        '""',
        "a",
        "b c",
        " ",
        ",",
        "\n",
        "\r\n",
        "\r",
        ",,",
        '","',
        "1",
        "é",
        ",\n",
        '"\n',
        "'",
        "NA",
        "\ufeff",
        "\0",
    ]
)
NAMES = ("id", "fee", "who", "text")
SOUND = ["1,2,a,b", '2,"x,y",é,"two\nlines"', '3,"say ""hi""",,', ",,,", "4,5,6,", '"5",6,"",""', "x,y,z,w", ""]
RAGGED = ["1,2", "1,2,3", "only", "1,2,3,4,5", '"1\n2",3', "6,7,8,9,", '7,8,9,"x",,', ",,,,", '8,9,"a\nb",c,""', "1,2"]
BROKEN = [
    '9,"a,b,c',
    '10,a"b,c,d',
    '11,"a"b,c,d',
    "id,fee,who,text",
    '12,"x\n1,2,3,4\ny",b,c',
    "13,\r,b,c",
    "14,\0,b,c",
]
DECLARATION = 'lake: x\ntables: {t: {files: "*.csv", steps: [{parse: {id: integer}}, {require: [who]}]}}\n'


@pytest.fixture(autouse=True)
def _small_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feed files of any size, in small blocks, so that seams are everywhere."""
    for module in (survey, proof):
        monkeypatch.setattr(module, "LARGE_BYTES", 0)
    monkeypatch.setattr(survey, "CHUNK_BYTES", 256)
    monkeypatch.setattr(feeding, "BLOCK_BYTES", 64)


class Found(NamedTuple):
    """What a feed hands over, what it refuses, and the bytes that records stand shortly behind."""

    rows: list[Any]
    refused: list[Refused]
    near: list[Any]


class _Exported:
    """A stream as Arrow takes it."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def __arrow_c_stream__(self, _schema: object = None) -> Any:
        return self._feed.stream()


def fed(content: bytes, dialect: Dialect, width: int) -> Found:
    """What a feed hands over, and what it refuses; ordinals are verified."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        path.write_bytes(content)
        feed = Feed(str(path), dialect, width, ordered=True)
        try:
            table = pa.RecordBatchReader.from_stream(_Exported(feed)).read_all()
        except pa.ArrowInvalid:
            assert feed.error is not None
            raise feed.error from None
    rows = [list(row.values()) for row in table.to_pylist()]
    assert [row.pop() for row in rows] == list(range(1, feed.rows + 1))
    near = [row.pop() for row in rows]
    return Found(rows, feed.refused, near)


def _assert_same(content: bytes, found: Found, careful: Taken) -> None:
    rows, refused, near = found
    assert rows == careful.rows
    assert near == sorted(near)
    assert all(before <= (place.offset or 0) for before, place in zip(near, careful.places, strict=True))
    assert careful.warned == []
    lines = [(content.count(b"\n", 0, record.offset) + 1, record.reason, record.raw) for record in refused]
    assert lines == careful.aside
    assert all(content.startswith(record.raw.encode(), record.offset) for record in refused)


@given(
    st.lists(PIECES, max_size=24), st.integers(1, 4), st.sampled_from(['"', "'", ""]), st.sampled_from(["\n", "\r\n"])
)
@example(["'", "a", '"', "'", ",", "1", "\n", "2", ",", "'", "x", "\n", "y", "'", "\n"], 2, "'", "\n")
@example(["1", ",", "2", "\n", '"', '"', ",", "\n"], 2, '"', "\n")
@example(["1", ",", '"', "a", '"', " ", "\n"], 2, '"', "\n")
@example(['"', "\n", "1", ",", "a", "\n", '"', ",", ",", "a"], 2, '"', "\n")
@example(['"', "\n", "a", '"', "\n", '""', "\n", "\n", "NA", "\n"], 1, '"', "\n")
def test_whatever_is_fed_is_read_as_the_careful_reader_does(
    pieces: list[str], width: int, quote: str, end: str
) -> None:
    """However a file is put together: the same rows, the same records set aside, at the same places; or no answer."""
    content = (",".join("hijk"[:width]) + end + "".join(pieces)).encode()
    dialect = Dialect(",", quote, nulls=("NA",))
    try:
        found = fed(content, dialect, width)
    except DamagedFileError:
        return
    _assert_same(content, found, read(content, dialect, width)[0])


@given(
    st.lists(st.sampled_from(SOUND * 3 + RAGGED), min_size=1, max_size=60),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["ended", "open"]),
    st.sampled_from(["", "\ufeff"]),
)
@example(["6,7,8,9,"], "\n", "open", "")
@example(["1,2,a,b", "6,7,8,9,"] * 9, "\r\n", "ended", "\ufeff")
def test_ragged_records_and_line_ends_in_quotes_are_fed(records: list[str], end: str, last: str, mark: str) -> None:
    """Records of another width and values of several lines never cost the engine's speed, wherever blocks end."""
    lines = [",".join(NAMES), *(record.replace("\n", end) for record in records)]
    content = (mark + end.join(lines) + (end if last == "ended" else "")).encode()
    _assert_same(content, fed(content, Dialect(","), 4), read(content, Dialect(","), 4)[0])


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("before", [0, 40])
def test_what_is_doubtful_ends_the_reading(broken: str, before: int) -> None:
    """Damaged quotes, a second header, odd line ends: nothing of such a file reaches a table this way."""
    content = "\n".join([",".join(NAMES), *SOUND * before, broken, *SOUND]).encode() + b"\n"
    with pytest.raises(DamagedFileError):
        fed(content, Dialect(","), 4)


@pytest.mark.parametrize("damage", [b"\xff", b"\xef\xbf\xbd", b"\xef\xbb\xbf", b"\xed\xa0\x80"])
@pytest.mark.parametrize("row", [b"1,%b,3,4\n", b"1,%b,3\n"])
def test_what_is_no_text_ends_the_reading(damage: bytes, row: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """Bytes that are not UTF-8, and characters that stand for lost ones, are for the careful reader."""
    with pytest.raises(DamagedFileError):
        fed(b"id,fee,who,text\n" + b"1,2,3,4\n" * 50 + row % damage, Dialect(","), 4)
    assert capfd.readouterr().err == ""


def test_overlong_records_end_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines and quoted values beyond the limits are refused by the careful reader, and never fed."""
    monkeypatch.setattr(feeding, "BLOCK_BYTES", 1 << 20)
    for long in (b"x" * 5_000_000, b'"' + b"x" * 5_000_000 + b'"', b'"' + b"x\n" * 600_000 + b'"'):
        with pytest.raises(DamagedFileError):
            fed(b"a,b\n1,2\n3," + long + b"\n4,5\n", Dialect(","), 2)


def test_a_glance_is_enough_only_for_usual_text(tmp_path: Path) -> None:
    """Whatever is unusual in the first part makes the whole file be looked at before anything is decided."""
    rows = b"1,2,3\n" * 500
    cases = {
        b"a,b,c\n": False,
        b"\xef\xbb\xbfa,b,c\n": False,
        b"a,b,c\r\n": False,
        b"a,b,\xe9\n": True,
        b"a,b,\0\n": True,
        b"a,\rb,c\n": True,
        b"a,b,\xef\xbf\xbd\n": True,
        b"\xff\xfea,b": True,
    }
    path = tmp_path / "x.csv"
    for start, whole in cases.items():
        path.write_bytes(start + rows)
        assert glance(str(path)).whole is whole
        assert glance(str(path)).size == scan(str(path)).size
    path.write_bytes(b"a,b,c\n" + "é".encode() * 2_000)
    assert glance(str(path)).utf8


def lines(count: int) -> Iterator[str]:
    """Records of every kind but the broken ones."""
    chance = random.Random(7)
    for _ in range(count):
        yield chance.choice(SOUND * 3 + RAGGED)


def _outcome(folder: Path, content: str, declaration: str = DECLARATION) -> tuple[Any, ...]:
    """Rows, account and quarantine of a lake with one file."""
    (folder / "raw").mkdir(parents=True)
    (folder / "lake.yaml").write_text(declaration)
    (folder / "raw" / "a.csv").write_text(content, encoding="utf-8", newline="")
    with penstock.open(folder) as lake:
        (account,) = lake.run().accounts.values()
        rows = lake.query("SELECT * FROM t ORDER BY ALL").fetchall()
        found = "SELECT line, byte_offset, column_name, rule, reason, raw FROM penstock.quarantine ORDER BY ALL"
        aside = lake.query(found).fetchall()
    return rows, account.rows_in, account.dropped, account.quarantined, aside


@pytest.mark.parametrize("noted_rows", [20_000, 3])
@pytest.mark.parametrize("steps", ["{require: [who]}", "{dedupe: {key: [fee]}}"])
def test_a_fed_file_has_the_outcome_of_a_careful_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: str, noted_rows: int
) -> None:
    """Rows, accounts and quarantine with lines, bytes and raw text are the same, however the file is read.

    Also where more rows are set aside than the engine notes: they are read again, and found near their bytes as well.
    """
    monkeypatch.setattr("penstock.engines.duckdb_sql.NOTED_ROWS", noted_rows)
    declaration = DECLARATION.replace("{require: [who]}", steps)
    content = "\n".join([",".join(NAMES), *lines(600)]) + "\n"
    streams: list[Feed] = []
    stream = Feed.stream

    def noted(feed: Feed) -> Any:
        streams.append(feed)
        return stream(feed)

    monkeypatch.setattr(Feed, "stream", noted)
    with monkeypatch.context() as patch:
        if "require" in steps:  # rows are found near where they are said to be
            patch.setattr("penstock.quality.collect.locate_texts", None)
            patch.setattr("penstock.quality.collect.locate_records", None)
        found = _outcome(tmp_path / "fed", content, declaration)
    assert any(feed.rows > 300 and feed.refused for feed in streams)
    for module in (survey, proof):
        monkeypatch.setattr(module, "LARGE_BYTES", 1 << 40)
    streams.clear()
    careful = _outcome(tmp_path / "careful", content, declaration)
    assert not streams
    assert found == careful
    rows, *_, aside = found
    assert rows
    assert {row[3] for row in aside} >= {"malformed", "parse id"}
    assert all(row[0] is not None for row in aside)


@pytest.mark.parametrize("odd", [0, 1, 40, 79])
def test_many_rows_are_counted_from_the_first_that_is_written_in_an_odd_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: int
) -> None:
    """One with needless quotes is not found by its text: it and those behind it get their lines by counting records."""
    monkeypatch.setattr("penstock.engines.duckdb_sql.NOTED_ROWS", 3)
    bad = [f"x{at},y,z,w" for at in range(80)]
    bad[odd] = f'x{odd},"y",z,w'
    content = "\n".join([",".join(NAMES), *(line for row in bad for line in (*SOUND[:5], row))]) + "\n"
    *_, quarantined, aside = _outcome(tmp_path / "fed", content)
    lines_of = [row[0] for row in aside if row[5].startswith("x")]
    assert (quarantined, len(lines_of)) == (80, 80)
    whole = content.split("\n")
    assert [whole[line - 1] for line in lines_of] == bad


@pytest.mark.parametrize("broken", BROKEN)
def test_a_doubtful_file_is_read_carefully_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """What was fed before the doubt arose is in no table twice, and nothing is lost: the careful reader starts anew."""
    content = "\n".join([",".join(NAMES), *SOUND * 50, broken, *SOUND * 50]) + "\n"
    found = _outcome(tmp_path / "fed", content)
    for module in (survey, proof):
        monkeypatch.setattr(module, "LARGE_BYTES", 1 << 40)
    assert found == _outcome(tmp_path / "careful", content)


def test_a_guess_that_a_late_row_refutes_is_decided_from_the_whole_file(tmp_path: Path) -> None:
    """The file is fed as often as it must be read: to guess, to look at every value, and to write."""
    rows = "".join(f"{at},{at}\n" for at in range(3_000))
    found, rows_in, *_ = _outcome(
        tmp_path, f"n,who\n{rows}x7,last\n", DECLARATION.replace("{parse: {id: integer}}, ", "")
    )
    assert rows_in == 3_001
    assert ("x7", "last") in found


def test_a_wide_file_is_fed(tmp_path: Path) -> None:
    """There is no width at which a large file is read slowly: the proof does not count fields by itself."""
    names = ",".join(f"c{at}" for at in range(600))
    content = names + "\n" + (",".join(["7"] * 600) + "\n") * 20 + "1,2\n"
    rows, refused, _ = fed(content.encode(), Dialect(","), 600)
    assert len(rows) == 20
    assert [re.sub(r"\d+", "#", record.reason) for record in refused] == ["too few fields: # expected, # found"]
    assert tmp_path.exists()


def test_what_reads_a_file_is_freed_with_it() -> None:
    """The library's options are part of no circle: a lake that is up reads any number of files in the same memory."""
    parser = feeding._Parser(Dialect(","), ["a", "b"])
    assert parser.parse(b"1,2\n3\n")[1] == [("3", 1)]
    assert parser.parse(b"4,5,6\n")[1] == [("4,5,6", 3)]
    left = weakref.ref(parser)
    del parser
    gc.collect()
    assert left() is None
