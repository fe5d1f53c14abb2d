"""The contract of `Engine`, on every implementation."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from penstock.engines import FATE, ORDINAL, PLACE, ROW, SOURCE, Engine, Rule, Source, Work, raw_column
from penstock.errors import BadFileError, DamagedFileError, ExpressionError
from penstock.formats import Dialect
from penstock.state.store import Column

COLUMNS = (Column(7, "a", "BIGINT"), Column(3, "b", "VARCHAR"))
KEEP = f"SELECT CAST({raw_column(0)} AS BIGINT) AS a, {raw_column(1)} AS b, CAST(NULL AS INTEGER) AS {FATE}"
RULES = (Rule("negative", "dropped"), Rule("zero", "quarantined"))
BY_SIGN = (
    f"SELECT {', '.join([ORDINAL, *PLACE, ROW])}, {raw_column(0)}, {raw_column(1)}, "
    f"CAST({raw_column(0)} AS BIGINT) AS a, {raw_column(1)} AS b, "
    f"CASE WHEN CAST({raw_column(0)} AS BIGINT) < 0 THEN 0 WHEN CAST({raw_column(0)} AS BIGINT) = 0 THEN 1 END "
    f"AS {FATE} FROM {SOURCE}"
)


def source(folder: Path, content: bytes, width: int = 2, delimiter: str = ",") -> Source:
    """Write a file for the engine."""
    path = folder / "file.csv"
    path.write_bytes(content)
    return Source(str(path), Dialect(delimiter), width)


def work(folder: Path, content: bytes, select: str = f"{KEEP} FROM {SOURCE}", rules: tuple[Rule, ...] = ()) -> Work:
    """Work on a file of two columns."""
    return Work(source(folder, content), select, COLUMNS, rules)


def out(folder: Path) -> list[tuple[object, ...]]:
    """Rows of what was written, in order."""
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT * FROM '{folder / 'out.parquet'}' ORDER BY ALL").fetchall()


def test_describe(engine: Engine, tmp_path: Path) -> None:
    """The engine says which names and types a SELECT gives, the fate left out."""
    described = engine.describe(source(tmp_path, b"x,y\n1,2\n"), f"{KEEP}, DATE '2020-01-01' AS d FROM {SOURCE}")
    assert described == [("a", "BIGINT"), ("b", "VARCHAR"), ("d", "DATE")]


def test_describe_refuses(engine: Engine, tmp_path: Path) -> None:
    """A SELECT that is not valid for the file is the file's problem, told in one line."""
    with pytest.raises(BadFileError) as caught:
        engine.describe(source(tmp_path, b"x,y\n1,2\n"), f"SELECT nowhere FROM {SOURCE}")
    assert "nowhere" in caught.value.what
    assert "\n" not in caught.value.what


def test_fits(engine: Engine, tmp_path: Path) -> None:
    """For each type asked: whether every value of the whole file has it; and a value that has none of them."""
    lines = b"".join(b"%d,%d\n" % (at, at) for at in range(50_000))
    found = engine.fits(
        source(tmp_path, b"x,y\n" + lines + b"1.5,\n,x\n"), {0: ("BIGINT", "DOUBLE", "DATE"), 1: ("BIGINT", "DOUBLE")}
    )
    assert found == {
        0: ({"BIGINT": False, "DOUBLE": True, "DATE": False}, None),
        1: ({"BIGINT": False, "DOUBLE": False}, "x"),
    }


def test_a_column_without_values_fits_all(engine: Engine, tmp_path: Path) -> None:
    """Where there is no value, every type fits and there is no example."""
    assert engine.fits(source(tmp_path, b"x,y\n,1\n,2\n"), {0: ("BIGINT", "DATE")}) == {
        0: ({"BIGINT": True, "DATE": True}, None)
    }


def test_write(engine: Engine, tmp_path: Path) -> None:
    """What the SELECT keeps stands in one Parquet file, with stored types and field ids."""
    written = engine.write(work(tmp_path, 'x,y\n1,é\n2,"a,""b""\nc"\n3,\n'.encode()), str(tmp_path / "out.parquet"))
    assert (written.rows_in, written.rows_out, written.by_rule, written.rejected) == (3, 3, (), ())
    assert written.bytes == (tmp_path / "out.parquet").stat().st_size
    assert out(tmp_path) == [(1, "é"), (2, 'a,"b"\nc'), (3, None)]
    schema = pq.read_schema(tmp_path / "out.parquet")
    assert [(f.name, f.metadata[b"PARQUET:field_id"], str(f.type)) for f in schema] == [
        ("a", b"7", "int64"),
        ("b", b"3", "string"),
    ]


