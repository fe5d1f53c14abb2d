"""Rows of other files and tables, as a file that is being checked sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from penstock.naming import ArrivalName, TableName
from penstock.state import DataFile, Head, Member
from penstock.tables.catalog import Catalog
from penstock.tables.commit import Staged, plan_change
from penstock.tables.read import scan_sql
from penstock.tables.sealed import assert_whole


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


def others_of(catalog: Catalog, own: TableName, there: Callable[[], Head | None]) -> Others:
    """Look tables up in the catalog; `there` gives the table `own` as it will be beside the file at hand."""

    def find(name: str) -> Relation | None:
        table = TableName.parse(name)
        head = there() if table == own else catalog.head(table)
        if head is None:
            return None
        assert_whole(catalog.seals, head)
        return relation_of(head)

    return find


def beside(head: Head | None, group: list[Staged], arrival: ArrivalName, on_reupload: str) -> Head | None:
    """The table without what the arrival replaces, and with the files that will be committed before it.

    A file that adds nothing, because its rows are in the table or another version of it is to stay, is beside the rows
    of other files only.
    """
    if head is None:
        return None
    change, already = plan_change(head, [*group, Staged(arrival, (), on_reupload)])
    left = {carving.file.path: set(carving.keep) for carving in change.carve}
    files = [file for file in (*head.files, *change.add) if file.path not in change.remove]
    known = {file.path for file in files}
    files += [carving.file for carving in change.carve if carving.file.path not in known]
    live = [_keeping(file, left[file.path]) if file.path in left else file for file in files]
    if arrival in already:
        gone = [[m for m in file.members if _stands_for(m.arrival, arrival, on_reupload)] for file in live]
        live = [file.hiding(members) for file, members in zip(live, gone, strict=True)]
    return replace(head, files=tuple(file for file in live if file.rows))


def _keeping(file: DataFile, keep: set[Member]) -> DataFile:
    return file.hiding(member for member in file.members if member not in keep)


def _stands_for(there: ArrivalName, arrival: ArrivalName, on_reupload: str) -> bool:
    """Whether rows are in the table instead of those of an arrival that adds nothing."""
    same_version = there.version_id == arrival.version_id
    return there.key_id == arrival.key_id and (same_version or on_reupload != "append")
