"""Staging: one arrival becomes Parquet files that nobody sees yet, with its account and its quarantine."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from penstock import faults
from penstock.arrivals.source import SourceSchema, extended, first_guess, widened
from penstock.clock import Clock
from penstock.declaration import Table
from penstock.engines import Engine, Source, Work, Written
from penstock.errors import BadFileError, ExpressionError, FileChangedError
from penstock.formats import Dialect, detect, read_head, read_header
from penstock.naming import TableName, did_you_mean
from penstock.quality import account, collect, write_quarantine
from penstock.state import Accounting, Arrival, Head
from penstock.state.store import Column
from penstock.steps import Compiled, compile_steps
from penstock.storage import Zone
from penstock.storage.local import settled
from penstock.tables import DataFile, Staged, storage_type

SETTLE_SECONDS = 0.06


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
    """What staging needs: the zones, the engine, a folder for links, and the time."""

    raw: Zone
    processed: Zone
    engine: Engine
    links: Path
    clock: Clock


def stage(
    shop: Workshop, name: TableName, table: Table, arrival: Arrival, head: Head | None, known: SourceSchema | None
) -> Prepared:
    """Turn one arrival into published Parquet files.

    Raises:
        BadFileError: The file cannot become rows.
        FileChangedError: The file is no longer the version that was recorded.
    """
    _assert_unchanged(shop, arrival)
    with _linked(shop, arrival) as path:
        plan = _plan(shop, table, name, path, head, known)
        staging = shop.processed.staging(_data_key(name, arrival))
        try:
            plan, written = _write(shop, plan, staging)
            figures = account(written, plan.work.rules, arrival.size)
            stem = _set_aside(shop, name, arrival, plan.work, written)
            _assert_unchanged(shop, arrival)
            files = _publish(shop, name, arrival, staging, written)
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
        notes=plan.notes,
    )


@dataclass(frozen=True)
class _Plan:
    table: Table
    name: TableName
    source: Source
    header: list[str]
    schema: SourceSchema
    work: Work
    head: Head | None
    notes: tuple[str, ...]

    def compiled(self, engine: Engine, schema: SourceSchema, *, guarded: bool = False) -> _Plan:
        """The plan with other types, or with its expressions guarded."""
        work = _compiled(engine, self.table, self.name, self.source, self.header, schema, self.head, guarded=guarded)
        return replace(self, schema=schema, work=work)


def _plan(
    shop: Workshop, table: Table, name: TableName, path: str, head: Head | None, known: SourceSchema | None
) -> _Plan:
    with Path(path).open("rb") as file:
        sample, whole = read_head(file)
    dialect = (
        known.dialect if known else detect(sample, whole=whole, delimiter=table.csv.delimiter, quote=table.csv.quote)
    )
    header = read_header(sample, dialect, whole=whole)
    if known is not None:
        _verify_header(header, known, dialect)
    source = Source(path, dialect, len(header))
    if known is None:
        schema = first_guess(table, dialect, header, sample, shop.engine, source, whole=whole)
        notes: tuple[str, ...] = ()
    else:
        schema = extended(known, table, header, shop.engine, source)
        notes = _notes(known, header)
    work = _compiled(shop.engine, table, name, source, header, schema, head)
    return _Plan(table, name, source, header, schema, work, head, notes)


def _verify_header(header: list[str], known: SourceSchema, dialect: Dialect) -> None:
    if any(known.of(name) is not None for name in header):
        return
    wanted = ", ".join(known.columns)
    raise BadFileError(
        f"line 1 has none of the table's columns ({wanted}); found {', '.join(header)}",
        hint=f'the table\'s files have the delimiter "{dialect.delimiter}" and start with a line of column names',
    )


def _notes(known: SourceSchema, header: list[str]) -> tuple[str, ...]:
    new = [name for name in header if known.of(name) is None]
    lower = {name.lower() for name in header}
    missing = [name for name in known.columns if name.lower() not in lower]
    notes = [f'new column "{name}"{did_you_mean(name, missing)}' for name in new]
    return (*notes, *(f'column "{name}" is missing; its values are null' for name in missing))


def _compiled(
    engine: Engine,
    table: Table,
    name: TableName,
    source: Source,
    header: list[str],
    schema: SourceSchema,
    head: Head | None,
    *,
    guarded: bool = False,
) -> Work:
    positions = {column.lower(): at for at, column in enumerate(header)}
    columns = [(column, found.type, positions.get(column.lower())) for column, found in schema.columns.items()]

    def types_of(select: str) -> dict[str, str]:
        return dict(engine.describe(source, select))

    compiled = compile_steps(str(name), table.steps, columns, len(header), types_of, guarded=guarded)
    return Work(source, compiled.select, _columns(engine, source, compiled, head), compiled.rules)


def _columns(engine: Engine, source: Source, compiled: Compiled, head: Head | None) -> tuple[Column, ...]:
    """What is written: names, stored types, and field ids, those of the table where it has the column."""
    described = dict(engine.describe(source, compiled.select))
    wanted = [(field.name, storage_type(described[field.name], field.name)) for field in compiled.fields]
    if not wanted:
        message = "the steps leave no column"
        raise BadFileError(message, hint="keep at least one")
    there = {column.name.lower(): column for column in head.columns} if head else {}
    free = max((column.id for column in there.values()), default=0)
    columns = []
    for name, kind in wanted:
        column = there.get(name.lower())
        if column is None:
            free += 1
            column = Column(free, name, kind)
        elif column.type != kind and not _fits_into(kind, column.type):
            raise BadFileError(
                f'column "{name}" is {column.type} in the table, but the steps now give {kind}',
                hint=f"cast it to {column.type.lower()} in the steps, or give it another name",
            )
        columns.append(column)
    return tuple(columns)


def _fits_into(kind: str, stored: str) -> bool:
    """Whether every value of one stored type is a value of another."""
    return (kind, stored) in {("INTEGER", "BIGINT"), ("FLOAT", "DOUBLE"), ("INTEGER", "DOUBLE")}


def _write(shop: Workshop, plan: _Plan, staging: str) -> tuple[_Plan, Written]:
    """Write the file; where the whole file refutes a guessed type, decide the types from it and write once more."""
    plan, written = _write_guarded(shop, plan, staging)
    _refuse_swallowed_lines(written, plan.source)
    guessed = {f"type {name}" for name in plan.schema.uncertain()}
    refuted = any(count and rule.name in guessed for rule, count in zip(plan.work.rules, written.by_rule, strict=True))
    if refuted:
        schema = widened(plan.schema, plan.header, shop.engine, plan.source)
        plan, written = _write_guarded(shop, plan.compiled(shop.engine, schema), staging)
    return plan, written


def _write_guarded(shop: Workshop, plan: _Plan, staging: str) -> tuple[_Plan, Written]:
    """Write the file; where an expression fails for some row, write once more and set such rows aside."""
    try:
        return plan, shop.engine.write(plan.work, staging)
    except ExpressionError:
        guarded = plan.compiled(shop.engine, plan.schema, guarded=True)
        return guarded, shop.engine.write(guarded.work, staging)


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


def _set_aside(shop: Workshop, name: TableName, arrival: Arrival, work: Work, written: Written) -> str | None:
    stem = arrival.name.stem(arrival.attempt)
    rows = collect(shop.engine, work, written, shop.raw, arrival.key)
    return stem if write_quarantine(shop.processed, name, stem, rows) else None


def _publish(shop: Workshop, name: TableName, arrival: Arrival, staging: str, written: Written) -> tuple[DataFile, ...]:
    if not written.rows_out:
        return ()
    key = _data_key(name, arrival)
    size = shop.processed.publish(staging, key)
    return (DataFile(shop.processed.location(key), written.rows_out, size),)


def _data_key(name: TableName, arrival: Arrival) -> str:
    return f"{name.layer}/{name.name}/data/{arrival.name.stem(arrival.attempt)}.parquet"


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
    while not settled(now):
        shop.clock.sleep(SETTLE_SECONDS)
        now = shop.raw.stat(arrival.key) or now
