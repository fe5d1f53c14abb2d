"""Staging: one arrival becomes Parquet files that nobody sees yet, with its account and its quarantine."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from penstock import faults
from penstock.arrivals.plan import Plan, Planner
from penstock.arrivals.source import SourceSchema
from penstock.declaration import Table
from penstock.engines import Engine, Source, Work, Written
from penstock.errors import AccountingError, BadFileError, ExpressionError, FileChangedError
from penstock.quality import account, collect, write_quarantine
from penstock.state import Accounting, Arrival, Head
from penstock.state.store import Column
from penstock.storage import Zone
from penstock.storage.local import wait_until_settled
from penstock.tables import DataFile, Staged


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
    """

    arrival: Arrival
    staged: Staged
    accounting: Accounting
    quarantine_stem: str | None
    columns: tuple[Column, ...]
    source: SourceSchema | None
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Workshop:
    """What staging needs: the zones, the engine, and a folder for links."""

    raw: Zone
    processed: Zone
    engine: Engine
    links: Path


def stage(
    shop: Workshop, planner: Planner, table: Table, arrival: Arrival, head: Head | None, known: SourceSchema | None
) -> Prepared:
    """Turn one arrival into published Parquet files.

    Raises:
        BadFileError: The file cannot become rows.
        FileChangedError: The file is no longer the version that was recorded.
    """
    _assert_unchanged(shop, arrival)
    with _linked(shop, arrival) as path:
        plan = planner.plan(path, head, known)
        staging = shop.processed.staging(_data_key(arrival))
        try:
            plan, written = _write(shop.engine, planner, plan, staging)
            figures = account(written, plan.work.rules, arrival.size)
            stem = _set_aside(shop, arrival, plan.work, written, figures.quarantined)
            overlong = _overlong(shop.engine, plan)
            _assert_unchanged(shop, arrival)
            files = _publish(shop, arrival, staging, written)
        finally:
            Path(staging).unlink(missing_ok=True)
    changed = known is None or plan.schema.columns != known.columns
    return Prepared(
        arrival=arrival,
        staged=Staged(arrival.name, files, table.on_reupload),
        accounting=replace(figures, bytes_out=sum(file.bytes for file in files)),
        quarantine_stem=stem,
        columns=plan.work.columns,
        source=plan.schema.confirmed() if changed else None,
        notes=(*plan.notes, *overlong),
    )


def _write(engine: Engine, planner: Planner, plan: Plan, staging: str) -> tuple[Plan, Written]:
    """Write the file; where the whole file refutes a guessed type, decide the types from it and write once more."""
    plan, written = _write_guarded(engine, planner, plan, staging)
    _refuse_swallowed_lines(written, plan.work.source)
    guessed = {f"type {name}" for name in plan.schema.uncertain()}
    rules = zip(plan.work.rules, written.by_rule, strict=True)
    if any(count and rule.name in guessed for rule, count in rules):
        return _write_guarded(engine, planner, planner.widened(plan), staging)
    return plan, written


def _write_guarded(engine: Engine, planner: Planner, plan: Plan, staging: str) -> tuple[Plan, Written]:
    """Write the file; where an expression fails for some row, write once more and set such rows aside."""
    try:
        return plan, engine.write(plan.work, staging)
    except ExpressionError:
        guarded = planner.guarded(plan)
        return guarded, engine.write(guarded.work, staging)


def _refuse_swallowed_lines(written: Written, source: Source) -> None:
    """A quote that is never closed takes all following lines into one record: no guess says which of them are rows."""
    for record in written.rejected:
        swallowed = record.raw.count("\n")
        if record.kind == "UNQUOTED VALUE" and swallowed:
            with Path(source.path).open("rb") as file:
                line = file.read(record.offset).count(b"\n") + 1
            raise BadFileError(
                f"line {line}: a quote opens that is never closed, {swallowed} lines after it would be lost",
                hint="close or remove the quote and deliver the file again",
            )


def _set_aside(shop: Workshop, arrival: Arrival, work: Work, written: Written, expected: int) -> str | None:
    """Write the quarantine file; gives its name, None when no row was set aside."""
    stem = arrival.name.stem(arrival.attempt)
    rows = collect(shop.engine, work, written, shop.raw, arrival.key)
    count = write_quarantine(shop.processed, arrival.table, stem, rows)
    if count != expected:
        raise AccountingError(
            f"{expected} rows were to be quarantined, but {count} were found again",
            where=arrival.key,
            hint="nothing was committed; please report this with the file, it is a defect",
        )
    return stem if count else None


def _overlong(engine: Engine, plan: Plan) -> list[str]:
    """Say what the CSV reader passes over: an empty field too many, behind which values may have shifted."""
    count, example = engine.overlong(plan.work.source)
    if not count:
        return []
    return [f'lines with an empty field too many: {count:,}, such as "{example}"; check that no value has shifted']


def _publish(shop: Workshop, arrival: Arrival, staging: str, written: Written) -> tuple[DataFile, ...]:
    if not written.rows_out:
        return ()
    key = _data_key(arrival)
    size = shop.processed.publish(staging, key)
    return (DataFile(shop.processed.location(key), written.rows_out, size),)


def _data_key(arrival: Arrival) -> str:
    return f"{arrival.table.layer}/{arrival.table.name}/data/{arrival.name.stem(arrival.attempt)}.parquet"


@contextlib.contextmanager
def _linked(shop: Workshop, arrival: Arrival) -> Iterator[str]:
    """Show the file to the engine under a plain name: real names may hold quotes, line ends or glob characters."""
    shop.links.mkdir(parents=True, exist_ok=True)
    link = shop.links / f"{uuid.uuid4().hex}.csv"
    faults.reach("storage.rename")
    link.symlink_to(shop.raw.location(arrival.key))
    try:
        yield str(link)
    finally:
        link.unlink(missing_ok=True)


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
