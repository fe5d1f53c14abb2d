"""The ledger of runs, each kept for as long as `layout.KEPT_SECONDS` says; what they did together is kept for ever."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import chain, islice

from penstock.naming import TableName
from penstock.state.aws.database import Database
from penstock.state.aws.documents import Doc
from penstock.state.aws.files import account_in, reason_in
from penstock.state.aws.layout import KEPT_SECONDS, Key, sums_at
from penstock.state.aws.unit import Unit
from penstock.state.sqlite.accounting import loaded
from penstock.state.store import Run

KEYS_CHARACTERS = 600_000
"""Of the names of files that a run is about, so many characters are kept."""


class Runs:
    """The ledger; keeps the contract of `Runs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: Run) -> None:
        """Keep a run; one whose files have too many names says how many were left out."""
        facts = {
            **asdict(replace(run, arrivals=_names(run.arrivals))),
            "table": str(run.table),
            "accounting": account_in(run.accounting),
            "error": None if run.error is None else reason_in(run.error),
        }
        expires = max(run.started, self._database.clock.now()) + KEPT_SECONDS["runs"]

        def added(unit: Unit) -> None:
            unit.presume(run_at(run))  # its number is new, but when it is added again
            if unit.get(run_at(run)) is None:
                unit.put(run_at(run), facts, expires)
                unit.count(sums_at(run.table), **_counts(run))

        self._database.call(added, first=True)

    def list(self, table: TableName | None = None, limit: int = 100) -> list[Run]:
        """Newest first."""
        tables = self._database.tables() if table is None else [table]
        found = [run for name in tables for run in self._newest(name, limit)]
        newest = sorted(found, key=lambda run: (run.started, run.run), reverse=True)
        return newest[:limit]

    def _newest(self, table: TableName, limit: int) -> Sequence[Run]:
        pages = self._database.calls.query(f"runs#{table}", newest=True, page=min(limit, 1_000))
        return [_run(at.doc or {}) for _, at in islice(chain.from_iterable(pages), limit)]


def run_at(run: Run) -> Key:
    """Where a run is."""
    return f"runs#{run.table}", f"{run.started:020.6f}#{run.run}"


def _names(names: list[str]) -> list[str]:
    kept, size = list[str](), 0
    for at, name in enumerate(names):
        size += len(json.dumps(name))
        if size > KEYS_CHARACTERS:
            return [*kept, f"[{len(names) - at:,} further files were not kept]"]
        kept.append(name)
    return kept


def _run(facts: Doc) -> Run:
    return Run(**{**facts, "table": TableName.parse(facts["table"]), "accounting": loaded(facts["accounting"])})


def _counts(run: Run) -> dict[str, int | str]:
    """What a run adds to the sums of its table, under the state in which it ended."""
    account = run.accounting
    counts: dict[str, int | str] = {
        "runs": 1,
        "rows_in": account.rows_in,
        "rows_out": account.rows_out,
        "rows_added": account.added,
        "rows_dropped": sum(account.dropped.values()),
        "rows_quarantined": account.quarantined,
        "bytes_in": account.bytes_in,
        "bytes_out": account.bytes_out,
    }
    if run.snapshot is not None:
        counts |= {"commits": 1, "last_commit": repr(run.started + run.duration_ms / 1000)}
    return {f"{run.state}_{name}": value for name, value in counts.items()}
