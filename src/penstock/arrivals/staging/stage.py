"""Staging: one arrival becomes Parquet files that nobody sees yet, with its account and its quarantine."""

from __future__ import annotations

import contextlib
import shutil
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from penstock import faults
from penstock.arrivals.planning.evolution import Basis, changes_of
from penstock.arrivals.planning.known import SourceSchema
from penstock.arrivals.staging.intake import Opened
from penstock.arrivals.staging.publish import Finished, publish
from penstock.arrivals.staging.through import Bench, Job, Row, work_through
from penstock.clock import iso
from penstock.errors import AccountingError, BadFileError, FileChangedError
from penstock.quality import Writing, write_quarantine
from penstock.quality.checks import Finding
from penstock.state import Accounting, Arrival
from penstock.state.store import Column
from penstock.storage import Zone
from penstock.storage.local import wait_until_settled
from penstock.tables import DataFile, Staged

NO_BASIS = Basis()


@dataclass(frozen=True)
class Prepared:
    """An arrival's finished work, ready to be committed.

    Attributes:
        arrival: Whose rows.
        staged: What a commit adds.
        accounting: Where the rows went.
        quarantine_stem: Name of the quarantine file; None when no row was set aside.
        columns: What the files hold; columns that the table lacks have ids that it will give them.
        source: What is known of the table's files, if this file added to it.
        notes: What people should know: columns that are new or missing.
        findings: What came of the checks.
        parts: Rows that came back from quarantine before, and belong to the same content processed again.
        settled: Names of the parts of the table that `parts` stand for.
        brought_back: Where the rows of `parts` went.
        basis: What it was planned against, and what it changes of the table's columns.
    """

    arrival: Arrival
    staged: Staged
    accounting: Accounting
    quarantine_stem: str | None
    columns: tuple[Column, ...]
    source: SourceSchema | None
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    parts: tuple[Staged, ...] = ()
    settled: frozenset[str] = frozenset()
    brought_back: Accounting | None = None
    basis: Basis = NO_BASIS

    @property
    def changes_table(self) -> bool:
        """Whether the table's columns, or what is known of its files, change with it."""
        return self.source is not None or self.basis.lacks(self.columns)

    @property
    def group(self) -> tuple[Staged, ...]:
        """Everything that a commit adds for the arrival, in order."""
        return (self.staged, *self.parts)

    @property
    def files(self) -> tuple[DataFile, ...]:
        """Data files of all of it."""
        return tuple(file for staged in self.group for file in staged.files)


@dataclass(frozen=True)
class Workshop:
    """Where one worker processes files.

    Attributes:
        raw: The files as delivered.
        processed: Where tables stand.
        bench: What the work is done with.
        scratch: A folder for what lives no longer than it.
        stopping: Set once the worker is to finish what is at hand, and to take nothing else.
    """

    raw: Zone
    processed: Zone
    bench: Bench
    scratch: Path
    stopping: threading.Event = field(default_factory=threading.Event, compare=False)


def stage(shop: Workshop, job: Job) -> Prepared:
    """Turn one arrival into published Parquet files.

    Raises:
        BadFileError: The file cannot become rows.
        FileChangedError: The file is no longer the version that was recorded.
    """
    arrival, known = job.arrival, job.known
    stem = arrival.name.stem(arrival.attempt)
    staging = shop.processed.staging(arrival.table.data_key(f"{stem}.parquet"))
    with _linked(shop, arrival) as link:
        try:
            _assert_unchanged(shop, arrival)
            done = work_through(shop.bench, job, link, staging)
            aside = set_aside(shop, arrival, done.first.opened, done.rows, done.accounting.quarantined)
            if not shop.raw.lasting:
                _assert_unchanged(shop, arrival)
            rows, columns = done.accounting.rows_out, done.last.plan.work.columns
            finished = Finished(arrival.table, arrival.name, arrival.attempt, None, staging, columns, rows)
            files = publish(shop.bench.engine, shop.processed, finished, job.terms.head, job.table.transforms)
        except FileChangedError:
            raise
        except Exception:
            _assert_unchanged(shop, arrival)  # what was found may be no version's fault: a file that changes is no file
            raise
        finally:
            faults.reach("scratch.delete")
            Path(staging).unlink(missing_ok=True)
    changed = known is None or done.first.schema.columns != known.columns
    at = iso(shop.bench.clock.now())
    columns = done.last.plan.work.columns if done.last.plan.python is None else ()
    schema, head = done.first.schema.confirmed(at), job.terms.head
    return Prepared(
        arrival=arrival,
        staged=Staged(arrival.name, files, job.table.on_reupload),
        accounting=replace(done.accounting, bytes_out=sum(file.bytes for file in files)),
        quarantine_stem=aside,
        columns=columns,
        source=schema if changed else None,
        notes=done.notes,
        findings=done.findings,
        basis=Basis(
            head,
            known,
            changes_of(arrival.table, job.table, head, columns, schema, arrival.key, at),
            job.table.transforms,
        ),
    )


def set_aside(shop: Workshop, arrival: Arrival, opened: Opened, rows: Iterator[Row], expected: int) -> str | None:
    """Write the quarantine file; gives its name, None when there is nothing to say of any row.

    Raises:
        AccountingError: There are not as many quarantined rows as were counted.
    """
    stem = arrival.name.stem(arrival.attempt)
    writing = Writing(opened.header, opened.source.dialect)
    kept = write_quarantine(shop.processed, arrival.table, stem, arrival.key, rows, writing)
    if kept.quarantined != expected:
        raise AccountingError(
            f"{expected} rows were to be quarantined, but {kept.quarantined} were found again",
            where=arrival.key,
            hint="nothing was committed; please report this with the file, it is a defect",
        )
    return stem if kept.quarantined or kept.warned else None


@contextlib.contextmanager
def scratch(shop: Workshop) -> Iterator[Path]:
    """A folder for what lives no longer than one piece of work."""
    folder = shop.scratch / uuid.uuid4().hex
    faults.reach("scratch.mkdir")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        faults.reach("scratch.delete")
        shutil.rmtree(folder)


@contextlib.contextmanager
def _linked(shop: Workshop, arrival: Arrival) -> Iterator[Path]:
    """A folder of its own, in which the file stands under a plain name: real names may hold quotes or line ends."""
    with scratch(shop) as folder:
        link = folder / "file"
        faults.reach("scratch.link")
        link.symlink_to(shop.raw.location(arrival.key, arrival.mark))
        yield link


def _assert_unchanged(shop: Workshop, arrival: Arrival) -> None:
    """Make sure that the bytes are those of the recorded version: before reading, and again after."""
    now = shop.raw.stat(arrival.key)
    if now is None:
        message = "the file was removed before it was read"
        raise BadFileError(message, hint="deliver it again")
    if now.mark != arrival.mark:
        message = "the file changed while it was read"
        raise FileChangedError(message, where=arrival.key)
    wait_until_settled(now)
    _assert_readable(shop, arrival)


def _assert_readable(shop: Workshop, arrival: Arrival) -> None:
    try:
        shop.raw.open(arrival.key, arrival.mark).close()
    except PermissionError:
        message = "the file cannot be read: permission denied"
        hint = "allow the user that runs Penstock to read it; it is tried again as soon as its permissions change"
        raise BadFileError(message, hint=hint) from None
