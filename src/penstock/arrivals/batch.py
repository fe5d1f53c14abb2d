"""Small files, many at a time: read together, worked on by one query, and kept together in one pack.

Only files that go through without a word are staged here: plain CSV files with one and the same header, none of whose
rows is quarantined, warned of or decides anything about the table. Every other file, and every file of a batch that
turns out to be different from what was thought, goes the usual way, alone; what is true of a file is thereby said in
one place only.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from penstock import faults
from penstock.arrivals.intake import Opened, format_of, open_file
from penstock.arrivals.planning.evolution import Basis
from penstock.arrivals.planning.known import SourceSchema
from penstock.arrivals.planning.plan import Plan, Planner, Terms
from penstock.arrivals.stage import Prepared, Workshop, scratch
from penstock.declaration import Table
from penstock.engines import Batch, Written
from penstock.engines.packs import Packer
from penstock.errors import PenstockError
from penstock.formats import Dialect
from penstock.naming import TableName
from penstock.quality.accounting import account
from penstock.quality.checks import file_breaches, look, needs_lease
from penstock.state import Arrival, DataFile, Head, Member
from penstock.tables import Staged

MOST_BYTES = 1_000_000
"""Size up to which a file is small."""
BATCH_BYTES = 16_000_000
BATCH_FILES = 256
MOST_FAILURES = 6
FEWEST = 2
"""Files that are worth processing together."""
ACROSS_ROWS = {"dedupe", "explode", "sql", "python"}
"""Steps for which it matters which rows stand in a file together, or that make rows of their own."""


@dataclass(frozen=True)
class Batching:
    """A table whose files can be processed together, as far as its declaration goes, and what is known of it."""

    name: TableName
    table: Table
    head: Head
    known: SourceSchema
    planner: Planner
    terms: Terms


@dataclass(frozen=True)
class _Body:
    """A file without its header."""

    arrival: Arrival
    bytes: bytes
    records: int


def is_batchable(table: Table, known: SourceSchema | None) -> bool:
    """Whether files of a table can be processed together at all."""
    if known is None or needs_lease(table.checks) or any(check.kind == "fresh" for check in table.checks):
        return False
    steps = {step.kind for step in table.steps}
    return known.dialect.header == 1 and not known.dialect.skip and not steps & ACROSS_ROWS


def is_small(arrival: Arrival, table: Table) -> bool:
    """Whether a file may be one of many."""
    plain = format_of(arrival.key, table) == "csv" and not arrival.key.lower().endswith(
        (".gz", ".gzip", ".zst", ".zstd")
    )
    return plain and arrival.size <= MOST_BYTES and arrival.generation == 0


class Batcher:
    """Stages small files together."""

    def __init__(self, shop: Workshop, packer: Packer) -> None:
        """Work in `shop`; `packer` writes what becomes of it."""
        self._shop, self._packer = shop, packer

    def stage(self, task: Batching, arrivals: Sequence[Arrival]) -> list[Prepared]:
        """Stage those arrivals that can be processed together, in one pack; the others are left to the usual way."""
        header, alike = _alike(list(self._bodies(arrivals)))
        waiting, failures, done = [alike], 0, list[Prepared]()
        while waiting and failures < MOST_FAILURES:
            bodies = waiting.pop()
            if len(bodies) < FEWEST:
                continue
            staged = self._tried(task, header, bodies)
            if staged is None:  # some file is not what the others are: look for it by halves
                failures += 1
                middle = len(bodies) // 2
                waiting += [bodies[:middle], bodies[middle:]]
            else:
                done += staged
        return done

    def _tried(self, task: Batching, header: bytes, bodies: list[_Body]) -> list[Prepared] | None:
        """Stage files together; None when they are not what was thought."""
        with suppress(PenstockError), scratch(self._shop) as folder:
            path = folder / "file"
            with path.open("wb") as text:
                faults.write(text, header + b"".join(body.bytes for body in bodies), "scratch.write")
            opened = open_file(path, bodies[0].arrival.key, task.table, task.known)
            if _is_plain(opened, task.known.dialect):
                return self._worked(task, opened, bodies)
        return None

    def _bodies(self, arrivals: Sequence[Arrival]) -> Iterator[tuple[bytes, _Body]]:
        """Headers and bodies of the files that still are what was recorded."""
        raw = self._shop.raw
        for arrival in arrivals:
            with suppress(OSError, PenstockError):
                with raw.open(arrival.key) as file:
                    content = file.read(MOST_BYTES + 1)
                line, end, body = content.partition(b"\n")
                if hashlib.sha256(content).hexdigest() == arrival.version and body and line.count(b'"') % 2 == 0:
                    body += b"" if body.endswith(b"\n") else b"\r\n" if line.endswith(b"\r") else b"\n"
                    yield line + end, _Body(arrival, body, body.count(b"\n"))

    def _worked(self, task: Batching, opened: Opened, bodies: list[_Body]) -> list[Prepared] | None:
        """Do the work; None when the files' lines are not their records, one for one, or decide about the table."""
        plan = task.planner.plan(opened, task.terms, task.known)
        if (
            plan.work.ordered
            or plan.schema.columns != task.known.columns
            or set(plan.work.columns) - set(task.head.columns)
        ):
            return []
        with self._batch(plan, bodies) as batch:
            if any(done.rows_in != body.records for done, body in zip(batch.written, bodies, strict=True)):
                return None
            clean = [at for at, done in enumerate(batch.written) if self._is_silent(task, plan, done)]
            return self._packed(task, plan, batch, bodies, clean)

    def _is_silent(self, task: Batching, plan: Plan, done: Written) -> bool:
        """Whether nothing has to be said of a file's rows but how many were dropped."""
        rules = zip(plan.work.rules, done.by_rule, strict=True)
        if any(count for rule, count in rules if rule.fate != "dropped"):
            return False
        ask, now = self._shop.bench.engine.ask, self._shop.bench.clock.now()
        return not file_breaches(task.table.checks, done, plan.work.columns, "", str(task.name), ask, now)

    @contextmanager
    def _batch(self, plan: Plan, bodies: list[_Body]) -> Iterator[Batch]:
        batch = self._shop.bench.engine.batch(plan.work, [body.records for body in bodies])
        try:
            yield batch
        finally:
            batch.close()

    def _packed(
        self, task: Batching, plan: Plan, batch: Batch, bodies: list[_Body], clean: list[int]
    ) -> list[Prepared]:
        """Write the rows of some of the files, and account for them."""
        written = [batch.written[at] for at in clean]
        members = [
            Member(bodies[at].arrival.name, done.rows_out)
            for at, done in zip(clean, written, strict=True)
            if done.rows_out
        ]
        files: tuple[DataFile, ...] = ()
        if members:
            select = batch.select(set(range(len(bodies))).difference(clean))
            files = self._packer.write_members(task.head, select, plan.work.columns, members)
        return [_prepared(task, plan, bodies[at].arrival, done, files) for at, done in zip(clean, written, strict=True)]


