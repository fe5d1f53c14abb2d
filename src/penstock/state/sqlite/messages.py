"""Messages to people."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, fields

from penstock.state.messages import Message, MessageState, Tally
from penstock.state.sqlite.database import Database

_COLUMNS = tuple(field.name for field in fields(Message))[1:]
STATES: tuple[MessageState, ...] = ("waiting", "sent", "given_up")


class Messages:
    """Messages; keeps the contract of `Messages`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, message: Message) -> int:
        """Keep a message."""
        values = asdict(message)
        with self._database.transaction() as sql:
            added = sql.execute(
                f"INSERT INTO messages ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
                "RETURNING message",
                [values[name] for name in _COLUMNS],
            )
            return int(added.fetchone()["message"])

    def replace(self, message: Message) -> None:
        """Keep a message in place of an older state of it."""
        values = asdict(message)
        with self._database.transaction() as sql:
            sql.execute(
                f"UPDATE messages SET {', '.join(f'{name}=?' for name in _COLUMNS)} WHERE message=?",
                [*(values[name] for name in _COLUMNS), message.message],
            )

    def get(self, number: int) -> Message | None:
        """The message with a number."""
        rows = self._database.whole_rows("messages", "SELECT * FROM messages WHERE message=?", number)
        return _message(rows[0]) if rows else None

    def list(self, states: tuple[MessageState, ...] = (), limit: int = 1_000) -> list[Message]:
        """The newest messages, oldest first."""
        wanted = states or STATES
        rows = self._database.whole_rows(
            "messages",
            f"SELECT * FROM messages WHERE state IN ({', '.join('?' * len(wanted))}) ORDER BY message DESC LIMIT ?",
            *wanted,
            limit,
        )
        return [_message(row) for row in reversed(rows)]

    def sent_times(self, notice: str, target: str, since: float) -> tuple[float, ...]:
        """When a target was told by a notice."""
        rows = self._database.rows(
            "SELECT sent_at FROM messages WHERE state='sent' AND notice=? AND target=? AND sent_at>=? ORDER BY sent_at",
            notice,
            target,
            since,
        )
        return tuple(float(row["sent_at"]) for row in rows)

    def counts(self) -> dict[MessageState, int]:
        """How many messages there are in each state."""
        rows = self._database.rows("SELECT state, count(*) AS messages FROM messages GROUP BY state")
        found = {row["state"]: int(row["messages"]) for row in rows}
        return {state: found.get(state, 0) for state in STATES}

    def tally(self) -> tuple[Tally, ...]:
        """How many messages each notice has for each target in each state."""
        rows = self._database.rows(
            "SELECT notice, target, state, count(*) AS messages, max(sent_at) AS last_sent FROM messages "
            "GROUP BY notice, target, state ORDER BY notice, target, state"
        )
        return tuple(Tally(**dict(row)) for row in rows)

    def trim(self, before: float) -> int:
        """Forget messages that were sent, or last tried and given up, long ago."""
        with self._database.transaction() as sql:
            gone = sql.execute(
                "DELETE FROM messages WHERE (state='sent' AND sent_at<?) OR (state='given_up' AND not_before<?)",
                (before, before),
            )
            return gone.rowcount


def _message(row: sqlite3.Row) -> Message:
    return Message(**{name: row[name] for name in ("message", *_COLUMNS)})
