"""The queue of files that landed."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, takewhile
from typing import Any

from penstock.naming import TableName
from penstock.state.sqlite.accounting import dumped, loaded
from penstock.state.sqlite.database import Database
from penstock.state.store import LEASE_SECONDS, Accounting, Arrival, ArrivalState
from penstock.state.trouble import ALONE, COMPANY, NO_TROUBLE, Trouble

ENDED = "the process ended while working on it"
AT_ONCE = 500
"""Arrivals that are asked for in one statement."""
SILENT = "the process fell silent while working on it"


class Arrivals:
    """The queue; keeps the contract of `Arrivals`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, table: TableName, key: str, version: str, size: int, modified_ns: int, mark: str) -> bool:
        """Record a version of a file, once."""
        with self._database.transaction() as sql:
            newest = sql.execute(
                'SELECT sequence, version FROM arrivals WHERE "table"=? AND key=? ORDER BY sequence DESC LIMIT 1',
                (str(table), key),
            ).fetchone()
            if newest is not None and newest["version"] == version:
                sql.execute("UPDATE arrivals SET mark=? WHERE sequence=?", (mark, newest["sequence"]))
                return False
            sql.execute(
                "UPDATE arrivals SET state='superseded' "
                "WHERE \"table\"=? AND key=? AND state IN ('pending', 'working', 'dead', 'discarded')",
                (str(table), key),
            )
            sql.execute(
                'INSERT INTO arrivals ("table", key, version, generation, size, modified_ns, mark, recorded_at) '
                "SELECT ?, ?, ?, coalesce(max(generation) + 1, 0), ?, ?, ?, ? FROM arrivals "
                'WHERE "table"=? AND key=? AND version=?',
                (
                    str(table),
                    key,
                    version,
                    size,
                    modified_ns,
                    mark,
                    self._database.clock.now(),
                    str(table),
                    key,
                    version,
                ),
            )
            return True

    def claim(self, table: TableName, limit: int, size: int | None = None) -> list[Arrival]:
        """Lease arrivals that wait, oldest first."""
        now, worker = self._database.clock.now(), self._database.worker
        with self._database.transaction() as sql:
            self._free(sql, table, now)
            values = {"table": str(table), "now": now, "limit": limit, "alone": ALONE}
            waiting = sql.execute(_WAITING.format(""), values).fetchall()
            if any(_lost(row) >= ALONE for row in waiting) and self._one_alone(sql, now):
                waiting = sql.execute(_WAITING.format(_NOT_ALONE), values).fetchall()  # others go past it
            claimed = [
                sql.execute(
                    "UPDATE arrivals SET state='working', attempts=attempts+1, attempt=?, worker=?, lease_until=? "
                    "WHERE sequence=? RETURNING *",
                    (uuid.uuid4().hex[:8], worker, now + LEASE_SECONDS, row["sequence"]),
                ).fetchone()
                for row in _within(_together(waiting), size)
            ]
        return [_arrival(row) for row in claimed]

    def _free(self, sql: sqlite3.Connection, table: TableName, now: float) -> None:
        """Make arrivals of dead or hanging workers wait again."""
        working = sql.execute(
            "SELECT DISTINCT worker FROM arrivals WHERE \"table\"=? AND state='working'", (str(table),)
        ).fetchall()
        dead = [row["worker"] for row in working if self._database.dead(row["worker"])]
        marks = ", ".join("?" * len(dead))
        self._lose(sql, f'"table"=? AND (lease_until<? OR worker IN ({marks}))', (str(table), now, *dead), dead)

    def _lose(self, sql: sqlite3.Connection, which: str, values: tuple[Any, ...], dead: Sequence[str]) -> int:
        """Let arrivals wait whose worker will not end their attempts; gives their number."""
        lost = sql.execute(
            f"SELECT sequence, worker, trouble FROM arrivals WHERE state='working' AND {which}", values
        ).fetchall()
        for row in lost:
            before = Trouble.from_json(row["trouble"])
            reason = ENDED if row["worker"] in dead else SILENT
            sql.execute(
                "UPDATE arrivals SET state='pending', attempt='', worker='', reason=?, trouble=?, "
                "failed_at=coalesce(failed_at, ?) WHERE sequence=?",
                (reason, replace(before, lost=before.lost + 1).to_json(), self._database.clock.now(), row["sequence"]),
            )
        return len(lost)

    def _one_alone(self, sql: sqlite3.Connection, now: float) -> bool:
        """Whether somebody who neither is dead nor hangs works on an arrival that is to be worked on alone."""
        found = sql.execute(
            "SELECT worker, trouble FROM arrivals WHERE state='working' AND trouble IS NOT NULL AND lease_until>=?",
            (now,),
        )
        return any(_lost(row) >= ALONE and not self._database.dead(row["worker"]) for row in found.fetchall())

    def finish(
        self, arrival: Arrival, run: str, accounting: Accounting, quarantine_stem: str | None, *, replaces: bool = True
    ) -> bool | None:
        """Note that an arrival's rows are in the table."""
        with self._database.transaction() as sql:
            now = self._database.clock.now()
            finished = sql.execute(
                "UPDATE arrivals SET state='finished', finished_at=?, run=?, accounting=?, quarantine_stem=?, "
                "reason=NULL, worker='', failed_at=NULL, trouble=NULL "
                f"WHERE sequence=? AND attempt=? AND (state='working' OR {_STILL_IN})",
                (now, run, dumped(accounting), quarantine_stem, arrival.sequence, arrival.attempt, replaces),
            )
            if finished.rowcount == 0:
                return None
            if replaces:
                sql.execute(
                    "UPDATE arrivals SET state='superseded' "
                    "WHERE \"table\"=? AND key=? AND +state='finished' AND sequence<?",  # by the key, not by the state
                    (str(arrival.table), arrival.key, arrival.sequence),
                )
            revived = sql.execute(
                'UPDATE arrivals SET plan=NULL WHERE "table"=? AND key=? AND sequence<=? AND plan IS NOT NULL',
                (str(arrival.table), arrival.key, arrival.sequence),
            )
            return revived.rowcount > 0

    def give_back(
        self,
        arrival: Arrival,
        reason: str,
        delay: float = 0.0,
        *,
        counted: bool = True,
        trouble: Trouble | None = None,
    ) -> bool:
        """End an attempt without success."""
        now, known = self._database.clock.now(), trouble.to_json() if trouble else None
        with self._database.transaction() as sql:
            ended = sql.execute(
                "UPDATE arrivals SET state='pending', attempt='', worker='', reason=?, not_before=?, "
                "attempts=attempts-?, failed_at=coalesce(failed_at, ?), trouble=coalesce(?, trouble) "
                "WHERE sequence=? AND state='working' AND attempt=?",
                (
                    *(reason, now + delay, 0 if counted else 1, now if counted else None, known),
                    *(arrival.sequence, arrival.attempt),
                ),
            )
            return ended.rowcount == 1

    def bury(self, arrival: Arrival, reason: str, plan: str, run: str, trouble: Trouble = NO_TROUBLE) -> bool:
        """End an arrival as a dead letter."""
        now = self._database.clock.now()
        with self._database.transaction() as sql:
            ended = sql.execute(
                "UPDATE arrivals SET state='dead', attempts=?, finished_at=?, reason=?, plan=?, run=?, worker='', "
                "failed_at=coalesce(failed_at, ?), trouble=? WHERE sequence=? AND state='working' AND attempt=?",
                (
                    *(arrival.attempts, now, reason, plan, run, now, trouble.to_json()),
                    *(arrival.sequence, arrival.attempt),
                ),
            )
            return ended.rowcount == 1

    def held(self, arrival: Arrival) -> bool:
        """Whether this attempt still holds the arrival."""
        return bool(self.held_among([arrival]))

    def held_among(self, arrivals: Sequence[Arrival]) -> set[int]:
        """Sequences of those arrivals that their attempts still hold."""
        attempts, found = {arrival.sequence: arrival.attempt for arrival in arrivals}, set[int]()
        for at in range(0, len(attempts), AT_ONCE):
            some = list(attempts)[at : at + AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self._database.rows(
                f"SELECT sequence, attempt FROM arrivals WHERE state='working' AND sequence IN ({marks})",
                *some,
            )
            found |= {int(sequence) for sequence, attempt in rows if attempts[sequence] == attempt}
        return found

    def find(self, table: TableName | None = None, states: tuple[ArrivalState, ...] = ()) -> list[Arrival]:
        """Arrivals in the order recorded."""
        where, values = ["1=1"], list[str]()
        if table is not None:
            where, values = ['"table"=?'], [str(table)]
        if states:
            where.append(f"state IN ({', '.join('?' * len(states))})")
            values += states
        rows = self._database.whole_rows(
            "arrivals", f"SELECT * FROM arrivals WHERE {' AND '.join(where)} ORDER BY sequence", *values
        )
        return [_arrival(row) for row in rows]

    def get(self, sequence: int) -> Arrival | None:
        """The arrival of that number."""
        rows = self._database.whole_rows("arrivals", "SELECT * FROM arrivals WHERE sequence=?", sequence)
        return _arrival(rows[0]) if rows else None

    def requeue(self, arrival: Arrival, generation: int) -> bool:
        """Make an arrival wait again."""
        with self._database.transaction() as sql:
            changed = sql.execute(
                "UPDATE arrivals SET state='pending', attempts=0, attempt='', worker='', not_before=?, reason=NULL, "
                "trouble=NULL, generation=? WHERE sequence=? AND state=? AND generation=?",
                (self._database.clock.now(), generation, arrival.sequence, arrival.state, arrival.generation),
            )
            return changed.rowcount == 1

    def discard(self, arrival: Arrival, why: str) -> bool:
        """Give a dead letter up for good."""
        given_up = replace(arrival.trouble, discarded_at=self._database.clock.now(), why=why)
        with self._database.transaction() as sql:
            changed = sql.execute(
                "UPDATE arrivals SET state='discarded', trouble=? WHERE sequence=? AND state='dead' AND generation=?",
                (given_up.to_json(), arrival.sequence, arrival.generation),
            )
            return changed.rowcount == 1

    def requarantine(self, arrival: Arrival, stem: str | None) -> bool:
        """Name the file of an arrival's quarantined rows anew."""
        with self._database.transaction() as sql:
            changed = sql.execute(
                "UPDATE arrivals SET quarantine_stem=? "
                "WHERE sequence=? AND generation=? AND state=? AND quarantine_stem IS ?",
                (stem, arrival.sequence, arrival.generation, arrival.state, arrival.quarantine_stem),
            )
            return changed.rowcount == 1

    def settle(self, arrival: Arrival) -> None:
        """Record an arrival, or what is known of it, as finished: its rows are in the table; for upkeep."""
        values = (
            *(arrival.version, arrival.generation, arrival.size, arrival.modified_ns, arrival.mark),
            *(arrival.finished_at, arrival.run, dumped(arrival.accounting), arrival.quarantine_stem),
        )
        with self._database.transaction() as sql:
            if arrival.sequence:
                sql.execute(
                    "UPDATE arrivals SET state='finished', worker='', reason=NULL, version=?, generation=?, size=?, "
                    "modified_ns=?, mark=?, finished_at=?, run=?, accounting=?, quarantine_stem=? WHERE sequence=?",
                    (*values, arrival.sequence),
                )
            else:
                sql.execute(
                    "INSERT INTO arrivals (version, generation, size, modified_ns, mark, finished_at, run, accounting, "
                    'quarantine_stem, state, "table", key, recorded_at) '
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'finished', ?, ?, ?)",
                    (*values, str(arrival.table), arrival.key, arrival.recorded_at),
                )

    def supersede(self, arrival: Arrival) -> None:
        """Note that a newer version took an arrival's place; for upkeep."""
        with self._database.transaction() as sql:
            sql.execute("UPDATE arrivals SET state='superseded' WHERE sequence=?", (arrival.sequence,))

    def free(self) -> int:
        """Make arrivals and leases of dead workers free; gives the number of arrivals that wait again; for upkeep."""
        with self._database.transaction() as sql:
            holders = sql.execute("SELECT worker FROM arrivals WHERE state='working' UNION SELECT worker FROM leases")
            dead = [row["worker"] for row in holders.fetchall() if row["worker"] and self._database.dead(row["worker"])]
            marks = ", ".join("?" * len(dead))
            sql.execute(f"UPDATE leases SET worker='', until=0 WHERE worker IN ({marks})", dead)
            return self._lose(sql, f"worker IN ({marks})", tuple(dead), dead)


