"""A lake whose tables hold every type and have been through every change, and what other readers make of them."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

import penstock
from penstock.naming import TableName
from tests.interop.environments import duckdb_python, spark_jars, spark_python

HERE = Path(__file__).parent
ODD = ('Zoë "q"; comma,\ttab', "O'Hara\nnew line", "", "  ", "NULL", "\\N", "日本語 🦆", "\u202e\u0007")
QUOTED = 'Odd name, with "quotes"'
DECLARATION = """lake: readers
tables:
  everything: {files: "all/*.parquet"}
  curated.without_times: {files: "without/*.parquet"}
"""
Rows = list[tuple[Any, ...]]


def file_of(first: int, count: int, *, clock: bool, **other: pa.DataType) -> pa.Table:
    """Rows with ids from `first`, every fifth value null; `other` gives columns another type than at first."""
    ids = range(first, first + count)

    def column(kind: pa.DataType, value: Callable[[int], Any]) -> pa.Array:
        return pa.array([None if at % 5 == 4 else value(at) for at in ids], kind)

    pair = pa.struct([("k", pa.string()), ("v", pa.int64())])
    nested = other.get("nested", pa.struct([("x", pa.int32()), ("note", pa.string()), ("deep", pa.list_(pair))]))
    amount = other.get("amount", pa.int64())
    most = 10**9 if "price" in other else 1  # what only the wider type holds
    columns = {
        "id": pa.array(ids, pa.int64()),
        "tiny": column(pa.int8(), lambda at: at % 128),
        "whole": column(other.get("whole", pa.int32()), lambda at: at * most - 50),
        "big": column(pa.int64(), lambda at: 2**62 + at),
        "unsigned": column(pa.uint64(), lambda at: 2**64 - 1 - at),
        "amount": column(amount, lambda at: at * 10 if amount == pa.int64() else at + 0.5),
        "price": column(other.get("price", pa.decimal128(9, 2)), lambda at: Decimal(at * most) / 100),
        "huge": column(pa.decimal128(38, 10), lambda at: Decimal("12345678901234567890123456.7890123456") + at),
        "single": column(pa.float32(), lambda at: at / 4),
        "real": column(other.get("real", pa.float32()), lambda at: at / 3),
        "ratio": column(pa.float64(), lambda at: -at / 7),
        "flag": column(pa.bool_(), lambda at: at % 2 == 0),
        "day": column(pa.date32(), lambda at: date(1, 1, 1) + timedelta(days=at * 60_000)),
        "moment": column(pa.timestamp("us"), lambda at: datetime(1969, 12, 31, 23, 59, 59, 999_999 - at)),  # noqa: DTZ001 - without zone
        "instant": column(pa.timestamp("us", "UTC"), lambda at: datetime(2024, 3, 31, 1, 0, 0, at, UTC)),
        "text": column(pa.string(), lambda at: ODD[at % 8]),
        QUOTED: column(pa.string(), lambda at: f"v{at}"),
        "bytes": column(pa.binary(), lambda at: bytes([0, 255, at])),
        "key": column(pa.uuid(), lambda at: uuid.UUID(int=at).bytes),
        "nested": column(nested, lambda at: _nested(at, nested)),
        "tags": column(pa.list_(pa.string()), lambda at: ["a", None, ODD[at % 8]][: at % 4]),
        "counts": column(pa.map_(pa.string(), pa.int64()), lambda at: [(f"k{n}", n or None) for n in range(at % 3)]),
        "nothing": pa.nulls(count, pa.string()),
    }
    if clock:
        columns["clock"] = column(pa.time64("us"), lambda at: time(23, 59, 59, 999_999 - at))
    if "added" in other:
        columns["added"] = column(other["added"], lambda at: f"extra {at}")
    return pa.table(columns)


def _nested(at: int, kind: pa.StructType) -> dict[str, Any]:
    values = {"x": at, "note": ODD[at % 8], "deep": [{"k": "a", "v": at}, {"k": None, "v": None}] if at % 2 else []}
    return values | ({"added": date(2024, 1, 1)} if kind.get_field_index("added") >= 0 else {})


def build(folder: Path) -> Path:
    """Make the lake: several files, one superseded; columns added, widened in place, replaced, renamed by others."""
    folder.mkdir()
    (folder / "lake.yaml").write_text(DECLARATION, encoding="utf-8")
    pair = pa.struct([("k", pa.string()), ("v", pa.int64())])
    grown = {
        "whole": pa.int64(),
        "real": pa.float64(),
        "price": pa.decimal128(12, 2),
        "added": pa.string(),
        "nested": pa.struct(
            [("x", pa.int64()), ("note", pa.string()), ("deep", pa.list_(pair)), ("added", pa.date32())]
        ),
    }
    land(folder, "a", 0, 20)
    land(folder, "b", 20, 10)
    land(folder, "b", 30, 10)
    land(folder, "c", 40, 10, **grown)
    land(folder, "d", 50, 10, amount=pa.float64(), **grown)
    for name in ("everything", "curated.without_times"):
        with other_writer(folder, name).update_schema() as schema:
            schema.rename_column("text", 'words, "renamed"')
    return folder


def land(lake: Path, name: str, first: int, count: int, **other: pa.DataType) -> None:
    """Let a file land for each table, and run the lake."""
    for folder, clock in (("all", True), ("without", False)):
        (lake / "raw" / folder).mkdir(parents=True, exist_ok=True)
        pq.write_table(file_of(first, count, clock=clock, **other), lake / "raw" / folder / f"{name}.parquet")
    with penstock.open(lake) as opened:
        summary = opened.run()
    assert summary.dead == []


def metadata_of(lake: Path, table: str) -> str:
    """Where a table's current metadata stands, as the page of the documentation asks the catalog for it."""
    name = TableName.parse(table)
    with closing(sqlite3.connect(lake / "processed" / "catalog.db")) as catalog:
        sql = "SELECT metadata_location FROM iceberg_tables WHERE table_namespace = ? AND table_name = ?"
        found: tuple[str] = catalog.execute(sql, (name.layer, name.name)).fetchone()
    return found[0]


