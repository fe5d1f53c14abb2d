"""Switching an SQLite file to a write-ahead log and back, as several processes may want to do at the same moment."""

from __future__ import annotations

import sqlite3
import time

PAUSE_SECONDS = 0.02


def write_ahead(connection: sqlite3.Connection, patience: float) -> None:
    """Switch; SQLite does not wait for others here, so this does, for `patience` seconds.

    Raises:
        sqlite3.OperationalError: Others kept the file locked, or it cannot be written.
    """
    until = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


def leave_log(connection: sqlite3.Connection) -> bool:
    """Switch back; False, with nothing changed, while anybody else has the file open: SQLite makes sure of that."""
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return False
    return True


def has_log(connection: sqlite3.Connection) -> bool:
    """Whether the file has a write-ahead log."""
    return bool(connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal")
