"""Planning: what has to be done with one file, worked out before a byte of it becomes a row.

The header is verified against what is known of the table's files, the types are taken from there or guessed, and the
declared steps are compiled. Files that look alike share the compiled work: only the first of them asks the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from penstock.arrivals.planning.contracts import NONE, Contracts, Difference, compare
from penstock.arrivals.planning.known import SourceSchema
from penstock.arrivals.planning.types import extended, first_guess, widened
from penstock.arrivals.staging.intake import Opened
from penstock.declaration import Step, Table
from penstock.engines import FATE, Engine, Rule, Source, Work
from penstock.errors import BadFileError
from penstock.formats import Dialect, Inferred
from penstock.naming import TableName, identifier
from penstock.state import Head
from penstock.state.store import Column
from penstock.steps import Compiled, Part, SourceColumn, compile_steps, others_named, text_columns
from penstock.steps.source_types import State
from penstock.storage import Seals
from penstock.tables import evolved_columns, inexact_sql, rewritten_type, scan_sql, storage_type, widened_type
from penstock.tables.others import Others, no_others
from penstock.tables.partition import found_column, planned_spec, sources, taken_names
from penstock.tables.sealed import assert_whole

UNWANTED = Inferred("VARCHAR", "not taken in: the contract is quarantine")
NO_WORK = Work(Source("", Dialect(","), 0), "", (), ())


@dataclass(frozen=True)
class Terms:
    """What a plan depends on beside the file.

    Attributes:
        head: The table; None when there is none yet.
        others: Gives other tables, and the table itself beside the file.
        first: The first step to take.
        unique: Whether the SELECT looks for values that stand twice.
        guarded: Whether rows for which an expression fails are set aside.
    """

    head: Head | None
    others: Others = no_others
    first: int = 0
    unique: bool = False
    guarded: bool = False


@dataclass(frozen=True)
class Plan:
    """The work on one file, up to its end or to the next step that is a Python function.

    Attributes:
        opened: The file, or what a function made of it.
        schema: Types of the table's file columns; those of a first file are guesses until it was read.
        terms: What else it was planned for.
        work: What the engine does.
        notes: What people should know: columns that are new or missing.
        python: Number of the step that follows; None at the end.
        known: What was known of the table's files before; None for a first file, and after a Python function.
        difference: How the file's columns differ from that.
    """

    opened: Opened
    schema: SourceSchema
    terms: Terms
    work: Work
    notes: tuple[str, ...]
    python: int | None = None
    known: SourceSchema | None = None
    difference: Difference = NONE


class Planner:
    """Plans the files of one table."""

    def __init__(self, name: TableName, table: Table, engine: Engine, seals: Seals | None = None) -> None:
        """Plan for `table` as declared; `engine` looks at files and tells types, `seals` say what the table's are."""
        self._name, self._table, self._engine, self._seals = name, table, engine, seals
        self._declared = text_columns(table.steps)
        self.contracts = Contracts.of_table(table)
        self._compiled: dict[object, Work] = {}

    def plan(self, opened: Opened, terms: Terms, known: SourceSchema | None) -> Plan:
        """Plan a file.

        Raises:
            BadFileError: The file is not one of the table's, or lacks what the steps need.
        """
        if known is None:
            schema = first_guess(opened, self._declared, self._engine)
            return self._planned(Plan(opened, schema, terms, NO_WORK, opened.notes))
        _verify_header(opened, known)
        difference = compare(known, opened.header, self.contracts)
        schema = extended(known, opened, difference.taken, self._declared, self._engine)
        notes = (*opened.notes, *difference.notes)
        return self._planned(Plan(opened, schema, terms, NO_WORK, notes, known=known, difference=difference))

    def with_schema(self, plan: Plan, schema: SourceSchema) -> Plan:
        """Plan again with other types.

        Raises:
            BadFileError: The table cannot take what becomes of them.
        """
        notes = plan.notes[: len(plan.opened.notes) + len(plan.difference.notes)]
        return self._planned(replace(plan, schema=schema, notes=(*notes, *_widenings(plan.known, schema))))

    def resumed(self, plan: Plan, opened: Opened) -> Plan:
        """Plan what follows a Python function; `opened` is what it made."""
        schema = replace(plan.schema, columns=dict(opened.types))
        terms = replace(plan.terms, first=(plan.python or 0) + 1, guarded=False)
        return self._planned(Plan(opened, schema, terms, NO_WORK, ()))

    def widened(self, plan: Plan) -> Plan:
        """Plan again with types decided from the whole file, after it has refuted a guess."""
        return self._planned(replace(plan, schema=widened(plan.schema, plan.opened, self._engine)))

    def guarded(self, plan: Plan) -> Plan:
        """Plan again so that rows for which an expression fails are set aside."""
        return self._planned(replace(plan, terms=replace(plan.terms, guarded=True)))

    def distinct(self, plan: Plan) -> Plan:
        """Plan again so that rows are set aside or spoken of whose values must not stand twice."""
        return self._planned(replace(plan, terms=replace(plan.terms, unique=True)))

    def _planned(self, plan: Plan) -> Plan:
        """Compile the steps, once for all files with the same header, types and table."""
        first, source = plan.terms.first, plan.opened.source
        steps = self._table.steps
        python = next((at for at in range(first, len(steps)) if steps[at].kind == "python"), None)
        key = self._key(plan)
        work = self._compiled.get(key) or self._compile(plan, steps[first:python], last=python is None)
        if not replaced_by(work.columns, plan.terms.head):  # what becomes of a column depends on the values in it
            self._compiled[key] = work
        return replace(plan, work=replace(work, source=source), python=python)

    def _key(self, plan: Plan) -> object:
        """Plans with equal keys have equal work, but for the file's path."""
        terms, source = plan.terms, plan.opened.source
        named = [*others_named(self._table.checks), *([str(self._name)] if terms.unique else [])]
        others = tuple(found.select if (found := terms.others(name)) else None for name in named)
        columns = (terms.head.columns, terms.head.specs) if terms.head else None
        flags = (terms.first, terms.unique, terms.guarded, source.kinds, source.dialect.decimal)
        known = plan.known is not None
        return (plan.opened.header, plan.schema.to_json(), columns, others, flags, known)

    def _compile(self, plan: Plan, steps: list[Step], *, last: bool) -> Work:
        opened, terms = plan.opened, plan.terms
        columns = source_columns(plan, self.contracts)
        part = Part(terms.first, terms.first == 0, last, tuple(self._table.checks), terms.others, terms.unique)

        def types_of(select: str) -> dict[str, str]:
            return dict(self._engine.describe(opened.source, select))

        def compiled(steps: list[Step], part: Part) -> Compiled:
            width, kinds = len(opened.header), opened.source.kinds
            guarded = terms.guarded
            return compile_steps(
                str(self._name), steps, columns, width, types_of, guarded=guarded, kinds=kinds, part=part
            )

        select = compiled(steps, part)
        try:
            described = types_of(select.select)
        except BadFileError as error:
            early = replace(part, after=False)
            for at, step in enumerate(steps):  # the first step that the engine refuses is the one to name
                place = f"tables.{self._name}.steps[{terms.first + at}].{step.kind}"
                _try_at(place, types_of, compiled(steps[: at + 1], early).select)
            raise error from None
        if last:
            select = _within_years(select, described)
        stored = self._columns(select, described, terms.head if last else None, final=last)
        return Work(opened.source, select.select, stored, select.rules, select.ordered)

    def _columns(
        self, compiled: Compiled, described: dict[str, str], head: Head | None, *, final: bool
    ) -> tuple[Column, ...]:
        """What is written: names, stored types, and field ids, those of the table where it has the column."""
        wanted = [(field.name, storage_type(described[field.name], field.name)) for field in compiled.fields]
        if not wanted:
            message = "the steps leave no column"
            raise BadFileError(message, hint="keep at least one")
        there = {column.name.lower(): column for column in head.columns} if head else {}
        replaced = {}
        for at, (name, kind) in enumerate(wanted):
            old = there.get(name.lower())
            if head is not None and old is not None and widened_type(old.type, kind) is None:
                wanted[at] = (name, self._replacement(head, old, kind))
                replaced[old.name] = wanted[at][1]
        own, last = (head.columns, head.last_column_id) if head else ((), 0)
        columns = evolved_columns(wanted, own, replaced, last)
        if final:
            _assert_partitionable(self._table, columns, head)
        return columns

    def _replacement(self, head: Head, old: Column, kind: str) -> str:
        """The type that a column of the table takes by being written anew.

        Raises:
            BadFileError: There is none that holds its values and those of the type `kind`.
        """
        wider = rewritten_type(old.type, kind)
        if self.contracts.of(old.name) == "evolve" and old.id not in sources(head):
            lost = inexact_sql(old.name, old.type, wider) if wider else f"{identifier(old.name)} IS NOT NULL"
            if self._seals is not None:
                assert_whole(self._seals, head)
            if not self._engine.ask(f"SELECT 1 FROM ({scan_sql(head)}) WHERE {lost} LIMIT 1"):
                return wider or kind
        raise BadFileError(
            f'column "{old.name}" is {old.type} in the table, but the steps now give {kind}',
            hint=f"cast it to {old.type.lower()} in the steps, or give it another name",
        )


