"""Claims: who works on which arrivals, and until when.

A claim is one conditional write of one arrival: it holds if nobody changed the arrival since it was read, so that two
who look at the same moment share what is there. An arrival that is to be worked on alone in the whole lake is claimed
together with a document that names all such arrivals at hand.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate, takewhile

from penstock.naming import TableName
from penstock.state.aws.calls import AT_ONCE, Write, pause
from penstock.state.aws.database import Database, until_in
from penstock.state.aws.documents import Doc
from penstock.state.aws.files import arrival_in, changed, lost_by
from penstock.state.aws.layout import Key, arrival_at, arrivals_of, worker_at
from penstock.state.aws.unit import Call, Unit
from penstock.state.store import LEASE_SECONDS, Arrival
from penstock.state.trouble import ALONE, COMPANY, Trouble

SILENT = "the process ended or fell silent while working on it"
ALONE_AT: Key = ("alone", "-")
PAGE = 50
WRITERS = 8
"""Claims that are written at once."""
TRIES = 12
"""How often it is looked again where others took everything that was found."""
CROWD = 8
"""How often it is looked further on in what was found."""


@dataclass(frozen=True)
class Row:
    """An arrival as it was read."""

    key: Key
    rev: int
    doc: Doc

    @property
    def lost(self) -> int:
        """How many processes ended with it in their hands."""
        return lost_by(self.doc)


class Claims:
    """Gives arrivals to this worker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, table: TableName, limit: int, size: int | None) -> list[Arrival]:
        """Lease arrivals that wait, oldest first."""
        for attempt in range(TRIES):
            ready = self._ready(table, limit)
            taken = self._from(ready, limit, size)
            if taken or not ready:
                return [arrival_in(row.doc) for row in taken]
            pause(attempt)
        return []

    def _ready(self, table: TableName, limit: int) -> list[Row]:
        """What could be claimed now, oldest first; more than is asked for, if there is more."""
        now = self._database.clock.now()
        rows = self._open(table, limit, now)
        ready = [row for row in rows if row.doc["state"] == "pending" and row.doc["not_before"] <= now]
        if any(row.lost >= ALONE for row in ready[:limit]) and self._one_alone(now):
            return [row for row in ready if row.lost < ALONE]
        return ready

    def _from(self, ready: list[Row], limit: int, size: int | None) -> list[Row]:
        """Claim the first ones; where others were faster, go on with those behind them: there is enough for all."""
        taken, first = list[Row](), 0
        for _ in range(CROWD):
            left = None if size is None else size - sum(row.doc["size"] for row in taken)
            wanted = _within(_together(ready[first:][: limit - len(taken)]), left, always=not taken)
            if wanted and wanted[0].lost >= ALONE:
                return [row for row in map(self._as_mine, wanted) if self._take_alone(row)]
            got = self._take([self._as_mine(row) for row in wanted])
            taken += got
            ready = ready[:first] + ready[first + len(got) + 1 :]
            if len(got) == len(wanted) or len(ready) <= limit or any(row.lost for row in ready):
                break
            first = random.randrange(len(ready) - limit + 1)  # noqa: S311 - not a secret
        return sorted(taken, key=lambda row: int(row.doc["sequence"]))

    def _as_mine(self, row: Row) -> Row:
        doc = changed(
            row.doc,
            state="working",
            attempts=row.doc["attempts"] + 1,
            attempt=uuid.uuid4().hex[:8],
            worker=self._database.worker,
            until=self._database.clock.now() + LEASE_SECONDS,
        )
        return replace(row, doc=doc)

    def _open(self, table: TableName, limit: int, now: float) -> list[Row]:
        """Arrivals of a table that wait or are worked on, oldest first, until enough of them can be claimed.

        Those whose time has run out wait again.
        """
        found, ready = list[Row](), 0
        for page in self._database.calls.query(arrivals_of(table), "open#", "open#~", page=max(PAGE, 2 * limit)):
            rows = [Row(key, at.rev, at.doc or {}) for key, at in page]
            gone = {row.key: self._waiting(row, now) for row in self.lapsed(rows, now)}
            freed = {row.key: row for row in self._each(list(gone.values()), self._written)}
            found += [freed.get(row.key, row) for row in rows if row.key not in gone or row.key in freed]
            ready = sum(
                row.doc["state"] == "pending" and row.doc["not_before"] <= now and row.lost < ALONE for row in found
            )
            if ready >= limit:
                break
        return found

    def lapsed(self, rows: list[Row], now: float) -> list[Row]:
        """Those that are worked on, and whose worker let the time run out; or that this worker knows nothing of."""
        late = [row for row in rows if row.doc["state"] == "working" and row.doc["until"] < now]
        late += [row for row in rows if row not in late and self._is_stray(row)]
        until = self._until({row.doc["worker"] for row in late})
        return [row for row in late if self._is_stray(row) or until[row.doc["worker"]] < now]

    def _is_stray(self, row: Row) -> bool:
        """Whether a claim of this worker landed whose answer never came."""
        mine = row.doc["state"] == "working" and row.doc["worker"] == self._database.worker
        return mine and row.doc["attempt"] not in self._database.claims

    def until(self, rows: list[Row]) -> list[float]:
        """Until when arrivals that are worked on are their workers'."""
        workers = self._until({row.doc["worker"] for row in rows})
        return [max(float(row.doc["until"]), workers[row.doc["worker"]]) for row in rows]

    def _until(self, workers: set[str]) -> dict[str, float]:
        found = self._database.calls.get_all(worker_at(worker) for worker in workers)
        return {worker: until_in(found[worker_at(worker)].doc) for worker in workers}

    @staticmethod
    def _waiting(row: Row, now: float) -> Row:
        before = Trouble.from_json(row.doc["trouble"])
        doc = changed(
            row.doc,
            state="pending",
            attempt="",
            worker="",
            reason=SILENT,
            trouble=replace(before, lost=before.lost + 1).to_json(),
            failed_at=now if row.doc["failed_at"] is None else row.doc["failed_at"],
        )
        return replace(row, doc=doc)

    def _take(self, wanted: list[Row]) -> list[Row]:
        """Claim the first one, and more and more at once, until somebody else was faster."""
        taken, some = list[Row](), 1
        while len(taken) < len(wanted):
            group = wanted[len(taken) : len(taken) + some]
            got = self._each(group, self._taken)
            taken += got
            if len(got) < len(group):
                break
            some = min(4 * some, AT_ONCE)
        return taken

    def _taken(self, row: Row) -> Row | None:
        """Claim one; it counts as ours before it is written, so that nothing takes it for a stray."""
        self._noted(row)
        written: Row | None = None
        try:
            written = self._written(row)
        finally:
            if written is None:
                self._database.claims.pop(row.doc["attempt"], None)
        return written

    def _noted(self, row: Row) -> Row:
        doc = row.doc
        self._database.claims[doc["attempt"]] = (TableName.parse(doc["table"]), doc["sequence"], doc["key"])
        return row

    def _written(self, row: Row) -> Row | None:
        """Write an arrival in place of what was read; None when somebody was faster."""
        write = Write(puts={row.key: (row.doc, None)}, revs={row.key: row.rev})
        beaten = self._database.calls.write(write, uuid.uuid4().hex)
        return replace(row, rev=row.rev + 1) if beaten is None else None

    @staticmethod
    def _each(rows: list[Row], make: Callable[[Row], Row | None]) -> list[Row]:
        """Write rows, several at once; gives those that are in."""
        if len(rows) < WRITERS:
            return [made for row in rows if (made := make(row)) is not None]
        with ThreadPoolExecutor(WRITERS) as pool:
            return [made for made in pool.map(make, rows) if made is not None]

    # --- Alone ---------------------------------------------------------------------------------

    def _one_alone(self, now: float) -> bool:
        """Whether somebody whose time has not run out works on an arrival that is to be worked on alone."""
        return any(until >= now for _, until in self._at_hand(Unit(self._database.calls)))

    def _at_hand(self, unit: Unit) -> list[tuple[list[str | int], float]]:
        """Which of the arrivals that were claimed alone still are at hand, and until when."""
        found = []
        for table, sequence, attempt in (unit.get(ALONE_AT) or {}).get("held", []):
            row = unit.get(arrival_at(table, "open", sequence))
            if row is not None and row["state"] == "working" and row["attempt"] == attempt:
                until = max(row["until"], until_in(unit.get(worker_at(row["worker"]))))
                found.append(([table, sequence, attempt], until))
        return found

    def _take_alone(self, row: Row) -> bool:
        """Claim an arrival if it is the only one of its kind at hand."""
        now, doc = self._database.clock.now(), row.doc

        def take(unit: Unit) -> bool:
            there, held = unit.get(row.key), self._at_hand(unit)
            if any(until >= now for _, until in held) or there is None or there["state"] != "pending":
                return False
            mine = [doc["table"], doc["sequence"], doc["attempt"]]
            unit.put(ALONE_AT, {"held": [*(one for one, _ in held), mine]})
            unit.put(row.key, doc)
            return True

        self._noted(row)
        taken = False
        try:
            taken = bool(Unit.whole(self._database.calls, Call(take)))
        finally:
            if not taken:
                self._database.claims.pop(row.doc["attempt"], None)
        return taken

    # --- For upkeep ----------------------------------------------------------------------------

    def free(self) -> int:
        """Let arrivals wait again whose worker let the time run out; gives their number."""
        now, freed = self._database.clock.now(), 0
        for table in self._database.tables():
            for page in self._database.calls.query(arrivals_of(table), "open#", "open#~"):
                rows = [Row(key, at.rev, at.doc or {}) for key, at in page]
                gone = [self._waiting(row, now) for row in self.lapsed(rows, now)]
                freed += len(self._each(gone, self._written))
        return freed

    def give_back(self) -> None:
        """Let everything wait again that this worker has at hand, uncounted: it ends."""
        for attempt, (table, sequence, _) in list(self._database.claims.items()):
            at = arrival_at(table, "open", sequence)
            found = self._database.calls.get(at)
            if found.doc is not None and found.doc["attempt"] == attempt and found.doc["state"] == "working":
                fewer = found.doc["attempts"] - 1
                doc = changed(found.doc, state="pending", attempt="", worker="", attempts=fewer)
                self._written(Row(at, found.rev, doc))
            self._database.claims.pop(attempt, None)


def _together(rows: list[Row]) -> list[Row]:
    """The first rows that may be worked on together: what may have ended a process harms as few others as can be."""
    first = rows[0].lost if rows else 0
    if first >= ALONE:
        return rows[:1]
    return list(takewhile(lambda row: row.lost == first, rows))[: COMPANY if first else None]


def _within(rows: list[Row], size: int | None, *, always: bool) -> list[Row]:
    """The first rows whose sizes together do not go over `size`; where that is wanted, always one."""
    if size is None:
        return rows
    sums = accumulate(row.doc["size"] for row in rows)
    pairs = enumerate(zip(rows, sums, strict=True))
    return [row for at, (row, total) in pairs if total <= size or (at == 0 and always)]