def _alike(bodies: list[tuple[bytes, _Body]]) -> tuple[bytes, list[_Body]]:
    """The header that most files have, and the bodies of those files, as many as are worked on at once."""
    if not bodies:
        return b"", []
    ((header, _),) = Counter(header for header, _ in bodies).most_common(1)
    return header, [body for own, body in bodies if own == header]


def _is_plain(opened: Opened, known: Dialect) -> bool:
    """Whether the text is written as the table's files are, and read by the engine itself."""
    return not opened.source.typed and opened.spilled is None and opened.source.dialect == known


def _prepared(task: Batching, plan: Plan, arrival: Arrival, done: Written, files: tuple[DataFile, ...]) -> Prepared:
    """What became of one file, as if it had been staged alone; of the pack's bytes, its share."""
    held = [(file, member.rows) for file in files for member in file.members if member.arrival == arrival.name]
    own, share = tuple(file for file, _ in held), sum(round(file.bytes * rows / file.rows) for file, rows in held)
    checks, columns = task.table.checks, plan.work.columns
    return Prepared(
        arrival=arrival,
        staged=Staged(arrival.name, own, task.table.on_reupload),
        accounting=replace(account(done, plan.work.rules, arrival.size), bytes_out=share),
        quarantine_stem=None,
        columns=columns,
        source=None,
        notes=plan.notes,
        findings=tuple(look(checks, plan.work.rules, done, [])),
        basis=Basis(task.head, task.known),
    )
