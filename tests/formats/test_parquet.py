"""Parquet that landed: nothing is read with less than it holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.errors import BadFileError
from penstock.formats.parquet import Landed, look_into_parquet

EXACT, ODD = 1_600_000_000_123_456_000, 1_600_000_000_123_456_789
MOMENT = datetime(2020, 9, 13, 12, 26, 40, 123456)  # noqa: DTZ001 - a timestamp without zone

ZONED = pa.timestamp("ns", "UTC")
DEEP = pa.struct([("t", pa.list_(pa.timestamp("ns")))])


def landed(tmp_path: Path, columns: dict[str, pa.Array], **options: Any) -> Landed:
    """Write a file and look into it."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path, **options)
    return look_into_parquet(str(path))


def cells(found: Landed) -> list[tuple[Any, ...]]:
    """What the scan gives, as the engine runs it."""
    with duckdb.connect() as connection:
        relation = connection.sql(found.scan)
        types = [str(kind) for kind in relation.types][:-3]
        assert types == list(found.types)
        return relation.order("__penstock_line").fetchall()


def test_columns_rows_and_places(tmp_path: Path) -> None:
    """Names and types come from the file; a row's place is its number, from 1."""
    found = landed(tmp_path, {"a": pa.array([1, None]), 'b "é': pa.array([[{"x": "y"}], []])})
    assert found.header == ("a", 'b "é')
    assert found.types == ("BIGINT", "STRUCT(x VARCHAR)[]")
    assert found.rows == 2
    assert cells(found) == [(1, [{"x": "y"}], 1, None, None), (None, [], 2, None, None)]
    assert found.reasons[0].reason == "the type that the file gives"


@pytest.mark.parametrize(
    ("unit", "word"), [("s", "seconds"), ("ms", "milliseconds"), ("us", "microseconds"), ("ns", "nanoseconds")]
)
def test_durations_are_numbers_of_their_unit(tmp_path: Path, unit: str, word: str) -> None:
    """Tables store no durations: the reason of the column's type says what its numbers count."""
    column = pa.array([7, None], pa.duration(unit))
    found = landed(tmp_path, {"d": column, "n": pa.array([[7], []], pa.list_(pa.duration(unit)))})
    assert found.types == ("BIGINT", "BIGINT[]")
    assert [row[:2] for row in cells(found)] == [(7, [7]), (None, [])]
    assert found.reasons[0].reason == f"the file gives durations: kept as whole {word}"
    assert found.reasons[1].reason == "the file gives durations within it: kept as whole numbers of their unit"


def test_folders_that_look_like_partitions_add_no_column(tmp_path: Path) -> None:
    """A folder called `year=2024` says nothing about the rows."""
    folder = tmp_path / "year=2024"
    folder.mkdir()
    assert landed(folder, {"a": pa.array([1])}).header == ("a",)


@pytest.mark.parametrize(
    ("column", "kind", "value"),
    [
        (pa.array([2**64 - 1], pa.uint64()), "UBIGINT", 2**64 - 1),
        (pa.array([EXACT], pa.timestamp("ns")), "TIMESTAMP", MOMENT),
        (pa.array([EXACT], pa.timestamp("ns", "UTC")), "TIMESTAMP WITH TIME ZONE", MOMENT.replace(tzinfo=UTC)),
        (pa.array([{"t": [EXACT]}], DEEP), "STRUCT(t TIMESTAMP[])", {"t": [MOMENT]}),
        (pa.array([1_000], pa.time64("ns")), "TIME", time(0, 0, 0, 1)),
        (pa.array(['{"a": 1}'], pa.json_()), "VARCHAR", '{"a": 1}'),
        (pa.array([None], pa.null()), "VARCHAR", None),
        (pa.array(["a"]).dictionary_encode(), "VARCHAR", "a"),
        (pa.array([Decimal("1.50")], pa.decimal128(38, 2)), "DECIMAL(38,2)", Decimal("1.50")),
        (pa.array([b"\xff"]), "BLOB", b"\xff"),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())), "MAP(VARCHAR, INTEGER)", {"k": 1}),
    ],
)  # fmt: skip
def test_types_are_read_without_loss(tmp_path: Path, column: pa.Array, kind: str, value: object) -> None:
    """Every type that loses nothing is read; the reason says where it is not the file's own."""
    found = landed(tmp_path, {"x": column})
    assert (found.types, cells(found)[0][0]) == ((kind,), value)


