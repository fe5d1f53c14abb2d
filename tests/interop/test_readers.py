"""Other programs read a lake's tables and get the same rows as its own queries."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from pyiceberg.table import StaticTable

from tests.interop.everything import (
    Rows,
    Spark,
    by_duckdb,
    comparable,
    metadata_of,
    other_writer,
    penstock_rows,
    spark_schema,
)

pytestmark = pytest.mark.timeout(600)  # the first run downloads what the readers need
TABLES = ["everything", "curated.without_times"]


def test_the_tables_have_been_through_every_change(lake: Path) -> None:
    """The rows to compare are of several files, written with several types of the same columns, under several names."""
    for table in TABLES:
        names, *rows = penstock_rows(lake, table)
        read = other_writer(lake, table)
        assert [row[0] for row in rows] == [*range(20), *range(30, 60)]
        assert len(list(read.scan().plan_files())) >= 4
        kinds = {field.name: str(field.field_type) for field in read.schema().fields}
        assert (kinds["whole"], kinds["amount"], kinds["real"]) == ("long", "double", "double")
        assert (kinds["price"], kinds["unsigned"]) == ("decimal(12, 2)", "decimal(20, 0)")
        assert read.schema().find_field("amount").field_id > 30, "a replaced column has a new id"
        assert 'words, "renamed"' in names
        assert ("clock" in names) is (table == "everything")
        assert {"added", "nothing", "key"} <= set(names)


@pytest.mark.parametrize("table", TABLES)
def test_pyiceberg_reads_the_same_rows(lake: Path, table: str) -> None:
    """By the catalog, and by the metadata's path alone."""
    expected = penstock_rows(lake, table)
    assert comparable(other_writer(lake, table).scan().to_arrow()) == expected
    assert comparable(StaticTable.from_metadata(metadata_of(lake, table)).scan().to_arrow()) == expected


@pytest.mark.filterwarnings("ignore:Iceberg scan planning")
@pytest.mark.parametrize("table", TABLES)
def test_polars_reads_the_same_rows(lake: Path, table: str) -> None:
    """By the metadata's path, and by a table of pyiceberg."""
    expected = penstock_rows(lake, table)
    for source in (metadata_of(lake, table), other_writer(lake, table)):
        assert comparable(pl.scan_iceberg(source).collect().to_arrow()) == expected


@pytest.mark.parametrize("table", TABLES)
def test_pandas_reads_the_same_rows(lake: Path, table: str) -> None:
    """Through pyiceberg; with Arrow's types, which keep what pandas' own would not."""
    frame = other_writer(lake, table).scan().to_arrow().to_pandas(types_mapper=_arrow_type)
    assert comparable(pa.Table.from_pandas(frame, preserve_index=False)) == penstock_rows(lake, table)


def _arrow_type(kind: pa.DataType) -> object:
    import pandas as pd

    return pd.ArrowDtype(kind)


@pytest.mark.parametrize("table", TABLES)
def test_duckdbs_iceberg_reader_reads_the_same_rows(lake: Path, tmp_path: Path, table: str) -> None:
    """Its `iceberg_scan` of the metadata's path."""
    assert by_duckdb(metadata_of(lake, table), tmp_path) == penstock_rows(lake, table)


def test_spark_reads_the_same_rows(lake: Path, spark: Spark) -> None:
    """With Iceberg's runtime, straight from the lake's catalog."""
    found = spark.rows(lake, "SELECT * FROM penstock.curated.without_times")
    assert found == penstock_rows(lake, "curated.without_times")


def test_spark_reads_the_same_rows_by_field_ids(lake: Path, spark: Spark) -> None:
    """Spark's own Parquet reader, without Iceberg's runtime: the snapshot's files, columns by field id."""
    table = "curated.without_times"
    files = [task.file.file_path for task in other_writer(lake, table).scan().plan_files()]
    found = spark.by_field_ids(files, spark_schema(lake, table))
    assert found == penstock_rows(lake, table)


def test_spark_has_no_time_of_day(lake: Path, spark: Spark) -> None:
    """What Spark says of a table with a column of the type TIME, as the documentation warns."""
    error = spark.tell(lake, "SELECT id FROM penstock.main.everything")
    assert error is not None
    assert "Spark does not support time fields" in error


def test_a_difference_would_be_seen(lake: Path) -> None:
    """The comparison tells rows apart that differ in one value, in their names or in their number."""
    expected: Rows = penstock_rows(lake, "everything")
    read = other_writer(lake, "everything").scan().to_arrow()
    assert comparable(read.slice(0, read.num_rows - 1)) != expected
    assert comparable(read.drop(["tags"])) != expected
    cut = read.set_column(1, "tiny", pa.nulls(read.num_rows, pa.int32()))
    assert comparable(cut) != expected
