"""Finding what landed: every version of every file that a table wants is recorded, once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from penstock.arrivals.noticing.sight import SETTLE_SECONDS, see
from penstock.arrivals.tell import tell_arrived
from penstock.declaration import Table
from penstock.engines import MEMORY_VARIABLE
from penstock.naming import TableName
from penstock.state import Arrival, State
from penstock.steps import table_order
from penstock.storage import FileVersion, Zone
from penstock.storage.keys import matches

AT_ONCE = 256


@dataclass
class Discovery:
    """What a look at the raw zone found.

    Attributes:
        recorded: New versions recorded, by table.
        growing: Files that are still being written; they are left for the next look.
        unclaimed: Files that no table wants.
        unseen: Folders and files that cannot be looked into, with the reason.
    """

    recorded: dict[TableName, int] = field(default_factory=dict)
    growing: list[str] = field(default_factory=list)
    unclaimed: list[str] = field(default_factory=list)
    unseen: dict[str, str] = field(default_factory=dict)


def discover(
    raw: Zone, tables: Mapping[TableName, Table], state: State, folder: Path, settle: float = SETTLE_SECONDS
) -> Discovery:
    """Look at the whole raw zone and record what is new; `folder` is the lake's.

    Tables that others refer to come first, so that their files are in when those of the others are compared with them.
    """
    found = Discovery()
    listed = list(raw.list("**"))
    found.unseen = dict(raw.unseen)
    claimed = set[str]()
    for name in table_order(tables):
        wanted = [version for version in listed if matches(tables[name].files, version.key)]
        claimed.update(version.key for version in wanted)
        for some in changed(state, name, wanted):
            seen = [(version.key, see(raw, version.key, settle)) for version in some]
            new = record_all(state, name, [there for _, there in seen if there is not None])
            found.growing += [key for key, there in seen if there is None]
            if new:
                found.recorded[name] = found.recorded.get(name, 0) + new
        revive(state, name, tables[name], folder)
    found.unclaimed = [version.key for version in listed if version.key not in claimed]
    return found


def changed(state: State, name: TableName, listed: Sequence[FileVersion]) -> Iterator[list[FileVersion]]:
    """Those of the files whose newest version is not known to be recorded, some at a time."""
    for at in range(0, len(listed), AT_ONCE):
        some = listed[at : at + AT_ONCE]
        known = state.backlog.marks(name, [version.key for version in some])
        if new := [version for version in some if known.get(version.key) != version.mark]:
            yield new


def record_all(state: State, name: TableName, seen: Sequence[tuple[FileVersion, str]]) -> int:
    """Record versions of files of one table, in one transaction; gives the number of those that are new."""
    with state.together():
        new = [file for file, version in seen if _record(state, name, file, version)]
        tell_arrived(state.events, name, new)
    return len(new)


def record(raw: Zone, table: TableName, key: str, state: State) -> bool | None:
    """Record the current version of one file: True if it is new, None while the file is still being written or gone."""
    seen = see(raw, key)
    return None if seen is None else bool(record_all(state, table, [seen]))


def _record(state: State, table: TableName, file: FileVersion, version: str) -> bool:
    return state.arrivals.record(table, file.key, version, file.size, file.modified_ns, file.mark)


def revive(state: State, name: TableName, table: Table, folder: Path) -> None:
    """Let dead letters try again once the declaration they failed under has changed."""
    plan = fingerprint(table, folder)
    for arrival in state.arrivals.find(name, ("dead",)):
        if arrival.plan != plan:
            state.arrivals.requeue(arrival, arrival.generation)


def fingerprint(table: Table, folder: Path) -> str:
    """Name what a table's files are processed with: equal declaration, functions and memory, equal names."""
    functions = [step.body.partition(":")[0] for step in table.steps if step.kind == "python"]
    codes = [path.read_bytes() for name in functions if (path := folder / name).is_file()]
    conditions = table.model_dump_json() + os.environ.get(MEMORY_VARIABLE, "")
    return hashlib.sha256(b"\0".join([conditions.encode(), *codes])).hexdigest()[:16]


def newest_finished(state: State, table: TableName) -> list[Arrival]:
    """The finished arrivals of a table, the newest of each key; none where a newer version waits or is dead.

    The bytes of such a finished arrival are gone, so that it could never be processed again.
    """
    newest = {arrival.key: arrival for arrival in state.arrivals.find(table) if arrival.state != "superseded"}
    return [arrival for arrival in newest.values() if arrival.state == "finished"]
