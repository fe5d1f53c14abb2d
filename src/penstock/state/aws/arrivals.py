"""The queue of files that landed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from penstock.naming import TableName
from penstock.state.aws.claims import Claims
from penstock.state.aws.database import Database
from penstock.state.aws.documents import Doc
from penstock.state.aws.files import File, account_in, arrival_in, changed, new_row, reason_in
from penstock.state.aws.layout import SHELVES, arrival_at, arrivals_of, file_at
from penstock.state.aws.unit import Unit
from penstock.state.store import Accounting, Arrival, ArrivalState
from penstock.state.trouble import NO_TROUBLE, Trouble

Change = Callable[[File, Doc], bool]
AT_ONCE = 25
"""Older versions of a file that are changed in one call, which a transaction has to hold."""
AHEAD = 49
"""Further files of this worker that are read at once with the first one that ends."""


class Arrivals:
    """The queue; keeps the contract of `Arrivals`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claims = Claims(database)

    def record(self, table: TableName, key: str, version: str, size: int, modified_ns: int, mark: str) -> bool:
        """Record a version of a file, once."""
        facts = {"version": version, "size": size, "modified_ns": modified_ns, "mark": mark}

        def recorded(unit: Unit) -> bool:
            file = File(unit, table, key)
            if file.newest is not None and file.newest["version"] == version:
                _remark(file, mark)
                return False
            for sequence, shelf in file.live.items():
                row = file.row(sequence) if shelf != "done" else None
                if row is not None:
                    file.supersede(row)
            row = new_row(file.number(), table, key, self._database.clock.now())
            generation = file.generation(version)
            file.put({**row, **facts, "generation": generation, "after_dead": bool(file.was_dead)})
            file.name(version, generation)
            file.doc["newest"] = {"sequence": row["sequence"], "version": version, "mark": mark}
            file.keep()
            return True

        return bool(self._database.call(recorded))

    def claim(self, table: TableName, limit: int, size: int | None = None) -> list[Arrival]:
        """Lease arrivals that wait, oldest first; at once, also within what happens together."""
        return self._claims.claim(table, limit, size)

    def finish(
        self, arrival: Arrival, run: str, accounting: Accounting, quarantine_stem: str | None, *, replaces: bool = True
    ) -> bool | None:
        """Note that an arrival's rows are in the table."""
        done = {
            "state": "finished",
            "finished_at": self._database.clock.now(),
            "run": run,
            "reason": None,
            "accounting": account_in(accounting),
            "quarantine_stem": quarantine_stem,
            "worker": "",
            "failed_at": None,
            "trouble": None,
        }

        def finished(unit: Unit) -> bool | None:
            self._ahead(unit, arrival)
            file = File(unit, arrival.table, arrival.key)
            row = file.row(arrival.sequence)
            if row is None or not _may_finish(file, row, arrival, replaces=replaces):
                return None
            file.put(changed(row, **done), row)
            was_dead = [sequence for sequence in file.was_dead if sequence <= arrival.sequence]
            for sequence in was_dead[-AT_ONCE:]:
                before = file.row(sequence)
                if before is not None:
                    file.put(changed(before, plan=None), before)
            file.doc["dead"] = [sequence for sequence in file.was_dead if sequence not in was_dead]
            file.keep()
            unit.ended.add(arrival.attempt)
            return bool(was_dead)

        found: bool | None = self._database.call(finished)
        while replaces and found is not None and self._database.call(partial(_replaced, arrival=arrival)):
            continue
        return found

    def _ahead(self, unit: Unit, arrival: Arrival) -> None:
        """Read what an end changes at once; together with others, what their ends will change, too."""
        soon = [(arrival.table, arrival.sequence, arrival.key)]
        if self._database.unit is not None:
            soon += [at for at in list(self._database.claims.values()) if at != soon[0]][:AHEAD]
        for table, sequence, key in soon:
            unit.expect(file_at(table, key), arrival_at(table, "open", sequence))

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
        now = self._database.clock.now()

        def given_back(file: File, row: Doc) -> bool:
            file.put(
                changed(
                    row,
                    state="pending",
                    attempt="",
                    worker="",
                    reason=reason_in(reason),
                    not_before=now + delay,
                    attempts=row["attempts"] - (0 if counted else 1),
                    failed_at=(now if counted else None) if row["failed_at"] is None else row["failed_at"],
                    trouble=trouble.to_json() if trouble else row["trouble"],
                ),
                row,
            )
            return True

        return self._end(arrival, given_back)

    def bury(self, arrival: Arrival, reason: str, plan: str, run: str, trouble: Trouble = NO_TROUBLE) -> bool:
        """End an arrival as a dead letter."""
        now = self._database.clock.now()

        def buried(file: File, row: Doc) -> bool:
            file.put(
                changed(
                    row,
                    state="dead",
                    attempts=arrival.attempts,
                    finished_at=now,
                    plan=plan,
                    run=run,
                    reason=reason_in(reason),
                    worker="",
                    trouble=trouble.to_json(),
                    failed_at=now if row["failed_at"] is None else row["failed_at"],
                ),
                row,
            )
            file.doc["dead"] = sorted({*file.was_dead, arrival.sequence})
            return True

        return self._end(arrival, buried)

    def _end(self, arrival: Arrival, change: Change) -> bool:
        """Change an arrival that this attempt still holds."""

        def ended(file: File, row: Doc) -> bool:
            file.unit.ended.add(arrival.attempt)
            return _is_held(arrival, row) and change(file, row)

        return self._change(arrival, ended)

    def _change(self, arrival: Arrival, change: Change) -> bool:
        """Change an arrival, if it is there and `change` says so."""

        def make(unit: Unit) -> bool:
            unit.expect(file_at(arrival.table, arrival.key), arrival_at(arrival.table, "open", arrival.sequence))
            file = File(unit, arrival.table, arrival.key)
            row = file.row(arrival.sequence)
            done = row is not None and change(file, row)
            if done:
                file.keep()
            return done

        return bool(self._database.call(make))

    def held(self, arrival: Arrival) -> bool:
        """Whether this attempt still holds the arrival."""
        return bool(self.held_among([arrival]))

    def held_among(self, arrivals: Sequence[Arrival]) -> set[int]:
        """Sequences of those arrivals that their attempts still hold; a hundred are read at once."""
        places = {arrival.sequence: arrival_at(arrival.table, "open", arrival.sequence) for arrival in arrivals}

        def held(unit: Unit) -> set[int]:
            unit.expect(*places.values())
            rows = [(arrival, unit.get(places[arrival.sequence])) for arrival in arrivals]
            return {arrival.sequence for arrival, row in rows if row is not None and _is_held(arrival, row)}

        found: set[int] = self._database.call(held) if places else set()
        return found

    def find(self, table: TableName | None = None, states: tuple[ArrivalState, ...] = ()) -> list[Arrival]:
        """Arrivals in the order recorded."""
        tables = self._database.tables() if table is None else [table]
        between = [(f"{shelf}#", f"{shelf}#~") for shelf in sorted({SHELVES[state] for state in states})]
        found = [
            row
            for name in tables
            for first, last in between or [("", "")]
            for _, row in self._database.documents(arrivals_of(name), first, last)
            if not states or row["state"] in states
        ]
        return [arrival_in(row) for row in sorted(found, key=lambda row: int(row["sequence"]))]

    def get(self, sequence: int) -> Arrival | None:
        """The arrival of that number."""
        shelves = sorted(set(SHELVES.values()))
        keys = [arrival_at(name, shelf, sequence) for name in self._database.tables() for shelf in shelves]

        def found(unit: Unit) -> Doc | None:
            unit.expect(*keys)
            return next((row for key in keys if (row := unit.look(key)) is not None), None)

        row = self._database.call(found)
        return None if row is None else arrival_in(row)

    def requeue(self, arrival: Arrival, generation: int) -> bool:
        """Make an arrival wait again."""
        fresh = {"state": "pending", "attempts": 0, "attempt": "", "worker": "", "reason": None, "trouble": None}
        now = self._database.clock.now()

        def requeued(file: File, row: Doc) -> bool:
            if (row["state"], row["generation"]) != (arrival.state, arrival.generation):
                return False
            file.put(changed(row, **fresh, not_before=now, generation=generation), row)
            file.name(row["version"], generation)
            return True

        return self._change(arrival, requeued)

    def discard(self, arrival: Arrival, why: str) -> bool:
        """Give a dead letter up for good."""
        given_up = replace(arrival.trouble, discarded_at=self._database.clock.now(), why=why)

        def discarded(file: File, row: Doc) -> bool:
            if (row["state"], row["generation"]) != ("dead", arrival.generation):
                return False
            file.put(changed(row, state="discarded", trouble=given_up.to_json()), row)
            return True

        return self._change(arrival, discarded)

    def requarantine(self, arrival: Arrival, stem: str | None) -> bool:
        """Name the file of an arrival's quarantined rows anew."""
        seen = (arrival.generation, arrival.state, arrival.quarantine_stem)

        def renamed(file: File, row: Doc) -> bool:
            if (row["generation"], row["state"], row["quarantine_stem"]) != seen:
                return False
            file.put(changed(row, quarantine_stem=stem), row)
            return True

        return self._change(arrival, renamed)

    def settle(self, arrival: Arrival) -> None:
        """Record an arrival, or what is known of it, as finished: its rows are in the table; for upkeep."""
        same = ("version", "generation", "size", "modified_ns", "mark", "finished_at", "run", "quarantine_stem")
        values = {name: getattr(arrival, name) for name in same}
        values |= {"state": "finished", "worker": "", "reason": None, "accounting": account_in(arrival.accounting)}

        def settled(unit: Unit) -> None:
            file = File(unit, arrival.table, arrival.key)
            row = file.row(arrival.sequence) if arrival.sequence else None
            if arrival.sequence and row is None:
                return
            sequence = arrival.sequence or file.number()
            there = row or new_row(sequence, arrival.table, arrival.key, arrival.recorded_at)
            file.put(changed(there, **values), row)
            file.name(arrival.version, arrival.generation)
            if file.newest is None or file.newest["sequence"] <= sequence:
                file.doc["newest"] = {"sequence": sequence, "version": arrival.version, "mark": arrival.mark}
            file.keep()

        self._database.call(settled)

    def supersede(self, arrival: Arrival) -> None:
        """Note that a newer version took an arrival's place; for upkeep."""

        def superseded(file: File, row: Doc) -> bool:
            file.supersede(row)
            return True

        self._change(arrival, superseded)

    def free(self) -> int:
        """Make arrivals and leases free whose time has run out; gives the number of arrivals that wait again."""
        return self._claims.free()


