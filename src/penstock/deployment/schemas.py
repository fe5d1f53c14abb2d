"""What the declaration makes of the columns of the tables that are deployed.

Columns come with files, so that this tells what can be known before one lands: which tables are new or no longer
declared, which columns come or are no longer filled, and what becomes of the layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from penstock.naming import TableName, natural
from penstock.steps import names_after

if TYPE_CHECKING:
    from penstock.arrivals import Previewer
    from penstock.declaration import Table

ADDED, CHANGED, REMOVED = "add", "change", "remove"


class Tables(Protocol):
    """The tables that are deployed."""

    def tables(self) -> list[TableName]:
        """All tables, in order."""

    def metadata(self, table: TableName) -> dict[str, Any] | None:
        """The table's current Iceberg metadata; None when there is no such table."""


@dataclass(frozen=True)
class TableChange:
    """What becomes of a table: the table as a whole where `column` is empty, else one column."""

    action: str
    table: str
    column: str
    text: str


def table_changes(declared: Mapping[str, Table], tables: Tables, previewer: Previewer) -> tuple[TableChange, ...]:
    """What becomes of each table when the declaration is deployed."""
    there = set(tables.tables())
    names = {TableName.parse(name): name for name in declared}
    found = [change for table, name in names.items() for change in _of(name, table, declared[name], tables, previewer)]
    gone = [
        TableChange(REMOVED, str(table), "", "no longer declared; it stays, with its rows")
        for table in there - names.keys()
    ]
    return (*found, *sorted(gone, key=lambda change: natural(change.table)))


def new_tables(declared: Mapping[str, Table]) -> tuple[TableChange, ...]:
    """The changes where nothing is deployed yet."""
    return tuple(TableChange(ADDED, str(TableName.parse(name)), "", _NEW) for name in declared)


_NEW = "new; its first file gives it its columns"


def _of(name: str, table: TableName, declared: Table, tables: Tables, previewer: Previewer) -> Iterator[TableChange]:
    metadata = tables.metadata(table)
    if metadata is None:
        yield TableChange(ADDED, str(table), "", _NEW)
        return
    known = previewer.preview(name)
    wanted = names_after(declared, known.columns) if known else None
    columns = list(_columns(metadata))
    if wanted is not None:
        for column in wanted:
            if column not in columns:
                yield TableChange(ADDED, str(table), column, "comes with the next file; older rows have NULL in it")
        for column in columns:
            if column not in wanted:
                yield TableChange(REMOVED, str(table), column, "is not filled any more; it stays, with its values")
    if layout := previewer.coming(name):
        yield TableChange(CHANGED, str(table), "", layout)


def _columns(metadata: Mapping[str, Any]) -> Iterator[str]:
    current = metadata["current-schema-id"]
    fields = next(schema["fields"] for schema in metadata["schemas"] if schema["schema-id"] == current)
    yield from (str(field["name"]) for field in fields)
