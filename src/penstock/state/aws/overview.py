"""Figures of the whole lake: sums that are kept with what they count, so that nothing is read row by row."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from penstock.errors import PenstockError
from penstock.naming import TableName
from penstock.state.aws.database import Database
from penstock.state.aws.documents import Doc
from penstock.state.aws.layout import arrivals_of
from penstock.state.aws.messages import Messages
from penstock.state.overview import Ledger, Standing

RUN_STATES = ("finished", "empty", "failed")


class Overview:
    """Counts; keeps the contract of `Overview`."""

    def __init__(self, database: Database, messages: Messages) -> None:
        self._database, self._messages = database, messages

    def standing(self) -> dict[TableName, Standing]:
        """How far every table's files are; tables without any are left out."""
        found = {TableName.parse(name): sums for name, sums in self._database.sums().items()}
        standings = {name: self._standing(name, sums) for name, sums in found.items()}
        return {name: one for name, one in standings.items() if one != Standing()}

    def _standing(self, name: TableName, sums: Doc) -> Standing:
        rows = self._open(name) if sums.get("open", 0) else []
        since = [max(row["recorded_at"], row["not_before"] if row["attempts"] == 0 else 0.0) for row in rows]
        working = sum(row["state"] == "working" for row in rows)
        return Standing(
            waiting=len(rows) - working,
            working=working,
            finished=sums.get("done", 0),
            dead=sums.get("dead", 0),
            since=min(since, default=None),
            quarantined=sums.get("quarantined", 0),
            warned=sums.get("warned", 0),
        )

    def _open(self, name: TableName) -> list[Doc]:
        pages = self._database.calls.query(arrivals_of(name), "open#", "open#~")
        return [at.doc or {} for page in pages for _, at in page]

    def ledgers(self) -> dict[tuple[TableName, str], Ledger]:
        """What all runs did together, by table and by the state in which they ended."""
        found = {}
        for name, sums in self._database.sums().items():
            for state in RUN_STATES:
                if sums.get(f"{state}_runs"):
                    found[TableName.parse(name), state] = _ledger(sums, state)
        return found

    def waiting(self) -> int:
        """How many files wait, or are worked on."""
        return sum(int(sums.get("open", 0)) for sums in self._database.sums().values())

    def counts(self, table: str) -> dict[str, int]:
        """How many rows of `messages` are in each state; alarms are CloudWatch's, there are none here."""
        if table == "alarms":
            return {}
        return {state: there for state, there in self._messages.counts().items() if there}

    def trouble(self) -> str | None:
        """Why the store cannot be used; None when it can."""
        try:
            self._database.calls.get(("sums", "-"))
        except PenstockError as error:
            return f"the state store cannot be read: {error.what}"
        return None


def _ledger(sums: Doc, state: str) -> Ledger:
    facts: dict[str, Any] = {at.name: sums.get(f"{state}_{at.name}", 0) for at in fields(Ledger)}
    return Ledger(**{**facts, "last_commit": float(facts["last_commit"])})
