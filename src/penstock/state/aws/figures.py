"""Figures of how the lake does, as far as they are asked for on AWS; attempts, durations and breaches are metrics."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.errors import StateError
from penstock.naming import TableName
from penstock.state.aws.arrivals import Arrivals
from penstock.state.aws.database import Database
from penstock.state.aws.documents import Doc
from penstock.state.aws.files import File
from penstock.state.aws.layout import arrivals_of, sums_at
from penstock.state.aws.runs import Runs
from penstock.state.aws.unit import Unit
from penstock.state.figures import AttemptFigures, Counted, Counts, DeadFigures, RunFigures, Tables
from penstock.state.sqlite.figures import SHOWN

LOOKED_AT = 100
"""Of a table's newest runs, so many are looked through for the last one that committed."""


class Figures:
    """The counts; keeps the part of the contract of `Figures` that is not CloudWatch's."""

    def __init__(self, database: Database, arrivals: Arrivals, runs: Runs) -> None:
        self._database, self._arrivals, self._runs = database, arrivals, runs

    def dead(self, tables: Tables) -> DeadFigures:
        """Dead letters."""
        names = self._names(tables)
        waiting = sum(int((self._database.calls.get(sums_at(name)).doc or {}).get("dead", 0)) for name in names)
        trying = {(str(name), row["key"]) for name in names for row in self._rows(name, "open") if _was_dead(row)}
        rows = [row for name in names for row in self._rows(name, "dead")] if waiting else []
        newest = sorted(rows, key=lambda row: -int(row["sequence"]))[:SHOWN]
        first = tuple((row["sequence"], row["table"], row["key"], row["reason"] or "") for row in newest)
        return DeadFigures(waiting, len(trying), first)

    def fates(self, sequences: Sequence[int]) -> list[tuple[str, str]]:
        """What became of arrivals that were dead."""
        found = list[tuple[str, str]]()
        for arrival in map(self._arrivals.get, sorted(sequences)):
            if arrival is not None:
                file = File(Unit(self._database.calls), arrival.table, arrival.key)
                newest = file.row(file.newest["sequence"]) if file.newest else None
                found.append((arrival.key, newest["state"] if newest else arrival.state))
        return found

    def oldest_waiting(self, tables: Tables) -> tuple[str, str, float] | None:
        """Table, file and beginning of the longest wait; that of a file that was dead begins when it is tried again."""
        waits = [
            (
                str(name),
                row["key"],
                row["recorded_at"] if row["plan"] is None else max(row["recorded_at"], row["not_before"]),
            )
            for name in self._names(tables)
            for row in self._rows(name, "open")
        ]
        return min(waits, key=lambda wait: wait[2], default=None)

    def committed(self, table: TableName) -> float | None:
        """When a run last committed rows to a table."""
        runs = [run for run in self._runs.list(table, LOOKED_AT) if run.snapshot is not None]
        return runs[0].started + runs[0].duration_ms / 1000.0 if runs else None

    def attempts(self, tables: Tables, since: float) -> AttemptFigures:
        """CloudWatch counts these."""
        raise _refused("attempts", tables, since)

    def runs(self, tables: Tables, since: float, quantile: float) -> RunFigures | None:
        """CloudWatch measures these."""
        raise _refused("durations of runs", tables, since, quantile)

    def counted(self, what: Counts, tables: Tables, since: float) -> Counted:
        """CloudWatch counts these."""
        raise _refused(what.replace("_", " "), tables, since)

    def last_workflow(self, workflow: str) -> tuple[str, float, str] | None:
        """Step Functions knows these."""
        raise _refused("runs of workflows", workflow)

    def _names(self, tables: Tables) -> Sequence[TableName]:
        return self._database.tables() if tables is None else tables

    def _rows(self, name: TableName, shelf: str) -> list[Doc]:
        return [row for _, row in self._database.documents(arrivals_of(name), f"{shelf}#", f"{shelf}#~")]


def _was_dead(row: Doc) -> bool:
    return row["plan"] is not None or bool(row.get("after_dead"))


def _refused(what: str, *_asked: object) -> StateError:
    message = f"{what} of a lake on AWS are counted by CloudWatch, not by its state store"
    return StateError(message, hint="see the metrics of the namespace Penstock: aws cloudwatch list-metrics")
