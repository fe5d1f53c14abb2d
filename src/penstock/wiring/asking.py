"""Asking a lake: on this machine, through Athena, and by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from penstock.errors import AwsError
from penstock.naming import TableName
from penstock.opened import Opened

if TYPE_CHECKING:
    from penstock.access import Grant
    from penstock.queries import Result
    from penstock.queries.aws import Answer
    from penstock.queries.saved import Saved, SavedQueries

Progress = Callable[[str], object]
DUCKDB, ATHENA = "duckdb", "athena"


def ask(lake: Opened, sql: str, at: str | None = None, role: str | None = None) -> Result:
    """Ask in SQL over tables and `penstock.*`; `Lake.query` tells of its parameters."""
    from penstock.queries import Asker

    folders = [lake.raw.root, lake.processed.root, lake.enriched.root]
    grant = None if role is None else grant_of(lake, role)
    if grant is not None:
        grant.assert_allows(sql)
    asker = Asker(lake.catalog, lake.state, lake.processed, folders, lake.history)
    return asker.ask(sql, at, grant.tables if grant else None)


def ask_athena(lake: Opened, sql: str, role: str | None = None, progress: Progress | None = None) -> Answer:
    """Ask Athena over the tables of a deployed lake; `Lake.query_athena` tells of its parameters."""
    from penstock.queries.athena import tables_of
    from penstock.queries.aws import AthenaAsker

    if lake.site.deployed is None:
        raise AwsError("Athena knows deployed lakes only", where=lake.name)
    if role is not None:
        grant_of(lake, role).assert_allows(sql)
    named, there = tables_of(sql), lake.catalog.tables()
    heads = {name: lake.catalog.head(name) if name in named else None for name in there}
    schema = {name: head.columns if head else () for name, head in heads.items()}
    answer = AthenaAsker(lake.site.deployed, schema, lake.clock).ask(sql, role, progress)
    answer.snapshots = {name: str(head.snapshot) for name, head in heads.items() if head and head.snapshot is not None}
    return answer


def settled(lake: Opened, read: Mapping[TableName, str]) -> dict[TableName, str]:
    """The snapshots that Athena read: those that were there before it was asked and are there still, or one of two."""
    found = dict(read)
    for name, before in read.items():
        head = lake.catalog.head(name)
        if head is not None and str(head.snapshot) != before:
            found[name] = f"{before} to {head.snapshot}"
    return found


def grant_of(lake: Opened, role: str) -> Grant:
    """What a role may query.

    Raises:
        AccessError: No role of that name is declared.
    """
    from penstock.access import grant_of as granted

    return granted(lake.declaration.access, role, {*lake.declared, *lake.catalog.tables()})


def saved_queries(lake: Opened) -> SavedQueries:
    """The saved queries, and what each found last."""
    from penstock.queries.saved import SavedQueries

    return SavedQueries(lake.declaration.saved_queries, lake.folder, lake.enriched, lake.clock)


def save(
    lake: Opened,
    name: str,
    engine: str | None = None,
    progress: Progress | None = None,
    began: Callable[[Result], object] | None = None,
) -> Saved:
    """Ask a saved query and keep its rows; `Lake.save` tells of its parameters.

    `began` is told of the answer before its rows are taken.
    """
    chosen = engine or (DUCKDB if lake.site.deployed is None else ATHENA)

    def asked(sql: str) -> Result:
        result = ask(lake, sql) if chosen == DUCKDB else ask_athena(lake, sql, progress=progress)
        if chosen == ATHENA:
            result.snapshots = settled(lake, result.snapshots)
        if began is not None:
            began(result)
        return result

    return saved_queries(lake).keep(name, asked, chosen)
