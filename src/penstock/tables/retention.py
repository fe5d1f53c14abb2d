"""What a table's snapshots keep: which files they name, and how snapshots and manifests are made fewer.

A file may only be removed once no snapshot that is kept names it. Files are told by their names alone, which are never
used twice: a table's folder may be reached by more than one path.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

from penstock.errors import CatalogError
from penstock.naming import TableName
from penstock.state import Head
from penstock.tables.iceberg import IcebergCatalog
from penstock.tables.library import merging_all

if TYPE_CHECKING:
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import Table, Transaction
    from pyiceberg.table.snapshots import Snapshot

SMALL_MANIFEST = 6_000_000
"""Bytes below which a manifest may be merged with others; three quarters of what the library aims at."""


@dataclass(frozen=True)
class Named:
    """The files that a table cannot do without.

    Attributes:
        pointer: The metadata of which this is true.
        names: Names, without folders, of metadata, manifest lists, manifests and data files.
        small_manifests: How many of the current snapshot's manifests can be merged with others.
    """

    pointer: str
    names: frozenset[str]
    small_manifests: int = 0


class Retention(Protocol):
    """Makes snapshots fewer, and says what those that are kept need. All changes are one attempt, like a commit's."""

    def expire(self, base: Head, snapshots: Collection[int]) -> Head:
        """Drop snapshots by id, all at once; the rows that the table holds stay.

        The current snapshot and those that tags and branches name stay, whatever is asked. No file is removed. Raises
        CommitConflictError when the table has moved on: nothing was changed.
        """

    def merge_manifests(self, base: Head, summary: Mapping[str, str]) -> Head:
        """Name the same files in as few manifests as possible, as one snapshot. Raises as `expire` does."""

    def mark(self, base: Head, key: str, value: str) -> Head:
        """Set a property, which moves the table's pointer: no commit that was worked out before can land any more.

        Raises as `expire` does.
        """

    def named(self, table: TableName) -> Named:
        """Every file that the table's metadata or a snapshot that is kept names.

        Raises:
            IntegrityError: Metadata is missing or damaged; what is named cannot be told.
            CatalogError: There is no such table.
        """


class IcebergRetention:
    """Retention of the tables of a catalog; keeps the contract of `Retention`."""

    def __init__(self, catalog: IcebergCatalog) -> None:
        """Look at the tables of `catalog`. What its files say is remembered: they never change."""
        self._catalog = catalog
        self._lists: dict[str, list[ManifestFile]] = {}
        self._manifests: dict[str, frozenset[str]] = {}

    def expire(self, base: Head, snapshots: Collection[int]) -> Head:
        """Drop snapshots."""
        from pyiceberg.table.update.snapshot import ExpireSnapshots

        def act(transaction: Transaction) -> None:
            metadata = transaction.table_metadata
            kept = {reference.snapshot_id for reference in metadata.refs.values()} | {metadata.current_snapshot_id}
            there = {snapshot.snapshot_id for snapshot in metadata.snapshots}
            ExpireSnapshots(transaction).by_ids(sorted(there.intersection(snapshots) - kept)).commit()

        return self._catalog.adjust(base, act)

    def merge_manifests(self, base: Head, summary: Mapping[str, str]) -> Head:
        """Merge manifests."""
        return self._catalog.adjust(
            base, lambda transaction: merging_all(transaction.update_snapshot(dict(summary))).commit()
        )

    def mark(self, base: Head, key: str, value: str) -> Head:
        """Set a property."""
        return self._catalog.adjust(base, lambda transaction: transaction.set_properties({key: value}))

    def named(self, table: TableName) -> Named:
        """Every file that is named."""
        if self._catalog.pointer(table) is None:
            message = "there is no such table"
            raise CatalogError(message, where=str(table))
        while True:
            loaded = self._catalog.load(table)
            try:
                names = self._names(table, loaded)
            except FileNotFoundError:
                if self._catalog.pointer(table) == loaded.metadata_location:
                    raise
                continue  # upkeep of another process was faster
            current = loaded.current_snapshot()
            small = _mergeable(self._lists[current.manifest_list]) if current else 0
            return Named(loaded.metadata_location, names, small)

    def _names(self, table: TableName, loaded: Table) -> frozenset[str]:
        metadata = loaded.metadata
        found = {loaded.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
        found |= {file.statistics_path for file in metadata.statistics}
        found |= {file.statistics_path for file in metadata.partition_statistics}
        names = {PurePosixPath(path).name for path in found}
        unread = [snapshot for snapshot in metadata.snapshots if snapshot.manifest_list not in self._lists]
        lists = [self._catalog.path(one.manifest_list) for one in unread]
        self._catalog.seals.assert_whole(lists, str(table), lambda _: None)
        for snapshot in unread:
            self._lists[snapshot.manifest_list] = snapshot.manifests(loaded.io)
        for snapshot in metadata.snapshots:
            names.add(PurePosixPath(snapshot.manifest_list).name)
            for manifest in self._lists[snapshot.manifest_list]:
                names |= self._of_manifest(table, loaded, manifest)
        self._forget(metadata.snapshots)
        return frozenset(names)

    def _forget(self, kept: Iterable[Snapshot]) -> None:
        """Remember no more than what is kept."""
        self._lists = {one.manifest_list: self._lists[one.manifest_list] for one in kept}
        there = {manifest.manifest_path for manifests in self._lists.values() for manifest in manifests}
        self._manifests = {path: self._manifests[path] for path in there}

    def _of_manifest(self, table: TableName, loaded: Table, manifest: ManifestFile) -> frozenset[str]:
        path = manifest.manifest_path
        if path not in self._manifests:
            self._catalog.seals.assert_whole([self._catalog.path(path)], str(table), lambda _: None)
            entries = manifest.fetch_manifest_entry(loaded.io)
            names = {PurePosixPath(entry.data_file.file_path).name for entry in entries}
            self._manifests[path] = frozenset({*names, PurePosixPath(path).name})
        return self._manifests[path]


def _mergeable(manifests: Iterable[ManifestFile]) -> int:
    """Small manifests that are not the only small one of their partitioning."""
    small = Counter(one.partition_spec_id for one in manifests if one.manifest_length < SMALL_MANIFEST)
    return sum(count for count in small.values() if count > 1)
