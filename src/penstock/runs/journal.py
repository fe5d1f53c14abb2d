"""The journal: a file of JSON lines below `.penstock/logs/`, one per event, that can be followed.

A line is appended with one write to a file opened for appending, so that several processes never mix their lines.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from penstock import faults
from penstock.clock import Clock, iso

FILE = "penstock.jsonl"
POLL_SECONDS = 0.2


class Journal:
    """Appends and reads events."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Use `folder` (made when first written to)."""
        self._file = folder / FILE
        self._clock = clock

    def write(self, facts: dict[str, Any]) -> None:
        """Append an event; `time` is added."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"time": iso(self._clock.now()), **facts}, ensure_ascii=False, default=str) + "\n"
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            with os.fdopen(handle, "ab", buffering=0, closefd=False) as file:
                faults.write(file, line.encode("utf-8", "backslashreplace"), "journal.write")
        finally:
            os.close(handle)

    @property
    def end(self) -> int:
        """Where the journal ends now, in bytes; what `tail` and `follow` take to meet without gap or overlap."""
        return self._file.stat().st_size if self._file.exists() else 0

    def tail(self, lines: int, table: str | None = None, end: int | None = None) -> list[dict[str, Any]]:
        """The last events up to `end`, oldest first, of one table if given."""
        if not self._file.exists():
            return []
        with self._file.open("rb") as file:
            events = (
                event for event in map(_read, _lines(file, self.end if end is None else end)) if event is not None
            )
            return list(deque((event for event in events if _concerns(event, table)), maxlen=lines))

    def follow(self, table: str | None = None, after: int | None = None) -> Iterator[dict[str, Any]]:
        """Events as they are written from `after` on (from the first look on when left out), without end."""
        position = self.end if after is None else after
        rest = b""
        while True:
            size = self.end
            if size < position:
                position, rest = 0, b""
            if size == position:
                self._clock.sleep(POLL_SECONDS)
                continue
            with self._file.open("rb") as file:
                file.seek(position)
                *whole, rest = (rest + file.read(size - position)).split(b"\n")
            position = size
            for event in map(_read, whole):
                if event is not None and _concerns(event, table):
                    yield event


def _lines(file: BinaryIO, end: int) -> Iterator[bytes]:
    at = 0
    for line in file:
        at += len(line)
        if at > end:
            return
        yield line


def _read(line: bytes) -> dict[str, Any] | None:
    """Parse a line; a torn one, left by a crash, is no event."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _concerns(event: dict[str, Any], table: str | None) -> bool:
    return table is None or event.get("table") == table
