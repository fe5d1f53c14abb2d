"""Progress of a run: a bar on a terminal, one line per file elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from penstock.cli import words
from penstock.cli.output import on_terminal, say
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.lake import Lake

ENDS = ("finished", "dead")
NAME_WIDTH = 40


@contextmanager
def show_progress(lake: Lake, total: int, *, shown: bool) -> Iterator[None]:
    """Show how a run over `total` files comes along."""
    if not shown or not total:
        yield
    elif on_terminal(sys.stderr):
        with _bar(lake, total):
            yield
    else:
        for event in (*ENDS, "failed"):
            lake.signals.listen(event, tell_file)
        yield


def tell_file(event: dict[str, Any]) -> None:
    """Say what became of a file, in one line."""
    from penstock.cli.told import told

    say(f"{printable(event['table'])}  {printable(event['file'])}  {told(event)}")


@contextmanager
def _bar(lake: Lake, total: int) -> Iterator[None]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    columns = (
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("files"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[size]}"),
        TextColumn("{task.fields[file]}", markup=False, style="dim"),
    )
    rows = size = 0
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task("", total=total, rows=0, size=words.size(0), file="")

        def started(event: dict[str, Any]) -> None:
            progress.update(task, file=Text(printable(event["file"])).plain[:NAME_WIDTH])

        def ended(event: dict[str, Any]) -> None:
            nonlocal rows, size
            rows += event.get("rows_in", 0)
            size += event.get("bytes", 0)
            progress.update(task, advance=1, rows=rows, size=words.size(size))

        lake.signals.listen("started", started)
        for name in ENDS:
            lake.signals.listen(name, ended)
        yield
