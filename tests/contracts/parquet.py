"""Data files as an engine writes them, for tests of what comes after."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import duckdb

from penstock.naming import ArrivalName, literal
from penstock.state import Head
from penstock.state.store import Column
from penstock.tables import Catalog, DataFile, Evolution, scan_sql


def arrival(key: str, content: str = "1", generation: int = 0) -> ArrivalName:
    """Name the arrival of some content of a file."""
    return ArrivalName.of(key, hashlib.sha256(content.encode()).hexdigest(), generation)


def write_file(folder: Path, stem: str, select: str, columns: tuple[Column, ...]) -> DataFile:
    """Write the rows of a SELECT as a Parquet file with field ids."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.parquet"
    ids = ", ".join(f'"{column.name}": {column.id}' for column in columns)
    cells = ", ".join(f'CAST("{column.name}" AS {column.type}) AS "{column.name}"' for column in columns)
    with duckdb.connect() as connection:
        copy = f"COPY (SELECT {cells} FROM ({select})) TO {literal(str(path))} (FORMAT parquet, FIELD_IDS {{{ids}}})"
        ((count,),) = connection.execute(copy).fetchall()
    return DataFile(str(path), count, path.stat().st_size)


def add_columns(
    catalog: Catalog, base: Head, columns: list[tuple[str, str]], properties: Mapping[str, str] | None = None
) -> Head:
    """Add columns to a table, or give those that are there their wider type."""
    return catalog.evolve(base, Evolution(tuple(columns), properties=properties or {}))


def rows(head: Head) -> list[tuple[object, ...]]:
    """The rows of a table, in order."""
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT * FROM ({scan_sql(head)}) ORDER BY ALL").fetchall()
