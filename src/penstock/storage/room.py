"""Room on the disks that a lake is on: how much is left, and whether an error says that there was none.

A disk without room is nobody's fault and passes: nothing is taken up meanwhile, nothing counts as an attempt, and the
work goes on by itself once there is room again.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from penstock.clock import Clock
from penstock.errors import PenstockError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
SAID = tuple(os.strerror(number) for number in NO_ROOM)
OF_SQLITE = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE")
"""What SQLite calls it: a disk that is full, a quota that is used up, and no room for what it shares in memory."""
AGAIN_SECONDS = 5.0
"""How long nothing is tried after a write that found no room, although the disk says that there is some: a quota."""
MORE = 1.1
"""How much more than the floor must be free before work goes on, so that it does not stop and go."""
_MEGABYTE = 1_000_000


class Room:
    """Watches the disks of some folders.

    Attributes:
        remedy: What helps where nobody else fills the disk, so that what finds no room twice never will; empty where
            others do, and room comes again by itself.
    """

    def __init__(self, folders: Iterable[Path], floor: int, clock: Clock, remedy: str = "") -> None:
        """Ask for `floor` bytes of room on the disk of each folder; folders need not be there yet."""
        self.remedy = remedy
        self._folders = list(dict.fromkeys(folders))
        self._floor = floor
        self._clock = clock
        self._low = False
        self._failed = ("", 0.0)
        self._listeners: list[Callable[[], object]] = []

    def free(self) -> int:
        """Bytes free for us on the disk that has the fewest."""
        return min(free for free, _, _ in self._look())

    def lacks(self) -> str | None:
        """Why there is no room, in words; None while there is."""
        floor = self._floor * (MORE if self._low else 1)
        for free, full, folder in self._look():
            if free < floor or full:
                self._low = True
                return _no_files(folder) if full else _too_little(free, self._floor, folder)
        self._low = False
        why, until = self._failed
        return why if self._clock.now() < until else None

    def note(self, error: BaseException) -> bool:
        """Whether `error` says that there was no room; if so, nothing is tried for a moment."""
        if not is_full(error):
            return False
        self._failed = ("a write found no room on the disk, or a quota is used up", self._clock.now() + AGAIN_SECONDS)
        for listener in self._listeners:
            listener()
        return True

    def listen(self, listener: Callable[[], object]) -> None:
        """Call `listener` whenever a write found no room."""
        self._listeners.append(listener)

    @property
    def met(self) -> str | None:
        """What was noted last; None where every write so far found room."""
        return self._failed[0] or None

    def _look(self) -> Iterator[tuple[int, bool, Path]]:
        """Free bytes, whether no more files can be made, and the folder; once per disk."""
        seen = set[int]()
        for folder in map(_nearest, self._folders):
            device = folder.stat().st_dev
            if device not in seen:
                seen.add(device)
                disk = os.statvfs(folder)
                yield disk.f_bavail * disk.f_frsize, disk.f_files > 0 and disk.f_favail == 0, folder


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(there for there in (folder, *folder.parents) if there.exists())


def _too_little(free: int, floor: int, folder: Path) -> str:
    found, wanted = free / _MEGABYTE, floor / _MEGABYTE
    more = "" if free < floor else ", and a tenth more before work goes on"
    return f"{found:,.1f} MB are free on the disk of {folder}, {wanted:,.1f} MB are wanted (up.min_free){more}"


def _no_files(folder: Path) -> str:
    return f"the disk of {folder} has no room for another file (no inode is free)"


def is_full(error: BaseException) -> bool:
    """Whether an error, or one that led to it, says that a disk or a quota is full."""
    found: BaseException | None = error
    seen = set[int]()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if _says_full(found):
            return True
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return False


def _says_full(error: BaseException) -> bool:
    if isinstance(error, PenstockError):
        return False  # its words may quote a file
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return True
    if isinstance(error, sqlite3.OperationalError):
        return "disk is full" in str(error) or getattr(error, "sqlite_errorname", "") in OF_SQLITE
    of_disk = isinstance(error, OSError) or type(error).__name__ == "IOException"
    return of_disk and any(text in str(error) for text in SAID)
