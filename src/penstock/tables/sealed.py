"""What of a table is sealed, and how a file that nobody sealed is looked into before it is.

A table's metadata, manifest list and manifests are sealed right after the commit that wrote them, its data files when
they are published. See `penstock.storage.seals`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from penstock.errors import IntegrityError
from penstock.state import DataFile, Head
from penstock.storage import Seals

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

Path = Callable[[str], str]
"""The path of this machine for a file as metadata names it."""


def assert_whole(seals: Seals, head: Head) -> None:
    """Make sure that the data files of a head are as they were written.

    Raises:
        IntegrityError: One is missing, its bytes are others, or it does not hold the rows that the table says.
    """
    rows = {file.path: rows_of(file) for file in head.files}
    seals.assert_whole(rows, str(head.table), lambda path: look_into(path, rows[path], str(head.table)))


def rows_of(file: DataFile) -> int:
    """Rows of the file itself, those on their way out included."""
    return file.rows + sum(end - first for first, end in file.hidden)


def look_into(path: str, rows: int, where: str) -> None:
    """Read a data file's footer and compare its rows.

    Raises:
        IntegrityError: It cannot be read, or says another number.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_metadata(path).num_rows
    except (pa.ArrowException, OSError) as error:
        raise IntegrityError(f"{path} cannot be read: {error}", where=where) from error
    if found != rows:
        raise IntegrityError(f"{path} holds {found:,} rows, the table says {rows:,}", where=where)


def assert_snapshot(seals: Seals, where: str, snapshot: Snapshot, io: FileIO, path: Path) -> None:
    """Make sure that a snapshot's manifest list and manifests are as they were written.

    `path` gives the path of this machine for what metadata names.

    Raises:
        IntegrityError: One is missing, its bytes are others, or it names another number of files than the list says.
    """
    seals.assert_whole([path(snapshot.manifest_list)], where, lambda _: None)
    manifests = {path(manifest.manifest_path): manifest for manifest in snapshot.manifests(io)}
    seals.assert_whole(manifests, where, lambda at: _look_into_manifest(manifests[at], io, where))


def _look_into_manifest(manifest: ManifestFile, io: FileIO, where: str) -> None:
    files = (manifest.added_files_count or 0) + (manifest.existing_files_count or 0)
    found = len(manifest.fetch_manifest_entry(io))
    if found != files:
        raise IntegrityError(f"{manifest.manifest_path} names {found} files, the list says {files}", where=where)


def seal_commit(seals: Seals, table: Table, path: Path) -> None:
    """Seal what a commit wrote, and forget metadata that the library removed meanwhile."""
    snapshot = table.current_snapshot()
    manifests = snapshot.manifests(table.io) if snapshot is not None else []
    lists = [snapshot.manifest_list] if snapshot is not None else []
    seals.seal(map(path, [table.metadata_location, *lists, *(manifest.manifest_path for manifest in manifests)]))
    if table.metadata.metadata_log:
        oldest = PurePosixPath(path(table.metadata.metadata_log[0].metadata_file))
        seals.forget_before(f"{oldest.parent}/00000", str(oldest), ".metadata.json")
