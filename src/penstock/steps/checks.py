"""Checks of single rows become conditions of the SELECT; what breaks one leaves, or is spoken of.

Whatever the order of declaration, rows are looked at by the checks that halt first, then by those that quarantine, and
last by those that warn: a row that does not stay is not spoken of. Among equals the declared order counts. `unique`
follows the checks that see one row, for a row that leaves is nobody's double.

Conditions are CASE rather than AND and OR, of which the engine computes both sides for every row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from penstock.declaration import Table
from penstock.declaration.checks import REFERENCE, Check, Statement, statements
from penstock.engines import FATE, ORDINAL, Fate, Rule
from penstock.errors import BadFileError
from penstock.naming import TableName, did_you_mean, identifier, literal
from penstock.steps.check_values import NUMBERS, UnfitError, between_sql, family, in_sql
from penstock.steps.expressions import columns_of
from penstock.steps.frame import Field, Frame
from penstock.steps.rows import OUTCOME, tried
from penstock.tables.others import Others, Relation, no_others

FATES: dict[str, Fate] = {"halt": "halted", "quarantine": "quarantined", "warn": "warned"}
IN_TABLE = "__penstock_in_table"
NTH = "__penstock_nth"
SHOWN_VALUES = 8
Condition = tuple[str, Rule]


@dataclass(frozen=True)
class Looked:
    """A frame with what a statement needs, the conditions that break it, and the fields to leave out again."""

    frame: Frame
    conditions: list[Condition]
    temporary: tuple[str, ...] = ()


def apply_checks(
    frame: Frame, table: str, checks: list[Check], when: str, others: Others = no_others, *, unique: bool = True
) -> Frame:
    """Put the checks of single rows on a frame.

    Args:
        frame: The rows before the first or after the last step.
        table: Name of the table, for errors and for the rows that it holds already.
        checks: What is declared.
        when: `before` or `after`: the checks to take.
        others: Gives other tables, and under its own name the table beside the file at hand.
        unique: Whether to take `unique` after the steps as well: it looks at all rows together, which costs.

    Raises:
        BadFileError: A check does not fit the columns.
    """
    stated = [statement for statement in statements(checks) if statement.when == when and statement.about_rows]
    for statement in sorted(stated, key=_turn):
        placed = replace(frame, place=f"tables.{table}.{statement.place}")
        if unique or not _probed(statement):
            frame = _put(_look(placed, statement, table, others), statement)
        else:
            _ = [_field(placed, name) for name in statement.columns]  # refused now, whatever the file holds
    return frame


def needs_order(checks: list[Check], *, unique: bool) -> bool:
    """Whether the SELECT asks which row comes first in the file."""
    return any(statement.kind == "unique" and (unique or not _probed(statement)) for statement in statements(checks))


def others_named(checks: list[Check]) -> list[str]:
    """Names of the tables that `references` look into."""
    targets = [statement.body for statement in statements(checks) if statement.kind == "references"]
    return list(dict.fromkeys(_target(target)[0] for target in targets))


def table_order(tables: Mapping[TableName, Table]) -> list[TableName]:
    """The tables in declared order, except that those which others refer to come before them."""
    found: dict[TableName, None] = {}

    def visit(name: TableName, above: tuple[TableName, ...]) -> None:
        if name not in tables or name in found or name in above:
            return
        for other in others_named(tables[name].checks):
            visit(TableName.parse(other), (*above, name))
        found[name] = None

    for name in tables:
        visit(name, ())
    return list(found)


def _probed(statement: Statement) -> bool:
    """Whether the finished Parquet file can tell that nothing breaks the statement."""
    return statement.kind == "unique" and statement.when == "after"


def _turn(statement: Statement) -> tuple[bool, bool, bool]:
    return (statement.on_breach == "warn", statement.kind == "unique", statement.on_breach != "halt")


def _put(looked: Looked, statement: Statement) -> Frame:
    warned = statement.on_breach == "warn"
    frame = looked.frame.warn(looked.conditions) if warned else looked.frame.set_aside(looked.conditions)
    return frame.without(*looked.temporary) if looked.temporary else frame


def _look(frame: Frame, statement: Statement, table: str, others: Others) -> Looked:
    if statement.kind == "sql":
        return _sql(frame, statement)
    if statement.kind == "unique":
        return _unique(frame, statement, others(table) if statement.when == "after" else None)
    field = _field(frame, statement.columns[0])
    if frame.type_of(field) in {"NULL", '"NULL"'} and statement.kind != "not_null":
        return Looked(frame, [])
    if statement.kind == "references":
        return _references(frame, statement, field, table, others)
    condition, reason = CONDITIONS[statement.kind](frame, field, statement)
    return Looked(frame, [(condition, _rule(statement, reason, field))])


def _field(frame: Frame, name: str) -> Field:
    try:
        return frame.find(name)
    except BadFileError as error:
        raise BadFileError(error.what, hint="correct the check, or deliver a file that has the column") from None


def _rule(statement: Statement, reason: str, field: Field | None = None) -> Rule:
    origin, cell = (field.origin, field.cell) if field else (None, None)
    return Rule(statement.rule, FATES[statement.on_breach], reason, origin, cell)


def _not_null(_frame: Frame, field: Field, _statement: Statement) -> tuple[str, str]:
    return f"{identifier(field.name)} IS NULL", f"{field.name} has no value"


def _in(frame: Frame, field: Field, statement: Statement) -> tuple[str, str]:
    values = [str(value).lower() if isinstance(value, bool) else str(value) for value in statement.body]
    more = f" and {len(values) - SHOWN_VALUES} more" if len(values) > SHOWN_VALUES else ""
    reason = f"{field.found} is none of {', '.join(values[:SHOWN_VALUES])}{more}"
    try:
        return in_sql(identifier(field.name), frame.type_of(field), statement.body), reason
    except UnfitError as error:
        raise _clash(frame, str(error)) from None


def _between(frame: Frame, field: Field, statement: Statement) -> tuple[str, str]:
    low, high = statement.body
    try:
        condition = between_sql(identifier(field.name), frame.type_of(field), low, high)
    except UnfitError as error:
        raise _clash(frame, str(error)) from None
    if low is None:
        return condition, f"{field.found} is not {high} or less"
    return condition, f"{field.found} is not {f'{low} or more' if high is None else f'between {low} and {high}'}"


def _matches(frame: Frame, field: Field, statement: Statement) -> tuple[str, str]:
    _assert_text(frame, field, "a regular expression needs text")
    pattern = f"regexp_full_match({identifier(field.name)}, {literal(statement.body)})"
    return f"NOT {pattern}", f"{field.found} does not match {statement.body}"


def _length(frame: Frame, field: Field, statement: Statement) -> tuple[str, str]:
    _assert_text(frame, field, "only text has a length")
    length = f"length({identifier(field.name)})"
    wanted = statement.body
    if isinstance(wanted, int):
        return f"{length} <> {wanted}", f"{field.found} does not have {wanted} characters"
    low, high = wanted
    if low is None:
        return f"{length} > {high}", f"{field.found} has more than {high} characters"
    if high is None:
        return f"{length} < {low}", f"{field.found} has fewer than {low} characters"
    return f"{length} NOT BETWEEN {low} AND {high}", f"{field.found} does not have {low} to {high} characters"


CONDITIONS: dict[str, Callable[[Frame, Field, Statement], tuple[str, str]]] = {
    "not_null": _not_null,
    "in": _in,
    "between": _between,
    "matches": _matches,
    "length": _length,
}


def _assert_text(frame: Frame, field: Field, rule: str) -> None:
    kind = frame.type_of(field)
    if family(kind) != "text":
        raise _clash(frame, f"{rule}, but {field.name} holds {kind}")


def _clash(frame: Frame, text: str) -> BadFileError:
    return BadFileError(f"{frame.place}: {text}", hint="correct the check, or cast the column in the steps")


def _sql(frame: Frame, statement: Statement) -> Looked:
    """A condition of the declaration; one that cannot be computed for a row is not true of it."""
    for name in columns_of(statement.body):
        _field(frame, name)
    held = f"({statement.body}\n)"
    try:
        kind = frame.types_of(f"SELECT {held} AS held FROM ({frame.select})")["held"]
    except BadFileError as error:
        raise _clash(frame, error.what.removeprefix("Binder Error: ")) from None
    if kind != "BOOLEAN":
        raise _clash(frame, f"{statement.body} gives {kind}, not true or false")
    broken = _rule(statement, f"{statement.body} is not true")
    if not frame.guarded:
        return Looked(frame, [(f"NOT {held}", broken)])
    failed = _rule(statement, f"{statement.body} cannot be computed")
    conditions = [(f"{OUTCOME} IS NULL", failed), (f"NOT {OUTCOME}.v", broken)]
    return Looked(frame.with_field(Field(OUTCOME, None), tried(held)), conditions, (OUTCOME,))


def _target(reference: str) -> tuple[str, str]:
    """Table and column of `layer.table.column`."""
    match = REFERENCE.match(reference)
    return (match["table"], match["column"]) if match else (reference, "")


def _references(frame: Frame, statement: Statement, field: Field, table: str, others: Others) -> Looked:
    name, column = _target(statement.body)
    if TableName.parse(name) == TableName.parse(table):
        raise _clash(frame, f"{table} cannot refer to itself: a file would have to be in the table before it is")
    value = identifier(field.name)
    other = others(name)
    if other is None:
        reason = f"{field.found} cannot be in {name}: that table does not exist yet"
        return Looked(frame, [(f"{value} IS NOT NULL", _rule(statement, reason, field))])
    wanted = _column_of(frame, other, name, column)
    found, kind = family(other.columns[wanted]), family(frame.type_of(field))
    if found != kind and not {found, kind} <= set(NUMBERS):
        kinds = f"{field.name} holds {frame.type_of(field)}, {name}.{wanted} holds {other.columns[wanted]}"
        raise _clash(frame, f"{kinds}; these cannot be compared")
    there = identifier(wanted)
    values = f"SELECT {there} FROM ({other.select}) WHERE {there} IS NOT NULL"
    missing = f"CASE WHEN {value} IS NULL THEN false ELSE {value} NOT IN ({values}) END"
    return Looked(frame, [(missing, _rule(statement, f"{field.found} is not in {name}.{wanted}", field))])


def _column_of(frame: Frame, other: Relation, table: str, column: str) -> str:
    for name in other.columns:
        if name.lower() == column.lower():
            return name
    suggestion = did_you_mean(column, other.columns) or f"; there are {', '.join(other.columns)}"
    message = f'{frame.place}: the table {table} has no column "{column}"{suggestion}'
    raise BadFileError(message, hint="correct the check")


def _unique(frame: Frame, statement: Statement, live: Relation | None) -> Looked:
    """Rows that the table holds already, then rows that stand behind an equal one in the file."""
    fields = [_field(frame, name) for name in statement.columns]
    columns = [identifier(field.name) for field in fields]
    any_null = "(" + " OR ".join(f"{column} IS NULL" for column in columns) + ")"
    there = _in_table(columns, [field.name for field in fields], live)
    rows = ", ".join([f"CASE WHEN {FATE} IS NOT NULL OR {any_null} THEN {ORDINAL} END", *columns])
    one_to_many = any(rule.fate == "added" for rule in frame.rules)  # then rows share their ordinal
    order = ", ".join([ORDINAL, *(identifier(field.name) for field in frame.fields if one_to_many)])
    looked = frame.with_field(Field(IN_TABLE, "BOOLEAN"), f"CASE WHEN {any_null} THEN false ELSE {there} END")
    looked = looked.with_field(Field(NTH, "BIGINT"), f"row_number() OVER (PARTITION BY {rows} ORDER BY {order})")
    again = f"CASE WHEN {IN_TABLE} OR {any_null} THEN false ELSE {NTH} > 1 END"
    one = fields[0] if len(fields) == 1 else None
    found = f"{one.found} is" if one else f"{', '.join(field.name for field in fields)}: their values together are"
    conditions = [
        (IN_TABLE, _rule(statement, f"{found} in the table already", one)),
        (again, _rule(statement, f"{found} in an earlier row of the file", one)),
    ]
    return Looked(looked, conditions, (IN_TABLE, NTH))


def _in_table(columns: list[str], names: list[str], live: Relation | None) -> str:
    """SQL: whether the table's other files hold a row with these values."""
    known = {name.lower(): name for name in live.columns} if live else {}
    if live is None or any(name.lower() not in known for name in names):
        return "false"
    keys = [identifier(known[name.lower()]) for name in names]
    values = ", ".join(keys)
    whole = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    return f"({', '.join(columns)}) IN (SELECT {values} FROM ({live.select}) WHERE {whole})"
