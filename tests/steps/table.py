"""A small table that goes through steps and the real engine, and a plain reading of what must come out."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from penstock.declaration import Step
from penstock.engines import Engine, Source, Work
from penstock.formats import Dialect
from penstock.quality.accounting import account
from penstock.steps import SourceColumn, compile_steps
from penstock.tables import planned_columns, storage_type

Row = dict[str, Any]
WARNED = "__warned"


@dataclass
class Outcome:
    """Where rows went: those kept as a multiset, those dropped by rule, and the cells of those set aside by rule."""

    kept: Counter[tuple[Any, ...]]
    columns: list[str]
    dropped: dict[str, int]
    aside: list[tuple[str, tuple[str | None, ...]]]
    warned: dict[str, int] = field(default_factory=dict)
    added: int = 0


@dataclass
class Bench:
    """An engine and a folder to work in."""

    engine: Engine
    folder: Path
    made: int = field(default=0)

    def run(
        self, types: dict[str, str], rows: list[list[str]], steps: list[dict[str, Any]], *, guarded: bool = False
    ) -> Outcome:
        """Write the rows as a CSV file, compile the steps, and let the engine do the rest."""
        source = self._source(types, rows)
        columns = [SourceColumn(name, kind, at) for at, (name, kind) in enumerate(types.items())]
        declared = [Step.model_validate(step) for step in steps]

        def types_of(select: str) -> dict[str, str]:
            return dict(self.engine.describe(source, select))

        compiled = compile_steps("t", declared, columns, len(types), types_of, guarded=guarded)
        described = types_of(compiled.select)
        stored = planned_columns(
            [(field.name, storage_type(described[field.name], field.name)) for field in compiled.fields]
        )
        work = Work(source, compiled.select, stored, compiled.rules, compiled.ordered)
        path = self.folder / "out.parquet"
        written = self.engine.write(work, str(path))
        figures = account(written, work.rules, 0)
        asked = [at for at, rule in enumerate(work.rules) if rule.fate == "quarantined"]
        rows_aside = self.engine.set_aside(work, asked) if asked else ()
        aside = [(work.rules[row.rule].name, tuple(row.cells)) for row in rows_aside]
        assert len(aside) == figures.quarantined
        assert figures.rows_in == len(rows)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone='UTC'")
            rows_out = connection.execute(f"SELECT * FROM '{path}'").fetchall()
        kept = Counter(tuple(_counted(value) for value in row) for row in rows_out)
        return Outcome(kept, [column.name for column in stored], figures.dropped, aside, figures.warned, figures.added)

    def _source(self, types: dict[str, str], rows: list[list[str]]) -> Source:
        buffer = io.StringIO(newline="")
        csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([list(types), *rows])
        self.made += 1
        path = self.folder / f"{self.made}.csv"
        path.write_bytes(buffer.getvalue().encode())
        return Source(str(path), Dialect(","), len(types))


class AsideError(Exception):
    """A row that a rule sets aside, in the plain reading."""

    def __init__(self, rule: str) -> None:
        """Name the rule."""
        super().__init__(rule)
        self.rule = rule


class DroppedError(AsideError):
    """A row that a rule drops, in the plain reading."""


def expected(types: dict[str, str], rows: list[list[str]], steps: list[Callable[[Row], Row]]) -> Outcome:
    """The plain reading: each row goes through plain functions, one after the other."""
    outcome = Outcome(Counter(), [], {}, [])
    for cells in rows:
        row = {name: plain(kind, text) for (name, kind), text in zip(types.items(), cells, strict=True)}
        try:
            for step in steps:
                row = step(row)
        except DroppedError as dropped:
            outcome.dropped[dropped.rule] = outcome.dropped.get(dropped.rule, 0) + 1
        except AsideError as aside:
            outcome.aside.append((aside.rule, tuple(cell or None for cell in cells)))
        else:
            for rule in row.pop(WARNED, []):
                outcome.warned[rule] = outcome.warned.get(rule, 0) + 1
            outcome.kept[tuple(_counted(value) for value in row.values())] += 1
            outcome.columns = list(row)
    return outcome


def warned(row: Row, rule: str) -> Row:
    """The row, spoken of by a rule, in the plain reading."""
    return {name: value for name, value in row.items() if name != WARNED} | {WARNED: [*row.get(WARNED, []), rule]}


def _counted(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def plain(kind: str, text: str) -> Any:
    """The value of a text that has the type."""
    if not text:
        return None
    readers: dict[str, Callable[[str], Any]] = {
        "BIGINT": int,
        "DOUBLE": float,
        "BOOLEAN": lambda value: value.lower() == "true",
        "DATE": date.fromisoformat,
        "TIMESTAMP": datetime.fromisoformat,
    }
    return readers.get(kind, str)(text)


def check(found: Outcome, wanted: Outcome) -> None:
    """The same rows kept, dropped and set aside, each by the same rule and in the same order."""
    assert found.kept == wanted.kept
    assert found.dropped == wanted.dropped
    assert found.aside == wanted.aside
    assert found.warned == wanted.warned
    assert not wanted.kept or found.columns == wanted.columns
