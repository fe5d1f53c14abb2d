"""pyiceberg's catalog, without what makes its commits slower with every snapshot that a table has.

The library copies a table's whole metadata, deeply, some fifteen times in each commit, and reads its file twice.
It never changes metadata in place, so copies need not be deep; and a metadata file never changes once it is written, so
the one that was read or written last need not be read again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update.snapshot import UpdateSnapshot, _MergeAppendFiles, _OverwriteFiles

LISTS = 32
"""How many manifest lists are remembered."""


LOADING = threading.RLock()
"""Held while the library is loaded: its packages name each other, and fail when two threads load them at once."""


def open_sql_catalog(name: str, **properties: str) -> SqlCatalog:
    """Open the library's SQL catalog."""
    with LOADING:
        kind = _catalog_class()
    return kind(name, **properties)


def load_library() -> None:
    """Load what the first commit would have to wait for."""
    with LOADING:
        import pyiceberg.io.pyarrow
        import pyiceberg.table.update.snapshot  # noqa: F401 - what matters is that they are loaded

        _catalog_class()


@cache
def remember_lists() -> None:
    """Let the library remember the last manifest lists that it read; it reads each of them four times in a commit."""
    from pyiceberg.table import snapshots

    read = snapshots.__dict__["_manifests"]
    known: OrderedDict[str, tuple[ManifestFile, ...]] = OrderedDict()

    def manifests(io: FileIO, manifest_list: str) -> tuple[ManifestFile, ...]:
        found = known.get(manifest_list) or read(io, manifest_list)
        known[manifest_list] = found
        while len(known) > LISTS:
            known.popitem(last=False)
        return found

    snapshots.__dict__["_manifests"] = manifests  # the library offers no other way


@cache
def _catalog_class() -> type[SqlCatalog]:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.table import CommitTableResponse, Table

    remember_lists()

    class Catalog(SqlCatalog):
        """Remembers the metadata that each table had last."""

        def load_table(self, identifier: str | tuple[str, ...]) -> Table:
            table = super().load_table(identifier)
            table.metadata = light(table.metadata)
            return self._remember(table)

        def commit_table(self, table: Table, requirements: Any, updates: Any) -> CommitTableResponse:
            base: Any = _Base(table.metadata_location)
            response = super().commit_table(table, (base, *requirements), updates)
            metadata, location = light(response.metadata), response.metadata_location
            self._remember(Table(table.name(), metadata, location, table.io, self))
            return response

        def _remember(self, table: Table) -> Table:
            self.__dict__.setdefault("_latest", {})[table.name()] = (table.metadata_location, table.metadata)
            return table

        def _convert_orm_to_iceberg(self, orm_table: Any) -> Table:
            name = (*orm_table.table_namespace.split("."), orm_table.table_name)
            location, metadata = self.__dict__.get("_latest", {}).get(name, (None, None))
            if metadata is None or location != orm_table.metadata_location:
                return super()._convert_orm_to_iceberg(orm_table)
            return Table(name, metadata, location, self._load_file_io(metadata.properties, location), self)

    return Catalog


class _Base:
    """A requirement of a commit: that the table has not moved on from the metadata it was planned against.

    The library itself asks only whether what a commit changes is as it was: snapshots, columns, but not properties.
    """

    def __init__(self, location: str) -> None:
        self._location = location

    def validate(self, base_metadata: TableMetadata | None) -> None:
        from pyiceberg.exceptions import CommitFailedException

        log = base_metadata.metadata_log if base_metadata is not None else []
        if any(entry.metadata_file == self._location for entry in log):
            message = "the table has moved on"
            raise CommitFailedException(message)


def light(metadata: TableMetadata) -> TableMetadata:
    """The same metadata; copies of it share their parts."""
    kind = type(metadata)
    if kind.__name__.startswith("Light"):
        return metadata
    made: TableMetadata = _light_class(kind).model_construct(_fields_set=metadata.model_fields_set, **metadata.__dict__)
    return made


@cache
def _light_class(kind: type[Any]) -> type[Any]:
    def model_copy(self: Any, *, update: dict[str, Any] | None = None, deep: bool = False) -> Any:  # noqa: ARG001
        return kind.model_copy(self, update=update)

    return type(f"Light{kind.__name__}", (kind,), {"model_copy": model_copy, "__module__": __name__})


def merging_overwrite(update: UpdateSnapshot) -> _OverwriteFiles:
    """An overwrite that merges manifests as appends do; the library's own leaves two more behind each time."""
    kind = _merging_classes()[0]
    made: _OverwriteFiles = kind(
        operation=update.overwrite()._operation,  # noqa: SLF001 - the library offers no other way
        transaction=update._transaction,  # noqa: SLF001
        io=update._io,  # noqa: SLF001
        snapshot_properties=update._snapshot_properties,  # noqa: SLF001
    )
    return made


def merging_all(update: UpdateSnapshot) -> _MergeAppendFiles:
    """A snapshot with the same files in as few manifests as their target size allows."""
    made: _MergeAppendFiles = _merging_classes()[1](
        operation=update.merge_append()._operation,  # noqa: SLF001
        transaction=update._transaction,  # noqa: SLF001
        io=update._io,  # noqa: SLF001
        snapshot_properties=update._snapshot_properties,  # noqa: SLF001
    )
    return made


@cache
def _merging_classes() -> tuple[type[Any], type[Any]]:
    from pyiceberg.table.update.snapshot import _ManifestMergeManager, _MergeAppendFiles, _OverwriteFiles

    class MergingOverwrite(_OverwriteFiles):
        def _existing_manifests(self) -> list[ManifestFile]:
            found = super()._existing_manifests()
            return [manifest for manifest in found if manifest.has_added_files() or manifest.has_existing_files()]

        def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
            like = _MergeAppendFiles(self._operation, self._transaction, self._io)
            manager = _ManifestMergeManager[Any](
                like._target_size_bytes,  # noqa: SLF001
                like._min_count_to_merge,  # noqa: SLF001
                like._merge_enabled,  # noqa: SLF001
                self,
            )
            return manager.merge_manifests(manifests)

    class MergingAll(_MergeAppendFiles):
        def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
            self._min_count_to_merge = 2
            return super()._process_manifests(manifests)

    return MergingOverwrite, MergingAll