def test_old_spark_timestamps(tmp_path: Path) -> None:
    """Timestamps of 96 bits are read where they are whole microseconds, also beyond the reach of nanoseconds."""
    far = datetime(9999, 12, 31)  # noqa: DTZ001 - a timestamp without zone
    column = pa.array([MOMENT, far], pa.timestamp("us"))
    found = landed(tmp_path, {"x": column}, use_deprecated_int96_timestamps=True)
    assert [row[0] for row in cells(found)] == [MOMENT, far]


def test_nanoseconds_become_text(tmp_path: Path) -> None:
    """Where a digit would be lost the column is text with all digits, and the reason names row and value."""
    found = landed(tmp_path, {"x": pa.array([EXACT, ODD], pa.timestamp("ns"))})
    assert found.types == ("VARCHAR",)
    assert [row[0] for row in cells(found)] == ["2020-09-13 12:26:40.123456", "2020-09-13 12:26:40.123456789"]
    assert (found.reasons[0].line, found.reasons[0].value) == (2, "2020-09-13 12:26:40.123456789")


Columns = Callable[[], dict[str, pa.Array]]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (lambda: {"x": pa.array([EXACT, ODD], ZONED)}, {}, 'column "x" holds parts of a microsecond, for one in row 2'),
        (lambda: {"x": pa.array([[ODD]], pa.list_(ZONED))}, {}, "holds parts of a microsecond"),
        (lambda: {"x": pa.array([{"t": ODD}], pa.struct([("t", pa.timestamp("ns"))]))}, {}, "microsecond in row 1"),
        (
            lambda: {"x": pa.array([ODD], pa.timestamp("ns"))},
            {"use_deprecated_int96_timestamps": True},
            "holds parts of a microsecond",
        ),
        (lambda: {"x": pa.array([Decimal(1)], pa.decimal256(50, 2))}, {}, "is a decimal of 50 digits; tables hold 38"),
        (lambda: {"__penstock_r0": pa.array([1])}, {}, "is taken by the system"),
        (lambda: {"file_row_number": pa.array([1])}, {}, "is taken by the system"),
        (lambda: {"": pa.array([1])}, {}, "column 1 has no name"),
        (lambda: {"a": pa.array([1]), "A": pa.array([1])}, {}, 'two columns are called "a" and "A"'),
        (dict, {}, "the file has no columns"),
    ],
)
def test_what_cannot_be_held_is_refused(
    tmp_path: Path, columns: Columns, options: dict[str, Any], message: str
) -> None:
    """What would be read wrongly in silence is refused, with the column's name and what helps."""
    with pytest.raises(BadFileError, match=message) as caught:
        landed(tmp_path, columns(), **options)
    assert caught.value.hint


def test_doubled_names_are_refused(tmp_path: Path) -> None:
    """Two columns of one name are refused: which one is meant cannot be told."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(BadFileError, match='two columns are called "a" and "a"'):
        look_into_parquet(str(path))


@pytest.mark.parametrize("kind", ["INTERVAL", "TIME WITH TIME ZONE"])
def test_types_that_no_table_has(tmp_path: Path, kind: str) -> None:
    """Other programs' types are refused with the column that has one, also within others."""
    path = str(tmp_path / "x.parquet")
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {{'y': [NULL::{kind}]}} AS x) TO '{path}'")
    with pytest.raises(BadFileError, match=r'column "x.y\[\]" has the type ' + kind):
        look_into_parquet(path)


def test_damaged_files(tmp_path: Path) -> None:
    """Empty, foreign, cut off, encrypted, garbled: each has its own words."""
    whole = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3]}), whole)
    data = whole.read_bytes()
    damaged = {
        b"": "the file is empty",
        b"a,b\n1,2\n": "does not start with PAR1",
        data[:-20]: "is cut off",
        b"PAR1": "is cut off",
        b"PAR1PAR1": "is cut off",
        data[:4] + b"PARE": "is encrypted",
        data[:-60] + b"\xff" * 52 + data[-8:]: "footer is damaged",
    }
    for content, message in damaged.items():
        whole.write_bytes(content)
        with pytest.raises(BadFileError, match=message):
            look_into_parquet(str(whole))
