"""What other writers did to a table: programs that write Iceberg themselves, straight into the lake's catalog.

A snapshot is Penstock's own if its summary says something that starts with `penstock.`; every other one is another
writer's. What such a writer adds is read like all else. What it takes away may hold rows of arrivals: it deletes rows,
which writes the others of their file anew, or it compacts files. Then no live file tells of these arrivals any more,
and a table remembers them itself, in a property: they are *displaced*. They count as having been taken in, so that they
are never added a second time; and where their rows may stand in the other writer's files, nothing can replace them,
because nobody can tell which rows they are.

Columns that another writer adds, drops, renames or retypes go into the table's history of its columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from penstock.clock import iso
from penstock.errors import RowsElsewhereError
from penstock.naming import ArrivalName
from penstock.state.files import DataFile, Member

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile as IcebergDataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

    Known = Callable[[IcebergDataFile], DataFile]

OWN = "penstock."
"""Start of the names of facts that only Penstock writes into a snapshot's summary."""
DISPLACED = "penstock.displaced"
"""Property: arrivals whose rows others took out of their files, `name` or, if they may be elsewhere, `name?`."""
NOTICED = "penstock.noticed"
"""Property: the sequence number up to which other writers' snapshots have been spoken of."""
SCHEMA = "penstock.schema"
"""Property: the id of the schema as Penstock left it."""
ELSEWHERE = "?"
MILLISECOND = 1000


@dataclass(frozen=True)
class Displaced:
    """Arrivals of a table that no live file names any more.

    Attributes:
        gone: Their rows were deleted.
        elsewhere: Their rows may be in files of another writer.
    """

    gone: frozenset[ArrivalName] = frozenset()
    elsewhere: frozenset[ArrivalName] = frozenset()

    def __str__(self) -> str:
        """Write them as they stand in the table's property."""
        names = [*map(str, self.gone - self.elsewhere), *(f"{name}{ELSEWHERE}" for name in self.elsewhere)]
        return " ".join(sorted(names))

    @cached_property
    def by_key(self) -> dict[str, list[Member]]:
        """All of them by key, as members without rows."""
        found: dict[str, list[Member]] = {}
        for name in (*self.gone, *self.elsewhere):
            found.setdefault(name.key_id, []).append(Member(name, 0))
        return found

    def assert_replaceable(self, member: Member) -> None:
        """Make sure that the rows of a displaced arrival may be left behind.

        Raises:
            RowsElsewhereError: They may be in another writer's file, where nobody can tell them from others.
        """
        if member.arrival in self.elsewhere:
            raise RowsElsewhereError(
                "the rows of this file's earlier version are in data files that another writer wrote, so that they "
                "cannot be replaced",
                hint="drop the table, and the next run makes it again from raw/; docs/interop.md tells more",
            )


NOTHING = Displaced()


@lru_cache(maxsize=64)
def displaced_of(text: str) -> Displaced:
    """Read what a table's property says."""
    if not text:
        return NOTHING
    names = text.split()
    elsewhere = {name.removesuffix(ELSEWHERE) for name in names if name.endswith(ELSEWHERE)}
    return Displaced(
        frozenset(_arrival(name) for name in names if not name.endswith(ELSEWHERE)),
        frozenset(map(_arrival, elsewhere)),
    )


def _arrival(name: str) -> ArrivalName:
    key, version, generation = name.split("-")
    return ArrivalName(key, version, int(generation.removeprefix("g")))


def is_own(summary: Mapping[str, Any]) -> bool:
    """Whether a snapshot with this summary is Penstock's."""
    return any(name.startswith(OWN) for name in summary)


def own_summary(summary: Mapping[str, str]) -> dict[str, str]:
    """A snapshot's facts, by which it is known for Penstock's own."""
    return dict(summary) if is_own(summary) else {f"{OWN}commit": "upkeep", **summary}


def remembered(metadata: TableMetadata, displaced: str) -> dict[str, str]:
    """The property that has to be set for a table to remember displaced arrivals; none when it does already."""
    return {} if metadata.properties.get(DISPLACED, "") == displaced else {DISPLACED: displaced}


def displaced_now(metadata: TableMetadata, io: FileIO, live: Iterable[DataFile], known_as: Known) -> str:
    """The arrivals of a table whose rows others took out of their files, as text for its property.

    `known_as` gives the data file for an entry of a snapshot.
    """
    text = metadata.properties.get(DISPLACED, "")
    noticed = int(metadata.properties.get(NOTICED, 0))
    snapshots = sorted(metadata.snapshots, key=lambda one: one.sequence_number or 0)
    found = [(at, _removed(one, io, known_as)) for at, one in enumerate(snapshots) if _is_news(one, noticed)]
    if not any(removed for _, removed in found):
        return text
    known = displaced_of(text)
    gone, elsewhere = set(known.gone), set(known.elsewhere)
    for at, removed in found:
        # an overwrite may be two snapshots: one that deletes everything, and one that adds what takes its place
        adds = any(_adds(one) for one in snapshots[at : at + 2] if not is_own(_facts(one)))
        into = elsewhere if adds else gone
        into |= {member.arrival for file in removed for member in file.members}
    there = {member.arrival for file in live for member in file.members}
    return str(Displaced(frozenset(gone - there), frozenset(elsewhere - there)))