def test_rules_are_counted(engine: Engine, tmp_path: Path) -> None:
    """Rows that a rule set aside are counted by that rule and not written; rows in are counted on their own."""
    content = b"x,y\n" + b"".join(b"%d,z\n" % (at % 5 - 2) for at in range(10_000))
    written = engine.write(work(tmp_path, content, BY_SIGN, RULES), str(tmp_path / "out.parquet"))
    assert (written.rows_in, written.rows_out, written.by_rule) == (10_000, 4_000, (4_000, 2_000))
    assert {row[0] for row in out(tmp_path)} == {1, 2}


@pytest.mark.parametrize(("fate", "kept"), [("0", 0), ("NULL", 3), ("CAST(NULL AS INTEGER)", 3)])
def test_constant_fates(engine: Engine, tmp_path: Path, fate: str, kept: int) -> None:
    """A rule that is known to hold for all rows, or none, is counted like any other: the scan is not skipped."""
    select = f"SELECT *, 1 AS a, {raw_column(1)} AS b, {fate} AS {FATE} FROM {SOURCE}"
    written = engine.write(work(tmp_path, b"x,y\n1,1\n2,2\n3,3\n", select, RULES), str(tmp_path / "out.parquet"))
    assert (written.rows_in, written.rows_out, written.by_rule) == (3, kept, (3 - kept, 0))


def test_calls_are_independent(engine: Engine, tmp_path: Path) -> None:
    """Counts and rejected records of one file never show in the next one's, also after one that failed."""
    content = b"x,y\n-1,z\n0,z\n1\n1,z\n"
    first = engine.write(work(tmp_path, content, BY_SIGN, RULES), str(tmp_path / "out.parquet"))
    with pytest.raises(ExpressionError):
        engine.write(work(tmp_path, b"x,y\n5\nword,z\n"), str(tmp_path / "failed.parquet"))
    second = engine.write(work(tmp_path, content, BY_SIGN, RULES), str(tmp_path / "out.parquet"))
    assert first == second
    assert (second.rows_in, second.rows_out, second.by_rule, len(second.rejected)) == (4, 1, (1, 1), 1)


def test_rejected_records(engine: Engine, tmp_path: Path) -> None:
    """Records that cannot be cut are told with the byte where they start, why, and their text; the others go on."""
    content = b'x,y\n1,a\n2\n3,b,c\n\n\n4,\xff\n5,d\n6,"e"f\n7,"g\nh",i\n8,j'
    written = engine.write(work(tmp_path, content), str(tmp_path / "out.parquet"))
    places = [content.index(start) for start in (b"2\n", b"3,b", b"4,", b"6,", b"7,")]
    assert [record.offset for record in written.rejected] == places
    assert [record.reason for record in written.rejected] == [
        "too few fields: 2 expected, 1 found",
        "too many fields: 2 expected, 3 found",
        "not UTF-8",
        "a quote that is not closed, or text after a closing quote",
        "too many fields: 2 expected, 3 found",
    ]
    assert [record.raw for record in written.rejected][:2] == ["2", "3,b,c"]
    assert [record.raw for record in written.rejected][3:] == ['6,"e"f', '7,"g\nh",i']
    assert (written.rows_in, written.rows_out) == (8, 3)
    assert out(tmp_path) == [(1, "a"), (5, "d"), (8, "j")]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_offsets_are_exact(engine: Engine, tmp_path: Path, start: bytes, end: bytes) -> None:
    """Offsets count every byte of the file: marks, line ends, blank lines and letters of several bytes."""
    content = start + end.join([b"x,y", "1,é".encode(), b"bad", b"", b'2,"q', b'r"', b"also bad", b"3,z", b""])
    written = engine.write(work(tmp_path, content), str(tmp_path / "out.parquet"))
    assert [content[r.offset : r.offset + len(r.raw)] for r in written.rejected] == [b"bad", b"also bad"]
    assert (written.rows_in, written.rows_out) == (5, 3)


def test_many_rejected_records(engine: Engine, tmp_path: Path) -> None:
    """In a file that is read by several threads, every refused record is told once, in file order."""
    lines = [b"%d,%s" % (at, b"x" * 40) if at % 1000 else b"%d" % at for at in range(400_000)]
    content = b"x,y\n" + b"\n".join(lines) + b"\n"
    written = engine.write(work(tmp_path, content), str(tmp_path / "out.parquet"))
    assert (written.rows_in, written.rows_out, len(written.rejected)) == (400_000, 399_600, 400)
    assert [int(record.raw) for record in written.rejected] == list(range(0, 400_000, 1000))
    assert all(content[r.offset : r.offset + len(r.raw) + 1] == r.raw.encode() + b"\n" for r in written.rejected)


