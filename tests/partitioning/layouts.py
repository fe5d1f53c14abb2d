"""Partitioned lakes, and what must be true of every one of them."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog

import penstock
from penstock.arrivals import Summary
from penstock.naming import TableName
from penstock.state import Head

if TYPE_CHECKING:
    from pyiceberg.table import Table

T = TableName.parse("t")


def declare(folder: Path, partition: str, more: str = "") -> Path:
    """Write a declaration with one table, and make the lake's folders."""
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    text = f"lake: cut\ntables:\n  t:\n    files: '*.csv'\n    partition: {partition}\n{more}"
    (folder / "lake.yaml").write_text(text, encoding="utf-8")
    return folder


def land(folder: Path, key: str, text: str) -> None:
    """Let a file land."""
    (folder / "raw" / key).write_text(text, encoding="utf-8")


def run(folder: Path, **options: Any) -> Summary:
    """Run the lake once; nothing may end dead."""
    with penstock.open(folder) as lake:
        summary = lake.run(**options)
    assert summary.dead == []
    return summary


def ask(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query."""
    with penstock.open(folder) as lake:
        return lake.query(sql).fetchall()


def head_of(folder: Path) -> Head:
    """What the table holds."""
    with penstock.open(folder) as lake:
        head = lake.catalog.head(T)
    assert head is not None
    return head


def iceberg(folder: Path) -> Table:
    """The table as pyiceberg sees it, from the catalog file alone."""
    processed = (folder / "processed").absolute()
    catalog = SqlCatalog("penstock", uri=f"sqlite:///{processed}/catalog.db", warehouse=str(processed))
    return catalog.load_table(("main", "t"))


def assert_laid_out(folder: Path) -> Counter[str]:
    """Every row of every live file has the partition that the manifest says; gives the rows of each partition.

    What a row's partition is, pyiceberg's own transforms say.
    """
    table, head = iceberg(folder), head_of(folder)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    entries = [entry for manifest in snapshot.manifests(table.io) for entry in manifest.fetch_manifest_entry(table.io)]
    assert {entry.data_file.file_path for entry in entries} == {file.path for file in head.files}
    known = {file.path: file for file in head.files}
    counted = Counter[str]()
    for entry in entries:
        file = entry.data_file
        rows = pq.read_table(file.file_path)
        ids = {int(field.metadata[b"PARQUET:field_id"]): field.name for field in rows.schema}
        spec = table.specs()[file.spec_id]
        for at, field in enumerate(spec.fields):
            kind = table.schema().find_type(field.source_id)
            transform = field.transform.transform(kind)
            name = ids.get(field.source_id)
            values = rows.column(name).to_pylist() if name else [None] * rows.num_rows
            found = {transform(_internal(value)) for value in values}
            assert found == {file.partition[at]}, f"{field} of {file.file_path}"
        assert rows.num_rows == file.record_count == known[file.file_path].rows
        assert sum(member.rows for member in known[file.file_path].members) == rows.num_rows
        counted[known[file.file_path].partition] += rows.num_rows
    return counted


def _internal(value: Any) -> Any:
    """A value as Iceberg keeps it: dates are days, moments are microseconds since 1970."""
    from datetime import UTC, date, datetime, timedelta

    if isinstance(value, datetime):
        since = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return (since - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001 - moments without a zone
    return (value - date(1970, 1, 1)).days if isinstance(value, date) else value


def values_of(partition: str) -> list[Any]:
    """The values of a partition as a file says it."""
    return [
        Decimal(value) if isinstance(value, Decimal) else value for value in json.loads(partition.partition(":")[2])
    ]
