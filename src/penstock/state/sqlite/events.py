"""The record of events."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from penstock.naming import EventName, TableName
from penstock.state.events import Event
from penstock.state.sqlite.database import Database, Told


class Events:
    """The record; keeps the contract of `Events`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: EventName, table: TableName | None, facts: dict[str, Any]) -> int:
        """Record an event."""
        with self._database.transaction() as sql:
            added = sql.execute(
                'INSERT INTO events (name, "table", at, facts) VALUES (?, ?, ?, ?) RETURNING sequence',
                (name, str(table or ""), self._database.clock.now(), json.dumps(facts)),
            )
            self._database.tell({"event": name, **({"table": str(table)} if table else {}), **facts})
            return int(added.fetchone()["sequence"])

    def listen(self, listener: Callable[[list[Told]], None]) -> None:
        """Call `listener` after each transaction of this process in which events were recorded."""
        self._database.listen(listener)

    def after(self, sequence: int, limit: int = 1_000) -> list[Event]:
        """Events recorded after `sequence`, oldest first."""
        rows = self._database.whole_rows(
            "events", "SELECT * FROM events WHERE sequence>? ORDER BY sequence LIMIT ?", sequence, limit
        )
        return [
            Event(
                sequence=row["sequence"],
                name=row["name"],
                table=TableName.parse(row["table"]) if row["table"] else None,
                at=row["at"],
                facts=json.loads(row["facts"]),
            )
            for row in rows
        ]

    def cursor(self, consumer: str) -> int:
        """The sequence up to which a consumer has acted."""
        if rows := self._read(consumer):
            return rows[0]
        with self._database.transaction() as sql:
            sql.execute(
                "INSERT OR IGNORE INTO cursors (consumer, sequence) "
                "SELECT ?, coalesce(max(sequence), 0) FROM (SELECT seq AS sequence FROM sqlite_sequence "
                "WHERE name='events')",
                (consumer,),
            )
        return self._read(consumer)[0]

    def _read(self, consumer: str) -> list[int]:
        rows = self._database.whole_rows("cursors", "SELECT * FROM cursors WHERE consumer=?", consumer)
        return [int(row["sequence"]) for row in rows]

    def advance(self, consumer: str, sequence: int) -> None:
        """Remember that a consumer has acted on everything up to `sequence`."""
        with self._database.transaction() as sql:
            sql.execute(
                "INSERT INTO cursors (consumer, sequence) VALUES (?, ?) "
                "ON CONFLICT (consumer) DO UPDATE SET sequence=max(sequence, excluded.sequence)",
                (consumer, sequence),
            )

    def trim(self, before: float, at_latest: float = 0.0) -> int:
        """Forget old events."""
        with self._database.transaction() as sql:
            gone = sql.execute(
                "DELETE FROM events WHERE at<? "
                "OR at<? AND sequence<=coalesce((SELECT min(sequence) FROM cursors), sequence)",
                (at_latest, before),
            )
            return gone.rowcount
