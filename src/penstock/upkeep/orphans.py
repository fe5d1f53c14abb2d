"""Orphans: files in a table's folder that nothing names any more.

They are what expired snapshots named, and what attempts left that were killed or lost a race. A query may still be
reading such a file, and a slow worker may be about to commit it. So a file is only removed when upkeep itself has seen
it unnamed for longer than the safety age, and nobody has changed it for as long. When each was first seen is kept among
the lake's notes; if that is lost, the waiting starts anew.

Just before anything is removed, the table's pointer is moved under its lease: whoever worked out a commit before finds
that the table has moved on, and looks again. Only files whose names are of Penstock's own patterns are removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.errors import OldCatalogError
from penstock.naming import TableName, arrival_of, is_pack

_METADATA = re.compile(r"^(?P<number>\d{5,})-[0-9a-f-]{36}\.metadata\.json$")
_OWN = re.compile(r"^(?:snap-\d+-\d+-[0-9a-f-]{36}|[0-9a-f-]{36}-m\d+)\.avro$")
_UNFINISHED = re.compile(r"^\.(?P<name>.+?)(?:\.[0-9a-f]{32})?\.tmp$")
FOLDERS = ("data", "metadata")


@dataclass(frozen=True)
class Found:
    """A file below a table's folder.

    Attributes:
        key: Its path below that folder.
        bytes: Its size.
        changed: When it was changed last, in seconds.
    """

    key: str
    bytes: int
    changed: float

    @property
    def name(self) -> str:
        """Its name without folders."""
        return self.key.rpartition("/")[2]

    @property
    def is_own(self) -> bool:
        """Whether the name is one that Penstock gives to files in this folder."""
        return (
            self.key.count("/") == 1 and self.key.startswith(tuple(f"{name}/" for name in FOLDERS)) and own(self.name)
        )


def own(name: str) -> bool:
    """Whether a file's name is of a pattern that only Penstock and its table library use."""
    unfinished = _UNFINISHED.match(name)
    plain = unfinished["name"] if unfinished else name
    return bool(arrival_of(plain) or is_pack(plain) or _METADATA.match(plain) or _OWN.match(plain))


def folder_of(table: TableName) -> str:
    """The folder of a table, below the processed zone."""
    return f"{table.layer}/{table.name}"


def newer_than(pointer: str, files: Iterable[Found], allowed: int) -> str:
    """The newest metadata whose number is greater than the catalog's by more than is allowed; empty where none is."""
    current = number_of(Path(pointer).name)
    return max((file.name for file in files if number_of(file.name) > current + allowed), default="")


def old_catalog(table: TableName, pointer: str, newer: str) -> OldCatalogError:
    """The error where newer metadata is there than the catalog names."""
    return OldCatalogError(
        f"the catalog names {Path(pointer).name}, but {newer} is there, which was newer",
        where=str(table),
        hint="nothing was changed; if an old copy of catalog.db was put back, bring back the newest with: "
        "penstock repair",
    )


def number_of(name: str) -> int:
    """How many times a table was written, by the name of its metadata; -1 for other files."""
    match = _METADATA.match(name)
    return int(match["number"]) if match else -1


@dataclass
class Ledger:
    """When files of a table were first seen unnamed.

    Attributes:
        seen: By path below the table's folder, the moment in seconds.
        swept: When the table's folder was looked through last.
        newer: Metadata that was found to be newer than what the catalog named.
    """

    seen: dict[str, float] = field(default_factory=dict)
    swept: float = 0.0
    newer: str = ""

    @classmethod
    def read(cls, text: bytes | None) -> Ledger:
        """Read what was kept; nothing where it is lost or damaged."""
        try:
            kept: dict[str, Any] = json.loads(text or b"")
            seen = {str(key): float(moment) for key, moment in kept["seen"].items()}
            return cls(seen, float(kept["swept"]), str(kept["newer"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def note(self, orphans: Iterable[Found], now: float) -> None:
        """Remember which files are unnamed now, and since when; a moment that is still to come is forgotten."""
        self.seen = {orphan.key: min(self.seen.get(orphan.key, now), now) for orphan in orphans}
        self.swept = now

    def due(self, orphans: Iterable[Found], now: float, age: float) -> list[Found]:
        """Those that may go."""
        oldest = now - age
        return [one for one in orphans if self.seen.get(one.key, now) <= oldest and one.changed <= oldest]

    def written(self) -> bytes:
        """As it is kept."""
        return json.dumps({"swept": self.swept, "newer": self.newer, "seen": self.seen}).encode()
