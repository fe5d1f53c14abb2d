"""Figures of the whole lake, counted by the database and never row by row here.

They are read through a connection of their own, so that looking at a lake never makes its work wait.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

from penstock.naming import TableName
from penstock.state.overview import Ledger, Standing

_STATES = {"pending": "waiting", "working": "working", "finished": "finished", "dead": "dead"}
_COUNTED = """
SELECT "table", state, count(*) AS files FROM arrivals
WHERE state IN ('pending', 'working', 'finished', 'dead') GROUP BY "table", state
"""
_OLDEST = """
SELECT "table", min(max(recorded_at, not_before * (attempts = 0))) AS since FROM arrivals
WHERE state IN ('pending', 'working') GROUP BY "table"
"""
_ASIDE = """
SELECT "table", sum(accounting ->> '$.quarantined') AS quarantined FROM arrivals
WHERE state = 'finished' AND instr(accounting, '"quarantined": 0') = 0 GROUP BY "table"
"""
_WARNED = """
SELECT "table", sum(value) AS warned FROM arrivals, json_each(accounting, '$.warned')
WHERE state = 'finished' AND instr(accounting, '"warned": {}') = 0 GROUP BY "table"
"""
_RUNS = """
SELECT rowid, "table", state, snapshot IS NOT NULL AS committed, accounting ->> '$.rows_in' AS rows_in,
    accounting ->> '$.rows_out' AS rows_out, accounting ->> '$.quarantined' AS rows_quarantined,
    accounting ->> '$.added' AS rows_added, accounting ->> '$.bytes_in' AS bytes_in,
    accounting ->> '$.bytes_out' AS bytes_out,
    (SELECT coalesce(sum(value), 0) FROM json_each(accounting, '$.dropped')) AS rows_dropped,
    started + duration_ms / 1000.0 AS ended
FROM runs WHERE rowid > ? ORDER BY rowid LIMIT 10000
"""


class Overview:
    """Counts; the ledger is read once, and from then on only what was added."""

    def __init__(self, file: Path) -> None:
        """Look into the store at `file`."""
        self._file = file
        self._lock = threading.Lock()
        self._last = 0
        self._ledgers: dict[tuple[TableName, str], Ledger] = {}

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(f"{self._file.as_uri()}?mode=ro", uri=True, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        return connection

    def standing(self) -> dict[TableName, Standing]:
        """How far every table's files are; tables without any are left out."""
        found: dict[str, dict[str, Any]] = defaultdict(dict)
        with closing(self._open()) as sql:
            for row in sql.execute(_COUNTED):
                found[row["table"]][_STATES[row["state"]]] = row["files"]
            for query, name in ((_OLDEST, "since"), (_ASIDE, "quarantined"), (_WARNED, "warned")):
                for row in sql.execute(query):
                    found[row["table"]][name] = row[name]
        return {TableName.parse(name): Standing(**facts) for name, facts in found.items()}

    def ledgers(self) -> dict[tuple[TableName, str], Ledger]:
        """What all runs did together, by table and by the state in which they ended."""
        with self._lock, closing(self._open()) as sql:
            while rows := sql.execute(_RUNS, (self._last,)).fetchall():
                for row in rows:
                    key = (TableName.parse(row["table"]), row["state"])
                    self._ledgers[key] = self._ledgers.get(key, Ledger()) + _ledger(row)
                self._last = rows[-1]["rowid"]
            return dict(self._ledgers)

    def waiting(self) -> int:
        """How many files wait, or are worked on."""
        with closing(self._open()) as sql:
            found = sql.execute("SELECT count(*) AS files FROM arrivals WHERE state IN ('pending', 'working')")
            return int(found.fetchone()["files"])

    def counts(self, table: str) -> dict[str, int]:
        """How many rows of `messages` or `alarms` are in each state."""
        query = {
            "messages": "SELECT state, count(*) AS there FROM messages GROUP BY state",
            "alarms": "SELECT state, count(*) AS there FROM alarms GROUP BY state",
        }[table]
        with closing(self._open()) as sql:
            return {row["state"]: row["there"] for row in sql.execute(query)}

    def trouble(self) -> str | None:
        """Why the store cannot be used; None when it can."""
        try:
            with closing(self._open()) as sql:
                sql.execute("SELECT 1 FROM arrivals LIMIT 1").fetchone()
        except sqlite3.Error as error:
            return f"the state store cannot be read: {error}"
        return None if os.access(self._file, os.W_OK) else "the state store may not be written to"


def _ledger(row: sqlite3.Row) -> Ledger:
    return Ledger(
        runs=1,
        commits=row["committed"],
        rows_in=row["rows_in"],
        rows_out=row["rows_out"],
        rows_dropped=row["rows_dropped"],
        rows_quarantined=row["rows_quarantined"],
        rows_added=row["rows_added"],
        bytes_in=row["bytes_in"],
        bytes_out=row["bytes_out"],
        last_commit=row["ended"] if row["committed"] else 0.0,
    )
