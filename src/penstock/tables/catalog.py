"""What a catalog can do: the contract that the local one and AWS Glue keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from penstock.naming import TableName
from penstock.state import Head


@dataclass(frozen=True)
class DataFile:
    """A finished Parquet file that a commit adds."""

    path: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Change:
    """What one commit does to a table: one snapshot.

    Attributes:
        base: The head that the change was worked out against; the commit fails if the table has moved on.
        add: Files whose rows appear.
        remove: Paths of files whose rows disappear.
        summary: Facts that the snapshot carries.
    """

    base: Head
    add: tuple[DataFile, ...]
    remove: tuple[str, ...]
    summary: Mapping[str, str]


class Catalog(Protocol):
    """Knows the tables and moves them from one state to the next, atomically."""

    def tables(self) -> list[TableName]:
        """All tables, in order."""

    def pointer(self, table: TableName) -> str | None:
        """Where the table's current metadata stands; None when there is no such table. Cheap."""

    def metadata(self, table: TableName) -> dict[str, Any] | None:
        """The table's current Iceberg metadata as plain values; None when there is no such table."""

    def head(self, table: TableName) -> Head | None:
        """What the table holds now; None when there is no such table."""

    def create(self, table: TableName, columns: list[tuple[str, str]], properties: Mapping[str, str]) -> Head:
        """Make a table with columns (name, stored DuckDB type). Raises PlanOutdatedError when it exists."""

    def add_columns(self, base: Head, columns: list[tuple[str, str]], properties: Mapping[str, str]) -> Head:
        """Add nullable columns and set properties. Raises PlanOutdatedError when the table has moved on."""

    def commit(self, change: Change) -> Head:
        """Apply a change as one snapshot, atomically; one attempt.

        Raises CommitConflictError when the table has moved on: nothing was changed. After any other error it is unknown
        whether the change landed: the caller looks at `head` again.
        """
