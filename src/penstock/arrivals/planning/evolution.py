"""Changing a table's columns for files that need it: checked against what they were planned for, with its history.

Where a column takes a type that old files cannot show, every live file is written anew, its rows still known by their
arrivals, and one commit swaps them all. What was checked at planning is checked once more here,
because other workers may have committed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from penstock.arrivals.planning.known import PROPERTY, SourceSchema
from penstock.arrivals.planning.plan import replaced_by
from penstock.declaration import Table, Transform
from penstock.engines import Engine
from penstock.engines.packs import Packer
from penstock.errors import PlanOutdatedError
from penstock.naming import TableName, identifier
from penstock.state import DataFile, Head
from penstock.state.store import Column
from penstock.steps.trace import trace
from penstock.storage import Zone
from penstock.tables import Catalog, Evolution, inexact_sql, rewritten_type, scan_sql
from penstock.tables.sealed import assert_whole

Rewritten = Mapping[str, tuple[DataFile, ...]]
Rewrite = Callable[[Head, Mapping[str, Column]], Rewritten]
"""Writes a table's live files anew, some columns replaced; gives the new files by each old one's path."""


@dataclass(frozen=True)
class Basis:
    """What the work on a file was planned against, and what it changes.

    Attributes:
        head: The table; None when there was none.
        known: What was known of the table's files.
        changes: What becomes of the table's columns, for its history.
        partition: How the files of a table are laid out that is made for it.
    """

    head: Head | None = None
    known: SourceSchema | None = None
    changes: tuple[Mapping[str, Any], ...] = ()
    partition: tuple[Transform, ...] = ()

    def lacks(self, columns: Iterable[Column]) -> bool:
        """Whether the table has not all of these columns."""
        there = self.head.columns if self.head else ()
        return any(column not in there for column in columns)


def changes_of(
    name: TableName, table: Table, head: Head | None, columns: Sequence[Column], schema: SourceSchema, key: str, at: str
) -> tuple[Mapping[str, Any], ...]:
    """What a file makes of a table's columns, with the value that decided; also what it decides without a change."""
    there = {column.name.lower(): column for column in head.columns} if head else {}
    changes = []
    for column in columns:
        old = there.get(column.name.lower())
        origin = trace(str(name), table.steps, column.name)
        source = schema.of(origin.column) if origin.column else None
        found = schema.columns[source] if source else None
        if old == column and (found is None or found.at != at):
            continue
        touch = origin.typed_by
        decided = found if found is not None and touch is None else None
        changes.append(
            {
                "at": at,
                "column": column.name,
                "change": ("decided" if old == column else "widened") if old else "added" if head else "created",
                "was": old.type if old else None,
                "type": column.type,
                "file": key,
                "line": decided.line if decided and decided.file == key else None,
                "value": decided.value if decided and decided.file == key else None,
                "reason": touch.text if touch else decided.because() if decided else None,
            }
        )
    return tuple(changes)


def evolve(
    catalog: Catalog,
    head: Head,
    columns: Sequence[Column],
    source: SourceSchema | None,
    bases: Sequence[Basis],
    rewrite: Rewrite | None,
) -> Head:
    """Give a table the columns that files need, and note what is now known of its files.

    Raises:
        PlanOutdatedError: The table, or what is known of its files, is no longer what the work was planned against.
    """
    new = tuple(column for column in columns if column not in head.columns)
    if not new and source is None:
        return head
    _assert_current(catalog, head, bases, changes_known=source is not None)
    replaced = replaced_by(new, head)
    if replaced and rewrite is None:
        message = "the table's columns are to be replaced, which only the intake of files does"
        raise PlanOutdatedError(message, where=str(head.table))
    rewritten = rewrite(head, replaced) if replaced and rewrite else {}
    evolution = Evolution(
        columns=tuple((column.name, column.type) for column in new),
        replaced=tuple(replaced),
        rewritten=rewritten,
        properties={PROPERTY: source.to_json()} if source else {},
        history=tuple(change for basis in bases for change in basis.changes),
    )
    try:
        return catalog.evolve(head, evolution)
    except PlanOutdatedError:
        catalog.discard(file.path for file in chain.from_iterable(rewritten.values()))
        raise


def _assert_current(catalog: Catalog, head: Head, bases: Sequence[Basis], *, changes_known: bool) -> None:
    metadata = catalog.metadata(head.table) if changes_known else None
    text = metadata["properties"].get(PROPERTY) if metadata else None
    known = SourceSchema.from_json(text) if text else None
    for basis in bases:
        moved = basis.head is None or basis.head.columns != head.columns
        if moved or (changes_known and basis.known != known):
            message = "the table's columns changed while the file was read"
            raise PlanOutdatedError(message, where=str(head.table))


class Rewriter:
    """Writes a table's live files anew, in which some columns have another type."""

    def __init__(self, engine: Engine, zone: Zone) -> None:
        """Write by `engine` into `zone`."""
        self._engine, self._zone, self._packer = engine, zone, Packer(engine, zone)

    def __call__(self, head: Head, replaced: Mapping[str, Column]) -> Rewritten:
        """Rewrite all files; none where the columns hold no value, for then old files show what they should.

        Raises:
            PlanOutdatedError: A value has no equal of its column's new type.
        """
        if self._zone.seals is not None:
            assert_whole(self._zone.seals, head)
        types = {column.name: column.type for column in head.columns}
        filled = [name for name in replaced if self._found(head, f"{identifier(name)} IS NOT NULL")]
        if any(rewritten_type(types[name], replaced[name].type) != replaced[name].type for name in filled):
            raise self._outdated(head)
        if not filled:
            return {}
        inexact = " OR ".join(inexact_sql(name, types[name], replaced[name].type) for name in filled)
        if self._found(head, inexact):
            raise self._outdated(head)
        columns = tuple(replaced.get(column.name, column) for column in head.columns)
        done: dict[str, tuple[DataFile, ...]] = {}
        try:
            for file in head.files:
                done[file.path] = self._packer.relay(head, file, columns)
        except BaseException:
            self._zone.discard(new.path for new in chain.from_iterable(done.values()))
            raise
        return done

    def _found(self, head: Head, condition: str) -> bool:
        return bool(self._engine.ask(f"SELECT 1 FROM ({scan_sql(head)}) WHERE {condition} LIMIT 1"))

    @staticmethod
    def _outdated(head: Head) -> PlanOutdatedError:
        return PlanOutdatedError("the table took in values that the new type cannot hold", where=str(head.table))
