"""Patterns over names of tables, as notices and roles use them: `annonces`, `sales.*`, `*`."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from penstock.declaration.parse import Document, Path
from penstock.errors import Problem
from penstock.naming import TABLE_NAME, TableName, did_you_mean


def matches(pattern: str, table: TableName) -> bool:
    """Whether a table's name, with or without the default layer, fits a pattern."""
    return fnmatchcase(str(table), pattern) or fnmatchcase(f"{table.layer}.{table.name}", pattern)


def pattern_problems(document: Document, path: Path, patterns: Any) -> Iterator[Problem]:
    """Check that each of a list of patterns fits a table that is declared."""
    tables = document.value.get("tables")
    known = [name for name in tables if TABLE_NAME.match(str(name))] if isinstance(tables, dict) else []
    for at, pattern in enumerate(patterns if isinstance(patterns, list) else ()):
        if isinstance(pattern, str) and not any(matches(pattern, TableName.parse(name)) for name in known):
            what = "no table fits" if "*" in pattern else "no table"
            near = did_you_mean(pattern, known) or f"; declared: {', '.join(known) or 'none'}"
            yield document.problem((*path, at), f'{what} "{pattern}"{near}')
