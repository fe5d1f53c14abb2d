"""`penstock verify`: everything that can be checked is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.complete import TABLE
from penstock.cli.output import dim, emit, on_terminal, say
from penstock.cli.session import Session, json_option, table_named
from penstock.cli.words import counted, size
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.lake import Lake
    from penstock.upkeep.findings import Report

FOUND = 1
NAME_WIDTH = 40


@click.command("verify")
@click.argument("tables", type=TABLE, nargs=-1, metavar="[TABLE]...")
@click.option("--quick", is_flag=True, help="Do not read files whose size, times and place are as they were.")
@click.option("--raw", is_flag=True, help="Compare the files in raw/ with what was read of them, too.")
@json_option("Print {findings: [{kind, where, what, hint}], notes, tables, files, bytes, rows}.")
@click.pass_obj
def command(session: Session, tables: tuple[str, ...], *, quick: bool, raw: bool) -> int:
    """Check databases, files, checksums and accounts of all tables, or of some; nothing is changed.

    Ends with 1 when anything is found. Each finding says what it means and what to do.
    """
    with session.open() as lake:
        names = [str(table_named(lake, name)) for name in tables]
        with show_files(lake, shown=not session.json):
            report = lake.verify(names, quick=quick, raw=raw)
    if session.json:
        emit(facts_of(report))
    else:
        _say(report)
    return FOUND if report.findings else 0


def facts_of(report: Report) -> dict[str, Any]:
    """What was found, as `--json` shows it; these names are stable."""
    return {
        "findings": [asdict(found) for found in report.findings],
        "notes": report.notes,
        "tables": report.tables,
        "files": report.files,
        "bytes": report.bytes,
        "rows": report.rows,
    }


def _say(report: Report) -> None:
    for found in report.findings:
        say(f"{click.style('found:', fg='red', bold=True)} {printable(str(found))}")
    for note in report.notes:
        say(f"{dim('note:')} {printable(note)}")
    tables, files = counted(report.tables, "table"), counted(report.files, "file")
    looked = f"{tables} with {counted(report.rows, 'row')}, {files}, {size(report.bytes)} read"
    say(f"{counted(len(report.findings), 'finding') if report.findings else 'all well'}: {looked}")


@contextmanager
def show_files(lake: Lake, *, shown: bool) -> Iterator[None]:
    """Show on a terminal which file is being looked at."""
    if not shown or not on_terminal(sys.stderr):
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    columns = (
        TextColumn("{task.fields[files]:,} files, {task.fields[size]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[file]}", markup=False, style="dim"),
    )
    files = read = 0
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task("", total=None, files=0, size=size(0), file="")

        def looked(event: dict[str, Any]) -> None:
            nonlocal files, read
            files, read = files + 1, read + event["bytes"]
            name = Text(printable(str(event["file"]).rpartition("/")[2])).plain[:NAME_WIDTH]
            progress.update(task, files=files, size=size(read), file=name)

        lake.signals.listen("looked", looked)
        yield
