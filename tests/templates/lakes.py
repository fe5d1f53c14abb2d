"""Lakes made from templates, and what the product says became of their rows, in forms that can be compared."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import penstock
from penstock.naming import TableName
from penstock.state import Accounting
from penstock.templates import create
from tests.templates.plain import Reading, Row

Outcome = dict[str, Any]


def make(template: str, folder: Path, rows: int | None = None) -> Path:
    """Make a lake with its sample data, or with fewer rows of it."""
    create(template, folder, sample_data=True, rows=rows)
    return folder


def expected(template: str) -> Outcome:
    """What is written down of a lake's sample data."""
    text = (Path(__file__).parent / "expected" / f"{template}.json").read_text(encoding="utf-8")
    wanted: Outcome = json.loads(text)
    return wanted


def account(lake: penstock.Lake, table: str) -> Accounting:
    """Where the rows of all runs went."""
    return sum((run.accounting for run in lake.state.runs.list(TableName.parse(table))), Accounting())


def outcome(lake: penstock.Lake, table: str) -> Outcome:
    """The account of a table in the words of the written expectations."""
    figures = account(lake, table)
    arrivals = lake.query(f"SELECT file, rows_in FROM penstock.arrivals WHERE table_name = '{table}'").fetchall()
    blamed = lake.query(f"SELECT column_name FROM penstock.quarantine WHERE table_name = '{table}'").fetchall()
    return {
        "rows_in": dict(arrivals),
        "rows_out": figures.rows_out,
        "dropped": {_short(rule): count for rule, count in figures.dropped.items() if count},
        "quarantined": Counter(column for (column,) in blamed),
        "warned": {rule: count for rule, count in figures.warned.items() if count},
    }


def outcome_of(reading: Reading) -> Outcome:
    """The same of what was worked out in plain Python."""
    return {
        "rows_in": dict(reading.rows_in),
        "rows_out": len(reading.rows),
        "dropped": {rule: count for rule, count in reading.dropped.items() if count},
        "quarantined": Counter(column for _, _, column in reading.quarantined),
        "warned": {rule: count for rule, count in reading.warned.items() if count},
    }


def _short(rule: str) -> str:
    return "dedupe" if rule.startswith("dedupe") else rule


def set_aside(lake: penstock.Lake, table: str) -> list[tuple[str, int, str]]:
    """File, line and column of every quarantined row, in order."""
    sql = f"SELECT file, line, column_name FROM penstock.quarantine WHERE table_name = '{table}' ORDER BY ALL"
    return [(file, line, column) for file, line, column in lake.query(sql)]


def counts(rows: list[Row], column: str) -> dict[str, int]:
    """How often each value occurs, in the words of the written expectations."""
    return dict(Counter("null" if row[column] is None else str(row[column]) for row in rows))


def total(rows: list[Row], column: str) -> str:
    """The sum of a column's values, exactly."""
    return str(sum(row[column] for row in rows if row[column] is not None))


def rows_of(lake: penstock.Lake, table: str) -> list[Row]:
    """All rows of a table, by column."""
    result = lake.query(f"SELECT * FROM {table}")
    return [dict(zip(result.columns, row, strict=True)) for row in result]


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
