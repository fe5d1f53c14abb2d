"""What a catalog can do: the contract that the local one and AWS Glue keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from penstock.naming import TableName, Transform
from penstock.state import DataFile, Head, Member
from penstock.storage import Seals


@dataclass(frozen=True)
class Carving:
    """A pack that loses some of its members: written anew with those to keep.

    Attributes:
        file: The pack; live, or finished and about to be.
        keep: Members to keep, in the order of their rows.
    """

    file: DataFile
    keep: tuple[Member, ...]


@dataclass(frozen=True)
class Change:
    """What one commit does to a table: one snapshot.

    Attributes:
        base: The head that the change was worked out against; the commit fails if the table has moved on.
        add: Files whose rows appear.
        remove: Paths of files whose rows disappear.
        summary: Facts that the snapshot carries.
        carve: Packs to be written anew without some members; they must be, and stand in `add` and `remove`, before the
            change can be committed.
    """

    base: Head
    add: tuple[DataFile, ...]
    remove: tuple[str, ...]
    summary: Mapping[str, str]
    carve: tuple[Carving, ...] = ()


@dataclass(frozen=True)
class Evolution:
    """A change of a table's columns: one step, atomic.

    Attributes:
        columns: Names and stored types of columns that are new, grown or replaced, in the order of their ids.
        replaced: Names of columns that give way to one of `columns` with the same name and a new id.
        rewritten: By the path of each live file, the files that take its place; empty where old files stay as they are.
        properties: Properties to set.
        history: Changes to remember, plain values without the schema's id.
    """

    columns: tuple[tuple[str, str], ...]
    replaced: tuple[str, ...] = ()
    rewritten: Mapping[str, tuple[DataFile, ...]] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Described:
    """What people are told of a table.

    Attributes:
        table: One sentence about the table.
        columns: One sentence about each of some columns, by name.
    """

    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


NOTHING = Described()
Describe = Callable[[TableName], Described]
"""What the declaration says of a table now."""


def nothing_described(_table: TableName) -> Described:
    """Nothing is said of any table."""
    return NOTHING


class Catalog(Protocol):
    """Knows the tables and moves them from one state to the next, atomically.

    Attributes:
        seals: What the tables' files were when they were written; asked before rows are read.
    """

    seals: Seals

    def tables(self) -> list[TableName]:
        """All tables, in order."""

    def pointer(self, table: TableName) -> str | None:
        """Where the table's current metadata stands; None when there is no such table. Cheap."""

    def metadata(self, table: TableName) -> dict[str, Any] | None:
        """The table's current Iceberg metadata as plain values; None when there is no such table."""

    def head(self, table: TableName) -> Head | None:
        """What the table holds now; None when there is no such table."""

    def create(
        self,
        table: TableName,
        columns: list[tuple[str, str]],
        properties: Mapping[str, str],
        partition: Sequence[Transform] = (),
    ) -> Head:
        """Make a table with columns (name, stored DuckDB type). Raises PlanOutdatedError when it exists."""

    def repartition(self, base: Head, partition: Sequence[Transform]) -> Head:
        """Lay new files out in another way; those that are there stay as they are.

        Raises PlanOutdatedError when the table has moved on: nothing was changed.
        """

    def evolve(self, base: Head, evolution: Evolution) -> Head:
        """Change a table's columns, rewritten files included, in one step.

        New columns are nullable, and null in older rows; a struct gets the fields that it lacks, after its own.
        A replaced column stands where the old one stood; its values are those of the rewritten files, and null where
        old files stay. Ids are those that `evolved_columns` tells. Raises PlanOutdatedError when the table has moved
        on: nothing was changed.
        """

    def commit(self, change: Change) -> Head:
        """Apply a change as one snapshot, atomically; one attempt.

        Raises CommitConflictError when the table has moved on: nothing was changed. After any other error it is unknown
        whether the change landed: the caller looks at `head` again.
        """

    def discard(self, paths: Iterable[str]) -> None:
        """Remove data files, given as `DataFile.path`, that no commit names; what is not there does not matter."""