def test_a_failing_expression_is_told(engine: Engine, tmp_path: Path) -> None:
    """An expression that fails for a row ends the query with an error of its own."""
    with pytest.raises(ExpressionError, match="word"):
        engine.write(work(tmp_path, b"x,y\n1,2\nword,2\n"), str(tmp_path / "out.parquet"))


def test_a_file_that_cannot_be_read_is_no_bad_file(engine: Engine, tmp_path: Path) -> None:
    """What may work later, such as a file that is not there, is not blamed on the file."""
    gone = Work(Source(str(tmp_path / "gone.csv"), Dialect(","), 2), f"{KEEP} FROM {SOURCE}", COLUMNS, ())
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any error but one
        engine.write(gone, str(tmp_path / "out.parquet"))
    assert not isinstance(caught.value, BadFileError)


def test_set_aside(engine: Engine, tmp_path: Path) -> None:
    """Rows that some rules set aside come back in file order, with ordinal and cells, however many threads read."""
    numbers = [at % 100 - 1 for at in range(250_000)]
    pad = "x" * 200
    content = b"x,y\n" + b"".join(f"{number},y{at}{pad}\n".encode() for at, number in enumerate(numbers, start=1))
    todo = work(tmp_path, content, BY_SIGN, RULES)
    engine.write(todo, str(tmp_path / "out.parquet"))
    asked = [(row.ordinal, row.rule, row.cells) for row in engine.set_aside(todo, [1])]
    assert asked == [(at, 1, ["0", f"y{at}{pad}"]) for at, number in enumerate(numbers, start=1) if number == 0]
    both = [row.ordinal for row in engine.set_aside(todo, [0, 1])]
    assert both == [at for at, number in enumerate(numbers, start=1) if number <= 0]


def test_ordinals_pass_over_refused_records(engine: Engine, tmp_path: Path) -> None:
    """An ordinal counts the records that could be cut, also when others stand between."""
    todo = work(tmp_path, b"x,y\n1,a\nbad\n0,b\n\n0,c\n", BY_SIGN, RULES)
    engine.write(todo, str(tmp_path / "out.parquet"))
    assert [(row.ordinal, row.cells) for row in engine.set_aside(todo, [1])] == [(2, ["0", "b"]), (3, ["0", "c"])]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(engine: Engine, tmp_path: Path, delimiter: str) -> None:
    """Every delimiter that detection knows is read; quoted ones are text."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter).writerows([["x", "y"], ["1", f"a{delimiter}b"], ["2", 'c"d']])
    made = source(tmp_path, buffer.getvalue().encode(), delimiter=delimiter)
    engine.write(Work(made, f"{KEEP} FROM {SOURCE}", COLUMNS, ()), str(tmp_path / "out.parquet"))
    assert out(tmp_path) == [(1, f"a{delimiter}b"), (2, 'c"d')]


def test_what_cannot_be_cut_into_records_is_told(engine: Engine, tmp_path: Path) -> None:
    """Mixed line ends: not rows that are lost, but an error that asks for reading with care."""
    with pytest.raises(DamagedFileError):
        engine.write(work(tmp_path, b"x,y\r\n1,a\n2,b\r\n3,c\n"), str(tmp_path / "out.parquet"))


PROGRAM = """
import re, sys
from pathlib import Path
sys.path.append(".")
from tests.contracts.registry import ENGINES
from tests.contracts.test_engine import BY_SIGN, COLUMNS, RULES
from penstock.engines import Source, Work
from penstock.formats import Dialect
name, file, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
engine = ENGINES[name](folder / "spill")
work = Work(Source(file, Dialect(","), 2), BY_SIGN, COLUMNS, RULES)
written = engine.write(work, str(folder / "big.parquet"))
aside = sum(1 for _ in engine.set_aside(work, [1]))
print(written.rows_in, written.rows_out, *written.by_rule, aside)
# The kernel's own peak of this program; getrusage also counts the process that started it.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.usefixtures("engine")
def test_memory_is_bounded(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """200 MB go through one process that stays under the promised 500 MB, set-aside rows included."""
    block = b"".join(b"%d,%s\n" % (at % 100 - 1, b"%d" % (at * 7919) * 12) for at in range(20_000))
    times = 200_000_000 // len(block) + 1
    with (tmp_path / "big.csv").open("wb") as file:
        file.write(b"x,y\n")
        file.writelines([block] * times)
    name = request.node.callspec.params["engine"]
    command = [sys.executable, "-P", "-c", PROGRAM, name, str(tmp_path / "big.csv"), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    counts, peak = result.stdout.splitlines()
    rows = 20_000 * times
    assert [int(count) for count in counts.split()] == [rows, rows * 98 // 100, rows // 100, rows // 100, rows // 100]
    assert int(peak) < 500, f"{peak} MB"
