"""The tables `penstock.*`: arrivals, runs, dead letters, quarantine, tables and columns, as queries see them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from penstock.clock import iso
from penstock.quality import QUARANTINE_SCHEMA
from penstock.quality.readmitted import READMITTED_SCHEMA
from penstock.state import State
from penstock.tables import HISTORY, Catalog
from penstock.tables.history import snapshots_of

Row = tuple[Any, ...]


@dataclass(frozen=True)
class SystemTable:
    """A table of the product's own: columns (name, DuckDB type), and where rows come from."""

    description: str
    columns: tuple[tuple[str, str], ...]
    rows: Callable[[State, Catalog], Iterable[Row]]


def _arrivals(state: State, _catalog: Catalog) -> Iterator[Row]:
    for arrival in state.arrivals.find():
        figures = arrival.accounting
        finished = iso(arrival.finished_at) if arrival.finished_at else None
        yield (
            str(arrival.table),
            arrival.key,
            arrival.version,
            arrival.state,
            arrival.size,
            arrival.attempts,
            iso(arrival.recorded_at),
            finished,
            arrival.run,
            figures.rows_in,
            figures.rows_out,
            sum(figures.dropped.values()),
            figures.quarantined,
            arrival.reason,
        )


def _runs(state: State, _catalog: Catalog) -> Iterator[Row]:
    for run in state.runs.list(limit=1_000_000):
        figures = run.accounting
        yield (
            run.run,
            str(run.table),
            run.state,
            figures.rows_in,
            figures.rows_out,
            json.dumps(figures.dropped, ensure_ascii=False),
            figures.quarantined,
            figures.bytes_in,
            figures.bytes_out,
            iso(run.started),
            run.duration_ms,
            len(run.arrivals),
            str(run.snapshot) if run.snapshot else None,
            run.error,
        )


def _checks(state: State, _catalog: Catalog) -> Iterator[Row]:
    for found in state.checks.list():
        yield (
            str(found.table),
            found.file,
            found.run,
            found.name,
            found.kind,
            found.when,
            found.on_breach,
            found.result,
            found.rows,
            found.breaches,
            found.reason,
            iso(found.at),
        )


def _dead_letters(state: State, _catalog: Catalog) -> Iterator[Row]:
    for arrival in state.arrivals.find(states=("dead",)):
        ended = iso(arrival.finished_at) if arrival.finished_at else None
        trouble = arrival.trouble
        yield (
            arrival.sequence,
            str(arrival.table),
            arrival.key,
            arrival.version,
            arrival.attempts,
            iso(arrival.failed_at) if arrival.failed_at else ended,
            ended,
            arrival.run,
            arrival.reason,
            trouble.code or None,
            trouble.trace or None,
            trouble.line,
            trouble.row,
            trouble.column,
            trouble.lost,
            trouble.version or None,
            arrival.plan,
        )


def _events(state: State, _catalog: Catalog) -> Iterator[Row]:
    at = 0
    while found := state.events.after(at):
        for event in found:
            table = str(event.table) if event.table else None
            facts = json.dumps(event.facts, ensure_ascii=False)
            yield (event.sequence, iso(event.at), event.name, table, facts)
        at = found[-1].sequence


def _workflow_runs(state: State, _catalog: Catalog) -> Iterator[Row]:
    for run in state.workflows.list(limit=1_000_000):
        yield (
            run.run,
            run.workflow,
            run.trigger,
            run.state,
            iso(run.due),
            iso(run.started) if run.started else None,
            iso(run.finished) if run.finished else None,
            run.attempts,
            run.joined,
            json.dumps([asdict(step) for step in run.steps], ensure_ascii=False),
            run.error,
        )


def _alarms(state: State, _catalog: Catalog) -> Iterator[Row]:
    for alarm in state.alarms.all():
        table = str(alarm.table) if alarm.table else None
        times = (iso(alarm.since), iso(alarm.checked))
        yield (alarm.alarm, table, alarm.kind, alarm.state, *times, alarm.value, alarm.reason)


def _alarm_changes(state: State, _catalog: Catalog) -> Iterator[Row]:
    for one in state.alarms.history(limit=1_000_000):
        table = str(one.table) if one.table else None
        yield (one.change, one.alarm, table, one.kind, one.state, iso(one.at), one.value, one.reason)


def _tables(_state: State, catalog: Catalog) -> Iterator[Row]:
    for name in catalog.tables():
        head = catalog.head(name)
        if head is not None:
            committed = iso(head.committed_at) if head.committed_at else None
            yield (name.layer, name.name, head.rows, len(head.files), head.bytes, committed, str(head.snapshot or ""))