_WAITING = """
SELECT sequence, size, trouble FROM arrivals WHERE "table"=:table AND state='pending' AND not_before<=:now {}
ORDER BY sequence LIMIT :limit
"""
_NOT_ALONE = "AND coalesce(json_extract(trouble, '$.lost'), 0)<:alone"

_STILL_IN = """(state='superseded' AND NOT (? AND EXISTS (
    SELECT 1 FROM arrivals newer WHERE newer."table"=arrivals."table" AND newer.key=arrivals.key
    AND newer.sequence>arrivals.sequence AND newer.state='finished')))"""
"""A newer version has landed since the commit, but its rows have not replaced these."""


def _lost(row: sqlite3.Row) -> int:
    return Trouble.from_json(row["trouble"]).lost


def _together(rows: list[sqlite3.Row]) -> list[sqlite3.Row]:
    """The first rows that may be worked on together: what may have ended a process harms as few others as can be."""
    first = _lost(rows[0]) if rows else 0
    if first >= ALONE:
        return rows[:1]
    return list(takewhile(lambda row: _lost(row) == first, rows))[: COMPANY if first else None]


def _within(rows: list[sqlite3.Row], size: int | None) -> list[sqlite3.Row]:
    """The first rows whose sizes together do not go over `size`; at least one."""
    if size is None:
        return rows
    sums = accumulate(row["size"] for row in rows)
    return [row for at, (row, total) in enumerate(zip(rows, sums, strict=True)) if total <= size or at == 0]


def _arrival(row: sqlite3.Row) -> Arrival:
    return Arrival(
        sequence=row["sequence"],
        table=TableName.parse(row["table"]),
        key=row["key"],
        version=row["version"],
        generation=row["generation"],
        size=row["size"],
        modified_ns=row["modified_ns"],
        mark=row["mark"],
        state=row["state"],
        attempts=row["attempts"],
        attempt=row["attempt"],
        worker=row["worker"],
        recorded_at=row["recorded_at"],
        finished_at=row["finished_at"],
        run=row["run"],
        reason=row["reason"],
        plan=row["plan"],
        accounting=loaded(row["accounting"]) if row["accounting"] else Accounting(),
        quarantine_stem=row["quarantine_stem"],
        failed_at=row["failed_at"],
        trouble=Trouble.from_json(row["trouble"]),
    )
