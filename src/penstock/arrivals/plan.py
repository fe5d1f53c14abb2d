"""Planning: what has to be done with one file, worked out before a byte of it becomes a row.

The header is verified against what is known of the table's files, the types are taken from there or guessed, and the
declared steps are compiled. Files that look alike share the compiled work: only the first of them asks the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from penstock.arrivals.source import SourceSchema, extended, first_guess, widened
from penstock.declaration import Step, Table
from penstock.engines import Engine, Source, Work
from penstock.errors import BadFileError
from penstock.formats import Dialect, detect, read_head, read_header
from penstock.naming import TableName, did_you_mean
from penstock.state import Head
from penstock.state.store import Column
from penstock.steps import Compiled, compile_steps
from penstock.tables import storage_type


@dataclass(frozen=True)
class Plan:
    """The work on one file.

    Attributes:
        header: The file's columns, in order.
        schema: Types of the table's file columns; those of a first file are guesses until it was read.
        head: The table that the work was planned against; None when there is none yet.
        work: What the engine does.
        notes: What people should know: columns that are new or missing.
    """

    header: tuple[str, ...]
    schema: SourceSchema
    head: Head | None
    work: Work
    notes: tuple[str, ...]


class Planner:
    """Plans the files of one table."""

    def __init__(self, name: TableName, table: Table, engine: Engine) -> None:
        """Plan for `table` as declared; `engine` looks at files and tells types."""
        self._name, self._table, self._engine = name, table, engine
        self._compiled: dict[object, Work] = {}

    def plan(self, path: str, head: Head | None, known: SourceSchema | None) -> Plan:
        """Plan a file.

        Raises:
            BadFileError: The file is not one of the table's, or lacks what the steps need.
        """
        with Path(path).open("rb") as file:
            sample, whole = read_head(file)
        csv = self._table.csv
        dialect = known.dialect if known else detect(sample, whole=whole, delimiter=csv.delimiter, quote=csv.quote)
        header = read_header(sample, dialect, whole=whole)
        source = Source(path, dialect, len(header))
        notes: tuple[str, ...] = ()
        if known is None:
            schema = first_guess(self._table, dialect, header, sample, self._engine, source, whole=whole)
        else:
            _verify_header(header, known, dialect)
            schema = extended(known, self._table, header, self._engine, source)
            notes = _notes(known, header)
        return Plan(tuple(header), schema, head, self._work(source, tuple(header), schema, head), notes)

    def widened(self, plan: Plan) -> Plan:
        """Plan again with types decided from the whole file, after it has refuted a guess."""
        source = plan.work.source
        schema = widened(plan.schema, list(plan.header), self._engine, source)
        return replace(plan, schema=schema, work=self._work(source, plan.header, schema, plan.head))

    def guarded(self, plan: Plan) -> Plan:
        """Plan again so that rows for which an expression fails are set aside."""
        work = self._work(plan.work.source, plan.header, plan.schema, plan.head, guarded=True)
        return replace(plan, work=work)

    def _work(
        self, source: Source, header: tuple[str, ...], schema: SourceSchema, head: Head | None, *, guarded: bool = False
    ) -> Work:
        """Compile the steps, once for all files with the same header, types and table."""
        key = (header, schema.to_json(), head.columns if head else None, guarded)
        if key not in self._compiled:
            self._compiled[key] = self._compile(source, header, schema, head, guarded=guarded)
        return replace(self._compiled[key], source=source)

    def _compile(
        self, source: Source, header: tuple[str, ...], schema: SourceSchema, head: Head | None, *, guarded: bool
    ) -> Work:
        positions = {column.lower(): at for at, column in enumerate(header)}
        columns = [(column, found.type, positions.get(column.lower())) for column, found in schema.columns.items()]

        def types_of(select: str) -> dict[str, str]:
            return dict(self._engine.describe(source, select))

        def compiled(steps: list[Step]) -> Compiled:
            return compile_steps(str(self._name), steps, columns, len(header), types_of, guarded=guarded)

        steps = self._table.steps
        select = compiled(steps)
        try:
            described = types_of(select.select)
        except BadFileError as error:
            for count in range(1, len(steps) + 1):  # the first step that the engine refuses is the one to name
                place = f"tables.{self._name}.steps[{count - 1}].{steps[count - 1].kind}"
                _try_at(place, types_of, compiled(steps[:count]).select)
            raise error from None
        return Work(source, select.select, _columns(select, described, head), select.rules)


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


def _try_at(place: str, types_of: Callable[[str], object], select: str) -> None:
    """Let the engine describe a SELECT; what it refuses is the fault of the step at `place`."""
    try:
        types_of(select)
    except BadFileError as error:
        message = error.what.removeprefix("Binder Error: ").removeprefix("Catalog Error: ")
        raise BadFileError(f"{place}: {message}", hint="correct the step in lake.yaml") from None


def _columns(compiled: Compiled, described: dict[str, str], head: Head | None) -> tuple[Column, ...]:
    """What is written: names, stored types, and field ids, those of the table where it has the column."""
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
