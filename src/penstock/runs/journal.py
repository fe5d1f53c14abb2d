"""The journal: a file of JSON lines below `.penstock/logs/`, one per event, that can be followed.

Who writes, or renames files, holds a lock on the folder for that moment, so that the lines of several processes never
mix. A file that has grown enough is renamed to `penstock.jsonl.1`, the one that had this name to `.2`, and so on; the
last one goes. A file that was renamed is never written again: whoever follows reads it to its end, and then goes on
with its successor, so that no line is missed and none is read twice.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from penstock import faults
from penstock.clock import Clock, iso, moment_of
from penstock.redaction import redacted_value
from penstock.runs.log import Event, Wanted

FILE = "penstock.jsonl"
POLL_SECONDS = 0.2
BLOCK = 1 << 16
SLACK_SECONDS = 60.0
"""How far the clocks, or the turns, of several writers may be apart."""


@dataclass(frozen=True)
class Limits:
    """How much is kept.

    Attributes:
        size: Bytes after which a file is put aside.
        files: Files kept beside the one that is written.
    """

    size: int = 50_000_000
    files: int = 5


@dataclass(frozen=True)
class Mark:
    """A place in the journal: a file, held open so that no other can be taken for it, and a position in bytes."""

    file: BinaryIO | None
    position: int = 0

    def __enter__(self) -> Self:
        """Hold the place for a block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Let go of the file."""
        if self.file is not None:
            self.file.close()


class Journal:
    """Appends and reads events."""

    def __init__(self, folder: Path, clock: Clock, limits: Callable[[], Limits] = Limits) -> None:
        """Use `folder` (made when first written to); `limits` is asked once there is something to keep small."""
        self._folder, self._file = folder, folder / FILE
        self._clock = clock
        self._limits = limits

    def write(self, facts: Event) -> None:
        """Append an event; `time` is added."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            size = self._append(line_of(facts, self._clock.now()))
            if size >= SMALLEST and size >= (limits := self._limits()).size:
                self._rotate(limits.files)

    def _append(self, line: bytes) -> int:
        """Add a line with one write; a line that a full disk tore before it keeps to itself."""
        with self._file.open("ab+", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            torn = end > 0 and os.pread(file.fileno(), 1, end - 1) != b"\n"
            faults.write(file, b"\n" + line if torn else line, "journal.write")
            return file.tell()

    def _rotate(self, keep: int) -> None:
        """Give every file the next number, up to the first number that is free; beyond `keep` they go."""
        there = {number: path for number, path in self._numbered() if number}
        for number in sorted(there, reverse=True):
            if number >= max(keep, 1):
                there.pop(number).unlink()
        free = next(number for number in range(1, len(there) + 2) if number not in there)
        for number in range(free, 1, -1):
            there[number - 1].replace(self._named(number))
        self._file.replace(self._named(1))

    def _named(self, number: int) -> Path:
        return self._folder / (f"{FILE}.{number}" if number else FILE)

    def _numbered(self) -> list[tuple[int, Path]]:
        """The files with their numbers, the newest first."""
        names = [(path.name.removeprefix(f"{FILE}."), path) for path in self._folder.glob(f"{FILE}.*")]
        older = sorted((int(name), path) for name, path in names if name.isascii() and name.isdigit())
        return [*([(0, self._file)] if self._file.exists() else []), *older]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else writes or renames meanwhile."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _open(self) -> list[BinaryIO]:
        """All files of one moment, the newest first; they are the caller's to close."""
        if not self._folder.is_dir():
            return []
        with self._alone(), ExitStack() as undo:
            files: list[BinaryIO] = [undo.enter_context(path.open("rb")) for _, path in self._numbered()]
            undo.pop_all()
            return files

    def mark(self) -> Mark:
        """Where the journal ends now; `tail` and `follow` meet there without gap or overlap."""
        files = self._open()
        _close(files[1:])
        return Mark(files[0], os.fstat(files[0].fileno()).st_size) if files else Mark(None)

    def tail(
        self, lines: int, wanted: Wanted | None = None, mark: Mark | None = None, since: float | None = None
    ) -> list[Event]:
        """The last events that are `wanted`, up to `mark` and not before `since`, oldest first."""
        found: list[Event] = []
        if lines > 0 and (mark is None or mark.file is not None):
            for event in self._backwards(mark):
                at = moment_of(event.get("time"))
                if since is not None and at is not None and at < since - SLACK_SECONDS:
                    break
                if (since is None or at is None or at >= since) and (wanted is None or wanted(event)):
                    found.append(event)
                    if len(found) == lines:
                        break
        return found[::-1]

    def _backwards(self, mark: Mark | None) -> Iterator[Event]:
        """Events before a mark, the newest first."""
        files = self._open()
        try:
            there = [at for at, file in enumerate(files) if mark and mark.file and _same(file, mark.file)]
            for at, file in enumerate(files[there[0] :] if there else files):
                end = mark.position if mark and there and at == 0 else os.fstat(file.fileno()).st_size
                yield from (event for event in map(_read, _lines_back(file, end)) if event is not None)
        finally:
            _close(files)

    def follow(self, mark: Mark, wanted: Wanted | None = None) -> Generator[Event, None, None]:
        """Events as they are written from `mark` on, without end."""
        with ExitStack() as opened:
            file, position, rest = mark.file, mark.position, b""
            following: BinaryIO | None = None
            while True:
                if file is not None and (part := os.pread(file.fileno(), BLOCK, position)):
                    position += len(part)
                    *whole, rest = (rest + part).split(b"\n")
                    yield from _wanted(map(_read, whole), wanted)
                elif following is not None:
                    opened.close()
                    file, position, rest, following = opened.enter_context(following), 0, b"", None
                elif (found := self._successor(file)) is not None:
                    following, lost = found
                    yield from [self._gap()] if lost else []
                else:
                    if file is not None and os.fstat(file.fileno()).st_size < position:
                        position, rest = 0, b""
                    self._clock.sleep(POLL_SECONDS)

    def _successor(self, file: BinaryIO | None) -> tuple[BinaryIO, bool] | None:
        """The file that came after `file`, and whether there were others between that are gone; None without any."""
        files = self._open()
        at = next((at for at, there in enumerate(files) if file is not None and _same(there, file)), len(files))
        if at == 0:
            _close(files)
            return None
        after = files.pop(at - 1)
        lost = file is not None and at > len(files)
        _close(files)
        return after, lost

    def _gap(self) -> Event:
        return {"time": iso(self._clock.now()), "event": "gap"}


SMALLEST = 1_000
"""Below this size nobody is asked how large a file may become."""


def line_of(facts: Event, moment: float) -> bytes:
    """An event as a line of the log, without anything secret."""
    text = json.dumps({"time": iso(moment), **redacted_value(facts)}, ensure_ascii=False, default=str)
    return f"{text}\n".encode("utf-8", "backslashreplace")


def _wanted(events: Iterator[Event | None], wanted: Wanted | None) -> Iterator[Event]:
    return (event for event in events if event is not None and (wanted is None or wanted(event)))


def _same(one: BinaryIO, other: BinaryIO) -> bool:
    return os.path.sameopenfile(one.fileno(), other.fileno())


def _close(files: list[BinaryIO]) -> None:
    for file in files:
        file.close()


def _lines_back(file: BinaryIO, end: int) -> Iterator[bytes]:
    """Lines that end before `end`, the last one first; what follows the last line's end is no line yet."""
    rest, at = b"", end
    while at > 0:
        start = max(0, at - BLOCK)
        first, *whole = (os.pread(file.fileno(), at - start, start) + rest).split(b"\n")
        yield from reversed(whole)
        rest, at = first, start
    yield rest


def _read(line: bytes) -> Event | None:
    """Parse a line; a torn one, left by a crash, is no event."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
