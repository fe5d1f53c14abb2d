"""The way of one file through its table's steps: by the engine, and by Python functions between parts of it.

Whatever the engine finds on the way decides how it goes on: a guessed type that the whole file refutes, an expression
that fails for some row, a value that stands twice. Each costs one more reading, and only files that need it pay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from penstock.arrivals.planning.contracts import assert_kept
from penstock.arrivals.planning.evolving import Evolving
from penstock.arrivals.planning.known import SourceSchema
from penstock.arrivals.planning.plan import Plan, Planner, Terms
from penstock.arrivals.staging.ahead import importing_ahead
from penstock.arrivals.staging.intake import Opened, open_file
from penstock.clock import Clock
from penstock.declaration import Table
from penstock.engines import PLACE, Engine, Source, Written
from penstock.errors import DamagedFileError, ExpressionError
from penstock.formats import Dialect, Inferred
from penstock.naming import literal
from penstock.quality.accounting import account
from penstock.quality.checks import (
    Finding,
    assert_not_halted,
    breach_rows,
    file_breaches,
    look,
    notes_of,
    unique_broken,
)
from penstock.quality.collect import Delivered, collect, first_halted
from penstock.state import Accounting, Arrival
from penstock.steps import Outcome, load_function

Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One arrival and what is known when its work begins.

    Attributes:
        arrival: Whose file.
        table: What is declared.
        planner: Plans the table's files.
        terms: The table, and others.
        known: What is known of the table's files; None when there was none yet.
    """

    arrival: Arrival
    table: Table
    planner: Planner
    terms: Terms
    known: SourceSchema | None


@dataclass(frozen=True)
class Bench:
    """What the work is done with: the engine, the clock, and the lake's folder, which holds Python functions."""

    engine: Engine
    clock: Clock
    folder: Path


@dataclass(frozen=True)
class Part:
    """A part of the way that the engine has done."""

    plan: Plan
    written: Written


@dataclass(frozen=True)
class Through:
    """What became of a file.

    Attributes:
        parts: What the engine did, in order; between them stand Python functions.
        accounting: Where the rows went.
        rows: Rows set aside or spoken of, for quarantine.
        findings: What came of the checks.
        notes: What people should know.
    """

    parts: tuple[Part, ...]
    accounting: Accounting
    rows: Iterator[Row]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def first(self) -> Plan:
        """The plan that read the file."""
        return self.parts[0].plan

    @property
    def last(self) -> Part:
        """The part that wrote what the table gets."""
        return self.parts[-1]


def work_through(bench: Bench, job: Job, file: Path, target: str) -> Through:
    """Read a file and write what its table gets to `target`.

    Raises:
        BadFileError: The file cannot become rows, or breaks a check that halts.
    """
    with importing_ahead(job.arrival.size):
        parts = _read(bench, job, file, target)
    last = parts[-1]
    table = str(job.arrival.table)
    rules = tuple(chain.from_iterable(part.plan.work.rules for part in parts))
    whole = replace(
        last.written,
        rows_in=parts[0].written.rows_in + parts[0].plan.opened.unread,
        rows_out=last.written.rows_out if last.plan.python is None else 0,  # a function gave nothing to go on with
        by_rule=tuple(chain.from_iterable(part.written.by_rule for part in parts)),
    )
    breaches = file_breaches(
        job.table.checks, whole, last.plan.work.columns, target, table, bench.engine.ask, bench.clock.now()
    )
    findings = look(job.table.checks, rules, whole, breaches)
    halted = (first_halted(bench.engine, part.plan.work, part.written, part.plan.opened.delivered) for part in parts)
    assert_not_halted(findings, next((row for row in halted if row), None))
    rows = (collect(bench.engine, part.plan.work, part.written, part.plan.opened.delivered) for part in parts)
    return Through(
        parts=tuple(parts),
        accounting=account_of(job, parts),
        rows=chain(chain.from_iterable(rows), breach_rows(breaches)),
        findings=tuple(findings),
        notes=(*parts[0].plan.notes, *notes_of(breaches)),
    )


def _read(bench: Bench, job: Job, file: Path, target: str) -> list[Part]:
    """Read a file by the engine, or record by record where the engine cannot cut it into records."""
    opened = open_file(file, job.arrival.key, job.table, job.known)
    try:
        return read_parts(bench, job, opened, file.parent, target)
    except DamagedFileError:
        opened = open_file(file, job.arrival.key, job.table, job.known, carefully=True)
        return read_parts(bench, job, opened, file.parent, target)


