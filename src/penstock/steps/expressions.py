"""SQL expressions of the declaration: one expression over one row, the same each time it is computed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb

from penstock.naming import did_you_mean, literal

MOMENTS = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}


@dataclass(frozen=True)
class ExpressionProblem:
    """What is wrong with an expression, and how many characters into it (None when it is the whole)."""

    text: str
    offset: int | None = None


def check_expression(expression: str) -> ExpressionProblem | None:
    """Check an expression as far as that is possible before a file is there; None when it is sound."""
    prefix = "SELECT ("
    tree = _parsed(f"{prefix}{expression}\n)")
    if tree.get("error"):
        position = tree.get("position")
        offset = max(0, int(position) - len(prefix)) if position is not None else None
        return ExpressionProblem(f"is not a SQL expression: {tree.get('error_message', 'syntax error')}", offset)
    statements = tree["statements"]
    node = statements[0]["node"]
    if len(statements) != 1 or node["type"] != "SELECT_NODE" or node["from_table"]["type"] != "EMPTY":
        return ExpressionProblem("must be one SQL expression over the row's columns")
    return next(_unsound(node["select_list"]), None) or _unsound_alone(_parsed(f"SELECT {expression}"))


def _unsound_alone(tree: dict[str, Any]) -> ExpressionProblem | None:
    """Look at the expression without the parentheses that every use puts around it."""
    if tree.get("error"):  # such as `a) + (b`
        return ExpressionProblem(f"is not a SQL expression: {tree.get('error_message', 'syntax error')}")
    if len(tree["statements"][0]["node"].get("select_list", [])) > 1:
        return ExpressionProblem("must be one SQL expression, found several")
    return None


def columns_of(expression: str) -> list[str]:
    """Columns that a sound expression reads, as written; empty where names may be its own (lambdas)."""
    tree = _parsed(f"SELECT ({expression}\n)")
    parts = [] if tree.get("error") else list(_walk(tree["statements"][0]["node"]["select_list"]))
    if any(part.get("class") == "LAMBDA" for part in parts):
        return []
    return list(dict.fromkeys(str(part["column_names"][0]) for part in parts if part.get("class") == "COLUMN_REF"))


def _unsound(node: Any) -> Iterator[ExpressionProblem]:
    for part in _walk(node):
        kind = part.get("class")
        if kind == "SUBQUERY":
            yield ExpressionProblem("may not hold a query of its own: it sees one row; use a SQL table for that")
        elif kind == "WINDOW":
            yield ExpressionProblem("may not look at other rows; use a SQL table for window functions")
        elif kind == "STAR":
            yield ExpressionProblem("may not hold *; name the columns")
        elif kind == "COLUMN_REF" and str(part["column_names"][-1]).lower() in MOMENTS:
            yield _changing(part["column_names"][-1])
        elif kind == "PARAMETER":
            yield ExpressionProblem("may not hold parameters; write the value")
        elif kind == "FUNCTION":
            name = str(part.get("function_name", "")).lower()
            if name == "age" and len(part.get("children", ())) == 1:
                yield _changing("age() of one moment")
            yield from _unsound_function(name)


def _unsound_function(name: str) -> Iterator[ExpressionProblem]:
    kinds = _functions().get(name, set())
    if name in {"unnest", "generate_subscripts"}:
        yield ExpressionProblem(f"{name}() gives several rows, an expression gives one value")
    if not kinds and name.isidentifier():
        suggestion = did_you_mean(name, _functions())
        yield ExpressionProblem(f"unknown function {name}(){suggestion}")
    if any(kind == "aggregate" for kind, _ in kinds):
        yield ExpressionProblem(f"{name}() adds up many rows, an expression sees one; use a SQL table for that")
    elif kinds and all(stability != "CONSISTENT" for _, stability in kinds):
        yield _changing(f"{name}()")


def _changing(what: str) -> ExpressionProblem:
    return ExpressionProblem(f"{what} gives another value each time; the same file must always give the same rows")


def _walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from _walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from _walk(child)


def _parsed(sql: str) -> dict[str, Any]:
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
