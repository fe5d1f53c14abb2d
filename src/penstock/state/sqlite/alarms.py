"""How alarms stand."""

from __future__ import annotations

import json
import sqlite3

from penstock.naming import TableName
from penstock.state.alarms import AlarmChange, AlarmStatus
from penstock.state.sqlite.database import Database

_COLUMNS = 'alarm, "table", kind, state, since, checked, value, reason, memory'


class Alarms:
    """The store; keeps the contract of `Alarms`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[AlarmStatus]:
        """Every alarm that was looked at."""
        rows = self._database.whole_rows("alarms", 'SELECT * FROM alarms ORDER BY alarm, "table"')
        return [_status(row) for row in rows]

    def put(self, before: AlarmStatus | None, after: AlarmStatus) -> bool:
        """Keep how an alarm stands now, unless somebody else has looked at it."""
        with self._database.transaction() as sql:
            if not _is_as(sql, after, before):
                return False
            values = (after.since, after.checked, after.value, after.reason, json.dumps(after.memory))
            sql.execute(
                f"INSERT INTO alarms ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
                'ON CONFLICT (alarm, "table") DO UPDATE SET kind=excluded.kind, state=excluded.state, '
                "since=excluded.since, checked=excluded.checked, value=excluded.value, reason=excluded.reason, "
                "memory=excluded.memory",
                (after.alarm, _text(after.table), after.kind, after.state, *values),
            )
            if after.state != (before.state if before else "OK"):
                _note(sql, after)
            return True

    def remove(self, gone: AlarmStatus) -> bool:
        """Forget an alarm that is no longer declared, unless somebody else has looked at it."""
        with self._database.transaction() as sql:
            if not _is_as(sql, gone, gone):
                return False
            sql.execute('DELETE FROM alarms WHERE alarm=? AND "table"=?', (gone.alarm, _text(gone.table)))
            return True

    def history(self, alarm: str | None = None, limit: int = 1_000) -> list[AlarmChange]:
        """Changes of state, newest first."""
        where = "alarm=?" if alarm is not None else "?=''"
        rows = self._database.whole_rows(
            "alarm_changes",
            f"SELECT * FROM alarm_changes WHERE {where} ORDER BY change DESC LIMIT ?",
            alarm or "",
            limit,
        )
        return [
            AlarmChange(
                change=row["change"],
                alarm=row["alarm"],
                table=TableName.parse(row["table"]) if row["table"] else None,
                kind=row["kind"],
                state=row["state"],
                at=row["at"],
                value=row["value"],
                reason=row["reason"],
            )
            for row in rows
        ]

    def trim(self, before: float) -> int:
        """Forget old changes."""
        with self._database.transaction() as sql:
            gone = sql.execute(
                "DELETE FROM alarm_changes WHERE at<? AND change NOT IN "
                '(SELECT max(change) FROM alarm_changes GROUP BY alarm, "table")',
                (before,),
            )
            return gone.rowcount


def _text(table: TableName | None) -> str:
    return str(table) if table is not None else ""


def _is_as(sql: sqlite3.Connection, which: AlarmStatus, told: AlarmStatus | None) -> bool:
    """Whether an alarm stands as somebody believes."""
    found = sql.execute(
        'SELECT * FROM alarms WHERE alarm=? AND "table"=?', (which.alarm, _text(which.table))
    ).fetchone()
    if found is None or told is None:
        return found is None and told is None
    there = _status(found)
    return (there.state, there.since, there.memory) == (told.state, told.since, told.memory)


def _note(sql: sqlite3.Connection, after: AlarmStatus) -> None:
    sql.execute(
        'INSERT INTO alarm_changes (alarm, "table", kind, state, at, value, reason) VALUES (?, ?, ?, ?, ?, ?, ?)',
        (after.alarm, _text(after.table), after.kind, after.state, after.since, after.value, after.reason),
    )


def _status(row: sqlite3.Row) -> AlarmStatus:
    return AlarmStatus(
        alarm=row["alarm"],
        table=TableName.parse(row["table"]) if row["table"] else None,
        kind=row["kind"],
        state=row["state"],
        since=row["since"],
        checked=row["checked"],
        value=row["value"],
        reason=row["reason"],
        memory=json.loads(row["memory"]),
    )
