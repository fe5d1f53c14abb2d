"""What the catalogs have in common: Iceberg tables through pyiceberg, whatever keeps their pointers.

A catalog keeps one pointer for each table; the metadata that it points to, and the manifests below, name all the rest.
Where they are kept, what names a file, and how the pointer is swapped differs from catalog to catalog, and is left to
who inherits. Rows are always read from paths of this machine: metadata may name files in another way, and is translated
where it is read and where it is written.

pyiceberg is imported when something is written or an unknown snapshot is read; looking up pointers and plain metadata
does without, because importing pyiceberg costs more than a whole query may.
"""

from __future__ import annotations

import gzip
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock import faults
from penstock.errors import CatalogError, CommitConflictError, IntegrityError, PenstockError, PlanOutdatedError
from penstock.formats.nested import parse_type
from penstock.naming import TableName, Transform
from penstock.state import DataFile, Head, Heads
from penstock.storage import Seals
from penstock.storage.seals import is_damage
from penstock.tables.catalog import Change, Describe, Evolution, nothing_described
from penstock.tables.conserved import assert_conserved, assert_footer
from penstock.tables.evolve import HISTORY, with_history
from penstock.tables.library import merging_overwrite
from penstock.tables.outside import SCHEMA, displaced_now, foreign_changes, own_summary, remembered
from penstock.tables.partition import change_spec, iceberg_spec, planned_spec, specs_of
from penstock.tables.placing import partitioned
from penstock.tables.readable import assert_data, assert_readable, footer_of, live_file
from penstock.tables.schema_change import change_schema
from penstock.tables.sealed import assert_snapshot, assert_whole, seal_commit
from penstock.tables.types import column_of, iceberg_type, planned_columns

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData
    from pyiceberg.catalog import MetastoreCatalog
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile as IcebergDataFile
    from pyiceberg.table import Table, Transaction
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

CATALOG_LOST = "put back a copy, or move the processed zone away: the next run makes its tables again"
OTHERS_FIRST = "another writer committed first"
PACKED = ".gz.metadata.json"
"""End of the names of metadata that other writers compressed."""
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