def _assert_partitionable(table: Table, columns: tuple[Column, ...], head: Head | None) -> None:
    """Make sure that rows with these columns can be partitioned as declared.

    Raises:
        BadFileError: They cannot.
    """
    if head is None:
        planned_spec(table.transforms, columns)
        return
    named = {column.name.lower() for column in columns}
    whole = (*columns, *(column for column in head.columns if column.name.lower() not in named))
    for transform in table.transforms:
        found_column(transform, whole)
    there = {column.name.lower() for column in head.columns}
    for name in sorted(named & taken_names(head) - there):
        raise BadFileError(
            f'the table\'s partitions are called "{name}", so no column can be',
            hint=f"rename it, with a step such as `rename: {{{name}: other_name}}`",
        )


def source_columns(plan: Plan, contracts: Contracts) -> list[SourceColumn]:
    """Where the table's columns stand in a file, what they hold there, and what becomes of values that do not fit."""
    source, positions = plan.opened.source, {column.lower(): at for at, column in enumerate(plan.opened.header)}
    columns = []
    for name in (*plan.schema.columns, *plan.difference.unwanted):
        found = plan.schema.columns.get(name, UNWANTED)
        cell = positions.get(name.lower())
        contract = contracts.of(name) if plan.known is not None else "evolve"
        columns.append(
            SourceColumn(
                name,
                found.type,
                cell,
                source.kinds[cell] if cell is not None and source.typed else "VARCHAR",
                source.dialect.decimal,
                contract,
                found.was,
                empty=found.empty and contract == "evolve",
                state=_state(name, plan.difference),
            )
        )
    return columns


