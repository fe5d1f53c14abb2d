"""Figures of how the lake does.

All of them are answered by an index, or by the few rows of one: a store with many hundred thousand arrivals and runs is
as quick as an empty one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.naming import TableName
from penstock.state.figures import AttemptFigures, Counted, Counts, DeadFigures, RunFigures, Tables
from penstock.state.sqlite.database import Database

SHOWN = 100
NEXT_IN_TURN = 1_000
ENDED = "started + duration_ms / 1000.0"
_TRYING = """
SELECT count(DISTINCT "table" || char(10) || key) FROM arrivals a WHERE plan IS NOT NULL AND {where} AND (
    state IN ('pending', 'working')
    OR state='superseded' AND EXISTS (
        SELECT 1 FROM arrivals b WHERE b."table"=a."table" AND b.state IN ('pending', 'working') AND b.key=a.key
        AND b.sequence>a.sequence))
"""
_FATES = """
SELECT old.key, new.state FROM arrivals old JOIN arrivals new
ON new.sequence=(SELECT max(sequence) FROM arrivals WHERE "table"=old."table" AND key=old.key)
WHERE old.sequence IN ({marks}) ORDER BY old.sequence
"""


class Figures:
    """The counts; keeps the contract of `Figures`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def dead(self, tables: Tables) -> DeadFigures:
        """Dead letters."""
        where, values = _about(tables)
        dead = f"FROM arrivals WHERE plan IS NOT NULL AND state='dead' AND {where}"
        waiting = self._one(f"SELECT count(*) {dead}", *values)[0]
        trying = self._one(_TRYING.format(where=where), *values)[0]
        found = f"SELECT sequence, \"table\", key, coalesce(reason, '') {dead} ORDER BY sequence DESC LIMIT {SHOWN}"
        first = self._database.rows(found, *values) if waiting else []
        return DeadFigures(waiting, trying, tuple((row[0], row[1], row[2], row[3]) for row in first))

    def fates(self, sequences: Sequence[int]) -> list[tuple[str, str]]:
        """What became of arrivals that were dead."""
        marks = ", ".join("?" * len(sequences))
        return [(row[0], row[1]) for row in self._database.rows(_FATES.format(marks=marks), *sequences)]

    def attempts(self, tables: Tables, since: float) -> AttemptFigures:
        """Attempts that ended after `since`."""
        where, values = _about(tables)
        ended = self._one(
            "SELECT coalesce(sum(json_array_length(arrivals)), 0), "
            "coalesce(sum(json_array_length(arrivals)) FILTER (WHERE state='failed'), 0), "
            f"min({ENDED}) FROM runs WHERE {ENDED}>? AND {where}",
            since,
            *values,
        )
        tried = self._one(
            f"SELECT count(*), min(at) FROM events WHERE name='failed' AND at>? AND {where}", since, *values
        )
        oldest = [moment for moment in (ended[2], tried[1]) if moment is not None]
        return AttemptFigures(ended[0] + tried[0], ended[1] + tried[0], min(oldest, default=None))

    def runs(self, tables: Tables, since: float, quantile: float) -> RunFigures | None:
        """Of the runs that ended after `since`, the time that so many of them did not exceed."""
        where, values = _about(tables)
        within = f"FROM runs WHERE {ENDED}>? AND {where} AND state<>'failed'"
        count, oldest = self._one(f"SELECT count(*), min({ENDED}) {within}", since, *values)
        if not count:
            return None
        above = min(int(count * (1 - quantile)), count - 1)
        took, run, table = self._one(
            f'SELECT duration_ms, run, "table" {within} ORDER BY duration_ms DESC LIMIT 1 OFFSET {above}',
            since,
            *values,
        )
        return RunFigures(count, took / 1000, run, table, oldest)

    def oldest_waiting(self, tables: Tables) -> tuple[str, str, float] | None:
        """Table, file and beginning of the longest wait among the files next in turn."""
        if tables is None:
            return self.oldest_waiting(self._tables())
        waits = [found for name in tables for state in ("pending", "working") for found in self._wait(name, state)]
        return min(waits, key=lambda found: found[2], default=None)

    def _wait(self, name: TableName, state: str) -> list[tuple[str, str, float]]:
        """A wait begins when the file is recorded; that of a file that was dead, when it is tried again."""
        rows = self._database.rows(
            "SELECT key, CASE WHEN plan IS NULL THEN recorded_at ELSE max(recorded_at, not_before) END AS since FROM ("
            'SELECT key, plan, recorded_at, not_before FROM arrivals WHERE "table"=? AND state=? '
            f"ORDER BY sequence LIMIT {NEXT_IN_TURN}) ORDER BY since LIMIT 1",
            str(name),
            state,
        )
        return [(str(name), row["key"], row["since"]) for row in rows]

    def _tables(self) -> list[TableName]:
        """All tables that files ever came for, each found by one step through an index."""
        rows = self._database.rows(
            'WITH RECURSIVE t(name) AS (SELECT min("table") FROM arrivals UNION ALL '
            'SELECT (SELECT min("table") FROM arrivals WHERE "table">name) FROM t WHERE name IS NOT NULL) '
            "SELECT name FROM t WHERE name IS NOT NULL"
        )
        return [TableName.parse(row["name"]) for row in rows]

    def committed(self, table: TableName) -> float | None:
        """When a run last committed rows to a table."""
        rows = self._database.rows(
            f'SELECT {ENDED} FROM runs WHERE "table"=? AND snapshot IS NOT NULL ORDER BY started DESC LIMIT 1',
            str(table),
        )
        return float(rows[0][0]) if rows else None

    def counted(self, what: Counts, tables: Tables, since: float) -> Counted:
        """How often something happened after `since`."""
        if what == "given_up":
            return self._given_up(since)
        names = self._tables() if tables is None else tables
        found = [self._breaches(name, since) for name in names]
        oldest = min((one.oldest for one in found if one.oldest is not None), default=None)
        example = next((one.example for one in found if one.count), "")
        return Counted(sum(one.count for one in found), example, oldest)

    def _breaches(self, name: TableName, since: float) -> Counted:
        row = self._one(
            "SELECT coalesce(sum(breaches), 0), min(at), max(at), name, file FROM checks "
            'WHERE "table"=? AND at>? AND breaches>0',
            str(name),
            since,
        )
        return Counted(row[0], f"{name}: {row[3]} in {row[4]}" if row[0] else "", row[1])

    def last_workflow(self, workflow: str) -> tuple[str, float, str] | None:
        """State, end and error of the workflow's last run that ended."""
        rows = self._database.rows(
            "SELECT state, finished, coalesce(error, '') FROM workflow_runs "
            "WHERE workflow=? AND state IN ('finished', 'failed') ORDER BY finished DESC LIMIT 1",
            workflow,
        )
        return (rows[0][0], float(rows[0][1] or 0), rows[0][2]) if rows else None

    def _given_up(self, since: float) -> Counted:
        row = self._one(
            "SELECT count(*), min(created), max(created), subject, coalesce(error, '') FROM messages "
            "WHERE state='given_up' AND created>?",
            since,
        )
        return Counted(row[0], f"{row[3]}: {row[4]}" if row[0] else "", row[1])

    def _one(self, sql: str, *values: Any) -> Any:
        return self._database.rows(sql, *values)[0]


def _about(tables: Tables) -> tuple[str, list[str]]:
    if tables is None:
        return "true", []
    return f'"table" IN ({", ".join("?" * len(tables))})', [str(name) for name in tables]