def _is_news(snapshot: Snapshot, noticed: int) -> bool:
    return (snapshot.sequence_number or 0) > noticed and not is_own(_facts(snapshot))


def _facts(snapshot: Snapshot) -> dict[str, str]:
    return dict(snapshot.summary.additional_properties) if snapshot.summary else {}


def _adds(snapshot: Snapshot) -> bool:
    """Whether a snapshot may hold rows of the files that it removed; True unless it says that it wrote none."""
    facts = _facts(snapshot)
    return "total-records" not in facts or int(facts.get("added-data-files", 0)) > 0


def _removed(snapshot: Snapshot, io: FileIO, known_as: Known) -> list[DataFile]:
    """Penstock's data files that a snapshot took away."""
    from pyiceberg.manifest import ManifestEntryStatus

    return [
        known_as(entry.data_file)
        for manifest in snapshot.manifests(io)
        if manifest.added_snapshot_id == snapshot.snapshot_id and manifest.deleted_files_count != 0
        for entry in manifest.fetch_manifest_entry(io, discard_deleted=False)
        if entry.status == ManifestEntryStatus.DELETED and entry.snapshot_id == snapshot.snapshot_id
    ]


def news(metadata: Mapping[str, Any]) -> list[str]:
    """What other writers did since it was last spoken of, one sentence each, from a table's plain metadata."""
    properties = metadata.get("properties", {})
    noticed = int(properties.get(NOTICED, 0))
    found = [
        _told(snapshot)
        for snapshot in metadata.get("snapshots", [])
        if snapshot.get("sequence-number", 0) > noticed and not is_own(snapshot.get("summary", {}))
    ]
    left = properties.get(SCHEMA)
    if left is not None and int(left) != metadata.get("current-schema-id"):
        found.append("another writer changed the table's columns; penstock show --history says how")
    return found


def _told(snapshot: Mapping[str, Any]) -> str:
    summary = snapshot.get("summary", {})
    added, deleted = (int(summary.get(f"{what}-records", 0)) for what in ("added", "deleted"))
    what = summary.get("operation", "change")
    return f"another writer committed ({what}): rows added {added}, deleted {deleted}"


def noticed(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The property that says up to where other writers' snapshots have been spoken of."""
    return {NOTICED: str(max((one.get("sequence-number", 0) for one in metadata.get("snapshots", [])), default=0))}


def foreign_changes(metadata: TableMetadata) -> list[dict[str, Any]]:
    """What others made of a table's columns since Penstock left it, for its history."""
    left = metadata.properties.get(SCHEMA)
    if left is None or int(left) == metadata.current_schema_id:
        return []
    before = next((schema for schema in metadata.schemas if schema.schema_id == int(left)), None)
    now = next(schema for schema in metadata.schemas if schema.schema_id == metadata.current_schema_id)
    if before is None:
        return []
    at = iso(metadata.last_updated_ms / MILLISECOND)
    return [_change(at, *found) for found in _compared(_fields(before), _fields(now))]


_Field = tuple[str, str]


def _fields(schema: Schema) -> dict[int, _Field]:
    """Name and stored type of every column, those within others included, by field id."""
    from penstock.tables.types import stored_type

    names = {at: schema.find_column_name(at) or "" for at in schema.field_ids}
    return {at: (names[at], stored_type(schema.find_field(at).field_type)) for at in schema.field_ids}


def _compared(before: dict[int, _Field], now: dict[int, _Field]) -> Iterator[tuple[str, str, str | None, str, str]]:
    """Column, change, type before, type now and reason of everything that differs."""
    for at, (name, kind) in now.items():
        if at not in before:
            yield name, "added", None, kind, "another writer added it"
            continue
        old, was = before[at]
        if old != name:
            yield name, "renamed", was, kind, f'another writer renamed it from "{old}"'
        if was != kind and not kind.startswith("STRUCT("):
            yield name, "retyped", was, kind, "another writer changed its type"
    for at, (name, kind) in before.items():
        if at not in now:
            yield name, "dropped", kind, kind, "another writer dropped it"


def _change(at: str, column: str, change: str, was: str | None, kind: str, reason: str) -> dict[str, Any]:
    nowhere = {"file": None, "line": None, "value": None}
    return {"at": at, "column": column, "change": change, "was": was, "type": kind, **nowhere, "reason": reason}
