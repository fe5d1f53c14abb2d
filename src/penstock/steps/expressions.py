"""SQL expressions of the declaration: one expression over one row, the same each time it is computed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb

from penstock.naming import did_you_mean, literal

PREFIX = "SELECT ("
NOWHERE = 2**64 - 1
MOMENTS = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}


@dataclass(frozen=True)
class ExpressionProblem:
    """What is wrong with an expression, and how many characters into it (None when it is the whole)."""

    text: str
    offset: int | None = None


def check_expression(expression: str) -> ExpressionProblem | None:
    """Check an expression as far as that is possible before a file is there; None when it is sound."""
    sql = f"{PREFIX}{expression}\n)"
    tree = parsed(sql)
    if tree.get("error"):
        position = tree.get("position")
        offset = max(0, int(position) - len(PREFIX)) if position is not None else None
        return ExpressionProblem(f"is not a SQL expression: {tree.get('error_message', 'syntax error')}", offset)
    statements = tree["statements"]
    node = statements[0]["node"]
    if len(statements) != 1 or node["type"] != "SELECT_NODE" or node["from_table"]["type"] != "EMPTY":
        return ExpressionProblem("must be one SQL expression over the row's columns")
    found = _unsound(node["select_list"], sql, len(PREFIX), one_row=True)
    return next(found, None) or _unsound_alone(parsed(f"SELECT {expression}"))


def check_select(sql: str) -> ExpressionProblem | None:
    """Check a SELECT as far as that is possible before a file is there; None when it is sound."""
    tree = parsed(sql)
    if tree.get("error"):
        if tree.get("error_type") == "not implemented":
            return ExpressionProblem("must be one SELECT over input")
        position = tree.get("position")
        reason = tree.get("error_message", "syntax error")
        return ExpressionProblem(f"is not a SELECT: {reason}", int(position) if position is not None else None)
    if len(tree["statements"]) != 1:
        return ExpressionProblem(f"must be one SELECT over input, found {len(tree['statements'])} statements")
    return next(_unsound(tree["statements"][0]["node"], sql, 0, one_row=False), None)


def _unsound_alone(tree: dict[str, Any]) -> ExpressionProblem | None:
    """Look at the expression without the parentheses that every use puts around it."""
    if tree.get("error"):  # such as `a) + (b`
        return ExpressionProblem(f"is not a SQL expression: {tree.get('error_message', 'syntax error')}")
    if len(tree["statements"][0]["node"].get("select_list", [])) > 1:
        return ExpressionProblem("must be one SQL expression, found several")
    return None


@dataclass(frozen=True)
class Reference:
    """A column that SQL reads, and how many characters into the SQL it stands (None where that cannot be told)."""

    name: str
    offset: int | None = None


def references_of(expression: str) -> list[Reference]:
    """Columns that an expression reads, in order; none for an expression that cannot be parsed."""
    sql = f"{PREFIX}{expression}\n)"
    tree = parsed(sql)
    if tree.get("error"):
        return []
    parts = columns_read(tree["statements"][0]["node"]["select_list"])
    return sorted((reference_to(part, sql, len(PREFIX)) for part in parts), key=lambda found: found.offset or 0)


def columns_of(expression: str) -> list[str]:
    """Columns that a sound expression reads, as written."""
    return list(dict.fromkeys(reference.name for reference in references_of(expression)))


def reference_to(part: dict[str, Any], sql: str, before: int, name: str | None = None) -> Reference:
    """A column with its place, counted from `before` characters into the SQL."""
    return Reference(name or str(part["column_names"][0]), _offset(part, sql, before))


def _offset(part: dict[str, Any], sql: str, before: int) -> int | None:
    """Where a node stands; the engine counts bytes."""
    at, text = part.get("query_location", NOWHERE), sql.encode()
    return len(text[:at].decode(errors="ignore")) - before if at < len(text) else None


def columns_read(node: Any, own: frozenset[str] = frozenset()) -> Iterator[dict[str, Any]]:
    """Nodes that stand for columns; `own` are the names that lambdas around them give to their arguments."""
    if isinstance(node, list):
        for child in node:
            yield from columns_read(child, own)
    elif isinstance(node, dict):
        kind = node.get("class")
        if kind == "COLUMN_REF":
            if str(node["column_names"][0]).lower() not in own:
                yield node
        elif kind == "LAMBDA":
            named = [str(part["column_names"][0]).lower() for part in columns_read(node["lhs"])]
            yield from columns_read(node["expr"], own | set(named))
        elif kind != "SUBQUERY":
            for child in node.values():
                yield from columns_read(child, own)


def _unsound(node: Any, sql: str, before: int, *, one_row: bool) -> Iterator[ExpressionProblem]:
    """What may not stand in SQL, part by part; `one_row` says that it sees no other rows."""
    for part in _walk(node):
        words = _changing(part) or (_beyond_one_row(part) if one_row else None) or _unknown_function(part)
        if words is not None:
            yield ExpressionProblem(words, _offset(part, sql, before))


def _beyond_one_row(part: dict[str, Any]) -> str | None:
    """What an expression may not hold, because it sees one row and gives one value."""
    match part.get("class"):
        case "SUBQUERY":
            return "may not hold a query of its own: it sees one row; use a SQL table for that"
        case "WINDOW":
            return "may not look at other rows; use a SQL table for window functions"
        case "STAR":
            return "may not hold *; name the columns"
        case "FUNCTION":
            name = _function(part)
            if name in {"unnest", "generate_subscripts"}:
                return f"{name}() gives several rows, an expression gives one value"
            if any(kind == "aggregate" for kind, _ in _functions().get(name, ())):
                return f"{name}() adds up many rows, an expression sees one; use a SQL table for that"
    return None


def _unknown_function(part: dict[str, Any]) -> str | None:
    name = _function(part)
    if part.get("class") != "FUNCTION" or name in _functions() or not name.isidentifier():
        return None
    return f"unknown function {name}(){did_you_mean(name, _functions())}"


def _changing(part: dict[str, Any]) -> str | None:
    """What gives another value each time, or none at all yet."""
    what = None
    match part.get("class"):
        case "PARAMETER":
            return "may not hold parameters; write the value"
        case "COLUMN_REF" if str(part["column_names"][-1]).lower() in MOMENTS:
            what = part["column_names"][-1]
        case "FUNCTION":
            name = _function(part)
            kinds = _functions().get(name, set())
            if name == "age" and len(part.get("children", ())) == 1:
                what = "age() of one moment"
            elif kinds and all(stability != "CONSISTENT" for kind, stability in kinds if kind != "aggregate"):
                what = None if all(kind == "aggregate" for kind, _ in kinds) else f"{name}()"
    return what and f"{what} gives another value each time; the same file must always give the same rows"


def _function(part: dict[str, Any]) -> str:
    return str(part.get("function_name", "")).lower()


def _walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from _walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from _walk(child)


def parsed(sql: str) -> dict[str, Any]:
    """The parse tree of SQL, or what its syntax breaks."""
    row = _connection().execute(f"SELECT json_serialize_sql({literal(sql)})").fetchone()
    tree: dict[str, Any] = json.loads(row[0]) if row else {}
    return tree


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@cache
def _functions() -> dict[str, set[tuple[str, str]]]:
    """Names of the engine's functions with their kinds and stabilities."""
    rows = (
        _connection()
        .execute(
            "SELECT DISTINCT lower(function_name), function_type, coalesce(stability, 'CONSISTENT') "
            "FROM duckdb_functions()"
        )
        .fetchall()
    )
    found: dict[str, set[tuple[str, str]]] = {}
    for name, kind, stability in rows:
        found.setdefault(name, set()).add((kind, stability))
    return found
