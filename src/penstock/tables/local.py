"""The catalog on one machine: pyiceberg over a SQLite file that stands beside the tables.

pyiceberg is imported when something is written or an unknown snapshot is read; looking up pointers and plain metadata
needs only `sqlite3` and `json`, because importing pyiceberg costs more than a whole query may.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from penstock import faults
from penstock.errors import CatalogError, CommitConflictError, IntegrityError, PenstockError, PlanOutdatedError
from penstock.formats.nested import parse_type
from penstock.naming import TableName, Transform
from penstock.state import DataFile, Head, Heads
from penstock.storage import Seals
from penstock.storage.local import make_folder
from penstock.storage.seals import is_damage
from penstock.tables.catalog import Change, Evolution
from penstock.tables.conserved import assert_conserved, assert_footer
from penstock.tables.evolve import HISTORY, with_history
from penstock.tables.library import LOADING, merging_overwrite, open_sql_catalog
from penstock.tables.outside import SCHEMA, displaced_now, foreign_changes, own_summary, remembered
from penstock.tables.partition import change_spec, iceberg_spec, planned_spec, specs_of
from penstock.tables.placing import partitioned
from penstock.tables.readable import assert_data, assert_readable, live_file
from penstock.tables.schema_change import change_schema
from penstock.tables.sealed import assert_snapshot, assert_whole, seal_commit
from penstock.tables.types import column_of, iceberg_type, planned_columns

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile as IcebergDataFile
    from pyiceberg.table import Table, Transaction
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

NAME = "penstock"
FILE = "catalog.db"
CATALOG_LOST = "put back a copy, or move the processed zone away: the next run makes its tables again"
FILE_IO, DIALECT = "penstock.tables.file_io.LocalFileIO", "sqlite.penstock"
"""What the Iceberg library loads by name: how it writes files, and how it reaches the catalog's tables."""
OTHERS_FIRST = "another writer committed first"
Stale = type[CommitConflictError | PlanOutdatedError]
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

    def __init__(self, folder: Path, heads: Heads, seals: Seals | None = None) -> None:
        """Use the tables below `folder` (the processed zone), keep heads in `heads`, and seal what is written."""
        self._folder = folder.absolute()
        self._file = self._folder / FILE
        self._heads = heads
        self.seals = seals or Seals(self._folder)
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
                content = Path(pointer).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                if self.pointer(table) == pointer:
                    self.seals.assert_whole([pointer], str(table))
                    raise
                continue
            self.seals.assert_bytes(pointer, content, str(table))
            with _readable(pointer, table):
                found = json.loads(content)
            return dict(found)
        return None

    def head(self, table: TableName) -> Head | None:
        """What the table holds now, from the cache where the pointer has not moved."""
        pointer = self.pointer(table)
        if pointer is None:
            return None
        return self._heads.get(table, pointer) or self._load_head(table)

    def assert_whole(self, head: Head) -> None:
        """Make sure that the files which a head names are as they were written."""
        assert_whole(self.seals, head)

    def create(
        self,
        table: TableName,
        columns: list[tuple[str, str]],
        properties: Mapping[str, str],
        partition: Sequence[Transform] = (),
    ) -> Head:
        """Make a table."""
        from pyiceberg.exceptions import TableAlreadyExistsError
        from pyiceberg.schema import Schema
        from pyiceberg.types import NestedField

        take = count(1).__next__
        fields = [
            NestedField(field_id=take(), name=name, field_type=iceberg_type(parse_type(kind), take), required=False)
            for name, kind in columns
        ]
        planned = planned_columns(columns)
        spec = iceberg_spec(planned_spec(partition, planned), Schema(*fields), planned)
        catalog = self._catalog()
        faults.reach("tables.create")
        with self._alone():
            catalog.create_namespace_if_not_exists(table.layer)
            try:
                catalog.create_table(
                    (table.layer, table.name),
                    schema=Schema(*fields),
                    partition_spec=spec,
                    location=str(self._folder / table.layer / table.name),
                    properties={**PROPERTIES, SCHEMA: "0", **properties},
                )
            except TableAlreadyExistsError as error:
                message = "another worker made the table first"
                raise PlanOutdatedError(message, where=str(table)) from error
        seal_commit(self.seals, catalog.load_table((table.layer, table.name)))
        return self._load_head(table)

    def repartition(self, base: Head, partition: Sequence[Transform]) -> Head:
        """Lay new files out in another way."""
        transaction = self._load_at(base, PlanOutdatedError).transaction()
        change_spec(transaction, base, partition)
        self._finish(transaction, base, PlanOutdatedError)
        return self._load_head(base.table)

    def evolve(self, base: Head, evolution: Evolution) -> Head:
        """Change columns, and the files that have to be rewritten for it, in one step."""
        table = self._load_at(base, PlanOutdatedError)
        transaction = table.transaction()
        change_schema(transaction, base, evolution)
        schema = transaction.table_metadata.current_schema_id
        own = {SCHEMA: str(schema), **remembered(table.metadata, base.displaced)}
        if changes := [*foreign_changes(table.metadata), *evolution.history]:
            own[HISTORY] = with_history(table.properties.get(HISTORY), changes, schema)
        transaction.set_properties({**evolution.properties, **own})
        rewritten = [file for files in evolution.rewritten.values() for file in files]
        if evolution.rewritten:
            update = transaction.update_snapshot(snapshot_properties={"penstock.rewritten": "columns"})
            with merging_overwrite(update) as files:
                for file in rewritten:
                    files.append_data_file(self._data_file(table.io, transaction.table_metadata, file))
                for old in self._live_data_files(table, set(evolution.rewritten)):
                    files.delete_data_file(old)
            assert_conserved(transaction, table.io, base, rewritten, evolution.rewritten)
        self.seals.seal([file.path for file in rewritten])
        self._finish(transaction, base, PlanOutdatedError)
        return self._load_head(base.table)

    def commit(self, change: Change) -> Head:
        """Apply a change as one snapshot; one attempt."""
        table = self._load_at(change.base, CommitConflictError)
        added = self._data_files(table, change)
        removed = self._live_data_files(table, set(change.remove))
        transaction = table.transaction()
        if facts := remembered(table.metadata, change.base.displaced):
            transaction.set_properties(facts)
        update = transaction.update_snapshot(snapshot_properties=own_summary(change.summary))
        producer = merging_overwrite(update) if removed else update.merge_append()
        with producer as snapshot:
            for file in added:
                snapshot.append_data_file(file)
            for file in removed:
                snapshot.delete_data_file(file)
        assert_conserved(transaction, table.io, change.base, change.add, change.remove)
        self.seals.seal([file.path for file in change.add])
        return self._remember(change, self._finish(transaction, change.base, CommitConflictError))

    def adjust(self, base: Head, act: Callable[[Transaction], object]) -> Head:
        """Change the metadata, but neither columns nor live files; one attempt, like `commit`."""
        table = self._load_at(base, CommitConflictError)
        transaction = table.transaction()
        if facts := remembered(table.metadata, base.displaced):  # before the snapshots that tell of it may go
            transaction.set_properties(facts)
        act(transaction)
        return self._remember(Change(base, (), (), {}), self._finish(transaction, base, CommitConflictError))

    def _finish(self, transaction: Transaction, base: Head, stale: Stale) -> Table:
        """Swap the pointer, in one attempt, and seal what was written."""
        from pyiceberg.exceptions import CommitFailedException

        faults.reach("tables.commit")
        try:
            committed = transaction.commit_transaction()
        except CommitFailedException as error:
            raise stale(OTHERS_FIRST, where=str(base.table)) from error
        faults.reach("tables.committed")
        seal_commit(self.seals, committed)
        return committed

    def _remember(self, change: Change, committed: Table) -> Head:
        """Work out the new head from the old one; manifests need not be read again."""
        gone = set(change.remove)
        files = tuple(file for file in change.base.files if file.path not in gone) + change.add
        head = self._head_of(change.base.table, committed, files, change.base.displaced)
        self._heads.put(head)
        return head

    def _data_files(self, table: Table, change: Change) -> list[IcebergDataFile]:
        return [self._data_file(table.io, table.metadata, file) for file in change.add]

    @staticmethod
    def _data_file(io: FileIO, metadata: TableMetadata, file: DataFile) -> IcebergDataFile:
        from pyiceberg.io.pyarrow import parquet_file_to_data_file
        from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC

        without = metadata.model_copy(update={"partition_specs": [UNPARTITIONED_PARTITION_SPEC], "default_spec_id": 0})
        found = parquet_file_to_data_file(io, without, file.path)
        assert_footer(file, found)
        return partitioned(found, metadata, file.partition)

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

    def _load_at(self, base: Head, stale: Stale) -> Table:
        if self.pointer(base.table) == base.pointer:
            table = self.load(base.table)
            if table.metadata_location == base.pointer:
                return table
        raise stale(OTHERS_FIRST, where=str(base.table))

    def load(self, table: TableName) -> Table:
        """The table as pyiceberg knows it, its metadata and manifests as they were written."""
        while True:
            pointer = self.pointer(table)
            try:
                return self._load(table, pointer)
            except (IntegrityError, FileNotFoundError):
                if self.pointer(table) == pointer:  # else upkeep took away what it replaced
                    raise

    def _load(self, table: TableName, pointer: str | None) -> Table:
        if pointer is not None:
            self.seals.assert_whole([pointer], str(table), lambda _: None)
        with _readable(pointer or str(table), table):
            loaded = self._catalog().load_table((table.layer, table.name))
            snapshot = loaded.current_snapshot()
            if snapshot is not None:
                assert_snapshot(self.seals, str(table), snapshot, loaded.io)
        return loaded

    def _load_head(self, table: TableName) -> Head:
        loaded = self.load(table)
        snapshot = loaded.current_snapshot()
        files = self.files_of(table, snapshot, loaded.io) if snapshot else ()
        assert_readable(table, loaded, files)
        head = self._head_of(table, loaded, files, displaced_now(loaded.metadata, loaded.io, files))
        self._heads.put(head)
        return head

    @staticmethod
    def files_of(table: TableName, snapshot: Snapshot, io: FileIO) -> tuple[DataFile, ...]:
        """The data files of a snapshot whose manifests are known to be whole."""
        with _readable(snapshot.manifest_list, table):
            entries = [
                entry.data_file for manifest in snapshot.manifests(io) for entry in manifest.fetch_manifest_entry(io)
            ]
            for file in entries:
                assert_data(table, file)
            return tuple(map(live_file, entries))

    @staticmethod
    def _head_of(name: TableName, table: Table, files: tuple[DataFile, ...], displaced: str) -> Head:
        snapshot = table.current_snapshot()
        return Head(
            table=name,
            pointer=table.metadata_location,
            snapshot=snapshot.snapshot_id if snapshot else None,
            committed_at=snapshot.timestamp_ms / 1000 if snapshot else None,
            columns=tuple(column_of(field) for field in table.schema().fields),
            files=files,
            last_column_id=table.metadata.last_column_id,
            displaced=displaced,
            specs=specs_of(table.metadata),
        )

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


@contextmanager
def _readable(what: str, table: TableName) -> Iterator[None]:
    """Whatever the library makes of metadata that nobody sealed and that is damaged becomes one error."""
    try:
        yield
    except (PenstockError, OSError):
        raise
    except Exception as error:
        if type(error).__name__ == "NoSuchTableError":
            raise CatalogError("the catalog does not know the table any more", where=str(table)) from error
        if type(error).__module__.startswith("sqlalchemy"):
            if not is_damage(getattr(error, "orig", None) or error):
                raise
            raise CatalogError(
                f"the catalog is damaged: {getattr(error, 'orig', error)}", where=str(table), hint=CATALOG_LOST
            ) from error
        raise IntegrityError(
            f"{what} cannot be read: {type(error).__name__}: {error}",
            where=str(table),
            hint="look closer with: penstock verify; then: penstock repair",
        ) from error
