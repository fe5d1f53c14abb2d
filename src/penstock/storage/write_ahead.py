"""Switching an SQLite file to a write-ahead log, as several processes may want to do at the same moment."""

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
