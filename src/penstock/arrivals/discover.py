"""Finding what landed: every version of every file that a table wants is recorded, once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path

from penstock.arrivals.tell import tell_arrived
from penstock.declaration import Table
from penstock.engines import MEMORY_VARIABLE
from penstock.naming import TableName
from penstock.state import Arrival, State
from penstock.storage import FileVersion, Zone
from penstock.storage.local import wait_until_settled

TRIES = 10
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


def discover(raw: Zone, tables: Mapping[TableName, Table], state: State, folder: Path) -> Discovery:
    """Look at the whole raw zone and record what is new; `folder` is the lake's."""
    found = Discovery()
    claimed = set[str]()
    for name, table in tables.items():
        known = {arrival.key: arrival.mark for arrival in state.arrivals.find(name)}
        listed = list(raw.list(table.files))
        claimed.update(version.key for version in listed)
        changed = [version.key for version in listed if known.get(version.key) != version.mark]
        for at in range(0, len(changed), AT_ONCE):
            seen = [(key, _seen(raw, key)) for key in changed[at : at + AT_ONCE]]
            with state.together():  # one transaction for many small files
                new = [_record(state, name, *there) for _, there in seen if there is not None]
                told = [there[0] for (_, there) in seen if there is not None]
                tell_arrived(state.events, name, compress(told, new))
            found.growing += [key for key, there in seen if there is None]
            if any(new):
                found.recorded[name] = found.recorded.get(name, 0) + sum(new)
        _revive(state, name, table, folder)
    found.unclaimed = [version.key for version in raw.list("**") if version.key not in claimed]
    found.unseen = dict(raw.unseen)
    return found


def record(raw: Zone, table: TableName, key: str, state: State) -> bool | None:
    """Record the current version of one file: True if it is new, None while the file is still being written or gone."""
    seen = _seen(raw, key)
    if seen is None:
        return None
    with state.together():
        if new := _record(state, table, *seen):
            tell_arrived(state.events, table, seen[:1])
    return new


def _seen(raw: Zone, key: str) -> tuple[FileVersion, str] | None:
    """The current version of a file, and what names its content; None while it is still being written, or gone."""
    for _ in range(TRIES):
        before = raw.stat(key)
        if before is None:
            return None
        wait_until_settled(before)
        version = _version(raw, before)
        if version is not None and raw.stat(key) == before:
            return before, version
    return None


def _version(raw: Zone, file: FileVersion) -> str | None:
    """What names the content: its hash, or, where it cannot be read, its times, which change with its permissions."""
    try:
        return raw.digest(file.key)
    except FileNotFoundError:
        return None
    except OSError:
        return hashlib.sha256(f"unreadable {file.mark}".encode()).hexdigest()


def _record(state: State, table: TableName, file: FileVersion, version: str) -> bool:
    return state.arrivals.record(table, file.key, version, file.size, file.modified_ns, file.mark)


def _revive(state: State, name: TableName, table: Table, folder: Path) -> None:
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
