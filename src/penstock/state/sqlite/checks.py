"""What came of checks."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.naming import TableName
from penstock.state.checks import CheckOutcome
from penstock.state.sqlite.database import Database

_COLUMNS = 'run, file, name, "table", kind, on_breach, "when", rows, breaches, at, reason'


class Checks:
    """The outcomes; keeps the contract of `Checks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, outcomes: Iterable[CheckOutcome]) -> None:
        """Keep outcomes of one run; one that is kept already is replaced."""
        with self._database.transaction() as sql:
            sql.executemany(
                f"INSERT OR REPLACE INTO checks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        found.run,
                        found.file,
                        found.name,
                        str(found.table),
                        found.kind,
                        found.on_breach,
                        found.when,
                        found.rows,
                        found.breaches,
                        found.at,
                        found.reason,
                    )
                    for found in outcomes
                ],
            )

    def list(
        self, table: TableName | None = None, run: str | None = None, limit: int = 1_000_000
    ) -> list[CheckOutcome]:
        """Newest run first, within a run in the order in which they were added."""
        wanted = {'"table"=?': str(table) if table is not None else None, "run=?": run}
        given = {condition: value for condition, value in wanted.items() if value is not None}
        where = " AND ".join(given) or "true"
        rows = self._database.whole_rows(
            "checks",
            f"SELECT * FROM checks WHERE {where} ORDER BY at DESC, run DESC, rowid LIMIT ?",
            *given.values(),
            limit,
        )
        return [
            CheckOutcome(
                run=row["run"],
                table=TableName.parse(row["table"]),
                file=row["file"],
                name=row["name"],
                kind=row["kind"],
                on_breach=row["on_breach"],
                when=row["when"],
                rows=row["rows"],
                breaches=row["breaches"],
                at=row["at"],
                reason=row["reason"],
            )
            for row in rows
        ]
