"""A table's metadata from its pointer down to its data files, link by link, whatever is broken.

Queries stop at the first file that is not as it was written. Here every link that can be reached is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.errors import PenstockError
from penstock.naming import TableName
from penstock.state import DataFile
from penstock.tables import IcebergCatalog
from penstock.tables.history import snapshots_of
from penstock.tables.readable import live_file
from penstock.upkeep.files import Files
from penstock.upkeep.findings import REPAIR, RESTORE, Report

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import ManifestFile

EARLIER = f"{RESTORE}, or do without: only penstock query --at needs it"
UNREADABLE = (ValueError, LookupError, TypeError, EOFError, OSError, AssertionError)


@dataclass(frozen=True)
class Live:
    """What a table holds.

    Attributes:
        pointer: Where the metadata stands that says so.
        files: Its data files; None where a damaged file hides which they are.
    """

    pointer: str
    files: tuple[DataFile, ...] | None


class Chain:
    """Looks through the metadata of tables."""

    def __init__(self, catalog: IcebergCatalog, files: Files, report: Report) -> None:
        """Look at the tables of `catalog`, at their files through `files`, and note what is found."""
        self._catalog, self._files, self._report = catalog, files, report
        self._read: dict[str, list[DataFile] | None] = {}

    def look_through(self, table: TableName) -> Live | None:
        """Look at everything that a table's retained snapshots name; None where there is no such table any more."""
        pointer = self._catalog.pointer(table)
        if pointer is None:
            return None
        hint = f"{RESTORE}, with the rest of the processed zone"
        if not self._files.is_whole(pointer, str(table), "metadata", hint):
            return Live(pointer, None)
        try:
            metadata = self._catalog.metadata(table) or {}
        except (PenstockError, OSError) as error:
            self._report.find("metadata", table, str(error).splitlines()[0], hint)
            return Live(pointer, None)
        current, live = metadata.get("current-snapshot-id"), ()
        paths = {plain["snapshot-id"]: plain["manifest-list"] for plain in metadata.get("snapshots", [])}
        found: tuple[DataFile, ...] | None = live
        for snapshot in snapshots_of(metadata):
            files = self._snapshot(paths[snapshot.id], table)
            if snapshot.id == current:
                found = files
                continue
            for file in files or ():
                self._files.is_whole(file.path, str(table), "data file of an earlier snapshot", EARLIER)
        return Live(pointer, found)

    def _snapshot(self, path: str, table: TableName) -> tuple[DataFile, ...] | None:
        """The data files of a snapshot; None where its metadata is damaged."""
        from pyiceberg.io.pyarrow import PyArrowFileIO
        from pyiceberg.manifest import read_manifest_list

        if not self._files.is_whole(path, str(table), "manifest list", f"{RESTORE}, or: {REPAIR}"):
            return None
        io = PyArrowFileIO()
        try:
            manifests = list(read_manifest_list(io.new_input(path)))
        except UNREADABLE as error:
            self._report.find("manifest", table, f"the manifest list {path} cannot be read: {error}", RESTORE)
            return None
        found = [self._manifest(manifest, io, table) for manifest in manifests]
        if any(files is None for files in found):
            return None
        return tuple(file for files in found for file in files or ())

    def _manifest(self, manifest: ManifestFile, io: FileIO, table: TableName) -> list[DataFile] | None:
        path = manifest.manifest_path
        if path not in self._read:
            self._read[path] = self._entries(manifest, io, table)
        return self._read[path]

    def _entries(self, manifest: ManifestFile, io: FileIO, table: TableName) -> list[DataFile] | None:
        path = manifest.manifest_path
        if not self._files.is_whole(path, str(table), "manifest", f"{RESTORE}, or: {REPAIR}"):
            return None
        try:
            entries = manifest.fetch_manifest_entry(io)
        except UNREADABLE as error:
            self._report.find("manifest", table, f"the manifest {path} cannot be read: {error}", RESTORE)
            return None
        wanted = (manifest.added_files_count or 0) + (manifest.existing_files_count or 0)
        if len(entries) != wanted:
            what = f"the manifest {path} names {len(entries)} files, its list says {wanted}"
            self._report.find("manifest", table, what, RESTORE)
        return [live_file(entry.data_file) for entry in entries]
