"""The tables `penstock.*` that tell what happened and what is wrong: dead letters, events, workflow runs, alarms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from penstock.clock import iso
from penstock.queries.system_table import Row, SystemTable
from penstock.state import State
from penstock.tables import Catalog


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


HAPPENED: dict[str, SystemTable] = {
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
}
