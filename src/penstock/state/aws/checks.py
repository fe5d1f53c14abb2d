"""What came of checks: one document for each run and table, or several where there is much of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from functools import partial
from itertools import groupby
from operator import itemgetter

from penstock.naming import TableName
from penstock.state.aws.database import Database
from penstock.state.aws.documents import Doc
from penstock.state.aws.files import reason_in
from penstock.state.aws.layout import KEPT_SECONDS, sums_at
from penstock.state.aws.unit import Unit
from penstock.state.checks import CheckOutcome

NAMES = tuple(at.name for at in fields(CheckOutcome))
PART_CHARACTERS = 300_000
"""About so much of the outcomes of a run is kept in one document."""


class Checks:
    """The outcomes; keeps the contract of `Checks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, outcomes: Iterable[CheckOutcome]) -> None:
        """Keep outcomes of one run; one that is kept already is replaced."""
        expires = self._database.clock.now() + KEPT_SECONDS["checks"]
        facts = [
            {**asdict(found), "table": str(found.table), "reason": _reason(found.reason), "at_place": place}
            for place, found in enumerate(outcomes)
        ]
        whose = itemgetter("table", "run")
        for (table, run), some in groupby(sorted(facts, key=whose), key=whose):
            self._database.call(partial(_add, at=(table, run), facts=list(some), expires=expires), first=True)

    def list(
        self, table: TableName | None = None, run: str | None = None, limit: int = 1_000_000
    ) -> list[CheckOutcome]:
        """Newest run first, within a run in the order in which they were added."""
        between = ("", "") if run is None else (f"{run}#", f"{run}#~")
        tables = self._database.tables() if table is None else [table]
        found = [
            {**outcome, "table": name}
            for name in tables
            for _, part in self._database.documents(f"checks#{name}", *between)
            for outcome in part["outcomes"]
        ]
        found.sort(key=itemgetter("at_place"))
        found.sort(key=itemgetter("at", "run"), reverse=True)  # stable: a run's outcomes stay in order
        return [CheckOutcome(**{name: one[name] for name in NAMES}) for one in found[:limit]]


def _add(unit: Unit, at: tuple[str, str], facts: list[Doc], expires: float) -> None:
    """Put outcomes behind those of the run that are there, which they replace where they are about the same."""
    table, run = at
    first = (f"checks#{table}", f"{run}#{0:06d}")
    unit.presume(first)
    there = [] if unit.get(first) is None else unit.query(f"checks#{table}", f"{run}#", f"{run}#~")
    new = {(found["file"], found["name"]): found for found in facts}
    known = [found for _, part in there for found in part["outcomes"]]
    kept = [found for found in known if (found["file"], found["name"]) not in new]
    last = max((found["at_place"] for found in known), default=-1) + 1
    facts = [{**found, "at_place": found["at_place"] + last} for found in new.values()]
    for number, part in enumerate(_parts([*kept, *facts])):
        key = (f"checks#{table}", f"{run}#{number:06d}")
        unit.get(key)
        unit.put(key, {"outcomes": part}, expires)
    unit.count(sums_at(table), outcomes=len(kept) + len(new) - len(known))


def _reason(reason: str | None) -> str | None:
    return None if reason is None else reason_in(reason)


def _parts(facts: list[Doc]) -> Iterable[list[Doc]]:
    part, size = list[Doc](), 0
    for fact in facts:
        part.append(fact)
        size += len(json.dumps(fact))
        if size > PART_CHARACTERS:
            yield part
            part, size = [], 0
    if part:
        yield part
