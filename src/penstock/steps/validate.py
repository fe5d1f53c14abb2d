"""What is wrong with the SQL and with the names of columns in a declaration, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from penstock.declaration import Document, Table
from penstock.declaration.parse import Path
from penstock.errors import Problem
from penstock.naming import TableName, printable
from penstock.steps.expressions import ExpressionProblem, check_expression, check_select
from penstock.steps.names import misnomers

QUOTES = "\"'"


def problems_of(document: Document, text: str) -> list[Problem]:
    """Check every SQL expression of steps and checks, and every SELECT.

    Works on the plain document and not on the model, so that a declaration with other problems is checked as well.

    Args:
        document: The parsed `lake.yaml`.
        text: What it was parsed from; tells at which character of an expression a problem stands.
    """
    lines = text.splitlines()
    found = []
    for path, sql in _expressions(document.value):
        check = check_select if path[-1] == "sql" and "steps" in path[2:3] else check_expression
        problem = check(sql)
        if problem is not None:
            found.append(placed(document, lines, path, sql, problem))
    return found


def column_problems(
    document: Document,
    text: str,
    name: str,
    table: Table,
    columns: list[str],
    tables: Mapping[TableName, list[str] | None],
) -> list[Problem]:
    """Check the names of columns in a table's steps and checks.

    Args:
        document: The parsed `lake.yaml`.
        text: What it was parsed from.
        name: The table as it is called there.
        table: Its declaration.
        columns: The columns of its files.
        tables: The lake's tables with their columns, None where these are not known.
    """
    lines = text.splitlines()
    found = []
    for misnomer in misnomers(table, columns, tables):
        path = ("tables", name, *misnomer.path)
        if misnomer.offset is None:
            found.append(document.problem(path, printable(misnomer.text), at_key=misnomer.at_key))
        else:
            problem = ExpressionProblem(misnomer.text, misnomer.offset)
            found.append(placed(document, lines, path, _value_at(document.value, path), problem))
    return found


def _value_at(value: Any, path: Path) -> str:
    for part in path:
        value = value[part]
    return str(value)


def _expressions(value: Any) -> Iterator[tuple[Path, str]]:
    """Every piece of SQL with its path; whatever has not the form of one is left to the model."""
    for table, declared in _entries(_under(value, "tables")):
        for at, step in enumerate(_items(_under(declared, "steps"))):
            place: Path = ("tables", table, "steps", at)
            yield from _sql(step, place, "filter")
            yield from _sql(step, place, "sql")
            for column, _ in _entries(_under(step, "derive")):
                yield from _sql(step["derive"], (*place, "derive"), column)
        for at, check in enumerate(_items(_under(declared, "checks"))):
            yield from _sql(check, ("tables", table, "checks", at), "sql")


def _sql(value: Any, place: Path, key: str) -> Iterator[tuple[Path, str]]:
    found = _under(value, key)
    if isinstance(found, str) and found:
        yield (*place, key), found


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _under(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _entries(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def placed(document: Document, lines: list[str], path: Path, sql: str, problem: ExpressionProblem) -> Problem:
    """Put a problem at its character where the file shows the SQL as it is, else at the value's start."""
    at_value = document.problem(path, printable(problem.text))
    if problem.offset is None:
        return at_value
    before = sql[: min(problem.offset, max(len(sql) - 1, 0))]
    line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
    start = _start(lines, at_value.line - 1, at_value.column - 1, sql.splitlines(), line)
    if start is None:
        return at_value
    return Problem(at_value.file, start[0] + 1, start[1] + column + 1, at_value.path, at_value.text)


def _start(lines: list[str], row: int, column: int, sql: list[str], line: int) -> tuple[int, int] | None:
    """Where a line of SQL starts in the file, both from 0: beside its key, in quotes or not, or in a block below it."""
    shown = lines[row][column:] if row < len(lines) else ""
    if len(sql) == 1 and shown[shown[:1] in tuple(QUOTES) :].startswith(sql[0]):
        return row, column + (shown[:1] in tuple(QUOTES))
    row += 1 + line
    if shown.startswith("|") and row < len(lines) and lines[row].strip() == sql[line].strip():
        return row, len(lines[row]) - len(lines[row].lstrip()) - (len(sql[line]) - len(sql[line].lstrip()))
    return None
