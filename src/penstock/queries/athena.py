"""A query in Athena's dialect: compiled from DuckDB's, every name in full and every `*` written out.

A statement means the same there as here, or it is refused: only what is known to have an equal is let through, and the
rest is answered on this machine by choice. What comes out is called as it is here, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError, UnsupportedError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from penstock.deployed import database_name
from penstock.errors import QueryError
from penstock.naming import DEFAULT_LAYER, TableName, did_you_mean, identifier
from penstock.queries.kinds import COMPARISONS, MOMENTS, SUMS, TEXTS, WHOLE, WRITTEN, count_days, is_mixed, write_out
from penstock.state.store import Column

OURS = frozenset({"penstock", "quarantine"})
"""Layers that only Penstock knows."""
HERE = "ask it on this machine, over copies of the tables' files: --engine duckdb"
"""What to do instead."""
FUNCTIONS: tuple[type[exp.Expr], ...] = (
    *(exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Stddev, exp.StddevSamp, exp.StddevPop),
    *(exp.Variance, exp.VariancePop, exp.LogicalAnd, exp.LogicalOr, exp.AnyValue, exp.CountIf),
    *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile),
    *(exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue),
    *(exp.Coalesce, exp.Nullif, exp.Case, exp.If, exp.Cast, exp.And, exp.Or, exp.Xor),
    *(exp.Upper, exp.Lower, exp.Trim, exp.Length, exp.Substring, exp.Concat, exp.StrPosition, exp.StartsWith),
    *(exp.Round, exp.Abs, exp.Floor, exp.Ceil, exp.Exp, exp.Pow, exp.Sign),
    *(exp.DateTrunc, exp.TimestampTrunc, exp.Year, exp.Month, exp.Day, exp.Quarter, exp.Extract),
    *(exp.CurrentDate, exp.Exists, exp.Replace),
)
"""Functions of which Athena's equals are known to give the same; some of them only as `_alike` says."""
REFUSED: tuple[type[exp.Expr], ...] = (
    *(exp.IntDiv, exp.Bracket, exp.Slice, exp.Columns, exp.Dot, exp.TableSample, exp.Pivot, exp.Lambda, exp.Unnest),
    *(exp.Lateral, exp.Array, exp.Struct, exp.Map, exp.Interval, exp.JSONExtract, exp.Glob, exp.SimilarTo),
    *(exp.RegexpLike, exp.Placeholder, exp.Parameter, exp.TryCast),
)
"""What is written or counted in another way there."""
EXACT = WHOLE | {exp.DType.DECIMAL}
WRITTEN_ALIKE = EXACT | TEXTS | {exp.DType.DATE, exp.DType.BOOLEAN}
"""Types whose values have the same text there; numbers with a floating point and points in time have not."""
CASTS: dict[exp.DType, frozenset[exp.DType]] = {
    **dict.fromkeys(WHOLE, EXACT | TEXTS | {exp.DType.BOOLEAN}),
    **dict.fromkeys(TEXTS, WRITTEN_ALIKE),
    exp.DType.DECIMAL: EXACT | TEXTS,
    exp.DType.DOUBLE: EXACT | TEXTS | {exp.DType.DOUBLE, exp.DType.FLOAT},
    exp.DType.DATE: TEXTS | MOMENTS | {exp.DType.DATE},
    **dict.fromkeys(MOMENTS, TEXTS | MOMENTS | {exp.DType.DATE}),
    exp.DType.BOOLEAN: WHOLE | {exp.DType.BOOLEAN},
}
"""What may become what: elsewhere values are rounded or written in another way there."""
UNITS = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"})
"""Parts of a point in time that are counted alike; days of the week, for example, are not."""
MICROSECONDS = exp.DataType.build("TIMESTAMP(6)", dialect="trino")
Schema = Mapping[TableName, Sequence[Column]]
"""The tables that there are, with the columns of those that a statement names."""


@dataclass(frozen=True)
class Compiled:
    """A query for Athena.

    Attributes:
        sql: In Athena's dialect.
        names: What its columns are called here.
        types: Their DuckDB types.
    """

    sql: str
    names: tuple[str, ...]
    types: tuple[str, ...]


def tables_of(sql: str) -> set[TableName]:
    """The tables that a statement names; none where it cannot be read."""
    try:
        tree = parsed(sql)
    except QueryError:
        return set()
    return {name_of(table) for table in tables_read(tree) if table.name}


