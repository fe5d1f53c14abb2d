"""The catalog on one machine: pyiceberg over a SQLite file that stands beside the tables.

Looking up pointers and plain metadata needs only `sqlite3` and `json`.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from penstock.errors import CatalogError
from penstock.naming import TableName
from penstock.state import Heads
from penstock.storage import Seals
from penstock.storage.local import make_folder, remove_file
from penstock.tables.iceberg import CATALOG_LOST, IcebergCatalog
from penstock.tables.library import LOADING, open_sql_catalog

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog

NAME = "penstock"
FILE = "catalog.db"
FILE_IO, DIALECT = "penstock.tables.file_io.LocalFileIO", "sqlite.penstock"
"""What the Iceberg library loads by name: how it writes files, and how it reaches the catalog's tables."""


class LocalCatalog(IcebergCatalog):
    """Tables below one folder; keeps the contract of `Catalog`. Metadata names files by their absolute paths."""

    def __init__(self, folder: Path, heads: Heads, seals: Seals | None = None) -> None:
        """Use the tables below `folder` (the processed zone), keep heads in `heads`, and seal what is written."""
        self._folder = folder.absolute()
        super().__init__(heads, seals or Seals(self._folder))
        self._file = self._folder / FILE
        self._opened: SqlCatalog | None = None

    def tables(self) -> list[TableName]:
        """All tables, in order."""
        rows = self._select("SELECT table_namespace, table_name FROM iceberg_tables WHERE catalog_name=? ORDER BY 1, 2")
        return [TableName(layer, name) for layer, name in rows]

    def pointer(self, table: TableName) -> str | None:
        """Where the table's current metadata stands."""
        rows = self._select(
            "SELECT metadata_location FROM iceberg_tables WHERE catalog_name=? AND table_namespace=? AND table_name=?",
            table.layer,
            table.name,
        )
        return rows[0][0] if rows else None

    def discard(self, paths: Iterable[str]) -> None:
        """Remove data files that no commit names."""
        for path in paths:
            remove_file(path)

    def location(self, table: TableName) -> str:
        """The table's folder."""
        return str(self._folder / table.layer / table.name)

    def _select(self, sql: str, *values: str) -> list[tuple[str, ...]]:
        if not self._file.exists():
            return []
        # not mode=ro: what a writer left that was killed in the middle must be rolled back before anything can be read
        with closing(sqlite3.connect(f"{self._file.as_uri()}?mode=rw", uri=True, timeout=60)) as connection:
            try:
                return connection.execute(sql, (NAME, *values)).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise CatalogError(f"the catalog cannot be read: {error}", where=str(self._file)) from error
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                raise CatalogError(
                    f"the catalog is damaged: {error}",
                    where=str(self._file),
                    hint=CATALOG_LOST,
                ) from error

    def _catalog(self) -> SqlCatalog:
        if self._opened is None:
            with LOADING:
                from sqlalchemy.dialects import registry

            make_folder(self._folder)
            registry.register(DIALECT, "penstock.tables.dialect", "CatalogDialect")
            with self._alone():
                uri = f"{DIALECT.replace('.', '+')}:///{quote(str(self._file))}?timeout=60"
                properties = {"uri": uri, "warehouse": str(self._folder), "py-io-impl": FILE_IO}
                self._opened = open_sql_catalog(NAME, **properties)
        return self._opened

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes out while the catalog's own tables or a new table are made."""
        with (self._folder / f".{FILE}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
