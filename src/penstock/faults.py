"""Named places where a test can make the world fail.

Every write, sync, rename, link, unlink, new folder, state statement and catalog commit on the road of a file passes
through `reach(place)`, `write` or `wrote`. In production that is one look at a variable that is None. Tests install a
hook that raises, tears a write or kills the process at the n-th place reached.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

PLACES = (
    "storage.mkdir",
    "storage.sync",
    "storage.rename",
    "storage.delete",
    "scratch.mkdir",
    "scratch.link",
    "scratch.delete",
    "scratch.write",
    "journal.write",
    "quarantine.write",
    "state.begin",
    "state.read",
    "state.write",
    "state.commit",
    "state.committed",
    "state.rollback",
    "state.worker",
    "state.mark",
    "state.known",
    "engine.write",
    "engine.written",
    "tables.create",
    "tables.commit",
    "tables.committed",
    "metadata.write",
    "metadata.sync",
    "metadata.rename",
    "metadata.delete",
    "catalog.read",
    "catalog.write",
    "catalog.commit",
    "catalog.committed",
    "catalog.rollback",
    "seals.begin",
    "seals.read",
    "seals.write",
    "seals.commit",
    "seals.committed",
    "seals.rollback",
)

SINK_BYTES = 1_000
_hook: Callable[[str], None] | None = None


class TornWriteError(OSError):
    """What a hook raises to let half of a write arrive before the disk fails."""

    def __init__(self) -> None:
        super().__init__(errno.EIO, os.strerror(errno.EIO))


def reach(place: str) -> None:
    """Say that `place` is about to happen; raises whatever the installed hook raises."""
    if _hook is not None:
        _hook(place)


def write(file: BinaryIO, data: bytes, place: str) -> None:
    """Write `data` to `file`; of a torn write, half arrives."""
    try:
        reach(place)
    except TornWriteError:
        file.write(data[: len(data) // 2])
        raise
    file.write(data)


def wrote(path: str, place: str) -> None:
    """Say that something else has written the file at `path`; of a torn write, half is there."""
    try:
        reach(place)
    except TornWriteError:
        os.truncate(path, Path(path).stat().st_size // 2)
        raise


def sink(path: str, place: str) -> Any:
    """Where a library is to write the file at `path`: the path itself, or with a hook, a file that reaches `place`."""
    return path if _hook is None else _Sink(path, place)


class _Sink(io.FileIO):
    """A file of which every thousand bytes are a place; closes itself, as libraries close only what they opened."""

    def __init__(self, path: str, place: str) -> None:
        super().__init__(path, "wb")
        self._place, self._next = place, 0

    def write(self, data: Any, /) -> int:
        whole = bytes(data)
        at = self.tell()
        if at >= self._next:
            self._next = at + SINK_BYTES
            try:
                reach(self._place)
            except TornWriteError:
                super().write(whole[: len(whole) // 2])
                raise
        return super().write(whole)

    def __del__(self) -> None:
        self.close()


def install(hook: Callable[[str], None] | None) -> None:
    """Call `hook` with the name of every place reached from now on; None removes it."""
    global _hook  # noqa: PLW0603 - one process-wide switch is the point: faults strike every part alike
    _hook = hook


def install_from_environment() -> None:
    """Kill this process at the n-th place reached when `PENSTOCK_FAULT_KILL_AT` holds n; for crash tests."""
    at = os.environ.get("PENSTOCK_FAULT_KILL_AT")
    if not at:
        return
    left = int(at)

    def kill(_place: str) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    install(kill)


class Connection(sqlite3.Connection):
    """A SQLite connection whose statements and commits are places; `area` is the start of their names."""

    area = "state"

    def cursor(self, factory: Any = None) -> Any:
        """A cursor whose statements are places."""
        return super().cursor(factory or _Cursor)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run a statement."""
        cursor: sqlite3.Cursor = self.cursor()
        return cursor.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        """Run a statement for many rows."""
        cursor: sqlite3.Cursor = self.cursor()
        return cursor.executemany(sql, parameters)

    def commit(self) -> None:
        """Commit what is open."""
        if not self.in_transaction:
            return
        _reach_sqlite(self, "commit")
        super().commit()
        _reach_sqlite(self, "committed")

    def rollback(self) -> None:
        """Roll back what is open; SQLite lets go of its locks even where it fails at it."""
        was_open = self.in_transaction
        super().rollback()
        if was_open:
            _reach_sqlite(self, "rollback")


class CatalogConnection(Connection):
    """A connection to the catalog's tables."""

    area = "catalog"


class SealsConnection(Connection):
    """A connection to the seals of a zone's files."""

    area = "seals"


class _Cursor(sqlite3.Cursor):
    """A cursor each of whose statements is a place."""

    def execute(self, sql: str, parameters: Any = (), /) -> _Cursor:
        if _hook is None:
            return super().execute(sql, parameters)
        kind = _kind_of(sql)
        if kind != "rollback":
            _reach_sqlite(self.connection, kind)
        done = super().execute(sql, parameters)
        if kind in _AFTER:
            _reach_sqlite(self.connection, _AFTER[kind])
        return done

    def executemany(self, sql: str, parameters: Any, /) -> _Cursor:
        _reach_sqlite(self.connection, _kind_of(sql))
        return super().executemany(sql, parameters)


def _kind_of(sql: str) -> str:
    word = sql.lstrip()[:8].split(maxsplit=1)
    return _KINDS.get(word[0].upper(), "write") if word else "write"


_KINDS = {"BEGIN": "begin", "COMMIT": "commit", "ROLLBACK": "rollback", "SELECT": "read", "PRAGMA": "read"}


_AFTER = {"commit": "committed", "rollback": "rollback"}
"""Places behind a statement: its answer is lost."""


def _reach_sqlite(connection: sqlite3.Connection, kind: str) -> None:
    """Reach a place of a database; a failing disk reads as it does from SQLite.

    Without room, SQLite gives up the whole transaction by itself.
    """
    if _hook is None:
        return
    area = connection.area if isinstance(connection, Connection) else "state"
    try:
        _hook(f"{area}.{kind}")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise sqlite3.OperationalError("disk I/O error") from error
        if connection.in_transaction:
            sqlite3.Connection.rollback(connection)
        raise sqlite3.OperationalError("database or disk is full") from error
