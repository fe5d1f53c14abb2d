"""What the proof calls plain is read by the engine exactly as the careful reader reads it."""

from __future__ import annotations

import io
import tempfile
from csv import writer
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.formats import Dialect, Proof, prove, scan
from penstock.formats.csv import proof as proving
from tests.formats.scoring import through_engine
from tests.formats.test_records import read

PIECES = st.sampled_from(
    ['"', '""', "a", "b c", " ", ",", "\n", "\r\n", "\r", ",,", '","', "1", "é", ",\n", '"\n', "'"]
)


def proof_of(content: bytes, dialect: Dialect, width: int) -> tuple[Proof, Path]:
    """The proof of a file, and where it stands."""
    path = Path(tempfile.mkdtemp(), "x.csv")
    path.write_bytes(content)
    return prove(str(path), scan(str(path)), dialect, width), path


def _agrees(content: bytes, dialect: Dialect, width: int) -> bool:
    """Whether the file is plain; if so, makes sure that both readers give the same rows and refuse as many records."""
    proof, path = proof_of(content, dialect, width)
    if proof.plain:
        engine = through_engine(path, dialect, width, parallel=proof.parallel)
        taken, _ = read(content, dialect, width)
        assert engine.refused == ""
        assert engine.rows == taken.rows
        assert len(engine.aside) == len(taken.aside)
        assert taken.warned == []
    return proof.plain


@given(st.lists(PIECES, max_size=24), st.integers(1, 3), st.sampled_from(['"', ""]))
@example(["1", ",", "2", "\n", '"', '"', ",", "\n"], 2, '"')
@example(["1", ",", "2", ",", "3", ",", "\n"], 3, '"')
@example(["1", ",", '"', "a", '"', " ", "\n"], 2, '"')
def test_both_readers_agree_on_whatever_is_plain(pieces: list[str], width: int, quote: str) -> None:
    """However a file is put together, what the proof lets through is read alike."""
    header = ",".join("abc"[:width]) + "\n"
    _agrees((header + "".join(pieces)).encode(), Dialect(",", quote), width)


