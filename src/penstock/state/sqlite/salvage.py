"""Taking out of a damaged store what can still be read and is as it was written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from penstock.state.sqlite import sums

LEFT = ("leases", "heads")
"""Tables of which no row is worth keeping: leases end, and heads are read again."""
KNOWN = {"cursors": "ON CONFLICT (consumer) DO UPDATE SET sequence=max(sequence, excluded.sequence)"}
"""What becomes of rows that are known; a new store is born with cursors, and they go on from where they were."""


def salvage(into: sqlite3.Connection, file: Path) -> dict[str, int]:
    """Copy sound rows of a damaged store into another, where they are not known; gives how many, by table."""
    found: dict[str, int] = {}
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as damaged:
        for table, columns in sums.summed_in(damaged).items():
            if table in LEFT:
                continue
            listed, marks = ", ".join(f'"{column}"' for column in columns), ", ".join("?" * len(columns))
            insert = f"INSERT OR IGNORE INTO {table} ({listed}) VALUES ({marks}) {KNOWN.get(table, '')}"
            found[table] = sum(into.execute(insert, row).rowcount for row in _sound(damaged, table, listed))
    _number_on(into)
    return found


def _number_on(into: sqlite3.Connection) -> None:
    """Number new events after every cursor: those below one count as seen, also where no old event could be read."""
    known = "SELECT sequence FROM cursors UNION ALL SELECT after_event FROM schedules"
    last = int(into.execute(f"SELECT coalesce(max(sequence), 0) FROM ({known})").fetchone()[0])
    if into.execute("UPDATE sqlite_sequence SET seq=max(seq, ?) WHERE name='events'", (last,)).rowcount == 0:
        into.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (last,))


def _sound(damaged: sqlite3.Connection, table: str, listed: str) -> Iterator[tuple[Any, ...]]:
    """Rows, up to where the file cannot be read."""
    try:
        for row in damaged.execute(f"SELECT {sums.COLUMN}, {listed} FROM {table} ORDER BY rowid"):
            if row[0] == sums.sum_of(*row[1:]):
                yield tuple(row[1:])
    except (sqlite3.Error, UnicodeDecodeError):
        return