class IcebergCatalog(ABC):
    """Tables of one lake; keeps the contract of `Catalog`.

    Attributes:
        describe: What the declaration says of a table, for catalogs that show it to people.
    """

    def __init__(self, heads: Heads, seals: Seals) -> None:
        """Keep heads in `heads`, and seal what is written."""
        self._heads = heads
        self.seals = seals
        self.describe: Describe = nothing_described

    @abstractmethod
    def tables(self) -> list[TableName]:
        """All tables, in order."""

    @abstractmethod
    def pointer(self, table: TableName) -> str | None:
        """Where the table's current metadata stands, as metadata names files."""

    @abstractmethod
    def discard(self, paths: Iterable[str]) -> None:
        """Remove data files that no commit names."""

    @abstractmethod
    def location(self, table: TableName) -> str:
        """Where a table's files stand, as metadata names it."""

    @abstractmethod
    def _catalog(self) -> MetastoreCatalog:
        """The library's catalog; opened when it is first needed."""

    def identifier(self, table: TableName) -> tuple[str, str]:
        """How the library's catalog calls a table."""
        return (table.layer, table.name)

    def path(self, location: str) -> str:
        """The path of this machine for a file as metadata names it."""
        return location

    def uri(self, path: str) -> str:
        """How metadata names the file at a path of this machine."""
        return path

    def footer(self, path: str) -> FileMetaData:
        """What the footer of a data file says."""
        return footer_of(path)

    def _content(self, pointer: str) -> bytes:
        """The metadata that a pointer points to, read before it is known to be whole."""
        return Path(pointer).read_bytes()

    def _alone(self) -> AbstractContextManager[None]:
        """Keep others out while a table is made, where the catalog cannot do so by itself."""
        return nullcontext()

    def _loaded(self, table: TableName) -> Table:
        """The table as the library reads it now."""
        return self._catalog().load_table(self.identifier(table))

    def _made(self, table: TableName, facts: dict[str, Any]) -> Table:
        """Let the library make a table, and the namespace that it stands in."""
        self._catalog().create_namespace_if_not_exists(self.identifier(table)[0])
        return self._catalog().create_table(self.identifier(table), **facts)

    def metadata(self, table: TableName) -> dict[str, Any] | None:
        """The table's current Iceberg metadata as plain values."""
        while pointer := self.pointer(table):
            try:
                content = self._content(pointer)
            except (FileNotFoundError, NotADirectoryError):
                if self.pointer(table) == pointer:
                    self.seals.assert_whole([self.path(pointer)], str(table))
                    raise
                continue
            self.seals.assert_bytes(self.path(pointer), content, str(table))
            with _readable(pointer, table):
                found = json.loads(gzip.decompress(content) if pointer.endswith(PACKED) else content)
            return dict(found)
        return None

    def head(self, table: TableName) -> Head | None:
        """What the table holds now, from the cache where the pointer has not moved."""
        pointer = self.pointer(table)
        if pointer is None:
            return None
        return self._heads.get(table, pointer) or self._load_head(table, pointer)

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
        facts: dict[str, Any] = {
            "schema": Schema(*fields),
            "partition_spec": iceberg_spec(planned_spec(partition, planned), Schema(*fields), planned),
            "location": self.location(table),
            "properties": {**PROPERTIES, SCHEMA: "0", **properties},
        }
        self._catalog()
        faults.reach("tables.create")
        with self._alone():
            try:
                made = self._made(table, facts)
            except TableAlreadyExistsError as error:
                message = "another worker made the table first"
                raise PlanOutdatedError(message, where=str(table)) from error
        seal_commit(self.seals, made, self.path)
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
        added = [self._data_file(table.io, table.metadata, file) for file in change.add]
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
        seal_commit(self.seals, committed, self.path)
        return committed

    def _remember(self, change: Change, committed: Table) -> Head:
        """Work out the new head from the old one; manifests need not be read again."""
        gone = set(change.remove)
        files = tuple(file for file in change.base.files if file.path not in gone) + change.add
        head = self._head_of(change.base.table, committed, files, change.base.displaced)
        self._heads.put(head)
        return head

    def _data_file(self, io: FileIO, metadata: TableMetadata, file: DataFile) -> IcebergDataFile:
        from pyiceberg.io.pyarrow import parquet_file_to_data_file
        from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC

        without = metadata.model_copy(update={"partition_specs": [UNPARTITIONED_PARTITION_SPEC], "default_spec_id": 0})
        found = parquet_file_to_data_file(io, without, self.uri(file.path))
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
            if self.path(entry.data_file.file_path) in paths
        ]

    def _load_at(self, base: Head, stale: Stale) -> Table:
        if self._stands(base):
            table = self.load(base.table, base.pointer)
            if table.metadata_location == base.pointer:
                return table
        raise stale(OTHERS_FIRST, where=str(base.table))

    def _stands(self, base: Head) -> bool:
        """Whether the table is still what `base` says, as far as is worth finding out before the swap does."""
        return self.pointer(base.table) == base.pointer

    def load(self, table: TableName, pointer: str | None = None) -> Table:
        """The table as pyiceberg knows it, its metadata and manifests as they were written.

        `pointer` is the table's, where it was looked up just now.
        """
        pointer = pointer or self.pointer(table)
        while True:
            try:
                return self._load(table, pointer)
            except (IntegrityError, FileNotFoundError):
                now = self.pointer(table)
                if now == pointer:  # else upkeep took away what it replaced
                    raise
                pointer = now

    def _load(self, table: TableName, pointer: str | None) -> Table:
        if pointer is not None:
            self.seals.assert_whole([self.path(pointer)], str(table), lambda _: None)
        with _readable(pointer or str(table), table):
            loaded = self._loaded(table)
            snapshot = loaded.current_snapshot()
            if snapshot is not None:
                assert_snapshot(self.seals, str(table), snapshot, loaded.io, self.path)
        return loaded

    def _load_head(self, table: TableName, pointer: str | None = None) -> Head:
        loaded = self.load(table, pointer)
        snapshot = loaded.current_snapshot()
        files = self.files_of(table, snapshot, loaded.io) if snapshot else ()
        assert_readable(table, loaded, files, self.footer)
        head = self._head_of(table, loaded, files, displaced_now(loaded.metadata, loaded.io, files, self.live_file))
        self._heads.put(head)
        return head

    def files_of(self, table: TableName, snapshot: Snapshot, io: FileIO) -> tuple[DataFile, ...]:
        """The data files of a snapshot whose manifests are known to be whole."""
        with _readable(snapshot.manifest_list, table):
            entries = [
                entry.data_file for manifest in snapshot.manifests(io) for entry in manifest.fetch_manifest_entry(io)
            ]
            for file in entries:
                assert_data(table, file)
            return tuple(map(self.live_file, entries))

    def live_file(self, file: IcebergDataFile) -> DataFile:
        """A file as a snapshot names it."""
        return live_file(file, self.path(file.file_path), self.footer)

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
