"""The ledger of runs."""

from __future__ import annotations

import json

from penstock.naming import TableName
from penstock.state.sqlite.accounting import dumped, loaded
from penstock.state.sqlite.database import Database
from penstock.state.store import Run

_COLUMNS = 'run, "table", state, accounting, started, duration_ms, arrivals, snapshot, error'


class Runs:
    """The ledger; keeps the contract of `Runs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: Run) -> None:
        """Keep a run."""
        with self._database.transaction() as sql:
            sql.execute(
                f"INSERT INTO runs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    run.run,
                    str(run.table),
                    run.state,
                    dumped(run.accounting),
                    run.started,
                    run.duration_ms,
                    json.dumps(run.arrivals),
                    run.snapshot,
                    run.error,
                ),
            )

    def list(self, table: TableName | None = None, limit: int = 100) -> list[Run]:
        """Newest first."""
        where = '"table"=?' if table is not None else "?=''"
        rows = self._database.whole_rows(
            "runs",
            f"SELECT * FROM runs WHERE {where} ORDER BY started DESC, rowid DESC LIMIT ?",
            str(table) if table is not None else "",
            limit,
        )
        return [
            Run(
                run=row["run"],
                table=TableName.parse(row["table"]),
                state=row["state"],
                accounting=loaded(row["accounting"]),
                started=row["started"],
                duration_ms=row["duration_ms"],
                arrivals=json.loads(row["arrivals"]),
                snapshot=row["snapshot"],
                error=row["error"],
            )
            for row in rows
        ]
