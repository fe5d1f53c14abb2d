"""The catalog on one machine: pyiceberg over a SQLite file that stands beside the tables.

pyiceberg is imported when something is written or an unknown snapshot is read; looking up pointers and plain metadata
needs only `sqlite3` and `json`, because importing pyiceberg costs more than a whole query may.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from penstock import faults
from penstock.errors import CatalogError, CommitConflictError, PlanOutdatedError
from penstock.formats.nested import parse_type
from penstock.naming import TableName
from penstock.state import Head, Heads, LiveFile
from penstock.state.store import Column
from penstock.tables.catalog import Change, DataFile, Evolution
from penstock.tables.evolve import HISTORY, with_history
from penstock.tables.types import column_of, growth, iceberg_type

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile as IcebergDataFile
    from pyiceberg.table import Table, Transaction
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update.schema import UpdateSchema

NAME = "penstock"
FILE = "catalog.db"
PROPERTIES = {
    "format-version": "2",
    "commit.retry.num-retries": "0",  # the library's own retry does not look again for doubled arrivals
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "10",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "snappy",
}


class LocalCatalog:
    """Tables below one folder; keeps the contract of `Catalog`."""

    def __init__(self, folder: Path, heads: Heads) -> None:
        """Use the tables below `folder` (the processed zone) and keep heads in the cache `heads`."""
        self._folder = folder.absolute()
        self._file = self._folder / FILE
        self._heads = heads
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

    def metadata(self, table: TableName) -> dict[str, Any] | None:
        """The table's current Iceberg metadata as plain values."""
        while pointer := self.pointer(table):
            try:
                metadata: dict[str, Any] = json.loads(Path(pointer).read_bytes())
            except FileNotFoundError:
                if self.pointer(table) == pointer:
                    raise
            else:
                return metadata
        return None

    def head(self, table: TableName) -> Head | None:
        """What the table holds now, from the cache where the pointer has not moved."""
        pointer = self.pointer(table)
        if pointer is None:
            return None
        return self._heads.get(table, pointer) or self._load_head(table)

    def create(self, table: TableName, columns: list[tuple[str, str]], properties: Mapping[str, str]) -> Head:
        """Make a table."""
        from pyiceberg.exceptions import TableAlreadyExistsError
        from pyiceberg.schema import Schema
        from pyiceberg.types import NestedField

        take = count(1).__next__
        fields = [
            NestedField(field_id=take(), name=name, field_type=iceberg_type(parse_type(kind), take), required=False)
            for name, kind in columns
        ]
        catalog = self._catalog()
        faults.reach("tables.create")
        with self._alone():
            catalog.create_namespace_if_not_exists(table.layer)
            try:
                catalog.create_table(
                    (table.layer, table.name),
                    schema=Schema(*fields),
                    location=str(self._folder / table.layer / table.name),
                    properties={**PROPERTIES, **properties},
                )
            except TableAlreadyExistsError as error:
                message = "another worker made the table first"
                raise PlanOutdatedError(message, where=str(table)) from error
        return self._load_head(table)

    def add_columns(self, base: Head, columns: list[tuple[str, str]], properties: Mapping[str, str]) -> Head:
        """Add nullable columns, widen those that are there, and set properties."""
        return self.evolve(base, Evolution(tuple(columns), properties=properties))

    def evolve(self, base: Head, evolution: Evolution) -> Head:
        """Change columns, and the files that have to be rewritten for it, in one step."""
        table = self._load_at(base, PlanOutdatedError)
        transaction = table.transaction()
        _change_schema(transaction, base, evolution)
        schema = transaction.table_metadata.current_schema_id
        history = with_history(table.properties.get(HISTORY), evolution.history, schema) if evolution.history else None
        transaction.set_properties({**evolution.properties, **({HISTORY: history} if history else {})})
        if evolution.rewritten:
            with transaction.update_snapshot(
                snapshot_properties={"penstock.rewritten": "columns"}
            ).overwrite() as files:
                for file in evolution.rewritten.values():
                    files.append_data_file(self._data_file(table.io, transaction.table_metadata, file))
                for old in self._live_data_files(table, set(evolution.rewritten)):
                    files.delete_data_file(old)
        faults.reach("tables.commit")
        with _conflicts(PlanOutdatedError, base.table):
            transaction.commit_transaction()
        faults.reach("tables.committed")
        return self._load_head(base.table)

    def commit(self, change: Change) -> Head:
        """Apply a change as one snapshot; one attempt."""
        table = self._load_at(change.base, CommitConflictError)
        added = self._data_files(table, change)
        removed = self._live_data_files(table, set(change.remove))
        transaction = table.transaction()
        update = transaction.update_snapshot(snapshot_properties=dict(change.summary))
        producer = update.overwrite() if removed else update.merge_append()
        with producer as snapshot:
            for file in added:
                snapshot.append_data_file(file)
            for file in removed:
                snapshot.delete_data_file(file)
        faults.reach("tables.commit")
        with _conflicts(CommitConflictError, change.base.table):
            committed = transaction.commit_transaction()
        faults.reach("tables.committed")
        return self._remember(change, committed)

    def _remember(self, change: Change, committed: Table) -> Head:
        """Work out the new head from the old one; manifests need not be read again."""
        gone = set(change.remove)
        added = tuple(LiveFile(file.path, file.rows, file.bytes) for file in change.add)
        files = tuple(file for file in change.base.files if file.path not in gone) + added
        head = self._head_of(change.base.table, committed, files)
        self._heads.put(head)
        return head

    def _data_files(self, table: Table, change: Change) -> list[IcebergDataFile]:
        return [self._data_file(table.io, table.metadata, file) for file in change.add]

    @staticmethod
    def _data_file(io: FileIO, metadata: TableMetadata, file: DataFile) -> IcebergDataFile:
        from pyiceberg.io.pyarrow import parquet_file_to_data_file

        return parquet_file_to_data_file(io, metadata, file.path)

    def _live_data_files(self, table: Table, paths: set[str]) -> list[IcebergDataFile]:
        """Find the manifest entries of live files by path."""
        snapshot = table.current_snapshot()
        if not paths or snapshot is None:
            return []
        return [
            entry.data_file
            for manifest in snapshot.manifests(table.io)
            for entry in manifest.fetch_manifest_entry(table.io)
            if entry.data_file.file_path in paths
        ]

    def _load_at(self, base: Head, stale: type[CommitConflictError | PlanOutdatedError]) -> Table:
        table = self._catalog().load_table((base.table.layer, base.table.name))
        if table.metadata_location != base.pointer:
            message = "another writer committed first"
            raise stale(message, where=str(base.table))
        return table

    def _load_head(self, table: TableName) -> Head:
        loaded = self._catalog().load_table((table.layer, table.name))
        snapshot = loaded.current_snapshot()
        files = tuple(
            LiveFile(entry.data_file.file_path, entry.data_file.record_count, entry.data_file.file_size_in_bytes)
            for manifest in (snapshot.manifests(loaded.io) if snapshot else [])
            for entry in manifest.fetch_manifest_entry(loaded.io)
        )
        head = self._head_of(table, loaded, files)
        self._heads.put(head)
        return head

    @staticmethod
    def _head_of(name: TableName, table: Table, files: tuple[LiveFile, ...]) -> Head:
        snapshot = table.current_snapshot()
        return Head(
            table=name,
            pointer=table.metadata_location,
            snapshot=snapshot.snapshot_id if snapshot else None,
            committed_at=snapshot.timestamp_ms / 1000 if snapshot else None,
            columns=tuple(column_of(field) for field in table.schema().fields),
            files=files,
        )

    def _select(self, sql: str, *values: str) -> list[tuple[str, ...]]:
        if not self._file.exists():
            return []
        with closing(sqlite3.connect(f"{self._file.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
            try:
                return connection.execute(sql, (NAME, *values)).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise CatalogError(f"the catalog cannot be read: {error}", where=str(self._file)) from error
            except sqlite3.DatabaseError as error:
                raise CatalogError(
                    f"the catalog is damaged: {error}",
                    where=str(self._file),
                    hint="put back a copy, or move the processed zone away: the next run makes its tables again",
                ) from error

    def _catalog(self) -> SqlCatalog:
        if self._opened is None:
            from pyiceberg.catalog.sql import SqlCatalog

            self._folder.mkdir(parents=True, exist_ok=True)
            with self._alone():
                uri = f"sqlite:///{quote(str(self._file))}?timeout=60"
                self._opened = SqlCatalog(NAME, uri=uri, warehouse=str(self._folder))
        return self._opened

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes out while the catalog's own tables or a new table are made."""
        with (self._folder / f".{FILE}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class _conflicts:  # noqa: N801 - reads as a verb where it is used
    """Turn the library's word for a lost race into ours."""

    def __init__(self, error: type[CommitConflictError | PlanOutdatedError], table: TableName) -> None:
        self._error, self._table = error, table

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        from pyiceberg.exceptions import CommitFailedException

        if isinstance(error, CommitFailedException):
            message = "another writer committed first"
            raise self._error(message, where=str(self._table)) from error


def _change_schema(transaction: Transaction, base: Head, evolution: Evolution) -> None:
    """Take columns away and add, grow and place others."""
    there = {column.name.lower(): column for column in base.columns}
    gone = [there.pop(name.lower()).name for name in evolution.replaced]
    if gone:
        with transaction.update_schema() as schema:  # by itself: a name is only free in the next update
            for name in gone:
                schema.delete_column((name,))
    if evolution.columns:
        with transaction.update_schema() as schema:
            for name, kind in evolution.columns:
                _grow(schema, name, kind, there.get(name.lower()))
            _place(schema, base, evolution)


def _place(schema: UpdateSchema, base: Head, evolution: Evolution) -> None:
    """Put columns that replace others where those stood."""
    spelled = {name.lower(): name for name, _ in evolution.columns}
    replaced = {name.lower() for name in evolution.replaced}
    before: str | None = None
    for column in base.columns:
        name = column.name
        if name.lower() in replaced:
            name = spelled[name.lower()]
            _move = schema.move_first((name,)) if before is None else schema.move_after((name,), (before,))
        before = name


def _grow(schema: UpdateSchema, name: str, kind: str, there: Column | None) -> None:
    """Add a column, or to a column what its type has more than before."""
    take = count(1).__next__
    if there is None:
        schema.add_column((name,), iceberg_type(parse_type(kind), take))
        return
    for path, below, new in growth(there.type, kind):
        if new:
            schema.add_column((there.name, *path), iceberg_type(below, take))
        else:
            schema.update_column((there.name, *path), iceberg_type(below, take))
