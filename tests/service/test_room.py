"""Room on the disk: how it is measured, which errors say there is none, and that work rests meanwhile."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from penstock.clock import HeldClock
from penstock.errors import BadFileError
from penstock.service.disk import DiskWatch
from penstock.signals import Signals
from penstock.storage.room import AGAIN_SECONDS, Room, is_full

MANY = 1_000_000_000_000_000


class Work:
    """Work that notes when it rests."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause(self, reason: str) -> None:
        """Note the reason."""
        self.told.append(reason)

    def resume(self) -> None:
        """Note that it goes on."""
        self.told.append("goes on")


def test_the_room_of_a_folder_that_is_not_there_yet_is_that_above_it(tmp_path: Path) -> None:
    """A lake that was never run is measured, too."""
    disk = os.statvfs(tmp_path)
    room = Room([tmp_path / "not" / "yet"], 1_000_000, HeldClock())
    assert room.free() == pytest.approx(disk.f_bavail * disk.f_frsize, rel=0.1)
    assert room.lacks() is None


def test_less_than_the_floor_is_no_room(tmp_path: Path) -> None:
    """The reason names what is free, what is wanted, and the key that says so."""
    reason = Room([tmp_path], MANY, HeldClock()).lacks()
    assert reason is not None
    assert reason.endswith(f"MB are free on the disk of {tmp_path}, 1,000,000,000.0 MB are wanted (up.min_free)")


def test_a_disk_that_fills_up_and_empties(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work rests below the floor, and goes on only when there is a tenth more, so that it does not stop and go."""
    free = [1_000_000_000]
    monkeypatch.setattr(os, "statvfs", lambda _path: _disk(free[0]))
    room, work = Room([tmp_path], 500_000_000, HeldClock()), Work()
    heard: list[dict[str, Any]] = []
    signals = Signals()
    signals.listen("*", heard.append)
    watch = DiskWatch(room, work, signals)
    for free[0] in (600_000_000, 499_000_000, 400_000_000, 520_000_000, 549_000_000, 551_000_000, 501_000_000):
        watch.look()
    assert [told.partition(" MB")[0] for told in work.told] == ["499.0", "goes on"]
    assert [event["event"] for event in heard] == ["paused", "resumed"]
    assert watch.reason is None


def test_a_disk_without_inodes_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes alone do not make a file."""
    monkeypatch.setattr(os, "statvfs", lambda _path: _disk(MANY, files=1000, free_files=0))
    reason = Room([tmp_path], 1, HeldClock()).lacks()
    assert reason == f"the disk of {tmp_path} has no room for another file (no inode is free)"


def _disk(free: int, files: int = 0, free_files: int = 0) -> os.statvfs_result:
    return os.statvfs_result((1, 1, free, free, free, files, free_files, free_files, 0, 255))


def test_a_quota_lets_work_rest_for_a_moment(tmp_path: Path) -> None:
    """Where the disk says that there is room and a write says there is not, the write is believed for a while."""
    clock = HeldClock()
    room = Room([tmp_path], 1, clock)
    assert room.note(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert room.lacks() == "a write found no room on the disk, or a quota is used up"
    clock.sleep(AGAIN_SECONDS)
    assert room.lacks() is None


def test_errors_that_say_the_disk_is_full() -> None:
    """As the operating system, SQLite, DuckDB and Arrow say it, also where it led to another error."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    behind = RuntimeError("could not be written")
    behind.__cause__ = full
    assert is_full(behind)
    assert is_full(sqlite3.OperationalError("database or disk is full"))
    assert is_full(duckdb.IOException('IO Error: Could not write to file "x": No space left on device'))
    assert is_full(pa.ArrowIOError("Error writing bytes to file. Detail: [errno 28] No space left on device"))


@pytest.mark.parametrize("name", ["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"])
def test_errors_of_sqlite_that_mean_a_full_disk(name: str) -> None:
    """A quota that is used up and a shared file that cannot grow are no more than "disk I/O error" in words."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    assert is_full(error)


def test_who_listens_hears_of_a_full_disk_at_once(tmp_path: Path) -> None:
    """A write that found no room is told, and kept as the reason; other errors are not."""
    room, heard = Room([tmp_path], 1, HeldClock()), list[str]()
    room.listen(lambda: heard.append("full"))
    assert not room.note(OSError(errno.EIO, os.strerror(errno.EIO)))
    assert (heard, room.met) == ([], None)
    assert room.note(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert (heard, room.met) == (["full"], "a write found no room on the disk, or a quota is used up")


def test_errors_that_only_speak_of_it() -> None:
    """A file whose text says so, and other trouble with disks, are not a full disk."""
    assert not is_full(BadFileError("line 3: No space left on device"))
    assert not is_full(duckdb.ConversionException('Could not convert "No space left on device"'))
    assert not is_full(OSError(errno.EIO, os.strerror(errno.EIO)))
    assert not is_full(sqlite3.OperationalError("database is locked"))
    broken = sqlite3.OperationalError("disk I/O error")
    broken.sqlite_errorname = "SQLITE_IOERR_READ"
    assert not is_full(broken)


def test_a_real_full_disk_is_known(tmp_path: Path) -> None:
    """What the kernel, DuckDB and SQLite really raise on a device without room is understood."""
    with pytest.raises(OSError, match="No space left") as raised, Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")
    assert is_full(raised.value)
    with pytest.raises(duckdb.Error) as said:
        duckdb.connect().execute("COPY (SELECT range FROM range(100000)) TO '/dev/full' (FORMAT csv)")
    assert is_full(said.value)
    small = sqlite3.connect(tmp_path / "small.db")
    small.execute("PRAGMA max_page_count=2")
    with pytest.raises(sqlite3.OperationalError) as refused:
        small.executescript("CREATE TABLE a (x); INSERT INTO a SELECT zeroblob(100000)")
    small.close()
    assert is_full(refused.value)
