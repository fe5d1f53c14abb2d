"""The engine's partition values are Iceberg's own, value by value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyiceberg.transforms import parse_transform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    IntegerType,
    LongType,
    PrimitiveType,
    StringType,
    TimestampType,
    TimestamptzType,
)

from penstock.declaration import Transform
from penstock.engines import DuckDBEngine
from penstock.engines.partitions import MOST, Splitter
from penstock.errors import BadFileError
from penstock.naming import literal
from penstock.state.store import Column
from penstock.tables.partition import TYPES, planned_spec

ICEBERG: dict[str, PrimitiveType] = {
    "VARCHAR": StringType(),
    "BOOLEAN": BooleanType(),
    "INTEGER": IntegerType(),
    "BIGINT": LongType(),
    "DECIMAL": DecimalType(12, 3),
    "DATE": DateType(),
    "TIMESTAMP": TimestampType(),
    "TIMESTAMP WITH TIME ZONE": TimestamptzType(),
}
TEXTS = [
    "",
    " ",
    "a",
    "iceberg",
    "O'Hara",
    'say "x"',
    "a/b",
    "..",
    "é",
    "e\u0301x",
    "🇫🇷🇫🇷",
    "x\ny",
    "null",
    "x" * 5_000,
    "\0",
]
MOMENTS = [
    "0001-01-01 00:00:00",
    "1969-12-31 23:59:59.999999",
    "1969-12-31 23:00:00",
    "1970-01-01 00:00:00",
    "1970-01-01 00:59:59",
    "1900-02-28 12:00:00",
    "2024-02-29 23:30:00",
    "9999-12-31 23:59:59",
]
VALUES: dict[str, list[str]] = {
    "VARCHAR": TEXTS,
    "BOOLEAN": ["true", "false"],
    "INTEGER": ["0", "1", "-1", "9", "10", "-10", "-11", "2147483647", "-2147483640"],
    "BIGINT": ["0", "34", "-1", "-17", "9223372036854775807", "-9223372036854775800", "4294967296"],
    "DECIMAL": ["0.000", "1.500", "-1.500", "999999999.999", "-0.001"],
    "DATE": ["0001-01-01", "1969-12-31", "1970-01-01", "1969-01-01", "2024-02-29", "9999-12-31"],
    "TIMESTAMP": MOMENTS,
    "TIMESTAMP WITH TIME ZONE": [f"{moment}+00" for moment in MOMENTS],
}
SIZES = {"bucket": (1, 16, 1009), "truncate": (1, 3, 10)}
CASES = [(kind, size, stored) for kind, types in TYPES.items() for stored in types for size in SIZES.get(kind, (None,))]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One engine for all."""
    made = DuckDBEngine(tmp_path_factory.mktemp("spill"), threads=2)
    yield made
    made.close()


def test_every_transform_is_looked_at() -> None:
    """No pair of a transform and a type that a table may be partitioned by goes untested."""
    assert len(CASES) == 6 + 3 + 3 + 3 + 2 + 3 * 4 + 3 * 3
    assert {stored for _, _, stored in CASES} == set(VALUES) == set(ICEBERG)


@pytest.mark.parametrize(("kind", "size", "stored"), CASES)
def test_values_are_icebergs(engine: DuckDBEngine, kind: str, size: int | None, stored: str) -> None:
    """Each value falls into the partition that pyiceberg's transform gives, null into the null partition."""
    transform = Transform(kind, "v", size)
    duck = "DECIMAL(12,3)" if stored == "DECIMAL" else stored
    column = Column(1, "v", duck)
    splitter = Splitter(engine, planned_spec([transform], [column]), [column])
    theirs = parse_transform(transform.iceberg).transform(ICEBERG[stored])
    for text in [*VALUES[stored], None]:
        value = "NULL" if text is None else literal(text)
        ((ours, rows),) = splitter.counts(f"SELECT CAST({value} AS {duck}) AS v")
        assert rows == 1
        assert ours == theirs(_internal(stored, text)), text


def _internal(stored: str, text: str | None) -> Any:
    """The value as Iceberg keeps it."""
    from decimal import Decimal

    if text is None:
        return None
    if stored in {"VARCHAR", "BOOLEAN"}:
        return text == "true" if stored == "BOOLEAN" else text
    if stored == "DECIMAL":
        return Decimal(text)
    if stored in {"INTEGER", "BIGINT"}:
        return int(text)
    sql = f"date_diff('day', DATE '1970-01-01', DATE '{text}')"
    if stored != "DATE":
        sql = f"epoch_us(TIMESTAMP '{text.removesuffix('+00')}')"
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT {sql}").fetchall()[0][0]


def test_pieces_hold_every_row_once(engine: DuckDBEngine, tmp_path: Path) -> None:
    """Few partitions are read one by one, many are sorted first: either way each row stands in one piece."""
    columns = [Column(1, "k", "INTEGER"), Column(2, "s", "VARCHAR")]
    for wanted, partitions in [("k % 3", 4), ("k % 300", 301)]:
        spec = planned_spec([Transform("identity", "k")], columns)
        relation = f"SELECT ({wanted})::INTEGER AS k, 'row ' || k AS s FROM range(1000) r(k) UNION ALL SELECT NULL, 'x'"
        seen = list[str]()
        beside = str(tmp_path / "sorted")
        with Splitter(engine, spec, columns).pieces(relation, beside) as pieces:
            assert len(pieces) == partitions
            for piece in pieces:
                rows = engine.ask(piece.select)
                assert len(rows) == piece.rows
                assert {json.dumps([key]) for key, _ in rows} == {piece.partition.partition(":")[2]}
                seen += [text for _, text in rows]
        assert sorted(seen) == sorted([*(f"row {at}" for at in range(1000)), "x"])
        assert list(tmp_path.iterdir()) == []


def test_too_many_partitions_are_refused(engine: DuckDBEngine) -> None:
    """One row more than there may be partitions is told, with the rule and what to do."""
    column = Column(1, "k", "BIGINT")
    splitter = Splitter(engine, planned_spec([Transform("identity", "k")], [column]), [column])
    assert len(splitter.counts(f"SELECT * FROM range({MOST}) r(k)")) == MOST
    with pytest.raises(BadFileError, match="more than 1,000 partitions of k") as caught:
        splitter.counts(f"SELECT * FROM range({MOST + 1}) r(k)")
    assert "month(...)" in caught.value.hint


def test_numbers_that_cannot_be_truncated_are_refused(engine: DuckDBEngine) -> None:
    """The lowest number of a type has no multiple of ten below it: said, not wrapped around."""
    column = Column(1, "k", "INTEGER")
    splitter = Splitter(engine, planned_spec([Transform("truncate", "k", 10)], [column]), [column])
    with pytest.raises(BadFileError, match=r"cannot be partitioned by truncate\(10, k\)"):
        splitter.counts("SELECT CAST(-2147483648 AS INTEGER) AS k")
