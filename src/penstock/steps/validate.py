"""What is wrong with the SQL expressions of a declaration, before any file is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.declaration import Document
from penstock.declaration.parse import Path
from penstock.errors import Problem
from penstock.naming import printable
from penstock.steps.expressions import ExpressionProblem, check_expression

QUOTES = "\"'"


def problems_of(document: Document, text: str) -> list[Problem]:
    """Check every `derive` and `filter` expression.

    Works on the plain document and not on the model, so that a declaration with other problems is checked as well.

    Args:
        document: The parsed `lake.yaml`.
        text: What it was parsed from; tells at which character of an expression a problem stands.
    """
    lines = text.splitlines()
    found = []
    for path, expression in _expressions(document.value):
        problem = check_expression(expression)
        if problem is not None:
            found.append(_placed(document, lines, path, expression, problem))
    return found


def _expressions(value: Any) -> Iterator[tuple[Path, str]]:
    """Every expression with its path; whatever has not the form of one is left to the model."""
    for table, declared in _entries(_under(value, "tables")):
        steps = _under(declared, "steps")
        for at, step in enumerate(steps if isinstance(steps, list) else []):
            place: Path = ("tables", table, "steps", at)
            condition = _under(step, "filter")
            if isinstance(condition, str) and condition:
                yield (*place, "filter"), condition
            for column, expression in _entries(_under(step, "derive")):
                if isinstance(expression, str) and expression:
                    yield (*place, "derive", column), expression


def _under(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _entries(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _placed(document: Document, lines: list[str], path: Path, expression: str, problem: ExpressionProblem) -> Problem:
    """Put a problem at its character where the file shows the expression as it is, else at the value's start."""
    at_value = document.problem(path, printable(problem.text))
    if problem.offset is None or at_value.line > len(lines):
        return at_value
    start = at_value.column - 1
    line = lines[at_value.line - 1]
    start += line[start : start + 1] in tuple(QUOTES)
    if not line.startswith(expression, start):
        return at_value
    column = start + min(problem.offset, max(len(expression) - 1, 0)) + 1
    return Problem(at_value.file, at_value.line, column, at_value.path, at_value.text)
