"""A table's past: its snapshots, their tags, and which of them was the table at a given moment.

A moment is a snapshot's id, the name of a tag, or a time in ISO 8601 (UTC where it names no zone; a date is its first
moment). What is past is told by Iceberg's own snapshots and references, so that other engines see the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.clock import iso
from penstock.errors import CommitConflictError, SnapshotError
from penstock.naming import TableName, did_you_mean
from penstock.state import Head
from penstock.tables.iceberg import IcebergCatalog
from penstock.tables.sealed import assert_snapshot, seal_commit
from penstock.tables.types import column_of

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.update.snapshot import ManageSnapshots

ATTEMPTS = 10
LIST = "see them with: penstock snapshots list"
MILLISECOND = 1000
_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_ID = re.compile(r"\d{1,19}")


@dataclass(frozen=True)
class Snapshot:
    """A table as of one commit.

    Attributes:
        id: Iceberg's id.
        at: When it was committed, in seconds.
        operation: `append`, `overwrite`, `replace` or `delete`.
        summary: Iceberg's facts about the commit, texts by name.
        parent: The snapshot that it followed; None for a table's first.
        tags: Names that it was given.
    """

    id: int
    at: float
    operation: str
    summary: Mapping[str, str]
    parent: int | None
    tags: tuple[str, ...] = ()

    def figure(self, name: str) -> int:
        """A number of the summary; 0 where it says none."""
        return int(self.summary.get(name, 0))


def snapshots_of(metadata: Mapping[str, Any]) -> list[Snapshot]:
    """The snapshots that a table still has, oldest first, from its Iceberg metadata."""
    tags: dict[int, list[str]] = {}
    for name, reference in sorted(metadata.get("refs", {}).items()):
        if reference["type"] == "tag":
            tags.setdefault(reference["snapshot-id"], []).append(name)
    found = [
        Snapshot(
            plain["snapshot-id"],
            plain["timestamp-ms"] / MILLISECOND,
            str(plain.get("summary", {}).get("operation", "")),
            plain.get("summary", {}),
            plain.get("parent-snapshot-id"),
            tuple(tags.get(plain["snapshot-id"], ())),
        )
        for plain in metadata.get("snapshots", [])
    ]
    return sorted(found, key=lambda snapshot: snapshot.at)


def snapshot_at(metadata: Mapping[str, Any], table: TableName, moment: float) -> Snapshot:
    """What a table was at a moment, in seconds.

    Raises:
        SnapshotError: There was no such table yet, or its snapshot of then was removed.
    """
    there = {snapshot.id: snapshot for snapshot in snapshots_of(metadata)}
    log = [entry for entry in metadata.get("snapshot-log", []) if entry["snapshot-id"] in there]
    past = [entry["snapshot-id"] for entry in log if entry["timestamp-ms"] <= moment * MILLISECOND]
    if past:
        return there[past[-1]]
    if not there:
        raise SnapshotError("the table has no snapshot yet", where=str(table), hint=LIST)
    oldest = next(iter(there.values()))
    if min(found.get("sequence-number", 0) for found in metadata["snapshots"]) <= 1:  # expiry takes parents away
        what = f"the table did not exist at {iso(moment)}; its first rows came at {iso(oldest.at)}"
    else:
        what = (
            f"what the table was at {iso(moment)} is not kept any more; the oldest there is dates from {iso(oldest.at)}"
        )
    raise SnapshotError(what, where=str(table), hint=LIST)


def moment_of(text: str) -> float | None:
    """Seconds of a time or date in ISO 8601, in UTC where it names no zone; None where it is none."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def resolve(tables: Mapping[TableName, Mapping[str, Any]], at: str) -> dict[TableName, Snapshot]:
    """What each of some tables, given with its metadata, was at a moment.

    A tag or an id must belong to one of them; the others are taken as of the same moment.

    Raises:
        SnapshotError: Nothing is called so, or a table did not exist then.
    """
    named = {
        table: snapshot
        for table, metadata in tables.items()
        for snapshot in snapshots_of(metadata)
        if at in snapshot.tags or (_ID.fullmatch(at) and int(at) == snapshot.id)
    }
    moment = max((snapshot.at for snapshot in named.values()), default=None) if named else moment_of(at)
    if moment is None:
        raise _unknown(tables, at)
    return {table: named.get(table) or snapshot_at(metadata, table, moment) for table, metadata in tables.items()}


