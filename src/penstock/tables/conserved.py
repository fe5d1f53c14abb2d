"""Rows are conserved at a commit: what was written is what the footer says, and what the snapshot will show.

Each hop has its own count, made by another part: the engine counts what it writes, the Parquet library what stands in
the file, the Iceberg library what its manifests name. They are compared before the catalog's pointer moves, so that
nothing is visible yet where they differ. No data is read for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from penstock.errors import AccountingError
from penstock.state import DataFile, Head

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile as IcebergDataFile
    from pyiceberg.table import Transaction

HINT = "nothing was committed; please report this, it is a defect or a failing disk"


def assert_footer(file: DataFile, found: IcebergDataFile) -> None:
    """Make sure that a finished file holds the rows and bytes that its writer counted, and that its members add up.

    Raises:
        AccountingError: It does not.
    """
    if (found.record_count, found.file_size_in_bytes) != (file.rows, file.bytes):
        raise AccountingError(
            f"{file.rows} rows in {file.bytes} bytes were written, but the file holds {found.record_count} rows in "
            f"{found.file_size_in_bytes} bytes",
            where=file.path,
            hint=HINT,
        )
    members = file.members
    if members and sum(member.rows for member in members) != file.rows:
        raise AccountingError(
            f"the file holds {file.rows} rows, but those that it names have {sum(member.rows for member in members)}",
            where=file.path,
            hint=HINT,
        )


def assert_conserved(
    transaction: Transaction, io: FileIO, base: Head, added: Iterable[DataFile], removed: Iterable[str]
) -> None:
    """Make sure that a snapshot which is about to be committed shows the rows before it, plus and minus the change's.

    Raises:
        AccountingError: Its manifests name other rows.
    """
    snapshot = transaction.table_metadata.current_snapshot()
    if snapshot is None:
        return
    rows = {file.path: file.rows for file in base.files}
    before, plus = sum(rows.values()), sum(file.rows for file in added)
    minus = sum(rows[path] for path in removed)
    counts = [
        (manifest.added_rows_count, manifest.existing_rows_count)
        for manifest in snapshot.manifests(io)
        if manifest.content == 0  # of data files; delete files of other writers are named beside them
    ]
    named = sum((new or 0) + (kept or 0) for new, kept in counts)
    if named != before + plus - minus and not any(None in pair for pair in counts):
        raise AccountingError(
            f"the table has {before} rows, {plus} are added and {minus} removed, but the new snapshot names {named}",
            where=str(base.table),
            hint=HINT,
        )
