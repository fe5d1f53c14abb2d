"""Rows of other files and tables, as a file that is being checked sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from penstock.naming import ArrivalName, TableName
from penstock.state import Head, LiveFile
from penstock.tables.catalog import Catalog
from penstock.tables.commit import Staged, plan_change
from penstock.tables.read import scan_sql


@dataclass(frozen=True)
class Relation:
    """A SELECT over a table's rows, with the names and stored types of its columns."""

    select: str
    columns: dict[str, str]


Others = Callable[[str], Relation | None]
"""Gives the rows that a table, by its declared name, holds now; None when there is no such table."""


def no_others(_name: str) -> Relation | None:
    """No table but the one at hand exists."""
    return None


def relation_of(head: Head) -> Relation:
    """A table as of one head."""
    return Relation(scan_sql(head), {column.name: column.type for column in head.columns})


def others_of(catalog: Catalog, own: TableName, beside: Head | None) -> Others:
    """Look tables up in the catalog; `own` is given as it will be beside the file at hand."""

    def find(name: str) -> Relation | None:
        table = TableName.parse(name)
        head = beside if table == own else catalog.head(table)
        return relation_of(head) if head is not None else None

    return find


def beside(head: Head | None, group: list[Staged], arrival: ArrivalName, on_reupload: str) -> Head | None:
    """The table without what the arrival replaces, and with the files that will be committed before it.

    A file that adds nothing, because its rows are in the table or another version of it is to stay, is beside the rows
    of other files only.
    """
    if head is None:
        return None
    change, already = plan_change(head, [*group, Staged(arrival, (), on_reupload)])
    added = tuple(LiveFile(file.path, file.rows, file.bytes) for file in change.add)
    live = [file for file in (*head.files, *added) if file.path not in change.remove]
    if arrival in already:
        live = [file for file in live if file.arrival is None or not _stands_for(file.arrival, arrival, on_reupload)]
    return replace(head, files=tuple(live))


def _stands_for(there: ArrivalName, arrival: ArrivalName, on_reupload: str) -> bool:
    """Whether rows are in the table instead of those of an arrival that adds nothing."""
    same_version = there.version_id == arrival.version_id
    return there.key_id == arrival.key_id and (same_version or on_reupload != "append")