def _columns(_state: State, catalog: Catalog) -> Iterator[Row]:
    for name in catalog.tables():
        head = catalog.head(name)
        for at, column in enumerate(head.columns if head else (), start=1):
            yield (name.layer, name.name, at, column.name, column.type)


def _schema_history(_state: State, catalog: Catalog) -> Iterator[Row]:
    for name in catalog.tables():
        metadata = catalog.metadata(name)
        text = metadata["properties"].get(HISTORY) if metadata else None
        for change in json.loads(text) if text else ():
            yield (str(name), *(change.get(key) for key, _ in _CHANGE))


def _snapshots(state: State, catalog: Catalog) -> Iterator[Row]:
    runs = {run.snapshot: run.run for run in state.runs.list(limit=1_000_000) if run.snapshot is not None}
    for name in catalog.tables():
        for found in snapshots_of(catalog.metadata(name) or {}):
            yield (
                str(name),
                str(found.id),
                iso(found.at),
                found.operation,
                *(found.figure(fact) for fact in _FIGURES),
                ", ".join(found.tags) or None,
                runs.get(found.id),
            )


_FIGURES = (
    "total-records",
    "total-data-files",
    "added-records",
    "deleted-records",
    "added-data-files",
    "deleted-data-files",
)
"""Facts of Iceberg's summaries, in the order of the columns."""
_CHANGE = (
    ("at", "TIMESTAMP"),
    ("column", "VARCHAR"),
    ("change", "VARCHAR"),
    ("was", "VARCHAR"),
    ("type", "VARCHAR"),
    ("file", "VARCHAR"),
    ("line", "BIGINT"),
    ("value", "VARCHAR"),
    ("reason", "VARCHAR"),
    ("schema", "BIGINT"),
)
"""What a table's history keeps of each change."""
_RENAMED = {"at": "changed", "column": "column_name", "schema": "schema_id"}
"""Names that would have to be quoted in SQL."""
SYSTEM_TABLES: dict[str, SystemTable] = {
    "arrivals": SystemTable(
        "Versions of files that landed, and how far their work is.",
        (
            ("table_name", "VARCHAR"),
            ("file", "VARCHAR"),
            ("version", "VARCHAR"),
            ("state", "VARCHAR"),
            ("bytes", "BIGINT"),
            ("attempts", "BIGINT"),
            ("recorded", "TIMESTAMP"),
            ("finished", "TIMESTAMP"),
            ("run", "VARCHAR"),
            ("rows_in", "BIGINT"),
            ("rows_out", "BIGINT"),
            ("rows_dropped", "BIGINT"),
            ("rows_quarantined", "BIGINT"),
            ("reason", "VARCHAR"),
        ),
        _arrivals,
    ),
    "runs": SystemTable(
        "Executions and their outcomes; rows_dropped is JSON, rule to count.",
        (
            ("run", "VARCHAR"),
            ("table_name", "VARCHAR"),
            ("state", "VARCHAR"),
            ("rows_in", "BIGINT"),
            ("rows_out", "BIGINT"),
            ("rows_dropped", "VARCHAR"),
            ("rows_quarantined", "BIGINT"),
            ("bytes_in", "BIGINT"),
            ("bytes_out", "BIGINT"),
            ("started", "TIMESTAMP"),
            ("duration_ms", "BIGINT"),
            ("arrivals", "BIGINT"),
            ("snapshot", "VARCHAR"),
            ("error", "VARCHAR"),
        ),
        _runs,
    ),
    "checks": SystemTable(
        "What came of every check for every file, those that held included.",
        (
            ("table_name", "VARCHAR"),
            ("file", "VARCHAR"),
            ("run", "VARCHAR"),
            ("check_name", "VARCHAR"),
            ("kind", "VARCHAR"),
            ("stage", "VARCHAR"),
            ("on_breach", "VARCHAR"),
            ("result", "VARCHAR"),
            ("rows_in", "BIGINT"),
            ("breaches", "BIGINT"),
            ("reason", "VARCHAR"),
            ("checked", "TIMESTAMP"),
        ),
        _checks,
    ),
    "dead_letters": SystemTable(
        "Arrivals that failed all their attempts, with the reason; those that were discarded are not among them.",
        (
            ("id", "BIGINT"),
            ("table_name", "VARCHAR"),
            ("file", "VARCHAR"),
            ("version", "VARCHAR"),
            ("attempts", "BIGINT"),
            ("failed", "TIMESTAMP"),
            ("ended", "TIMESTAMP"),
            ("run", "VARCHAR"),
            ("reason", "VARCHAR"),
            ("code", "VARCHAR"),
            ("trace", "VARCHAR"),
            ("line", "BIGINT"),
            ("row_number", "BIGINT"),
            ("column_name", "VARCHAR"),
            ("processes_lost", "BIGINT"),
            ("penstock", "VARCHAR"),
            ("declaration", "VARCHAR"),
        ),
        _dead_letters,
    ),
    "events": SystemTable(
        "What happened, oldest first: what notices, alarms and workflows start from. Kept for a week or longer.",
        (
            ("sequence", "BIGINT"),
            ("recorded", "TIMESTAMP"),
            ("event", "VARCHAR"),
            ("table_name", "VARCHAR"),
            ("facts", "VARCHAR"),
        ),
        _events,
    ),
    "workflow_runs": SystemTable(
        "Runs of workflows: those that wait, are going, have ended, or were left out.",
        (
            ("run", "VARCHAR"),
            ("workflow", "VARCHAR"),
            ("trigger", "VARCHAR"),
            ("state", "VARCHAR"),
            ("due", "TIMESTAMP"),
            ("started", "TIMESTAMP"),
            ("finished", "TIMESTAMP"),
            ("attempts", "INTEGER"),
            ("joined", "INTEGER"),
            ("steps", "VARCHAR"),
            ("error", "VARCHAR"),
        ),
        _workflow_runs,
    ),
    "alarms": SystemTable(
        "How alarms stood when they were last looked at; `penstock alarms` looks at them.",
        (
            ("alarm", "VARCHAR"),
            ("table_name", "VARCHAR"),
            ("kind", "VARCHAR"),
            ("state", "VARCHAR"),
            ("since", "TIMESTAMP"),
            ("checked", "TIMESTAMP"),
            ("measured", "DOUBLE"),
            ("reason", "VARCHAR"),
        ),
        _alarms,
    ),
    "alarm_changes": SystemTable(
        "When alarms began and ended: 90 days back.",
        (
            ("sequence", "BIGINT"),
            ("alarm", "VARCHAR"),
            ("table_name", "VARCHAR"),
            ("kind", "VARCHAR"),
            ("state", "VARCHAR"),
            ("changed", "TIMESTAMP"),
            ("measured", "DOUBLE"),
            ("reason", "VARCHAR"),
        ),
        _alarm_changes,
    ),
    "tables": SystemTable(
        "Tables, their size and when they last changed.",
        (
            ("layer", "VARCHAR"),
            ("name", "VARCHAR"),
            ("rows", "BIGINT"),
            ("files", "BIGINT"),
            ("bytes", "BIGINT"),
            ("committed", "TIMESTAMP"),
            ("snapshot", "VARCHAR"),
        ),
        _tables,
    ),
    "snapshots": SystemTable(
        "What tables were, commit by commit, for `penstock query --at`; those that upkeep removed are gone.",
        (
            ("table_name", "VARCHAR"),
            ("snapshot", "VARCHAR"),
            ("committed", "TIMESTAMP"),
            ("operation", "VARCHAR"),
            ("rows", "BIGINT"),
            ("files", "BIGINT"),
            ("rows_added", "BIGINT"),
            ("rows_removed", "BIGINT"),
            ("files_added", "BIGINT"),
            ("files_removed", "BIGINT"),
            ("tags", "VARCHAR"),
            ("run", "VARCHAR"),
        ),
        _snapshots,
    ),
    "columns": SystemTable(
        "Columns of tables, in order.",
        (
            ("layer", "VARCHAR"),
            ("table_name", "VARCHAR"),
            ("position", "BIGINT"),
            ("column_name", "VARCHAR"),
            ("type", "VARCHAR"),
        ),
        _columns,
    ),
    "schema_history": SystemTable(
        "What became of the columns of tables, and the value that decided: the last 200 changes of each table.",
        (("table_name", "VARCHAR"), *((_RENAMED.get(name, name), kind) for name, kind in _CHANGE)),
        _schema_history,
    ),
}
QUARANTINE = "quarantine"
WARNINGS = "warnings"
READMITTED = "readmitted"
FATES = {QUARANTINE: "quarantined", WARNINGS: "warned"}
"""Tables whose rows are read from files: what becomes of their rows."""
QUARANTINE_COLUMNS = QUARANTINE_SCHEMA
READMITTED_COLUMNS = READMITTED_SCHEMA
