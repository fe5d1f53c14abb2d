"""A small file that goes through checks and the real engine."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from penstock.declaration import Check
from penstock.engines import DuckDBEngine, Source, Work, Written
from penstock.formats import Dialect
from penstock.quality.accounting import account
from penstock.state.store import Column
from penstock.steps import SourceColumn
from penstock.steps.checks import apply_checks, needs_order
from penstock.steps.frame import Frame, source_frame
from penstock.steps.source_types import typed
from penstock.tables.others import Others, Relation, no_others


@dataclass
class Judged:
    """What became of a file's rows.

    Attributes:
        kept: The rows that stay, as a multiset.
        counts: Rows by rule.
        aside: Cells of the rows set aside, with the rule and the reason, in file order.
    """

    kept: Counter[tuple[Any, ...]]
    counts: dict[str, int]
    aside: list[tuple[str, str, tuple[str | None, ...]]]
    written: Written
    work: Work
    path: str


@dataclass
class CheckBench:
    """An engine and a folder to work in."""

    engine: DuckDBEngine
    folder: Path
    made: int = field(default=0)

    def judge(
        self,
        types: dict[str, str],
        rows: list[list[str]],
        checks: list[dict[str, Any]],
        *,
        when: str = "after",
        others: Others = no_others,
        unique: bool = True,
        guarded: bool = False,
    ) -> Judged:
        """Write the rows as a CSV file, put the checks on it, and let the engine do the rest."""
        declared = [Check.model_validate(check) for check in checks]
        source = self._source(list(types), rows)
        frame = apply_checks(self._frame(source, types, guarded=guarded), "t", declared, when, others, unique=unique)
        stored = tuple(Column(at, name, kind) for at, (name, kind) in enumerate(types.items(), start=1))
        work = Work(source, frame.select, stored, frame.rules, ordered=needs_order(declared, unique=unique))
        path = str(self.folder / f"{self.made}.parquet")
        written = self.engine.write(work, path)
        figures = account(written, work.rules, 0)
        asked = [at for at, rule in enumerate(work.rules) if rule.fate == "quarantined"]
        found = sorted(self.engine.set_aside(work, asked), key=lambda row: row.ordinal or 0) if asked else []
        assert len(found) == figures.quarantined
        counts: Counter[str] = Counter()
        for rule, count in zip(work.rules, written.by_rule, strict=True):
            counts[rule.name] += count
        aside = [(work.rules[row.rule].name, work.rules[row.rule].reason, tuple(row.cells)) for row in found]
        with duckdb.connect() as connection:
            kept = Counter(connection.execute(f"SELECT * FROM '{path}'").fetchall())
        return Judged(kept, dict(+counts), aside, written, work, path)

    def live(self, columns: dict[str, str], rows: list[tuple[Any, ...]]) -> Relation:
        """A table that holds some rows."""
        self.made += 1
        path = str(self.folder / f"live{self.made}.parquet")
        with duckdb.connect() as connection:
            declared = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
            connection.execute(f"CREATE TABLE rows ({declared})")
            if rows:
                connection.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(columns))})", rows)
            connection.execute(f"COPY rows TO '{path}' (FORMAT parquet)")
        return Relation(f"SELECT * FROM read_parquet('{path}')", columns)

    def _frame(self, source: Source, types: dict[str, str], *, guarded: bool) -> Frame:
        def types_of(select: str) -> dict[str, str]:
            return dict(self.engine.describe(source, select))

        columns = [SourceColumn(name, kind, at) for at, (name, kind) in enumerate(types.items())]
        return typed(source_frame(len(types), types_of, guarded=guarded), columns)

    def _source(self, names: list[str], rows: list[list[str]]) -> Source:
        buffer = io.StringIO(newline="")
        csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([names, *rows])
        self.made += 1
        path = self.folder / f"{self.made}.csv"
        path.write_bytes(buffer.getvalue().encode())
        return Source(str(path), Dialect(","), len(names))


Plain = Callable[[dict[str, Any]], bool]
"""Whether a row, as plain Python values by column, breaks a check."""
