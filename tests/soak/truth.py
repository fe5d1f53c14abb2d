"""What a lake must hold, worked out from `raw/` by plain Python that shares nothing with the product."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from tests.soak.plan import DATES, HIGHEST, REFUSED

DECLARATION = """
lake: soak
upkeep: {min_input_files: 8, max_snapshots: 20, min_snapshots: 5}  # often, so that kills strike upkeep, too
retry: {attempts: 100, wait: 1s, max_wait: 5s}  # as many kills as a file may meet
up: {drain: 20s}
mail: {server: "smtp+insecure://127.0.0.1:PORT", from: "lake@example.org"}
tables:
  events:
    files: "events/**/*.csv"
    steps:
      - parse: {at: date}
      - derive: {twice: amount * 2}
      - require: [name]
    checks: [{between: {amount: [0, 99]}, on_breach: quarantine}]
  curated.codes:
    files: "codes/*.csv"
alarms:
  rotten: {breaches: {at_least: 20, within: 20s}}
  stuck: {oldest_waiting: {older_than: 1m}}
notices:
  - {name: failures, when: [dead, recovered, alarm, ok], to: "mailto:ops@example.org", digest: 2s, at_most: "100000/1h"}
  - {name: kept, when: [dead, alarm, ok], to: "file:", digest: 5s, at_most: "100000/1h"}
"""
Fault = tuple[str | None, str]
Row = tuple[Any, ...]


@dataclass
class Truth:
    """What a lake must hold.

    Attributes:
        rows: Rows of each table, sorted.
        quarantine: Table, file, line, column and rule of each row set aside, sorted.
        accounts: By table and file: version, rows in, out, dropped and set aside.
        refused: By table and file: version of what cannot become rows, and how the reason begins.
    """

    rows: dict[str, list[Row]] = field(default_factory=lambda: {"events": [], "curated.codes": []})
    quarantine: list[Row] = field(default_factory=list)
    accounts: dict[tuple[str, str], Row] = field(default_factory=dict)
    refused: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)


def truth(lake: Path) -> Truth:
    """Work out from `raw/` what the lake must hold."""
    found, raw = Truth(), lake / "raw"
    for file in sorted(raw.rglob("*.csv")):
        if file.name.startswith("."):
            continue
        key, content = str(file.relative_to(raw)), file.read_bytes()
        table = "events" if key.startswith("events/") else "curated.codes"
        version = hashlib.sha256(content).hexdigest()
        if content in REFUSED:
            found.refused[table, key] = (version, REFUSED[content])
            continue
        read = _event if table == "events" else _code
        outcomes = [(line, *read(cells)) for line, cells in _records(content)]
        kept = [row for _, row, _ in outcomes if row is not None]
        aside = [(table, key, line, *fault) for line, _, fault in outcomes if fault is not None]
        found.rows[table] += kept
        found.quarantine += aside
        figures = (len(outcomes), len(kept), len(outcomes) - len(kept) - len(aside), len(aside))
        found.accounts[table, key] = (version, *figures)
    for rows in found.rows.values():
        rows.sort()
    found.quarantine.sort(key=repr)
    return found


def _records(content: bytes) -> Iterator[tuple[int, list[str] | None]]:
    """Line number and cells of each record; no cells for one that is no text."""
    for line, raw in enumerate(content.splitlines(), start=1):
        if line > 1:
            try:
                yield line, next(csv.reader(io.StringIO(raw.decode())))
            except UnicodeDecodeError:
                yield line, None


def _event(cells: list[str] | None) -> tuple[Row | None, Fault | None]:
    """The row of an event, or what is wrong with it; neither when it has no name."""
    if cells is None or len(cells) > 4:
        return None, (None, "malformed")
    ident, name, amount, day = cells
    if day not in DATES:
        return None, ("at", "parse at")
    if not name:
        return None, None
    if int(amount) > HIGHEST:
        return None, ("amount", "check between amount 0..99")
    return (int(ident), name, int(amount), date.fromisoformat(day), 2 * int(amount)), None


def _code(cells: list[str] | None) -> tuple[Row | None, Fault | None]:
    assert cells is not None
    code, label = cells
    return (int(code), label), None
