"""What a role may query: a set of tables, or everything.

A grant is decided from the declaration and the tables that there are, and never from a statement: patterns become
names first, so that no pattern can come to fit what is no table of the lake, such as `penstock.arrivals`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from penstock.access.statement import reads_of
from penstock.declaration import Role, matches
from penstock.errors import AccessError
from penstock.naming import TableName, did_you_mean

OWN_LAYERS = frozenset({"penstock", "quarantine"})
"""Layers whose tables tell of files, of raw rows and of other tables: for those who may query everything."""
SHOWN_TABLES = 16


@dataclass(frozen=True)
class Grant:
    """What one role may query.

    Attributes:
        role: The role's name.
        tables: The tables it may query; None for everything that a query can ask.
    """

    role: str
    tables: frozenset[TableName] | None

    @property
    def is_all(self) -> bool:
        """Whether everything is granted."""
        return self.tables is None

    def covers(self, table: TableName) -> bool:
        """Whether a table may be queried."""
        return self.tables is None or table in self.tables

    @property
    def words(self) -> str:
        """What may be queried, for people."""
        if self.tables is None:
            return "it may query everything"
        if not self.tables:
            return f"it may query nothing; access.{self.role}.query in lake.yaml grants tables"
        names = [str(table) for table in sorted(self.tables)]
        more = f" and {len(names) - SHOWN_TABLES} more" if len(names) > SHOWN_TABLES else ""
        return f"it may query: {', '.join(names[:SHOWN_TABLES])}{more}"

    def assert_covers(self, table: str | TableName) -> None:
        """Refuse a table that is not granted, in the same words whether or not it is there.

        Raises:
            AccessError: It is not granted.
        """
        name = TableName.parse(table.lower()) if isinstance(table, str) else table
        if not self.covers(name):
            near = did_you_mean(str(name), map(str, self.tables or ()))
            raise AccessError(f'the role "{self.role}" may not query "{name}"{near}', hint=self.words)

    def assert_allows(self, sql: str) -> None:
        """Refuse a statement that reads, or may read, what is not granted.

        Raises:
            AccessError: It names a table, a function or a kind of statement that the role may not use, or what it reads
            cannot be told.
        """
        if self.tables is None:
            return
        reads = reads_of(sql)
        if reads.refused:
            raise AccessError(f'the role "{self.role}" may not ask this: {reads.refused}', hint=self.words)
        for table in reads.tables:
            self.assert_covers(table)


def grant_of(roles: Mapping[str, Role], role: str, tables: Iterable[TableName]) -> Grant:
    """What a role may query of the tables that are declared or there.

    Raises:
        AccessError: No role of that name is declared.
    """
    if role not in roles:
        hint = f"declared below access: {', '.join(roles) or 'none'}"
        raise AccessError(f'no role "{role}" is declared{did_you_mean(role, roles)}', hint=hint)
    query = roles[role].query
    if isinstance(query, str):
        return Grant(role, None)
    granted = (table for table in tables if any(matches(pattern, table) for pattern in query))
    return Grant(role, frozenset(table for table in granted if table.layer not in OWN_LAYERS))