def _unknown(tables: Mapping[TableName, Mapping[str, Any]], at: str) -> SnapshotError:
    where = ", ".join(map(str, tables))
    if _ID.fullmatch(at):
        return SnapshotError(f"no snapshot {at} is there, or not any more", where=where, hint=LIST)
    tags = sorted({tag for metadata in tables.values() for found in snapshots_of(metadata) for tag in found.tags})
    hint = f"a moment is a snapshot's id, a tag or a time such as 2026-01-31T08:00; {LIST}"
    return SnapshotError(f'"{at}" is no tag, id or time{did_you_mean(at, tags)}', where=where, hint=hint)


def assert_tag(name: str) -> None:
    """Make sure that a name can be a tag's, and be told from ids and times.

    Raises:
        SnapshotError: It cannot.
    """
    if not _TAG.fullmatch(name) or name == "main" or moment_of(name) is not None:
        rule = "a tag is a letter or _, then letters, digits, _, . or -, at most 100 in all, and not main"
        raise SnapshotError(f'"{name}" cannot be the name of a tag: {rule}')


class History:
    """The past of the tables of one catalog."""

    def __init__(self, catalog: IcebergCatalog) -> None:
        """Look at the tables of `catalog`."""
        self._catalog = catalog

    def heads(self, tables: Sequence[TableName], at: str) -> dict[TableName, Head]:
        """What some tables, which are there, held at a moment; their columns as of then.

        Raises:
            SnapshotError: Nothing is called so, or a table did not exist then.
        """
        metadata = {table: found for table in tables if (found := self._catalog.metadata(table)) is not None}
        return {table: self.head_at(table, snapshot.id) for table, snapshot in resolve(metadata, at).items()}

    def head_at(self, table: TableName, snapshot_id: int) -> Head:
        """A table as of a snapshot that it still has.

        Raises:
            IntegrityError: The snapshot's metadata is not as it was written.
        """
        loaded = self._catalog.load(table)
        snapshot = loaded.snapshot_by_id(snapshot_id)
        if snapshot is None:
            raise SnapshotError(f"snapshot {snapshot_id} is not kept any more", where=str(table), hint=LIST)
        assert_snapshot(self._catalog.seals, str(table), snapshot, loaded.io, self._catalog.path)
        schema = loaded.schemas()[snapshot.schema_id] if snapshot.schema_id is not None else loaded.schema()
        return Head(
            table=table,
            pointer=loaded.metadata_location,
            snapshot=snapshot_id,
            committed_at=snapshot.timestamp_ms / MILLISECOND,
            columns=tuple(column_of(field) for field in schema.fields),
            files=self._catalog.files_of(table, snapshot, loaded.io),
            last_column_id=loaded.metadata.last_column_id,
        )

    def tag(self, table: TableName, name: str, at: str | None = None) -> Snapshot:
        """Give a snapshot, the current one when `at` is left out, a name that keeps it from being removed.

        Raises:
            SnapshotError: The name is taken, or there is no such snapshot.
        """
        assert_tag(name)
        metadata = self._catalog.metadata(table) or {}
        known = {tag: found for found in snapshots_of(metadata) for tag in found.tags}
        moment = str(metadata.get("current-snapshot-id", "")) if at is None else at
        wanted = resolve({table: metadata}, moment)[table] if metadata.get("snapshots") else None
        if wanted is None:
            raise SnapshotError("the table has no snapshot yet", where=str(table))
        if name in known and known[name].id != wanted.id:
            taken = f'the tag "{name}" names the snapshot {known[name].id} of {iso(known[name].at)}'
            raise SnapshotError(
                taken, where=str(table), hint=f"remove it with: penstock snapshots untag {table} {name}"
            )
        if name not in known:
            self._manage(table, lambda manage: manage.create_tag(wanted.id, name))
        return wanted

    def untag(self, table: TableName, name: str) -> Snapshot:
        """Take a name away from its snapshot; gives the snapshot.

        Raises:
            SnapshotError: No snapshot is called so.
        """
        known = {tag: found for found in snapshots_of(self._catalog.metadata(table) or {}) for tag in found.tags}
        if name not in known:
            raise SnapshotError(f'no tag "{name}"{did_you_mean(name, known)}', where=str(table), hint=LIST)
        self._manage(table, lambda manage: manage.remove_tag(name))
        return known[name]

    def _manage(self, table: TableName, change: Change) -> None:
        from pyiceberg.exceptions import CommitFailedException

        for _ in range(ATTEMPTS):
            loaded: Table = self._catalog.load(table)
            try:
                change(loaded.manage_snapshots()).commit()
            except CommitFailedException:
                continue
            seal_commit(self._catalog.seals, loaded.refresh(), self._catalog.path)
            return
        raise CommitConflictError(f"other writers committed first {ATTEMPTS} times in a row", where=str(table))


if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[[ManageSnapshots], ManageSnapshots]
