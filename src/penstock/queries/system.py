"""The tables `penstock.*`: arrivals, runs, dead letters, quarantine, tables and columns, as queries see them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from penstock.clock import iso
from penstock.quality import QUARANTINE_SCHEMA
from penstock.quality.readmitted import READMITTED_SCHEMA
from penstock.queries.happened import HAPPENED
from penstock.queries.system_table import Row, SystemTable
from penstock.state import State
from penstock.tables import HISTORY, Catalog
from penstock.tables.history import snapshots_of


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
    **HAPPENED,
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
