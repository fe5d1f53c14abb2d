"""What must be the same wherever a lake stands, and the reviewed list of what cannot be.

Everything that can be asked of a lake is compared, column by column, but for what stands in `DIFFERENCES`, each with
its reason. A column that is new is compared: whoever adds one that differs has to say why.
"""

from __future__ import annotations

import json
from typing import Any

from penstock.arrivals.planning.known import PROPERTY
from penstock.lake import Lake
from penstock.tables import HISTORY

A_TIME = "when it happened"
A_NAME = "made up for each run, snapshot or commit"
ORDER = "the engine writes rows of a file in any order, which compress differently"
DIFFERENCES: dict[str, dict[str, str]] = {
    "arrivals": {"recorded": A_TIME, "finished": A_TIME, "run": A_NAME},
    "runs": {"run": A_NAME, "started": A_TIME, "duration_ms": A_TIME, "snapshot": A_NAME, "bytes_out": ORDER},
    "checks": {"run": A_NAME, "checked": A_TIME},
    "dead_letters": {"failed": A_TIME, "ended": A_TIME, "run": A_NAME},
    "events": {"recorded": A_TIME, "facts": "compared without what stands in FACTS"},
    "tables": {"bytes": ORDER, "committed": A_TIME, "snapshot": A_NAME},
    "snapshots": {"snapshot": A_NAME, "committed": A_TIME, "run": A_NAME},
    "columns": {},
    "schema_history": {"changed": A_TIME, "snapshot": A_NAME},
    "quarantine": {},
    "warnings": {},
    "readmitted": {},
}
"""Columns of system tables that differ, with the reason."""
FACTS = {"run": A_NAME, "snapshot": A_NAME, "duration_ms": A_TIME}
"""Facts of events that differ, with the reason."""
ELSEWHERE = {
    "workflow_runs": "workflows of a deployed lake are Step Functions' business",
    "alarms": "alarms of a deployed lake are CloudWatch's",
    "alarm_changes": "alarms of a deployed lake are CloudWatch's",
}
"""System tables that a deployed lake does not have, with the reason."""
SUMMARY = ("operation", "added-records", "deleted-records", "total-records", "added-data-files", "deleted-data-files")
"""What stands in the summary of a snapshot that must be the same."""
CHANGES = {"at": A_TIME, "snapshot": A_NAME}
"""What stands in what is known of a table's files and of its history that differs, with the reason."""
PROPERTIES = {"write.metadata.path": "where the table is", "write.data.path": "where the table is"}
"""Properties of tables that differ, with the reason."""


def rows_of(lake: Lake, sql: str, but: dict[str, str]) -> tuple[list[str], list[str]]:
    """Columns with their types, and rows as text in order, without columns that differ."""
    table = lake.query(sql).arrow()
    names = [name for name in table.column_names if name not in but]
    types = [f"{field.name} {field.type}" for field in table.schema]
    return types, sorted(repr(row) for row in table.select(names).to_pylist())


def facts_of(lake: Lake) -> dict[str, Any]:
    """Everything about a lake that must be the same."""
    found: dict[str, Any] = {}
    for table in lake.tables:
        found[table] = rows_of(lake, f"SELECT * FROM {table}", {})
        found[f"{table} in Iceberg"] = _iceberg(lake, table)
    for table, but in DIFFERENCES.items():
        found[f"penstock.{table}"] = rows_of(lake, f"SELECT * FROM penstock.{table}", but)
    events = lake.query("SELECT event, table_name, facts FROM penstock.events ORDER BY sequence").fetchall()
    found["events"] = [(event, table, _without(json.loads(facts))) for event, table, facts in events]
    return found


def _without(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if name not in FACTS}


def _iceberg(lake: Lake, table: str) -> dict[str, Any]:
    """A table as the table format has it: schemas with field ids, layout, properties, and what each snapshot did."""
    name = next(name for name in lake.catalog.tables() if str(name) == table)
    metadata, head = lake.catalog.metadata(name), lake.catalog.head(name)
    assert metadata is not None
    assert head is not None
    properties = {key: _plain(key, value) for key, value in metadata["properties"].items() if key not in PROPERTIES}
    return {
        "columns": head.columns,
        "rows": head.rows,
        "schemas": metadata["schemas"],
        "specs": metadata["partition-specs"],
        "orders": metadata.get("sort-orders"),
        "format": metadata["format-version"],
        "properties": properties,
        "files": sorted(file.rows for file in head.files),
        "snapshots": [
            {key: snapshot["summary"].get(key) for key in SUMMARY} for snapshot in metadata.get("snapshots", ())
        ],
    }


def _plain(key: str, value: str) -> Any:
    """A property; what is known of the table's files and of its history, without times."""
    return _timeless(json.loads(value)) if key in (HISTORY, PROPERTY) else value


def _timeless(said: Any) -> Any:
    if isinstance(said, list):
        return [_timeless(one) for one in said]
    if isinstance(said, dict):
        return {name: _timeless(fact) for name, fact in said.items() if name not in CHANGES}
    return said