def _state(name: str, difference: Difference) -> State:
    if name in difference.unwanted:
        return "unwanted"
    return "required" if name in difference.required else "known"


def replaced_by(columns: tuple[Column, ...], head: Head | None) -> dict[str, Column]:
    """Columns that stand for one of the table's columns of the same name and have another id; by the old one's name."""
    there = {column.name.lower(): column for column in head.columns} if head else {}
    pairs = ((there.get(column.name.lower()), column) for column in columns)
    return {old.name: column for old, column in pairs if old is not None and old.id != column.id}


def _verify_header(opened: Opened, known: SourceSchema) -> None:
    if any(known.of(name) is not None for name in opened.header):
        return
    raise BadFileError(
        f"the file has none of the table's columns ({', '.join(known.columns)}); found {', '.join(opened.header)}",
        hint="deliver it under a name that another table's files have, or with the table's columns",
    )


def _widenings(known: SourceSchema | None, schema: SourceSchema) -> Iterator[str]:
    for name, before in known.columns.items() if known else ():
        now = schema.columns[name]
        if now.type != before.type:
            was = "without a value" if before.empty else before.type
            yield f'column "{name}" is now {now.type}, was {was}: {now.because()}'


def _within_years(compiled: Compiled, described: dict[str, str]) -> Compiled:
    """Set rows aside whose dates other readers of the table could not show."""
    rules, cases = list(compiled.rules), ""
    for field in compiled.fields:
        kind, name = described[field.name], identifier(field.name)
        if kind.startswith(("DATE", "TIMESTAMP")):
            last = "9999-12-31" if kind == "DATE" else "9999-12-31 23:59:59.999999"
            cases += (
                f"WHEN {name} NOT BETWEEN CAST('0001-01-01' AS {kind}) AND CAST('{last}' AS {kind}) THEN {len(rules)} "
            )
            reason = f"{field.name}: the date is outside the years 1 to 9999"
            rules.append(Rule(f"years {field.name}", "quarantined", reason, field.origin))
    if not cases:
        return compiled
    fate = f"CASE WHEN {FATE} IS NOT NULL THEN {FATE} {cases}END AS {FATE}"
    return replace(compiled, select=f"SELECT * REPLACE ({fate}) FROM ({compiled.select})", rules=tuple(rules))


def _try_at(place: str, types_of: Callable[[str], object], select: str) -> None:
    """Let the engine describe a SELECT; what it refuses is the fault of the step at `place`."""
    try:
        types_of(select)
    except BadFileError as error:
        message = error.what.removeprefix("Binder Error: ").removeprefix("Catalog Error: ")
        raise BadFileError(f"{place}: {message}", hint="correct the step in lake.yaml") from None
