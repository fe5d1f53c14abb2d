"""Quarantine: rows that could not be read or broke a rule, kept with file, line, column, reason and raw text.

The rows of one attempt stand in one Parquet file, written before the commit under a name of its own. They count once
the arrival is finished: queries ask the state store which of these files belong to what the table holds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from penstock import faults
from penstock.errors import AccountingError
from penstock.formats import Dialect
from penstock.naming import TableName
from penstock.storage import Zone

QUARANTINE_SCHEMA = (
    ("id", "VARCHAR"),
    ("table_name", "VARCHAR"),
    ("file", "VARCHAR"),
    ("line", "BIGINT"),
    ("byte_offset", "BIGINT"),
    ("column_name", "VARCHAR"),
    ("rule", "VARCHAR"),
    ("reason", "VARCHAR"),
    ("raw", "VARCHAR"),
)
FATE = "fate"
"""Column of the files beside those of `QUARANTINE_SCHEMA`: `quarantined`, or `warned` for rows that were kept."""
CELLS = "cells"
"""Column of the files: the record's cells by column as JSON text; null where it could not be cut into cells."""
WHOLE = "whole"
"""Column of the files: whether nothing else of the record is in the table, so that all of it can come back."""
HEADER, DIALECT = b"penstock.header", b"penstock.dialect"
"""Keys, in the files' metadata, of how the file is written that the rows come from: its columns, and its dialect."""
BATCH = 2_000


def quarantine_key(table: TableName, stem: str) -> str:
    """Where, below the processed zone, the quarantined rows of one attempt stand."""
    return f"_quarantine/{table.layer}/{table.name}/{stem}.parquet"


@dataclass(frozen=True)
class Kept:
    """How many rows a quarantine file holds, by their fate."""

    quarantined: int = 0
    warned: int = 0


@dataclass(frozen=True)
class Writing:
    """How a delivered file is written; kept beside its quarantined rows for people who mend records.

    Attributes:
        header: Its columns, in order.
        dialect: Its dialect, where it is CSV.
    """

    header: tuple[str, ...] = ()
    dialect: Dialect | None = None


NOT_KNOWN = Writing()


def write_quarantine(
    zone: Zone, table: TableName, stem: str, key: str, rows: Iterator[dict[str, Any]], writing: Writing = NOT_KNOWN
) -> Kept:
    """Write the rows of one attempt on the file `key` as one Parquet file, streamed. No rows, no file."""
    arrival = stem.rpartition("-")[0]  # without the attempt: a row is called the same, whichever attempt is kept
    count = Counter[str]()

    def known() -> Iterator[dict[str, Any]]:
        for row in rows:
            count[row[FATE]] += 1
            yield {"id": f"{table}/{arrival}-{count.total()}", "table_name": str(table), "file": key, **row}

    written = _write(zone, quarantine_key(table, stem), known(), writing)
    assert_all_written(count.total(), written, key)
    return Kept(count["quarantined"], count["warned"])


def rewrite_quarantine(
    zone: Zone, table: TableName, old: str, new: str, reasons: Mapping[str, tuple[str, str | None, str]]
) -> None:
    """Write a quarantine file anew under the stem `new`, with other (rule, column, reason) for some of its rows."""
    import pyarrow.parquet as pq

    def rows(file: pq.ParquetFile) -> Iterator[dict[str, Any]]:
        for batch in file.iter_batches(BATCH):
            for row in batch.to_pylist():
                rule, column, reason = reasons.get(row["id"], (row["rule"], row["column_name"], row["reason"]))
                yield {**row, "rule": rule, "column_name": column, "reason": reason}

    with pq.ParquetFile(zone.location(quarantine_key(table, old))) as file:
        written = _write(zone, quarantine_key(table, new), rows(file), writing_of(zone, table, old))
        assert_all_written(file.metadata.num_rows, written, new)


def writing_of(zone: Zone, table: TableName, stem: str) -> Writing:
    """How the file is written whose rows stand in a quarantine file."""
    import pyarrow.parquet as pq

    metadata = pq.read_schema(zone.location(quarantine_key(table, stem))).metadata or {}
    dialect = json.loads(metadata.get(DIALECT, b"null"))
    return Writing(tuple(json.loads(metadata.get(HEADER, b"[]"))), Dialect.from_dict(dialect) if dialect else None)


def _write(zone: Zone, target: str, rows: Iterator[dict[str, Any]], writing: Writing) -> int:
    """Publish rows as one Parquet file; gives how many its footer says it holds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"VARCHAR": pa.string(), "BIGINT": pa.int64()}
    more = [(FATE, pa.string()), (CELLS, pa.string()), (WHOLE, pa.bool_())]
    columns = [*((name, kinds[kind]) for name, kind in QUARANTINE_SCHEMA), *more]
    dialect = writing.dialect.as_dict() if writing.dialect else None
    known = {HEADER: json.dumps(list(writing.header)).encode(), DIALECT: json.dumps(dialect).encode()}
    schema = pa.schema(columns, known)
    batch = list(islice(rows, BATCH))
    if not batch:
        return 0
    local = zone.staging(target)
    with pq.ParquetWriter(faults.sink(local, "quarantine.write"), schema, compression="snappy") as writer:
        while batch:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            batch = list(islice(rows, BATCH))
    zone.publish(local, target)
    return int(writer.writer.metadata.num_rows)


def assert_all_written(count: int, held: int, target: str) -> None:
    """Make sure that a quarantine file holds the rows that were handed to it.

    Raises:
        AccountingError: It holds more or fewer.
    """
    if held != count:
        raise AccountingError(
            f"{count} rows were set aside, but their file holds {held}",
            where=target,
            hint="nothing was committed; please report this, it is a defect or a failing disk",
        )
