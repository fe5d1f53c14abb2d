"""`penstock runs`: the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.cli.complete import TABLE
from penstock.cli.layout import left, right, show
from penstock.cli.output import emit, next_steps, say
from penstock.cli.session import Session, json_option, table_named
from penstock.cli.words import counted, facts_of_account, lasted, moment
from penstock.clock import iso
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.state import Run

MILLISECOND = 1000
COLUMNS = [*right("rows in", "out", "dropped", "quarantined", "took", "files"), *left("run")]


@click.command("runs")
@click.option("--table", type=TABLE, metavar="TABLE", help="Only runs of this table.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="The last N runs."
)
@json_option("Print [{run, table, state, rows_in, rows_out, rows_dropped: {rule: rows}, rows_quarantined, ...}].")
@click.pass_obj
def command(session: Session, table: str | None, limit: int) -> None:
    """List past runs, the newest first, and where the rows went."""
    with session.open() as lake:
        runs = lake.state.runs.list(table_named(lake, table) if table else None, limit)
    if session.json:
        emit([facts_of_run(run) for run in runs])
        return
    if not runs:
        say("no run yet")
        next_steps([session.fill if session.aws else session.work])
        return
    eventful = any(run.state != "finished" for run in runs)
    first = left("started (UTC)", "table", *(["state"] if eventful else []))
    show([*first, *COLUMNS], [_row(run, stated=eventful) for run in runs])
    for run in runs:
        if run.error:
            say()
            say(f"{run.run} failed: {printable(', '.join(run.arrivals))}: {printable(run.error)}")


def facts_of_run(run: Run) -> dict[str, Any]:
    """A run as `--json` shows it; these names are stable."""
    return {
        "run": run.run,
        "table": str(run.table),
        "state": run.state,
        **facts_of_account(run.accounting),
        "started": iso(run.started),
        "duration_ms": run.duration_ms,
        "arrivals": run.arrivals,
        "snapshot": run.snapshot,
        "error": run.error,
    }


def outcome(run: Run) -> str:
    """A run in one phrase."""
    if run.state == "failed":
        return f"{run.table} failed: {printable(run.error or 'no reason recorded')}"
    figures = run.accounting
    return (
        f"{run.table}: {counted(len(run.arrivals), 'file')}, {counted(figures.rows_in, 'row')} in, "
        f"{figures.rows_out:,} out"
    )


def _row(run: Run, *, stated: bool) -> list[str | None]:
    figures = run.accounting
    return [
        moment(run.started, "%Y-%m-%d %H:%M"),
        str(run.table),
        *([run.state] if stated else []),
        f"{figures.rows_in:,}",
        f"{figures.rows_out:,}",
        f"{sum(figures.dropped.values()):,}",
        f"{figures.quarantined:,}",
        lasted(run.duration_ms / MILLISECOND),
        f"{len(run.arrivals):,}",
        run.run,
    ]
