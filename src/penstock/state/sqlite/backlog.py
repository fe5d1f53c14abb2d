"""Short answers about the queue; every question is answered from an index, or from few rows."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.naming import TableName
from penstock.state.backlog import Due
from penstock.state.sqlite.database import Database

AT_ONCE = 500


class Backlog:
    """Short answers; keeps the contract of `Backlog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def marks(self, table: TableName, keys: Sequence[str]) -> dict[str, str]:
        """The marks of the newest recorded versions of files."""
        found = dict[str, str]()
        for some in (keys[at : at + AT_ONCE] for at in range(0, len(keys), AT_ONCE)):
            rows = self._database.rows(
                f'SELECT key, mark FROM arrivals WHERE "table"=? AND key IN ({", ".join("?" * len(some))}) '
                "ORDER BY sequence",
                str(table),
                *some,
            )
            found |= {row["key"]: row["mark"] for row in rows}
        return found

    def count(self, table: TableName) -> int:
        """How many arrivals of a table wait or are worked on."""
        rows = self._database.rows(
            "SELECT count(*) AS n FROM arrivals WHERE \"table\"=? AND state IN ('pending', 'working')", str(table)
        )
        return int(rows[0]["n"])

    def keys(self, table: TableName) -> list[str]:
        """The files that wait, oldest first."""
        rows = self._database.rows(
            "SELECT key FROM arrivals WHERE \"table\"=? AND state='pending' ORDER BY sequence", str(table)
        )
        return [row["key"] for row in rows]

    def undone(self, table: TableName, keys: Sequence[str]) -> dict[str, float]:
        """Those of the files of which a version waits or is worked on, and from when on it can be claimed."""
        found = dict[str, float]()
        for some in (keys[at : at + AT_ONCE] for at in range(0, len(keys), AT_ONCE)):
            rows = self._database.rows(
                "SELECT key, CASE state WHEN 'pending' THEN not_before ELSE lease_until END AS moment FROM arrivals "
                f"WHERE \"table\"=? AND state IN ('pending', 'working') AND key IN ({', '.join('?' * len(some))})",
                str(table),
                *some,
            )
            found |= {row["key"]: float(row["moment"]) for row in rows}
        return found

    def due(self, table: TableName) -> Due:
        """What could be claimed, now or later."""
        now = self._database.clock.now()
        ready = self._database.rows(
            "SELECT sequence FROM arrivals WHERE \"table\"=? AND state='pending' AND not_before<=? "
            "ORDER BY sequence LIMIT 1",
            str(table),
            now,
        )
        if ready:
            return Due(ready[0]["sequence"])
        later = self._database.rows(
            "SELECT min(not_before) AS moment FROM arrivals WHERE \"table\"=? AND state='pending'", str(table)
        )
        freed, elsewhere = self._held(table, now)
        return Due(freed, later[0]["moment"], elsewhere)

    def _held(self, table: TableName, now: float) -> tuple[int | None, bool]:
        """The oldest arrival whose worker is dead or hangs, and whether other workers have any at hand."""
        rows = self._database.rows(
            "SELECT worker, min(sequence) AS sequence, min(lease_until) AS until FROM arrivals "
            "WHERE \"table\"=? AND state='working' GROUP BY worker",
            str(table),
        )
        free = [row["sequence"] for row in rows if row["until"] < now or self._database.dead(row["worker"])]
        return min(free, default=None), len(rows) > len(free)

    def is_ahead(self, table: TableName, sequence: int) -> bool:
        """Whether arrivals recorded before `sequence` are worked on, can be claimed, or rest for no fault of theirs.

        What waits for its next attempt after one that counted delays nobody.
        """
        rows = self._database.rows(
            "SELECT 1 FROM arrivals WHERE \"table\"=? AND state='working' AND sequence<? "
            "UNION ALL "
            "SELECT 1 FROM arrivals WHERE \"table\"=? AND state='pending' AND sequence<? "
            "AND (not_before<=? OR attempts=0) LIMIT 1",
            str(table),
            sequence,
            str(table),
            sequence,
            self._database.clock.now(),
        )
        return bool(rows)

    def last(self) -> int:
        """Sequence of the arrival that was recorded last."""
        ((found,),) = self._database.rows("SELECT coalesce(max(sequence), 0) FROM arrivals")
        return int(found)

    def has_rows(self, table: TableName) -> bool:
        """Whether any finished arrival gave rows."""
        rows = self._database.rows(
            "SELECT 1 FROM arrivals WHERE \"table\"=? AND state='finished' "
            "AND json_extract(accounting, '$.rows_out')>0 LIMIT 1",
            str(table),
        )
        return bool(rows)
