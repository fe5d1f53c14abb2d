"""DuckDB's iceberg reader, as a program of its own: `duckdb_side.py METADATA OUT` keeps a table's rows as Parquet.

It runs in the environment that `environments.py` makes. The extensions come from packages: nothing is downloaded here.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import duckdb

EXTENSIONS = ("avro", "iceberg")


def extension(name: str) -> Path:
    """Where a package keeps an extension for this version of DuckDB."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    assert spec is not None, f"the package of {name} is missing"
    assert spec.origin is not None, f"the package of {name} is empty"
    return Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"


def connect() -> duckdb.DuckDBPyConnection:
    """Open DuckDB with its iceberg reader."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    for name in EXTENSIONS:
        connection.execute(f"LOAD '{extension(name)}'")
    return connection


def answer(sql: str) -> Any:
    """The rows of the last of some statements; those that load the extensions find them among the packages."""
    with connect() as connection:
        statements = [text.strip() for text in sql.split(";") if text.strip()]
        return [connection.execute(text).fetchall() for text in statements if not text.startswith("LOAD ")][-1]


def main(metadata: str, out: str) -> None:
    """Read the table as of its metadata."""
    with connect() as connection:
        connection.execute(f"COPY (SELECT * FROM iceberg_scan('{metadata}')) TO '{out}' (FORMAT parquet)")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