def other_writer(lake: Path, table: str) -> Any:
    """The table as pyiceberg gives it to a program that knows nothing of Penstock."""
    from pyiceberg.catalog.sql import SqlCatalog

    name = TableName.parse(table)
    processed = lake / "processed"
    catalog = SqlCatalog("penstock", uri=f"sqlite:///{processed}/catalog.db", warehouse=str(processed))
    return catalog.load_table((name.layer, name.name))


def penstock_rows(lake: Path, table: str) -> Rows:
    """The table's rows, as a query of the lake gives them."""
    with penstock.open(lake) as opened:
        return comparable(opened.query(f"SELECT * FROM {table}").arrow())


def comparable(found: pa.Table) -> Rows:
    """Rows in the order of their ids, with values that are equal where they mean the same; the header comes first."""
    names = tuple(found.column_names)
    rows = [tuple(_plain(name, value) for name, value in row.items()) for row in found.to_pylist()]
    return [names, *sorted(rows, key=lambda row: row[names.index("id")])]


def _plain(name: str, value: Any) -> Any:
    if name == "key" and value is not None:  # readers show a UUID as such, as bytes or as text
        return (
            value if isinstance(value, uuid.UUID) else uuid.UUID(bytes=value) if len(value) == 16 else uuid.UUID(value)
        )
    return _without_order(value)


def _without_order(value: Any) -> Any:
    """Structs as their items, at any depth; maps already are."""
    if isinstance(value, dict):
        return [(name, _without_order(below)) for name, below in value.items()]
    if isinstance(value, list):
        return [_without_order(below) for below in value]
    return value


