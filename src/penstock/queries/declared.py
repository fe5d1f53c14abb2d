"""What is wrong with the SQL of saved queries, told before any of them is asked.

The engine's own parser says whether it is one SELECT and which tables it names. Where the tables are there, the engine
binds it to their columns; for a table that no file has filled yet, only the table's name is looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from penstock.declaration import Declaration, Document, SavedQuery, sql_of
from penstock.errors import Problem, QueryError
from penstock.naming import DEFAULT_LAYER, TABLE_NAME, TableName, did_you_mean, identifier, literal, printable
from penstock.queries.aside import QUARANTINE_LAYER
from penstock.queries.query import SYSTEM_LAYER
from penstock.queries.system import FATES, READMITTED, SYSTEM_TABLES
from penstock.steps.expressions import ExpressionProblem
from penstock.steps.validate import placed

OWN = frozenset({SYSTEM_LAYER, "information_schema", "pg_catalog"})
SYSTEM = (*SYSTEM_TABLES, *FATES, READMITTED)
BEFORE = "EXPLAIN "
COLUMN_MISSING = "COLUMN_NOT_FOUND"
MISSING = re.compile(r'^Referenced column "([^"]*)" not found')
ANY_KIND = ("VARCHAR", "DOUBLE", "TIMESTAMP")
"""What stands for the type of a column of which only the name is known, one after the other."""
Columns = Callable[[TableName], Mapping[str, str]]
"""Gives the types of a table's columns by name, empty for one that is not known; nothing where no column is known."""


def problems_of(
    document: Document, text: str, declaration: Declaration | None, folder: Path, columns: Columns
) -> Iterator[Problem]:
    """Look at the SQL of every saved query; nothing is asked.

    Args:
        document: The parsed `lake.yaml`.
        text: What it was parsed from.
        declaration: What it declares; nothing is said of one that does not hold.
        folder: The lake's folder, with the files that have the SQL.
        columns: The tables' columns.
    """
    for name, query in (declaration.saved_queries if declaration else {}).items():
        assert declaration is not None  # noqa: S101 - for the type checker
        try:
            sql = sql_of(query, folder)
        except QueryError as error:
            yield document.problem(("queries", name, "file"), f"{error.where} {error.what}; {error.hint}")
            continue
        found = next(_unsound(sql, declaration, columns), None)
        if found is not None and query.file is not None:
            yield _in_file(query, name, sql, found)
        elif found is not None:
            path = ("queries", name) if ("queries", name, "sql") not in document.values else ("queries", name, "sql")
            yield placed(document, text.splitlines(), path, sql, ExpressionProblem(*found))


Found = tuple[str, int | None]
"""What is wrong, and how many characters into the SQL."""


def _in_file(query: SavedQuery, name: str, sql: str, found: Found) -> Problem:
    text, offset = found
    before = sql[: offset or 0]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return Problem(query.file or "", line, column, f"queries.{name}", printable(text))


def _unsound(sql: str, declaration: Declaration, columns: Columns) -> Iterator[Found]:
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        connection.execute("SET TimeZone='UTC'")
        tree = json.loads(connection.execute(f"SELECT json_serialize_sql({literal(sql)})").fetchall()[0][0])
        if tree.get("error"):
            yield _unreadable(tree)
        elif len(tree["statements"]) != 1:
            yield f"must be one SELECT, found {len(tree['statements']) or 'none'}", None
        else:
            named = list(_named(tree["statements"], sql))
            yield from _unknown(named, declaration)
            yield from _unbound(connection, sql, {table for table, _ in named}, columns)


def _unreadable(tree: Mapping[str, Any]) -> Found:
    if tree.get("error_type") == "not implemented":
        return "must be one SELECT: queries only read", None
    position = tree.get("position")
    return f"is not a SELECT: {tree.get('error_message', 'syntax error')}", None if position is None else int(position)


def _named(node: Any, sql: str, inner: frozenset[str] = frozenset()) -> Iterator[tuple[TableName, int | None]]:
    """Tables that are read, with their places; what the statement itself defines is none, nor is a file."""
    if isinstance(node, list):
        for child in node:
            yield from _named(child, sql, inner)
    elif isinstance(node, dict):
        inner |= {str(cte["key"]).lower() for cte in (node.get("cte_map") or {}).get("map", ())}
        if node.get("type") == "BASE_TABLE":
            layer, name = str(node["schema_name"]).lower(), str(node["table_name"]).lower()
            if layer == QUARANTINE_LAYER or (TABLE_NAME.match(name) and (layer or name not in inner)):
                at, text = node.get("query_location", 0), sql.encode()
                yield (
                    TableName(layer or DEFAULT_LAYER, name),
                    len(text[:at].decode(errors="ignore")) if at < len(text) else None,
                )
        yield from _named(list(node.values()), sql, inner)


def _unknown(named: list[tuple[TableName, int | None]], declaration: Declaration) -> Iterator[Found]:
    declared = {TableName.parse(name) for name in declaration.tables}
    for table, at in named:
        if table.layer == QUARANTINE_LAYER:
            known, there = [f"{QUARANTINE_LAYER}.{name}" for name in declared], TableName.parse(table.name) in declared
        elif table.layer in OWN:
            known = [f"{SYSTEM_LAYER}.{name}" for name in SYSTEM]
            there = table.layer != SYSTEM_LAYER or table.name in SYSTEM
        else:
            known, there = [str(name) for name in declared], table in declared
        if not there:
            near = did_you_mean(str(table), known) or f"; declared: {', '.join(sorted(known)) or 'none'}"
            yield f'no table "{table}" is declared{near}', at


def _unbound(
    connection: duckdb.DuckDBPyConnection, sql: str, named: set[TableName], columns: Columns
) -> Iterator[Found]:
    """What the engine says of a statement over tables without rows; nothing where the columns of one are not known."""
    there = {table: columns(table) for table in named}
    if not all(there.values()) or any(table.layer in {*OWN, QUARANTINE_LAYER} for table in named):
        return
    certain = all(kind for found in there.values() for kind in found.values())
    connection.execute("SET enable_external_access=false")
    connection.execute("SET errors_as_json=true")
    for kind in ("",) if certain else ANY_KIND:
        for table, found in there.items():
            cells = ", ".join(f"{identifier(name)} {known or kind}" for name, known in found.items())
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(table.layer)}")
            connection.execute(f"CREATE OR REPLACE TABLE {identifier(table.layer)}.{identifier(table.name)} ({cells})")
        try:
            connection.execute(BEFORE + sql)
        except duckdb.PermissionException:  # it reads a file, whose columns are not known here
            return
        except duckdb.Error as error:
            if certain or COLUMN_MISSING in str(error):
                yield _told(str(error), sql)
                return


def _told(text: str, sql: str) -> Found:
    """The engine's words and place, out of what it says as JSON."""
    try:
        facts = json.loads(text[text.index("{") :])
    except ValueError:
        return text.strip().splitlines()[0], None
    words = str(facts.get("exception_message", "")).replace("\n", "; ").replace("\t", " ")
    if (missing := MISSING.search(words)) and facts.get("error_subtype") == COLUMN_MISSING:
        known = str(facts.get("candidates", "")).split(",")
        near = did_you_mean(missing[1], known) or f"; there are {', '.join(known)}"
        words = f'no column "{missing[1]}"{near}'
    if "position" not in facts:
        return words, None
    at = int(facts["position"]) - len(BEFORE)
    return words, len(sql.encode()[: max(at, 0)].decode(errors="ignore"))