def compiled(sql: str, lake: str, schema: Schema) -> Compiled:
    """A statement that reads, for Athena.

    Args:
        sql: One statement, in DuckDB's dialect.
        lake: The lake's name, which its databases begin with.
        schema: The tables that there are.

    Raises:
        QueryError: It is not valid, names what is not there, or has no equal in Athena's dialect that is known.
    """
    tree = parsed(sql)
    for table in tables_read(tree):
        assert_there(table, schema)
    names, types = _described(sql, schema)
    columns: dict[str, dict[str, dict[str, str]]] = {}
    for name, there in schema.items():
        if there:  # a table that is not named has none here, and one without any is no table for sqlglot
            columns.setdefault(database_name(lake, name.layer), {})[name.name] = {one.name: one.type for one in there}
    return Compiled(translated(tree, lake, columns), names, types)


def translated(tree: exp.Query, lake: str, columns: Mapping[str, object]) -> str:
    """A statement in Athena's dialect, given the types of the columns of each database's tables.

    Raises:
        QueryError: It has no equal that is known.
    """
    for table in tables_read(tree):
        _qualify(table, lake)
    known: dict[str, object] = {**columns}
    try:
        whole = qualify(tree, schema=known, dialect="duckdb")
        _spell_out(whole)
        whole = count_days(whole, lambda one: annotate_types(one, schema=known, dialect="duckdb"))
        _assert_known(whole)
        _make_exact(whole)
        return whole.sql("athena", unsupported_level=ErrorLevel.RAISE, comments=False)
    except UnsupportedError as error:
        raise QueryError(f"Athena has no equal of a part of this statement: {error}", hint=HERE) from error
    except SqlglotError as error:
        raise QueryError(f"this statement cannot be put into Athena's dialect: {_first(error)}", hint=HERE) from error


def _described(sql: str, schema: Schema) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and types of a statement's columns, as they are here; over tables without rows."""
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        connection.execute("SET TimeZone='UTC'")
        for name, columns in ((name, columns) for name, columns in schema.items() if columns):
            cells = ", ".join(f"{identifier(column.name)} {column.type}" for column in columns)
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(name.layer)}")
            connection.execute(f"CREATE TABLE {identifier(name.layer)}.{identifier(name.name)} ({cells})")
        connection.execute("SET enable_external_access=false")
        try:
            found = connection.sql(sql)
            return tuple(found.columns), tuple(map(str, found.types))
        except duckdb.Error as error:
            raise QueryError(str(error).strip()) from None


def parsed(sql: str) -> exp.Query:
    """The tree of one statement that reads.

    Raises:
        QueryError: It is not valid, or something else.
    """
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="duckdb") if tree is not None]
    except SqlglotError as error:
        raise QueryError(f"the statement cannot be read: {_first(error)}") from None
    if len(trees) != 1:
        message = f"expected one SQL statement, found {len(trees) or 'none'}"
        raise QueryError(message)
    (tree,) = trees
    if not isinstance(tree, exp.Query):
        raise QueryError(f"queries only read; {tree.key.upper()} is not possible here")
    return tree


def _first(error: SqlglotError) -> str:
    found = getattr(error, "errors", None) or [{}]
    where = f"line {found[0]['line']}, column {found[0]['col']}: " if "line" in found[0] else ""
    return where + str(found[0].get("description") or error).splitlines()[0]


def tables_read(tree: exp.Expr) -> list[exp.Table]:
    """Tables that are read, those that the statement itself defines left out."""
    inner = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    return [table for table in tree.find_all(exp.Table) if table.db or table.name.lower() not in inner]


def name_of(table: exp.Table) -> TableName:
    """What a table is called in the lake."""
    return TableName((table.db or DEFAULT_LAYER).lower(), table.name.lower())


def assert_there(table: exp.Table, schema: Schema) -> None:
    """Refuse a table that Athena does not have.

    Raises:
        QueryError: It is not among those that there are, or only Penstock knows it.
    """
    if not table.name:
        raise QueryError(f"{table.sql('duckdb')} reads no table of the lake", hint=HERE)
    name = name_of(table)
    if name.layer in OURS:
        raise QueryError(f"Athena does not know {name}", hint=HERE)
    if name not in schema:
        there = ", ".join(map(str, sorted(schema))) or "none yet"
        raise QueryError(f'no table "{name}"{did_you_mean(str(name), map(str, schema))}', hint=f"tables: {there}")


def _qualify(table: exp.Table, lake: str) -> None:
    """Give a table its full name; columns that were called by the short one still find it."""
    name, called = name_of(table), table.alias_or_name
    table.set("db", exp.to_identifier(database_name(lake, name.layer), quoted=True))
    table.set("this", exp.to_identifier(name.name, quoted=True))
    if not table.alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(called)))