@given(
    st.lists(st.lists(st.text(st.sampled_from('ab,;"\n é'), max_size=5), min_size=2, max_size=4), max_size=10),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_ragged_and_quoted_files_are_plain_and_read_alike(rows: list[list[str]], delimiter: str, end: str) -> None:
    """Rows too short or too long, doubled quotes and line ends in quotes do not cost the engine's speed."""
    buffer = io.StringIO(newline="")
    out = writer(buffer, delimiter=delimiter, lineterminator=end)
    out.writerow(["h1", "h2", "h3"])
    for row in rows:
        cells = ["x", *row[:-1], row[-1] or "y"]
        out.writerow(cells if len(cells) == 3 else [cell.replace("\n", "-") for cell in cells])
    assert _agrees(buffer.getvalue().encode(), Dialect(delimiter), 3)


PLAIN = [
    ("clean", b"a,b,c\n1,2,3\n", True),
    ("crlf", b"a,b,c\r\n1,2,3\r\n", True),
    ("no end", b"a,b,c\n1,2,3", True),
    ("mark", b"\xef\xbb\xbfa,b,c\n1,2,3\n", True),
    ("letters", "a,b,c\né,🙂,3\n".encode(), True),
    ("quoted", b'a,b,c\n"1","2,2","say ""hi"""\n', True),
    ("blank lines", b"a,b,c\n\n1,2,3\n\n", True),
    ("empty cells", b"a,b,c\n,,\n1,,\n", True),
    ("line end in quotes", b'a,b,c\n1,"x\ny",3\n', False),
    ("crlf, line feed in quotes", b'a,b,c\r\n1,"x\ny",3\r\n', False),
    ("too short", b"a,b,c\n1,2\n", False),
    ("too long", b"a,b,c\n1,2,3,4\n", False),
    ("header only", b"a,b,c\n", True),
]


@pytest.mark.parametrize(("content", "parallel"), [case[1:] for case in PLAIN], ids=[case[0] for case in PLAIN])
def test_what_is_plain(content: bytes, parallel: bool) -> None:  # noqa: FBT001 - an example
    """Ordinary files are plain; only those with all records of one width, each on a line, may be read in parts."""
    proof, path = proof_of(content, Dialect(","), 3)
    assert proof == Proof(plain=True, parallel=parallel)
    assert through_engine(path, Dialect(","), 3, parallel=proof.parallel).rows == read(content, Dialect(","), 3)[0].rows


NOT_PLAIN = [
    ("empty field too many", b"a,b,c\n1,2,3,\n"),
    ("empty fields too many", b"a,b,c\n1,2,3,,,\n"),
    ("empty field too many at the end", b"a,b,c\n1,2,3,"),
    ("quoted empty field too many", b'a,b,c\n1,2,3,""\n'),
    ("space before a quote", b'a,b,c\n1, "2",3\n'),
    ("space after a quote", b'a,b,c\n1,"2" ,3\n'),
    ("stray quote", b'a,b,c\n1,5",3\n'),
    ("doubled stray quote", b'a,b,c\n1,x""y,3\n'),
    ("text after a quote", b'a,b,c\n1,"x"y,3\n'),
    ("text after a quote in the header", b'"a"x,b,c\n1,2,3\n'),
    ("not closed", b'a,b,c\n1,"x,3\n4,5,6\n'),
    ("closed by accident", b'a,b,c\n1,"x\n4,5,6\n7,8,",9\n'),
    ("mixed line ends", b"a,b,c\n1,2,3\r\n4,5,6\n"),
    ("carriage return", b"a,b,c\n1,x\ry,3\n"),
    ("carriage returns only", b"a,b,c\r1,2,3\r"),
    ("nul", b"a,b,c\n1,\0,3\n"),
    ("not text", b"a,b,c\n1,\xe9,3\n"),
    ("mark within", b"a,b,c\n1,2,3\n\xef\xbb\xbf4,5,6\n"),
    ("lost character", "a,b,c\n1,\ufffd,3\n".encode()),
    ("the header again", b"a,b,c\n1,2,3\na,b,c\n"),
    ("the header again at once", b"a,b,c\na,b,c\n"),
    ("the header again in quotes", b'a,b,c\n1,2,3\n"a","b","c"\n'),
    ("the header again without quotes", b'"a","b","c"\n1,2,3\na,b,c\n'),
    ("too long over two lines", b'a,b,c\n1,2,3,"x\ny"\n'),
    ("total", b"a,b,c\n1,2,3\nTotal,,3\n"),
    ("blank first line", b"\na,b,c\n1,2,3\n"),
]


@pytest.mark.parametrize("content", [case[1] for case in NOT_PLAIN], ids=[case[0] for case in NOT_PLAIN])
def test_what_is_not_plain(content: bytes) -> None:
    """What the engine would misread, or what a warning is due for, is left to the careful reader, with a reason."""
    proof, _ = proof_of(content, Dialect(","), 3)
    if content.startswith(b"\n"):
        assert proof_of(content, Dialect(",", skip=1), 3)[0].plain
        return
    assert not proof.plain
    assert not proof.parallel
    assert proof.why


@pytest.mark.parametrize(
    "dialect",
    [
        Dialect(",", encoding="cp1252"),
        Dialect(",", comment="#"),
        Dialect(",", escape="\\"),
        Dialect(",", header=2),
        Dialect(",", trailing=True),
        Dialect("||"),
        Dialect(" "),
    ],
)
def test_unusual_dialects_are_not_for_the_engine(dialect: Dialect) -> None:
    """The engine is only told what it is known to read exactly."""
    assert not proof_of(b"a,b\n1,2\n", dialect, 2)[0].plain


def test_damage_anywhere_in_a_large_file_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked at in blocks: records across their borders, and damage in the last one, are seen."""
    for size in ("LARGE_BYTES", "WORTH_FEEDING"):
        monkeypatch.setattr(proving, size, 1 << 40)
    rows = b'1,"a, b",3\n' * 700_000
    assert proof_of(b"a,b,c\n" + rows, Dialect(","), 3)[0] == Proof(plain=True, parallel=True)
    assert proof_of(b"a,b,c\n" + rows + b'1,"x\ny",3\n', Dialect(","), 3)[0] == Proof(plain=True, parallel=False)
    for damage in (b"1,2,3,\n", b'1,x"y,3\n', b'1,"x,3\n', b"a,b,c\n"):
        assert not proof_of(b"a,b,c\n" + rows + damage + rows, Dialect(","), 3)[0].plain
    assert not proof_of(b'a,b,c\n1,"' + b"x" * 5_000_000 + b'",3\n', Dialect(","), 3)[0].plain


def test_what_the_engine_corrupts_when_it_reads_in_parts() -> None:
    """The reason for all this: in parts, the engine takes lines within quotes for records, and says nothing."""
    inner = "\n".join(f"{at},x,{at}" for at in range(200))
    content = b"a,b,c\n" + b"".join(f'{at},"{inner}",x\n'.encode() for at in range(8_000))
    proof, path = proof_of(content, Dialect(","), 3)
    assert not proof.parallel
    assert len(through_engine(path, Dialect(","), 3, parallel=False).rows) == 8_000
    connection = duckdb.connect(config={"threads": 2, "preserve_insertion_order": "false"})
    columns = "columns={a: 'VARCHAR', b: 'VARCHAR', c: 'VARCHAR'}, header=true, auto_detect=false"
    made_up = connection.execute(
        f"SELECT * FROM read_csv('{path}', {columns}, delim=',', quote='\"', escape='\"', max_line_size=4000000, "
        "buffer_size=16000000, store_rejects=true)"
    ).fetchall()
    connection.close()
    assert len(made_up) != 8_000, "the engine has been mended: large files need not be read in one go any more"
