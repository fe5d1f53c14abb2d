"""Quarantine: rows that could not be read or broke a rule, kept with file, line, column, reason and raw text.

The rows of one attempt stand in one Parquet file, written before the commit under a name of its own. They count once
the arrival is finished: queries ask the state store which of these files belong to what the table holds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

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
HEADER = b"penstock.header"
"""Key, in the files' metadata, of the columns of the file that the rows come from."""
BATCH = 2_000


def quarantine_key(table: TableName, stem: str) -> str:
    """Where, below the processed zone, the quarantined rows of one attempt stand."""
    return f"_quarantine/{table.layer}/{table.name}/{stem}.parquet"


@dataclass(frozen=True)
class Kept:
    """How many rows a quarantine file holds, by their fate."""

    quarantined: int = 0
    warned: int = 0


def write_quarantine(
    zone: Zone, table: TableName, stem: str, key: str, rows: Iterator[dict[str, Any]], header: Sequence[str] = ()
) -> Kept:
    """Write the rows of one attempt on the file `key` as one Parquet file, streamed. No rows, no file.

    `header` are the file's columns in order; they are kept for people who mend records.
    """
    arrival = stem.rpartition("-")[0]  # without the attempt: a row is called the same, whichever attempt is kept
    count = Counter[str]()

    def known() -> Iterator[dict[str, Any]]:
        for row in rows:
            count[row[FATE]] += 1
            yield {"id": f"{table}/{arrival}-{count.total()}", "table_name": str(table), "file": key, **row}

    _write(zone, quarantine_key(table, stem), known(), header)
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
        _write(zone, quarantine_key(table, new), rows(file), header_of(zone, table, old))


def header_of(zone: Zone, table: TableName, stem: str) -> list[str]:
    """Columns, in order, of the file whose rows stand in a quarantine file; none when they are not known."""
    import pyarrow.parquet as pq

    metadata = pq.read_schema(zone.location(quarantine_key(table, stem))).metadata or {}
    return list(json.loads(metadata.get(HEADER, b"[]")))


def _write(zone: Zone, target: str, rows: Iterator[dict[str, Any]], header: Sequence[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"VARCHAR": pa.string(), "BIGINT": pa.int64()}
    more = [(FATE, pa.string()), (CELLS, pa.string()), (WHOLE, pa.bool_())]
    columns = [*((name, kinds[kind]) for name, kind in QUARANTINE_SCHEMA), *more]
    schema = pa.schema(columns, {HEADER: json.dumps(list(header)).encode()})
    batch = list(islice(rows, BATCH))
    if not batch:
        return
    local = zone.staging(target)
    with pq.ParquetWriter(local, schema, compression="snappy") as writer:
        while batch:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            batch = list(islice(rows, BATCH))
    zone.publish(local, target)