def _is_held(arrival: Arrival, row: Doc) -> bool:
    """Whether the attempt that `arrival` stands for has the arrival that `row` is."""
    return bool(row["state"] == "working" and row["attempt"] == arrival.attempt)


def _remark(file: File, mark: str) -> None:
    """Keep the newest version's new mark."""
    newest = file.newest or {}
    row = file.row(newest["sequence"]) if newest.get("mark") != mark else None
    if row is not None:
        file.put(changed(row, mark=mark), row)
        newest["mark"] = mark
        file.keep()


def _replaced(unit: Unit, arrival: Arrival) -> bool:
    """Let a finished version take the place of earlier ones, a few at once; True while there are more."""
    file = File(unit, arrival.table, arrival.key)
    older = [sequence for sequence, shelf in file.live.items() if shelf == "done" and sequence < arrival.sequence]
    if file.live.get(arrival.sequence) != "done":
        return False
    for row in map(file.row, older[:AT_ONCE]):
        if row is not None:
            file.supersede(row)
    if older:
        file.keep()
    return len(older) > AT_ONCE


def _may_finish(file: File, row: Doc, arrival: Arrival, *, replaces: bool) -> bool:
    """Whether this attempt has the arrival; or had it, and the rows of a newer version have not replaced these."""
    if row["attempt"] != arrival.attempt:
        return False
    newer = any(shelf == "done" and sequence > arrival.sequence for sequence, shelf in file.live.items())
    return row["state"] == "working" or (row["state"] == "superseded" and not (replaces and newer))
