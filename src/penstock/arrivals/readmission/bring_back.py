"""Bringing rows of one file back: corrected records become a part beside the file's own rows.

The records take the way of any file: types, steps, checks on rows. A record that does not come through whole leaves the
others alone: it is taken out and the rest is written again, until what is written holds every record that is left. So
a part holds exactly the records that its list names. Checks on a file as a whole (`row_count`, `fresh`) are not asked:
a handful of corrected rows is no delivery.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from penstock.arrivals.planning.evolution import Basis, changes_of
from penstock.arrivals.planning.known import SourceSchema
from penstock.arrivals.planning.plan import Plan, Planner, Terms
from penstock.arrivals.readmission.corrected import Case, Corrected, open_records
from penstock.arrivals.staging.publish import Finished, publish
from penstock.arrivals.staging.through import Bench, Job, Part, account_of, read_parts
from penstock.clock import iso
from penstock.declaration import Table
from penstock.engines import Rule
from penstock.naming import ArrivalName, TableName
from penstock.quality.collect import collect
from penstock.quality.corrections import json_text
from penstock.quality.readmitted import write_readmitted
from penstock.state import Accounting, Arrival
from penstock.state.store import Column
from penstock.storage import Zone
from penstock.tables import Staged

UNTOLD = "one of the rows that were to come back with it fails after a Python step, where it cannot be told which one"

NO_BASIS = Basis()
NO_ROW = "the steps leave no row of what was to come back"


class Strict(Planner):
    """Plans corrected records: whatever a rule would do to a row, the row stays in quarantine, and it is said why."""

    def _planned(self, plan: Plan) -> Plan:
        planned = super()._planned(plan)
        return replace(planned, work=replace(planned.work, rules=tuple(map(_kept_aside, planned.work.rules))))


def _kept_aside(rule: Rule) -> Rule:
    if rule.fate == "dropped":
        return replace(rule, fate="quarantined", reason=f"would be dropped: {rule.reason or rule.name}")
    return replace(rule, fate="quarantined") if rule.fate == "halted" else rule


@dataclass(frozen=True)
class Counter:
    """Where rows are brought back: a table with what is known of it, and what the work is done with.

    Attributes:
        name: The table.
        table: What is declared.
        terms: The table as it is, and others.
        known: What is known of its files; None when there was none yet.
        bench: What the work is done with.
        processed: Where parts are published.
        scratch: A folder for what lives no longer than the work.
    """

    name: TableName
    table: Table
    terms: Terms
    known: SourceSchema | None
    bench: Bench
    processed: Zone
    scratch: Path


@dataclass(frozen=True)
class Failed:
    """A corrected row that does not come through."""

    corrected: Corrected
    rule: str
    column: str | None
    reason: str


@dataclass(frozen=True)
class Back:
    """What became of the corrected rows of one file.

    Attributes:
        arrival: The file.
        staged: The part that a commit adds; None when no row came through.
        part: Name of the part, whichever attempt writes it.
        came: Rows that it holds.
        failed: Rows that stay in quarantine.
        accounting: Where the rows went.
        columns: What the part holds.
        source: What is known of the table's files, if these rows added to it.
        basis: What the work was planned against, and what it changes of the table's columns.
    """

    arrival: Arrival
    staged: Staged | None
    part: str
    came: tuple[Corrected, ...]
    failed: tuple[Failed, ...]
    accounting: Accounting
    columns: tuple[Column, ...] = ()
    source: SourceSchema | None = None
    basis: Basis = NO_BASIS

    @property
    def changes_table(self) -> bool:
        """Whether the table's columns, or what is known of its files, change with it."""
        return self.source is not None or self.basis.lacks(self.columns)

    @property
    def group(self) -> tuple[Staged, ...]:
        """What a commit adds."""
        return (self.staged,) if self.staged else ()


