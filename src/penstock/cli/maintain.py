"""`penstock maintain`: tables are kept small, fast and clean."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.complete import TABLE
from penstock.cli.layout import left, right, show
from penstock.cli.output import dim, emit, next_steps, on_terminal, say
from penstock.cli.session import Session, json_option, table_named
from penstock.cli.words import counted, size
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.lake import Lake
    from penstock.upkeep.maintain import Maintained, Upkept

FAILED = 3
SHOWN = 5
JSON = "Print {tables: [{table, files_before, files_after, ..., bytes_freed, error}], leftovers, dry_run}."


@click.command("maintain")
@click.argument("tables", type=TABLE, nargs=-1, metavar="[TABLE]...")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option(JSON)
@click.pass_obj
def command(session: Session, tables: tuple[str, ...], *, dry_run: bool) -> int:
    """Join small data files, let old snapshots expire, and remove files that nothing names.

    Runs do a little of it by themselves, after their commits; this does all there is to do, for every table or some.
    Others may read and write meanwhile. Snapshots with a tag are kept. Ends with 3 when upkeep of a table failed.
    """
    from penstock import faults

    faults.install_from_environment()
    with session.open() as lake:
        names = [str(table_named(lake, name)) for name in tables]
        with _progress(lake, shown=not session.json):
            done = lake.maintain(names, dry_run=dry_run)
    if session.json:
        emit({"tables": [one.facts for one in done.tables], "leftovers": done.leftovers, "dry_run": dry_run})
    else:
        _tell(session, done, dry_run=dry_run)
    return FAILED if done.failed else 0


@contextmanager
def _progress(lake: Lake, *, shown: bool) -> Iterator[None]:
    """Say on a terminal what was joined last."""
    if not shown or not on_terminal(sys.stderr):
        yield
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("") as status:

        def joined(event: dict[str, Any]) -> None:
            what = f"{event['table']}: {event['files']} files joined, {size(event['bytes'])}"
            status.update(Text(printable(what)))

        lake.signals.listen("joined", joined)
        yield


def _tell(session: Session, done: Upkept, *, dry_run: bool) -> None:
    if not done.tables:
        say("no table yet")
        next_steps([f"{session.call} run"])
        return
    heads = [*left("table"), *right("files", "bytes", "snapshots expired", "orphans removed", "freed")]
    show(heads, [_row(one) for one in done.tables])
    for one in done.tables:
        for line in _remarks(one):
            say(line)
    if done.leftovers:
        say(f"{counted(done.leftovers, 'leftover')} of dead processes {'to be removed' if dry_run else 'removed'}")
    if dry_run:
        say(dim("nothing was changed"))
        next_steps([f"{session.call} maintain"])


def _row(one: Maintained) -> list[str | None]:
    files = f"{one.files_before:,} -> {one.files_after:,}" if one.joined else f"{one.files_before:,}"
    changed = one.bytes_after != one.bytes_before
    room = f"{size(one.bytes_before)} -> {size(one.bytes_after)}" if changed else size(one.bytes_before)
    freed = size(one.swept.bytes)
    return [str(one.table), files, room, f"{one.snapshots:,}", f"{one.swept.removed:,}", freed]


def _remarks(one: Maintained) -> Iterator[str]:
    if one.error is not None:
        yield f"{one.table}: {printable(str(one.error))}"
        yield from (f"  {printable(line)}" for line in one.error.hint.split("\n") if line)
    if one.swept.waiting:
        yield dim(f"{one.table}: {counted(one.swept.waiting, 'file')} that nothing names any more, still to wait")
    if foreign := one.swept.foreign:
        names = ", ".join(foreign[:SHOWN]) + (f" and {len(foreign) - SHOWN:,} more" if len(foreign) > SHOWN else "")
        yield dim(f"{one.table}: not Penstock's, left alone: {printable(names)}")
