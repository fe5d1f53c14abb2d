"""Where messages of files that landed are worked on, and what came of looking at the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penstock.clock import Clock
from penstock.declaration import Table
from penstock.naming import TableName
from penstock.signals import Signals
from penstock.state import State
from penstock.storage.aws import S3RawZone
from penstock.storage.notes import Notes
from penstock.storage.room import Room


@dataclass(frozen=True)
class Place:
    """What a queue worker works on.

    Attributes:
        lake: The lake's name.
        folder: The lake's folder.
        bucket: Where the files of the raw zone are.
        tables: The declared tables.
        notes: Remembers how far the raw zone was looked through.
        room: Knows whether an error says that the disk is full.
        prune: Called between two pieces of work: lets go of copies, so that they do not fill the disk.
    """

    lake: str
    folder: Path
    bucket: str
    tables: Mapping[TableName, Table]
    raw: S3RawZone
    notes: Notes
    room: Room
    state: State
    signals: Signals
    clock: Clock
    prune: Callable[[], object] = lambda: None


@dataclass
class Looked:
    """What files are, as they were looked at.

    Attributes:
        keys: Files by the table that wants them.
        failed: Files that could not be looked at, or recorded.
        refused: Files that can never be read, with the reason.
        held_up: Files and tables that wait through no fault of their own, with the reason.
    """

    keys: dict[TableName, list[str]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    held_up: dict[str, str] = field(default_factory=dict)