def bring_back(counter: Counter, case: Case) -> Back:
    """Stage corrected rows of one file as a part of its arrival.

    Raises:
        BadFileError: The steps cannot be taken at all.
    """
    attempt = secrets.token_hex(4)
    staging = counter.processed.staging(counter.name.data_key(f"{case.name.stem(attempt)}.parquet"))
    planner = Strict(counter.name, counter.table, counter.bench.engine, counter.processed.seals)
    job = Job(case.arrival, counter.table, planner, counter.terms, counter.known)
    left, failed = list(case.rows), list[Failed]()
    try:
        while left:
            Path(staging).unlink(missing_ok=True)
            with _folder(counter.scratch) as folder:
                opened = open_records(left, folder, counter.table, case.form, counter.known)
                parts = read_parts(counter.bench, job, opened, folder, staging)
                lost = list(_lost(counter.bench, parts, left)) or _none_left(parts, left)
            if not lost:
                return _staged(counter, job, parts, (staging, case.name, attempt), left, failed)
            failed += lost
            gone = {id(found.corrected) for found in lost}
            left = [found for found in left if id(found) not in gone]
    finally:
        Path(staging).unlink(missing_ok=True)
    figures = Accounting(rows_in=len(failed), quarantined=len(failed))
    return Back(case.arrival, None, "", (), tuple(failed), figures)


def _none_left(parts: list[Part], rows: list[Corrected]) -> list[Failed]:
    """All rows, where a Python step or a `sql` step lets every one of them go."""
    gone = parts[-1].plan.python is not None or not parts[-1].written.rows_out
    return [Failed(row, "steps", None, NO_ROW) for row in rows] if gone else []


def _staged(
    counter: Counter,
    job: Job,
    parts: list[Part],
    named: tuple[str, ArrivalName, str],
    came: list[Corrected],
    failed: list[Failed],
) -> Back:
    staging, name, attempt = named
    number = _number(came)
    figures, rows = account_of(job, parts), parts[-1].written.rows_out
    columns, head = parts[-1].plan.work.columns, counter.terms.head
    finished = Finished(counter.name, name, attempt, number, staging, columns, rows)
    files = publish(counter.bench.engine, counter.processed, finished, head, job.table.transforms)
    at = iso(counter.bench.clock.now())
    schema = parts[0].plan.schema.confirmed(at)
    changed = job.known is None or parts[0].plan.schema.columns != job.known.columns
    return Back(
        arrival=job.arrival,
        staged=Staged(name, files, job.table.on_reupload, number),
        part=f"{name}-{number}",
        came=tuple(came),
        failed=tuple(failed),
        accounting=replace(
            figures,
            rows_in=figures.rows_in + len(failed),
            quarantined=figures.quarantined + len(failed),
            bytes_in=0,
            bytes_out=sum(file.bytes for file in files),
        ),
        columns=columns,
        source=schema if changed else None,
        basis=Basis(
            head,
            job.known,
            changes_of(counter.name, job.table, head, columns, schema, job.arrival.key, at),
            job.table.transforms,
        ),
    )


def _lost(bench: Bench, parts: list[Part], rows: list[Corrected]) -> Iterator[Failed]:
    """Rows that a rule kept back, each once; all of them where it cannot be told which one it was."""
    seen = set[int]()
    for part in parts:
        for found in collect(bench.engine, part.plan.work, part.written, part.plan.opened.delivered):
            if found["fate"] != "quarantined":
                continue
            line = found["line"]
            if line is None:
                yield from (Failed(row, found["rule"], None, UNTOLD) for row in rows)
                return
            if line not in seen:
                seen.add(line)
                yield Failed(rows[line - 1], found["rule"], found["column_name"], found["reason"])


def _number(rows: list[Corrected]) -> int:
    """A number that the same rows, corrected alike, always get."""
    said = sorted(json_text([row.row["id"], dict(sorted(row.record.items()))]) for row in rows)
    return int(hashlib.sha256("\n".join(said).encode("utf-8", "surrogatepass")).hexdigest()[:12], 16)


def write_list(processed: Zone, name: TableName, back: Back, run: str, moment: datetime | None) -> None:
    """Publish which rows a part holds; before the commit that names it."""
    rows = [
        {
            **{name: value for name, value in found.row.items() if name not in {"cells", "whole"}},
            "corrected": json_text(found.record),
            "corrections": found.corrections,
            "readmitted": moment,
            "run": run,
            "part": back.part,
            **found.source,
        }
        for found in back.came
    ]
    write_readmitted(processed, name, back.part, rows)


@contextmanager
def _folder(scratch: Path) -> Iterator[Path]:
    folder = scratch / uuid.uuid4().hex
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
