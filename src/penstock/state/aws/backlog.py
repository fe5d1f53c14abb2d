"""Short answers about the queue; most are given by one document, or by the first few of a range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from penstock.naming import TableName
from penstock.state.aws.claims import PAGE, Claims, Row
from penstock.state.aws.database import Database
from penstock.state.aws.layout import arrival_at, arrivals_of, counter_at, file_at, number, sums_at
from penstock.state.backlog import Due


class Backlog:
    """Short answers; keeps the contract of `Backlog`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claims = Claims(database)

    def marks(self, table: TableName, keys: Sequence[str]) -> dict[str, str]:
        """The marks of the newest recorded versions of files."""
        found = self._database.calls.get_all(file_at(table, key) for key in keys)
        files = [at.doc for at in found.values() if at.doc is not None]
        return {file["key"]: file["newest"]["mark"] for file in files if file["newest"] is not None}

    def undone(self, table: TableName, keys: Sequence[str]) -> dict[str, float]:
        """Those of the files of which a version waits or is worked on, and from when on it can be claimed."""
        files = self._database.calls.get_all(file_at(table, key) for key in keys)
        live = [(file.doc or {}).get("live", {}) for file in files.values()]
        at = [arrival_at(table, "open", int(one)) for of in live for one, shelf in of.items() if shelf == "open"]
        rows = [Row(key, found.rev, found.doc) for key, found in self._database.calls.get_all(at).items() if found.doc]
        resting = [row for row in rows if row.doc["state"] == "pending"]
        held = [row for row in rows if row.doc["state"] == "working"]
        moments = {row.doc["key"]: float(row.doc["not_before"]) for row in resting}
        return moments | {row.doc["key"]: until for row, until in zip(held, self._claims.until(held), strict=True)}

    def count(self, table: TableName) -> int:
        """How many arrivals of a table wait or are worked on."""
        sums = self._database.calls.get(sums_at(table)).doc or {}
        return int(sums.get("open", 0))

    def keys(self, table: TableName) -> list[str]:
        """The files that wait, oldest first."""
        return [row.doc["key"] for row in self._open(table) if row.doc["state"] == "pending"]

    def due(self, table: TableName) -> Due:
        """What could be claimed, now or later."""
        now, later, working = self._database.clock.now(), list[float](), list[Row]()
        for row in self._open(table):
            if row.doc["state"] == "working":
                working.append(row)
            elif row.doc["not_before"] <= now:
                return Due(row.doc["sequence"])
            else:
                later.append(row.doc["not_before"])
        free = [row.doc["sequence"] for row in self._claims.lapsed(working, now)]
        return Due(min(free, default=None), min(later, default=None), len(working) > len(free))

    def is_ahead(self, table: TableName, sequence: int) -> bool:
        """Whether arrivals recorded before `sequence` are worked on, can be claimed, or rest for no fault of theirs.

        What waits for its next attempt after one that counted delays nobody.
        """
        now = self._database.clock.now()
        return any(
            row.doc["state"] == "working" or row.doc["not_before"] <= now or row.doc["attempts"] == 0
            for row in self._open(table, before=sequence)
        )

    def last(self) -> int:
        """Sequence of the arrival that was recorded last, or of one that was about to be."""
        found: dict[str, Any] = self._database.calls.get(counter_at("arrivals")).doc or {}
        return int(found.get("last", 0))

    def has_rows(self, table: TableName) -> bool:
        """Whether any finished arrival gave rows."""
        sums = self._database.calls.get(sums_at(table)).doc or {}
        return int(sums.get("with_rows", 0)) > 0

    def _open(self, table: TableName, before: int | None = None) -> Iterator[Row]:
        """Arrivals that wait or are worked on, oldest first, read as far as they are asked for."""
        last = "open#~" if before is None else f"open#{number(max(before - 1, 0))}"
        for page in self._database.calls.query(arrivals_of(table), "open#", last, page=PAGE):
            yield from (Row(key, at.rev, at.doc or {}) for key, at in page)
