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
from sqlglot.optimizer.qualify import qualify

from penstock.deployed import database_name
from penstock.errors import QueryError
from penstock.naming import DEFAULT_LAYER, TableName, did_you_mean, identifier
from penstock.state.store import Column

OURS = frozenset({"penstock", "quarantine"})
"""Layers that only Penstock knows."""
HERE = "ask it on this machine, over copies of the tables' files: --engine duckdb"
FUNCTIONS: tuple[type[exp.Expr], ...] = (
    *(exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Stddev, exp.StddevSamp, exp.StddevPop),
    *(exp.Variance, exp.VariancePop, exp.LogicalAnd, exp.LogicalOr, exp.ArgMax, exp.ArgMin, exp.AnyValue, exp.CountIf),
    *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile),
    *(exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue),
    *(exp.Coalesce, exp.Nullif, exp.Case, exp.If, exp.Cast, exp.TryCast, exp.And, exp.Or, exp.Xor),
    *(exp.Upper, exp.Lower, exp.Trim, exp.Length, exp.Substring, exp.Concat, exp.StrPosition, exp.StartsWith),
    *(exp.Round, exp.Abs, exp.Floor, exp.Ceil, exp.Sqrt, exp.Ln, exp.Exp, exp.Pow, exp.Sign),
    *(exp.DateTrunc, exp.TimestampTrunc, exp.Year, exp.Month, exp.Day, exp.Quarter, exp.Extract),
    *(exp.CurrentDate, exp.Exists, exp.Reverse, exp.Replace),
)
"""Functions of which Athena's equals are known to give the same."""
REFUSED: tuple[type[exp.Expr], ...] = (
    *(exp.IntDiv, exp.Bracket, exp.Slice, exp.Columns, exp.Dot, exp.TableSample, exp.Pivot, exp.Lambda, exp.Unnest),
    *(exp.Lateral, exp.Array, exp.Struct, exp.Map, exp.Interval, exp.JSONExtract, exp.Glob, exp.SimilarTo),
    *(exp.RegexpLike, exp.Placeholder, exp.Parameter),
)
"""What is written or counted in another way there."""
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
        tree = _parsed(sql)
    except QueryError:
        return set()
    return {_name(table) for table in _tables(tree) if table.name}


def compiled(sql: str, lake: str, schema: Schema) -> Compiled:
    """A statement that reads, for Athena.

    Args:
        sql: One statement, in DuckDB's dialect.
        lake: The lake's name, which its databases begin with.
        schema: The tables that there are.

    Raises:
        QueryError: It is not valid, names what is not there, or has no equal in Athena's dialect that is known.
    """
    tree = _parsed(sql)
    for table in _tables(tree):
        _assert_there(table, schema)
    names, types = _described(sql, schema)
    for table in _tables(tree):
        _qualify(table, lake)
    columns: dict[str, object] = {
        database_name(lake, layer): {
            name.name: {column.name: column.type for column in schema[name]} for name in schema if name.layer == layer
        }
        for layer in {name.layer for name in schema}
    }
    try:
        whole = qualify(tree, schema=columns, dialect="duckdb")
        _spell_out(whole)
        _assert_known(whole)
        text = whole.sql("athena", unsupported_level=ErrorLevel.RAISE, comments=False)
    except UnsupportedError as error:
        raise QueryError(f"Athena has no equal of a part of this statement: {error}", hint=HERE) from error
    except SqlglotError as error:
        raise QueryError(f"this statement cannot be put into Athena's dialect: {_first(error)}", hint=HERE) from error
    return Compiled(text, names, types)


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


def _parsed(sql: str) -> exp.Query:
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


def _tables(tree: exp.Expr) -> list[exp.Table]:
    """Tables that are read, those that the statement itself defines left out."""
    inner = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    return [table for table in tree.find_all(exp.Table) if table.db or table.name.lower() not in inner]


def _name(table: exp.Table) -> TableName:
    return TableName((table.db or DEFAULT_LAYER).lower(), table.name.lower())


def _assert_there(table: exp.Table, schema: Schema) -> None:
    if not table.name:
        raise QueryError(f"{table.sql('duckdb')} reads no table of the lake", hint=HERE)
    name = _name(table)
    if name.layer in OURS:
        raise QueryError(f"Athena does not know {name}", hint=HERE)
    if name not in schema:
        there = ", ".join(map(str, sorted(schema))) or "none yet"
        raise QueryError(f'no table "{name}"{did_you_mean(str(name), map(str, schema))}', hint=f"tables: {there}")


def _qualify(table: exp.Table, lake: str) -> None:
    """Give a table its full name; columns that were called by the short one still find it."""
    name, called = _name(table), table.alias_or_name
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
        known = isinstance(node, FUNCTIONS) or not isinstance(node, exp.Func)
        if not known or isinstance(node, (*REFUSED, exp.Anonymous, exp.AnonymousAggFunc)):
            raise QueryError(f"Athena has no known equal of {_shown(node)}", hint=HERE)


def _shown(node: exp.Expr) -> str:
    text = node.sql("duckdb").replace('"', "")
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - one line
