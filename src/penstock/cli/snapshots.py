"""`penstock snapshots`: what tables were, and names for what is to be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.cli.complete import TABLE
from penstock.cli.layout import left, right, show
from penstock.cli.output import emit, next_steps, say
from penstock.cli.session import Session, json_option, table_named
from penstock.cli.words import moment
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.lake import Lake
    from penstock.naming import TableName
    from penstock.tables.history import Snapshot

ADDED, REMOVED, ROWS, FILES = "added-records", "deleted-records", "total-records", "total-data-files"


@click.group("snapshots")
def command() -> None:
    """Show what tables were, commit by commit, and name what is to be kept.

    Any of these moments can be asked for: penstock query --at MOMENT.
    """


@command.command("list")
@click.argument("table", type=TABLE, required=False)
@json_option("Print [{table, snapshot, committed, operation, rows, files, rows_added, rows_removed, tags}].")
@click.pass_obj
def list_command(session: Session, table: str | None) -> None:
    """List the snapshots that a TABLE, or every table, still has, the newest first."""
    with session.open() as lake:
        names = [table_named(lake, table)] if table else lake.catalog.tables()
        found = [(name, snapshot) for name in names for snapshot in reversed(_snapshots(lake, name))]
    if session.json:
        emit([facts_of(name, snapshot) for name, snapshot in found])
        return
    if not found:
        say("no snapshot yet")
        next_steps([session.fill if session.aws else session.work])
        return
    heads = [*left("table", "committed (UTC)"), *right("rows", "added", "removed", "files"), *left("snapshot", "tags")]
    show(heads, [_row(name, snapshot) for name, snapshot in found])
    next_steps([session.count(found[-1][0], at=str(found[-1][1].id))])


@command.command("tag")
@click.argument("table", type=TABLE)
@click.argument("name")
@click.option("--at", metavar="MOMENT", help="A snapshot's id, another tag, or a time; the current one, when left out.")
@json_option("Print {table, snapshot, committed, ..., tags}.")
@click.pass_obj
def tag_command(session: Session, table: str, name: str, at: str | None) -> None:
    """Give a snapshot of a TABLE the NAME by which it is kept; other engines see it, too."""
    with session.open() as lake:
        there = table_named(lake, table)
        tagged = lake.history.tag(there, name, at)
        facts = facts_of(there, next(found for found in _snapshots(lake, there) if found.id == tagged.id))
    if session.json:
        emit(facts)
        return
    say(f"{there} as of {moment(tagged.at)} UTC is now called {printable(name)}, and kept")
    next_steps([session.count(there, at=name)])


@command.command("untag")
@click.argument("table", type=TABLE)
@click.argument("name")
@json_option("Print {table, snapshot, committed, ..., tags}.")
@click.pass_obj
def untag_command(session: Session, table: str, name: str) -> None:
    """Take the NAME away from a snapshot of a TABLE; upkeep may remove it then."""
    with session.open() as lake:
        there = table_named(lake, table)
        untagged = lake.history.untag(there, name)
        facts = facts_of(there, next(found for found in _snapshots(lake, there) if found.id == untagged.id))
    if session.json:
        emit(facts)
        return
    say(f"{there} as of {moment(untagged.at)} UTC is not called {printable(name)} any more")


def _snapshots(lake: Lake, name: TableName) -> list[Snapshot]:
    from penstock.tables.history import snapshots_of

    return snapshots_of(lake.catalog.metadata(name) or {})


def facts_of(table: TableName, found: Snapshot) -> dict[str, Any]:
    """A snapshot, as `--json` shows it; these names are stable."""
    from penstock.clock import iso

    return {
        "table": str(table),
        "snapshot": found.id,
        "committed": iso(found.at),
        "operation": found.operation,
        "rows": found.figure(ROWS),
        "files": found.figure(FILES),
        "rows_added": found.figure(ADDED),
        "rows_removed": found.figure(REMOVED),
        "tags": list(found.tags),
    }


def _row(table: TableName, found: Snapshot) -> list[str | None]:
    figures = [f"{found.figure(name):,}" for name in (ROWS, ADDED, REMOVED, FILES)]
    return [str(table), moment(found.at, "%Y-%m-%d %H:%M:%S"), *figures, str(found.id), ", ".join(found.tags) or None]
