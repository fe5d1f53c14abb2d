"""Sums of rows: a byte that was flipped in the store's file shows.

SQLite keeps no checksums. A column `sum` beside a row's values does, kept by triggers, so that no writer can forget it:
a row is summed after every change, and a row that does not agree with its sum refuses to be changed. Whoever reads a
whole row compares. The triggers call a function of ours, so that other programs may read the store, but not write it.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from penstock.errors import DamagedStateError

FUNCTION = "penstock_sum"
COLUMN = "sum"
DAMAGED = "a row is damaged"
REPAIR = "look closer with: penstock verify; then: penstock repair, which rebuilds the store from the tables"
SUMMED = {
    "arrivals": (
        *("sequence", "table", "key", "version", "generation", "size", "modified_ns", "mark", "state", "attempts"),
        *("attempt", "worker", "lease_until", "not_before", "recorded_at", "finished_at", "run", "reason", "plan"),
        *("accounting", "quarantine_stem", "failed_at", "trouble"),
    ),
    "leases": ("name", "worker", "token", "until"),
    "runs": ("run", "table", "state", "accounting", "started", "duration_ms", "arrivals", "snapshot", "error"),
    "checks": ("run", "file", "name", "table", "kind", "on_breach", "when", "rows", "breaches", "at", "reason"),
    "heads": (
        "table",
        "pointer",
        "snapshot",
        "committed_at",
        "columns",
        "last_column_id",
        "displaced",
        "specs",
        "files_sum",
    ),
    "events": ("sequence", "name", "table", "at", "facts"),
    "cursors": ("consumer", "sequence"),
    "messages": (
        *("message", "notice", "target", "state", "created", "not_before", "attempts", "sent_at", "subject", "body"),
        *("events", "error"),
    ),
    "alarms": ("alarm", "table", "kind", "state", "since", "checked", "value", "reason", "memory"),
    "alarm_changes": ("change", "alarm", "table", "kind", "state", "at", "value", "reason"),
    "workflow_runs": (
        *("run", "workflow", "trigger", "due", "state", "attempts", "queued", "started", "finished", "worker"),
        *("steps", "error", "not_before", "joined", "catching_up", "cause"),
    ),
    "schedules": ("schedule", "expression", "last_due", "after_event"),
}
"""Tables with sums, and the columns that are summed, in order; later versions add columns only at the end."""
FIRST_SUMMED = 4
"""Version of the schema from which on rows have sums."""
BEFORE_SUMS = ("arrivals", "leases", "runs", "checks", "heads")
"""Tables that are older than sums."""
FILE = "path, rows, bytes, packed, partition"
"""Columns of live files that the sum of a head stands for, in order."""


def sum_of(*values: Any) -> int:
    """The sum of a row's values."""
    return zlib.crc32(repr(values).encode("utf-8", "surrogateescape"))


def sum_of_files(rows: Iterable[Sequence[Any]]) -> int:
    """One sum of many rows in any order; sums of disjoint sets add up."""
    return sum(sum_of(*row) for row in rows)


def install(connection: sqlite3.Connection) -> None:
    """Make the function known that the triggers call."""
    connection.create_function(FUNCTION, -1, sum_of, deterministic=True)


def statements(found: int) -> Iterator[str]:
    """What gives every row of a store its sum; `found` is the version of the schema that the store had."""
    if found < FIRST_SUMMED:
        yield "DELETE FROM heads"
        yield "DELETE FROM live_files"
        yield "ALTER TABLE heads ADD COLUMN files_sum INTEGER"
        yield from (f"ALTER TABLE {table} ADD COLUMN {COLUMN} INTEGER" for table in BEFORE_SUMS)
    for table, columns in SUMMED.items():
        yield from (f"DROP TRIGGER IF EXISTS {table}_{when}" for when in ("added", "changed", "sound"))
        yield f"UPDATE {table} SET {COLUMN}={_call('', columns)}"
        listed = ", ".join(f'"{column}"' for column in columns)
        summed = f"UPDATE {table} SET {COLUMN}={_call('new.', columns)} WHERE rowid=new.rowid"
        yield f"CREATE TRIGGER {table}_added AFTER INSERT ON {table} BEGIN {summed}; END"
        yield f"CREATE TRIGGER {table}_changed AFTER UPDATE OF {listed} ON {table} BEGIN {summed}; END"
        yield (
            f"CREATE TRIGGER {table}_sound BEFORE UPDATE OF {listed} ON {table} "
            f"WHEN old.{COLUMN} IS NOT {_call('old.', columns)} BEGIN SELECT RAISE(ABORT, '{DAMAGED}: {table}'); END"
        )


def summed_in(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Tables of a store that have sums, and their summed columns; an older store has fewer of both."""
    found = dict[str, list[str]]()
    for table, columns in SUMMED.items():
        there = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if COLUMN in there:
            found[table] = [column for column in columns if column in there]
    return found


def _call(prefix: str, columns: Iterable[str]) -> str:
    listed = ", ".join(f'{prefix}"{column}"' for column in columns)
    return f"{FUNCTION}({listed})"


def is_sound(row: sqlite3.Row, table: str) -> bool:
    """Whether a whole row agrees with its sum."""
    return bool(row[COLUMN] == sum_of(*(row[column] for column in SUMMED[table])))


def assert_sound(rows: Sequence[sqlite3.Row], table: str, where: str) -> None:
    """Make sure that whole rows agree with their sums.

    Raises:
        DamagedStateError: One does not.
    """
    for row in rows:
        if not is_sound(row, table):
            raise DamagedStateError(
                f"the state store is damaged: a row of {table} is not as it was written", where=where, hint=REPAIR
            )
