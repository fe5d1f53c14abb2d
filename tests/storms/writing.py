"""Writers of one table, without a lake: rows of one number each, in data files as the product names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.table import StaticTable

from penstock.clock import Clock
from penstock.errors import CommitConflictError
from penstock.naming import ArrivalName, TableName
from penstock.state import SqliteState
from penstock.tables import Catalog, DataFile, IcebergCatalog, LocalCatalog, Staged
from penstock.tables.retention import IcebergRetention
from tests.contracts.parquet import arrival

T = TableName.parse("t")
SCHEMA = pa.schema([pa.field("id", pa.int64(), metadata={"PARQUET:field_id": "1"})])


def opened(folder: Path, clock: Clock, cache: str = "cache") -> tuple[SqliteState, LocalCatalog]:
    """The state store and the catalog below a folder, as a process of its own opens them."""
    state = SqliteState(folder / cache, clock)
    return state, LocalCatalog(folder / "processed", state.heads)


def make_table(folder: Path, clock: Clock) -> None:
    """Make the table, without rows."""
    state, catalog = opened(folder, clock)
    catalog.create(T, [("id", "BIGINT")], {})
    state.close()


def staged(folder: Path, name: ArrivalName, attempt: str, values: list[int]) -> Staged:
    """An arrival's rows in a file that one attempt has written."""
    data = folder / "processed" / "main" / "t" / "data"
    data.mkdir(parents=True, exist_ok=True)
    path = data / f"{name.stem(attempt)}.parquet"
    pq.write_table(pa.table({"id": values}, schema=SCHEMA), path)
    return Staged(name, (DataFile(str(path), len(values), path.stat().st_size),))


def named(number: int, version: int = 0) -> ArrivalName:
    """The arrival of one version of a numbered file."""
    return arrival(f"{number}.csv", f"{number} {version}")


def files_of(catalog: Catalog) -> Iterator[dict[str, Any]]:
    """The data files of the table, as the library of the table format lists them."""
    pointer = catalog.pointer(T)
    assert pointer is not None
    yield from StaticTable.from_metadata(pointer).inspect.files().to_pylist()


def values_of(catalog: Catalog) -> list[int]:
    """The rows of the table, as the library of the table format reads them."""
    pointer = catalog.pointer(T)
    assert pointer is not None
    found: list[int] = StaticTable.from_metadata(pointer).scan().to_arrow()["id"].to_pylist()
    return sorted(found)


def expire(catalog: IcebergCatalog, name: TableName = T) -> None:
    """Forget the earlier snapshots, else each commit would write down all of them; not if a writer wins the race."""
    head, metadata = catalog.head(name), catalog.metadata(name)
    assert head is not None
    assert metadata is not None
    with suppress(CommitConflictError):
        IcebergRetention(catalog).expire(head, [snapshot["snapshot-id"] for snapshot in metadata["snapshots"]])