def _spell_out(tree: exp.Expr) -> None:
    """Write out what Athena has no short word for: GROUP BY ALL, ORDER BY ALL."""
    for select in tree.find_all(exp.Select):
        group, order = select.args.get("group"), select.args.get("order")
        if group is not None and group.args.get("all"):
            plain = [one.unalias() for one in select.selects if not one.find(exp.AggFunc)]
            select.set("group", exp.Group(expressions=[one.copy() for one in plain]) if plain else None)
        if order is not None and any(isinstance(one.this, exp.Var) for one in order.expressions):
            message = "Athena has no equal of ORDER BY ALL"
            raise QueryError(message, hint=HERE)
    for node in list(tree.find_all(exp.IgnoreNulls)):
        if isinstance(node.this, exp.AnyValue):  # it never gives null where there is a value, there as here
            node.replace(node.this)


def _assert_known(tree: exp.Expr) -> None:
    for node in tree.walk():
        known = isinstance(node, FUNCTIONS) or not isinstance(node, exp.Func) or WRITTEN in node.meta
        refused = isinstance(node, (*REFUSED, exp.Anonymous, exp.AnonymousAggFunc))
        if not known or refused or not _alike(node):
            raise QueryError(f"Athena has no known equal of {_shown(node)}", hint=HERE)


def _alike(node: exp.Expr) -> bool:  # noqa: C901, PLR0911 - one answer each
    """Whether what is known has the same meaning there, in the way in which it is used."""
    if isinstance(node, (*COMPARISONS, *SUMS)):
        return not is_mixed(node)
    match node:
        case exp.Limit() | exp.Offset():
            return _counts(node.expression, 0) and not node.args.get("limit_options")
        case exp.Cast():
            sized = node.to.is_type(*TEXTS) and node.to.expressions  # text is cut there, not here
            return not sized and node.this.type is not None and node.this.type.this in CASTS.get(node.to.this, ())
        case exp.Concat() | exp.DPipe():
            parts = node.expressions if isinstance(node, exp.Concat) else [node.left, node.right]
            return all(part.is_type(*WRITTEN_ALIKE) for part in parts)
        case exp.Trim():  # without characters, tabs and line ends go there, too
            return node.expression is not None
        case exp.Substring():
            return _counts(node.args.get("start"), 1) and _counts(node.args.get("length"), 0, missing=True)
        case exp.Replace():
            return isinstance(node.expression, exp.Literal) and node.expression.name != ""
        case exp.DateTrunc() | exp.TimestampTrunc():
            return node.text("unit").upper() in UNITS
        case exp.Extract():
            return node.name.upper() in UNITS | {"DOY"}
        case exp.Is():  # a null is neither true nor false here; there it stays null
            return not isinstance(node.expression, exp.Boolean)
        case exp.SetOperation():
            return not node.args.get("by_name")
        case exp.Select():  # both become a query around it, within which the rest would be done too early
            around = node.args.get("qualify") is not None
            early = any(node.args.get(part) for part in ("order", "limit", "offset", "distinct"))
            distinct = node.args.get("distinct")
            return not (around and early) and not (distinct and distinct.args.get("on"))
    return True


def _counts(value: object, least: int, *, missing: bool = False) -> bool:
    """Whether a value is a number that is written out, and at least so large."""
    if value is None:
        return missing
    return isinstance(value, exp.Literal) and value.is_int and int(value.name) >= least


def _make_exact(tree: exp.Expr) -> None:
    """Write out what is exact here and would be rounded or refused there; what is within something else is first."""
    for comparison in list(tree.find_all(*COMPARISONS)):
        write_out(comparison)
    for node in list(tree.find_all(exp.Avg, exp.Sum))[::-1]:  # averages are rounded to the scale of a decimal there
        if isinstance(node, exp.Avg) or node.this.is_type(exp.DType.FLOAT):
            inner = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
            inner.replace(exp.cast(inner.copy(), exp.DType.DOUBLE))
    for division in list(tree.find_all(exp.Div))[::-1]:  # here the quotient has a floating point, whatever is divided
        division.set("this", exp.cast(division.this.copy(), exp.DType.DOUBLE))
    for cast in tree.find_all(exp.Cast):
        if cast.to.is_type(*MOMENTS):
            cast.set("to", MICROSECONDS.copy())


def _shown(node: exp.Expr) -> str:
    text = node.sql("duckdb").replace('"', "")
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - one line
