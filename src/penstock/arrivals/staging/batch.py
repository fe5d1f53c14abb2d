"""Small files, many at a time: read together, worked on by one query, and kept together in one pack.

Only plain CSV files with one and the same header are staged here, of which nothing is to be said but that rows were
dropped or set aside. Every other file goes the usual way, alone: one that is not proven to be read exactly, one with a
row that is warned of, or with anything that may decide about the table.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from penstock.arrivals.planning.evolution import Basis
from penstock.arrivals.planning.known import SourceSchema
from penstock.arrivals.planning.plan import Plan, Planner, Terms
from penstock.arrivals.readmission.reapply import notes_of_replaced
from penstock.arrivals.staging.intake import COMPRESSED, Opened, format_of, open_file
from penstock.arrivals.staging.stage import Prepared, Workshop, scratch, set_aside
from penstock.declaration import Table
from penstock.engines import Batch, Parsed, Source, Written
from penstock.engines.packs import Packer
from penstock.errors import DamagedFileError, PenstockError
from penstock.formats.csv.feed import Feed
from penstock.formats.csv.proof import may_be_fed
from penstock.naming import TableName
from penstock.quality import quarantine_key
from penstock.quality.accounting import account
from penstock.quality.checks import file_breaches, look, needs_lease
from penstock.quality.collect import Delivered, collect
from penstock.state import Arrival, DataFile, Head, Member
from penstock.tables import Staged

MOST_BYTES = 1_000_000
"""Size up to which a file is small."""
BATCH_BYTES = 16_000_000
BATCH_FILES = 256
TRIED = 3
"""Files that are looked at for what their common header means."""
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
class _File:
    """A file that is read already.

    Attributes:
        opened: How the usual way would have the engine read it.
        parsed: Its records.
    """

    arrival: Arrival
    opened: Opened
    parsed: Parsed


def is_batchable(table: Table, known: SourceSchema | None) -> bool:
    """Whether files of a table can be processed together at all."""
    if known is None or needs_lease(table.checks) or any(check.kind == "fresh" for check in table.checks):
        return False
    steps = {step.kind for step in table.steps}
    return known.dialect.header == 1 and not known.dialect.skip and not steps & ACROSS_ROWS


def is_small(arrival: Arrival, table: Table) -> bool:
    """Whether a file may be one of many."""
    plain = format_of(arrival.key, table) == "csv" and not arrival.key.lower().endswith(COMPRESSED)
    return plain and arrival.size <= MOST_BYTES and arrival.generation == 0


class Batcher:
    """Stages small files together."""

    def __init__(self, shop: Workshop, packer: Packer) -> None:
        """Work in `shop`; `packer` writes what becomes of it."""
        self._shop, self._packer = shop, packer

    def stage(self, task: Batching, arrivals: Sequence[Arrival]) -> list[Prepared]:
        """Stage those arrivals that can be processed together, in one pack; the others are left to the usual way."""
        header, contents = _alike(list(self._contents(arrivals)))
        if len(contents) < FEWEST or not header:
            return []
        names = self._names(task, contents)
        files = list(self._files(task, names, contents)) if names else []
        return self._worked(task, files) if len(files) >= FEWEST else []

    def _contents(self, arrivals: Sequence[Arrival]) -> Iterator[tuple[Arrival, bytes]]:
        """The bytes of the files that still are what was recorded."""
        self._shop.raw.bring((arrival.key, arrival.mark) for arrival in arrivals)
        for arrival in arrivals:
            with suppress(OSError, PenstockError):
                with self._shop.raw.open(arrival.key, arrival.mark) as file:
                    content = file.read(MOST_BYTES + 1)
                if hashlib.sha256(content).hexdigest() == arrival.version:
                    yield arrival, content

    def _names(self, task: Batching, contents: list[tuple[Arrival, bytes]]) -> tuple[str, ...]:
        """The columns of files with the same header, as the usual way finds them; none where it finds anything else."""
        for arrival, _ in contents[:TRIED]:
            with scratch(self._shop) as folder:
                link = folder / "file"
                link.symlink_to(self._shop.raw.location(arrival.key, arrival.mark))
                opened = open_file(link, arrival.key, task.table, task.known)
            if not opened.source.typed and opened.source.dialect == task.known.dialect and not opened.notes:
                return opened.header
        return ()

    def _files(self, task: Batching, names: tuple[str, ...], contents: list[tuple[Arrival, bytes]]) -> Iterator[_File]:
        """The files that are proven to be read exactly, cut into records."""
        dialect = task.known.dialect
        for arrival, content in contents:
            feed = Feed(content, dialect, len(names))
            with suppress(DamagedFileError):
                if may_be_fed(content, dialect) and (records := feed.table()).num_rows:
                    path = self._shop.raw.location(arrival.key, arrival.mark)
                    opened = Opened(
                        Source(path, dialect, len(names), fed=True), Delivered(arrival.key, names, path), {}
                    )
                    yield _File(arrival, opened, Parsed(records, tuple(feed.refused)))

    def _worked(self, task: Batching, files: list[_File]) -> list[Prepared]:
        """Do the work; nothing where the files decide anything about the table."""
        plan = task.planner.plan(files[0].opened, task.terms, task.known)
        new = set(plan.work.columns) - set(task.head.columns)
        if plan.work.ordered or plan.schema.columns != task.known.columns or new:
            return []
        batch = self._shop.bench.engine.batch(plan.work, [file.parsed for file in files])
        try:
            clean = [at for at, done in enumerate(batch.written) if self._is_plain(task, plan, done)]
            return self._packed(task, plan, batch, files, clean)
        finally:
            batch.close()

    def _is_plain(self, task: Batching, plan: Plan, done: Written) -> bool:
        """Whether nothing comes of a file's rows but rows to keep, to drop and to quarantine, all of them noted."""
        for rule, count in zip(plan.work.rules, done.by_rule, strict=True):
            if count and (rule.fate not in {"dropped", "quarantined"} or rule.name.startswith("type ")):
                return False  # a value that does not fit may change its column's type
        ask, now = self._shop.bench.engine.ask, self._shop.bench.clock.now()
        return not file_breaches(task.table.checks, done, plan.work.columns, "", str(task.name), ask, now)

    def _packed(self, task: Batching, plan: Plan, batch: Batch, files: list[_File], clean: list[int]) -> list[Prepared]:
        """Write the rows of some of the files, and account for them."""
        pairs = [(files[at], batch.written[at]) for at in clean]
        members = [Member(file.arrival.name, done.rows_out) for file, done in pairs if done.rows_out]
        packs: tuple[DataFile, ...] = ()
        if members:
            select = batch.select(set(range(len(files))).difference(clean))
            packs = self._packer.write_members(task.head, select, plan.work.columns, members)
        try:
            return [self._prepared(task, plan, file, done, packs) for file, done in pairs]
        except BaseException:
            self._undo(packs, [file.arrival for file, _ in pairs])
            raise

    def _undo(self, packs: Sequence[DataFile], arrivals: Sequence[Arrival]) -> None:
        """Remove what was published: the files are processed alone now, under the same names."""
        self._shop.processed.discard(pack.path for pack in packs)
        for arrival in arrivals:
            self._shop.processed.delete(quarantine_key(arrival.table, arrival.name.stem(arrival.attempt)))

    def _prepared(
        self, task: Batching, plan: Plan, file: _File, done: Written, packs: tuple[DataFile, ...]
    ) -> Prepared:
        """What became of one file, as if it had been staged alone; of the pack's bytes, its share."""
        arrival, checks, columns = file.arrival, task.table.checks, plan.work.columns
        held = [(pack, member.rows) for pack in packs if (member := pack.member(arrival.name, None)) is not None]
        own, share = tuple(pack for pack, _ in held), sum(round(pack.bytes * rows / pack.rows) for pack, rows in held)
        figures = replace(account(done, plan.work.rules, arrival.size), bytes_out=share)
        stem = None
        if figures.quarantined:
            work = replace(plan.work, source=file.opened.source)
            rows = collect(self._shop.bench.engine, work, done, file.opened.delivered)
            stem = set_aside(self._shop, arrival, file.opened, rows, figures.quarantined)
        return Prepared(
            arrival=arrival,
            staged=Staged(arrival.name, own, task.table.on_reupload),
            accounting=figures,
            quarantine_stem=stem,
            columns=columns,
            source=None,
            notes=(*plan.notes, *notes_of_replaced(task.head, arrival.name, task.table.on_reupload)),
            findings=tuple(look(checks, plan.work.rules, done, [])),
            basis=Basis(task.head, task.known),
        )


def _alike(contents: list[tuple[Arrival, bytes]]) -> tuple[bytes, list[tuple[Arrival, bytes]]]:
    """The header line that most files have, and those files."""
    if not contents:
        return b"", []
    lines = [content[: content.find(b"\n") + 1] for _, content in contents]
    ((header, _),) = Counter(lines).most_common(1)
    return header, [found for line, found in zip(lines, contents, strict=True) if line == header]