def by_duckdb(metadata: str, folder: Path) -> Rows:
    """The table's rows, as DuckDB's iceberg reader gives them."""
    out = folder / "duckdb.parquet"
    program = [str(duckdb_python()), str(HERE / "duckdb_side.py"), metadata, str(out)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return comparable(pq.read_table(out))


class Spark:
    """A running Spark."""

    def __init__(self, folder: Path) -> None:
        """Start it; its start is waited for at the first question."""
        jars = [str(jar) for jar in spark_jars()]
        self._folder, self._ready, self._asked = folder, False, 0
        self._log = (folder / "spark.log").open("w", encoding="utf-8")
        self._process = subprocess.Popen(
            [str(spark_python()), str(HERE / "spark_side.py"), *jars],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __enter__(self) -> Self:
        """Use it in a `with` block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Let it end."""
        if self._process.stdin and self._process.stdout:
            self._process.stdin.close()
            self._process.stdout.close()
        self._process.wait(30)
        self._log.close()

    def tell(self, lake: Path, sql: str) -> str | None:
        """Run a statement; gives the error's text, None where there is none."""
        return self._ask({"sql": sql, "settings": self._catalog(lake)})

    def rows(self, lake: Path, sql: str) -> Rows:
        """The rows of a query over the catalog `penstock` of a lake."""
        return self._rows({"sql": sql, "settings": self._catalog(lake)})

    def by_field_ids(self, files: Sequence[str], schema: dict[str, Any]) -> Rows:
        """The rows of Parquet files, without Iceberg's runtime: columns are found by the ids that the schema names."""
        return self._rows({"files": list(files), "schema": schema})

    def printed(self, program: str) -> str:
        """What a Python program prints that asks for a Spark of its own: it is given this one."""
        out = self._folder / "printed.txt"
        error = self._ask({"program": program, "out": str(out)})
        assert error is None, error
        return out.read_text(encoding="utf-8")

    @staticmethod
    def _catalog(lake: Path) -> dict[str, str]:
        """The settings by which Spark finds a lake's catalog; its name is also the one in the SQLite file."""
        at = "spark.sql.catalog.penstock"
        return {
            at: "org.apache.iceberg.spark.SparkCatalog",
            f"{at}.catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
            f"{at}.uri": f"jdbc:sqlite:{lake}/processed/catalog.db",
            f"{at}.warehouse": f"{lake}/processed",
            f"{at}.cache-enabled": "false",
            f"{at}.jdbc.init-catalog-tables": "false",  # else a lock stays on the file, and nothing else can commit
        }

    def _rows(self, question: dict[str, Any]) -> Rows:
        self._asked += 1
        out = self._folder / f"spark-{self._asked}"
        error = self._ask({**question, "out": str(out)})
        assert error is None, error
        return comparable(pq.read_table(out))

    def _ask(self, question: dict[str, Any]) -> str | None:
        if not self._ready:
            assert self._line() == "ready"
            self._ready = True
        assert self._process.stdin is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        found: str | None = json.loads(self._line())
        return found

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, (self._folder / "spark.log").read_text(encoding="utf-8")[-3000:]
        return line


def spark_schema(lake: Path, table: str) -> dict[str, Any]:
    """A table's schema for Spark's own Parquet reader, with the field id of each column."""
    from pyiceberg import types

    names: dict[type, str] = {
        types.StringType: "string",
        types.BooleanType: "boolean",
        types.IntegerType: "integer",
        types.LongType: "long",
        types.FloatType: "float",
        types.DoubleType: "double",
        types.DateType: "date",
        types.TimestampType: "timestamp_ntz",
        types.TimestamptzType: "timestamp",
        types.BinaryType: "binary",
        types.UUIDType: "binary",
    }

    def kind(of: Any) -> Any:
        if isinstance(of, types.StructType):
            return {"type": "struct", "fields": list(map(field, of.fields))}
        if isinstance(of, types.ListType):
            return {"type": "array", "elementType": kind(of.element_type), "containsNull": True}
        if isinstance(of, types.MapType):
            below = {"keyType": kind(of.key_type), "valueType": kind(of.value_type)}
            return {"type": "map", **below, "valueContainsNull": True}
        return str(of).replace(" ", "") if isinstance(of, types.DecimalType) else names[type(of)]

    def field(of: Any) -> dict[str, Any]:
        metadata = {"parquet.field.id": of.field_id}
        return {"name": of.name, "type": kind(of.field_type), "nullable": True, "metadata": metadata}

    return {"type": "struct", "fields": list(map(field, other_writer(lake, table).schema().fields))}