def read_parts(bench: Bench, job: Job, opened: Opened, folder: Path, target: str) -> list[Part]:
    """Let the engine and Python functions do their parts; the last one writes `target`, `folder` takes the others."""
    done: list[Part] = []
    plan = job.planner.plan(opened, job.terms, job.known)
    while plan.python is not None:
        path = str(folder / f"before-{plan.python}")
        done.append(_write(bench.engine, job.planner, plan, path))
        place = f"tables.{job.arrival.table}.steps[{plan.python}].python"
        step = load_function(bench.folder, job.table.steps[plan.python].body, place)
        outcome = step.apply(path, str(folder / f"after-{plan.python}"))
        if not outcome.rows:
            return done
        plan = job.planner.resumed(plan, _made(bench.engine, outcome, place, plan.opened.delivered.key))
    last = _write(bench.engine, job.planner, plan, target)
    checks, columns = job.table.checks, last.plan.work.columns
    if last.written.rows_out and unique_broken(
        checks, columns, target, plan.terms.others, str(job.arrival.table), bench.engine.ask
    ):
        last = _write(bench.engine, job.planner, job.planner.distinct(last.plan), target)
    return [*done, last]


def _made(engine: Engine, outcome: Outcome, place: str, key: str) -> Opened:
    """What a function made, as a file for the engine."""
    described = engine.ask(f"DESCRIBE FROM read_parquet({literal(outcome.path)})")
    kinds = tuple(row[1] for row in described)
    cells = ", ".join(["CAST(NULL AS BIGINT) AS " + name for name in PLACE] + [row[0] for row in described])
    scan = f"SELECT {cells} FROM read_parquet({literal(outcome.path)})"
    source = Source(outcome.path, Dialect(","), len(kinds), kinds, scan, outcome.rows)
    types = {
        name: Inferred(kind, f"given by {place}", certain=True, file=key)
        for name, kind in zip(outcome.header, kinds, strict=True)
    }
    return Opened(source, Delivered(key, outcome.header, None), types)


def _write(engine: Engine, planner: Planner, plan: Plan, target: str) -> Part:
    """Write the file; where the whole file refutes a guessed type, decide the types from it and write once more."""
    part = _write_guarded(engine, planner, plan, target)
    guessed = {f"type {name}" for name in plan.schema.uncertain()}
    rules = zip(part.plan.work.rules, part.written.by_rule, strict=True)
    if any(count and rule.name in guessed for rule, count in rules):
        part = _write_guarded(engine, planner, planner.widened(plan), target)
    evolving = Evolving(engine, planner)
    while (wider := evolving.next(part.plan, part.written)) is not None:
        part = _write_guarded(engine, planner, wider, target)
    known = part.plan.known.columns if part.plan.known else ()
    frozen = [name for name in known if planner.contracts.of(name) == "freeze"]
    assert_kept(engine, part.plan.work, part.written, part.plan.opened.delivered, frozen)
    return part


def _write_guarded(engine: Engine, planner: Planner, plan: Plan, target: str) -> Part:
    """Write the file; where an expression fails for some row, write once more and set such rows aside."""
    try:
        return Part(plan, engine.write(plan.work, target))
    except ExpressionError:
        guarded = planner.guarded(plan)
        return Part(guarded, engine.write(guarded.work, target))


def account_of(job: Job, parts: list[Part]) -> Accounting:
    """One account of all parts; what a Python function gave more or less is added or dropped by it."""
    plan, written = parts[0].plan, parts[0].written
    total = account(written, plan.work.rules, job.arrival.size, plan.opened.unread)
    for at, part in enumerate(parts):
        following = parts[at + 1] if at + 1 < len(parts) else None
        if part.plan.python is None:
            break
        rows = following.written.rows_in if following else 0
        change = rows - part.written.rows_out
        function = f"python {job.table.steps[part.plan.python].body}"
        own = account(following.written, following.plan.work.rules, 0) if following else Accounting()
        dropped = {function: -change} if change < 0 else {}
        total = replace(
            total + replace(own, rows_in=0, added=own.added + max(change, 0)) + Accounting(dropped=dropped),
            rows_out=own.rows_out,
            bytes_out=own.bytes_out,
        )
    return total
