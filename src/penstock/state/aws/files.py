"""What is known of a file: its newest version, where its arrivals are, and what their versions were called.

An arrival is kept on the shelf of its state. The file's document says on which, so that all arrivals of a file are
found by their keys; those that were superseded are on the last shelf, and are not listed.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from penstock.naming import TableName
from penstock.state.aws.documents import Doc
from penstock.state.aws.layout import SHELVES, Key, arrival_at, file_at, sums_at
from penstock.state.aws.unit import Unit
from penstock.state.sqlite.accounting import dumped, loaded
from penstock.state.store import Accounting, Arrival
from penstock.state.trouble import Trouble

VERSIONS = 500
"""So many versions of a file are known by name; a content that is older counts as one that was there before."""
REASON = 20_000
"""Characters of a reason that are kept."""
RULES = 500
"""Rules whose rows are counted one by one in an account."""
OTHERS = "(other rules)"


class File:
    """What is known of one file, read and kept by a unit."""

    def __init__(self, unit: Unit, table: TableName, key: str) -> None:
        """Read it."""
        self.unit, self.table, self.key = unit, table, key
        self._at = file_at(table, key)
        self.doc = unit.get(self._at) or {
            "key": key,
            "newest": None,
            "live": {},
            "versions": {},
            "floor": 0,
            "dead": [],
        }

    @property
    def newest(self) -> Doc | None:
        """Sequence, version and mark of the version that was recorded last."""
        found: Doc | None = self.doc["newest"]
        return found

    @property
    def live(self) -> dict[int, str]:
        """Arrivals that are not superseded, each with its shelf."""
        return {int(sequence): shelf for sequence, shelf in self.doc["live"].items()}

    @property
    def was_dead(self) -> list[int]:
        """Arrivals that ended as dead letters since the file was last finished."""
        return [int(sequence) for sequence in self.doc["dead"]]

    def row(self, sequence: int) -> Doc | None:
        """One of its arrivals."""
        return self.unit.get(arrival_at(self.table, self.live.get(sequence, "gone"), sequence))

    def generation(self, version: str) -> int:
        """The generation of a content that lands now: a name is never given twice."""
        there = self.doc["versions"].get(version[:16])
        return int(self.doc["floor"]) if there is None else there + 1

    def number(self) -> int:
        """The number of an arrival that is recorded now: higher than those of all earlier ones of the file."""
        last = self.newest["sequence"] if self.newest else 0
        while (sequence := self.unit.number("arrivals")) <= last:
            continue
        return sequence

    def name(self, version: str, generation: int) -> None:
        """Remember that a version has a generation."""
        names = self.doc["versions"]
        generation = max(generation, names.pop(version[:16], 0))
        names[version[:16]] = generation
        while len(names) > VERSIONS:
            self.doc["floor"] = max(self.doc["floor"], names.pop(next(iter(names))) + 1)

    def put(self, row: Doc, before: Doc | None = None) -> None:
        """Keep one of its arrivals, as it is after a change."""
        at = _at(row)
        if before is not None and _at(before) != at:
            self.unit.delete(_at(before))
        self.unit.put(at, row)
        sequence, shelf = str(row["sequence"]), SHELVES[row["state"]]
        if shelf == "gone":
            self.doc["live"].pop(sequence, None)
        else:
            self.doc["live"][sequence] = shelf
        self.unit.count(sums_at(self.table), **_counted(before, row))

    def keep(self) -> None:
        """Keep what is known of the file."""
        self.unit.put(self._at, self.doc)

    def supersede(self, row: Doc) -> None:
        """Let a newer version take an arrival's place."""
        self.put({**row, "state": "superseded"}, row)


def _at(row: Doc) -> Key:
    return arrival_at(row["table"], SHELVES[row["state"]], row["sequence"])


def _counted(before: Doc | None, after: Doc) -> dict[str, int]:
    """What changes in a table's counts."""
    sums: dict[str, int] = {}
    for row, sign in ((before, -1), (after, 1)):
        if row is not None:
            for name, value in _counts(row).items():
                sums[name] = sums.get(name, 0) + sign * value
    return sums


def _counts(row: Doc) -> dict[str, int]:
    counts = {SHELVES[row["state"]]: 1}
    if row["state"] == "finished":
        account = loaded(row["accounting"]) if row["accounting"] else Accounting()
        counts |= {"quarantined": account.quarantined, "warned": sum(account.warned.values())}
        counts["with_rows"] = int(account.rows_out > 0)
    return counts


def new_row(sequence: int, table: TableName, key: str, recorded_at: float) -> Doc:
    """An arrival of which nothing is known yet but its file."""
    nothing = dict.fromkeys(("finished_at", "run", "reason", "plan", "accounting", "quarantine_stem", "failed_at"))
    return {
        "sequence": sequence,
        "table": str(table),
        "key": key,
        "recorded_at": recorded_at,
        "state": "pending",
        "attempts": 0,
        "attempt": "",
        "worker": "",
        "until": 0.0,
        "not_before": 0.0,
        **nothing,
        "trouble": None,
        "after_dead": False,
    }


def arrival_in(row: Doc) -> Arrival:
    """The arrival that a document is about."""
    return Arrival(
        **{name: row[name] for name in _PLAIN},
        table=TableName.parse(row["table"]),
        accounting=loaded(row["accounting"]) if row["accounting"] else Accounting(),
        trouble=Trouble.from_json(row["trouble"]),
    )


_PLAIN = (
    *("sequence", "key", "version", "generation", "size", "modified_ns", "mark", "state", "attempts", "attempt"),
    *("worker", "recorded_at", "finished_at", "run", "reason", "plan", "quarantine_stem", "failed_at"),
)


def lost_by(row: Doc) -> int:
    """How many processes ended with an arrival in their hands."""
    return Trouble.from_json(row["trouble"]).lost


def reason_in(reason: str) -> str:
    """A reason as it is kept: one that is too long says how much of it was left out."""
    if len(reason) <= REASON:
        return reason
    return f"{reason[:REASON]} [{len(reason) - REASON:,} further characters were not kept]"


def account_in(account: Accounting) -> str:
    """An account as it is kept: beyond so many rules, the smallest are counted as one."""
    facts = json.loads(dumped(account))
    for name in ("dropped", "warned"):
        facts[name] = _fewer(facts[name])
    return json.dumps(facts)


def _fewer(rules: dict[str, int]) -> dict[str, int]:
    if len(rules) <= RULES:
        return rules
    most = set(sorted(rules, key=lambda rule: -rules[rule])[:RULES])
    kept = {rule: rows for rule, rows in rules.items() if rule in most}
    return {**kept, OTHERS: kept.get(OTHERS, 0) + sum(rules.values()) - sum(kept.values())}


def changed(row: Doc, **values: Any) -> Doc:
    """An arrival with some values changed."""
    return {**deepcopy(row), **values}
