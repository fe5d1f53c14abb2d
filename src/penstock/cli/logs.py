"""`penstock logs`: one line per event, as it happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from penstock.cli.complete import TABLE
from penstock.cli.layout import text_width
from penstock.cli.output import dim, emit, say
from penstock.cli.session import Session, json_option, table_named
from penstock.cli.since import since_when
from penstock.cli.told import told
from penstock.cli.words import moment
from penstock.clock import moment_of
from penstock.naming import printable

Event = dict[str, Any]
LINES = 20
EVERYTHING = 1_000_000_000
WRONG = (
    *("failed", "dead", "upkeep_failed", "alarm", "given_up", "not_told", "attendant_failed", "part_failed"),
    *("paused", "full", "outage", "blocked", "unrecorded", "declaration_refused", "workflow_skipped", "gap"),
)
"""Events that say that something went wrong."""


@click.command("logs")
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens, until Ctrl-C.")
@click.option("--table", type=TABLE, metavar="TABLE", help="Only what is about this table.")
@click.option("--run", metavar="RUN", help="Only what is about this run, of files or of a workflow.")
@click.option("--since", metavar="TIME", help="Only the last 90m, 12h or 7d, or what came after a date.")
@click.option("--failed", is_flag=True, help="Only what went wrong.")
@click.option(
    "--lines",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"The last N lines; {LINES} when left out, and all of them with --run or --since.",
)
@json_option("Print JSON, one object a line: {time, event, table, file, ...}.")
@click.pass_obj
def command(
    session: Session,
    table: str | None,
    run: str | None,
    since: str | None,
    lines: int | None,
    *,
    follow: bool,
    failed: bool,
) -> None:
    """Show what happened, one line for each event: when, table, file, and where its rows went."""
    with session.open() as lake, lake.journal.mark() as mark:
        name = str(table_named(lake, table)) if table else None
        wanted = _wanted(name, run, failed=failed)
        after = since_when(since, lake.clock.now()) if since else None
        most = lines if lines is not None else EVERYTHING if run or since else LINES
        events = lake.journal.tail(most, wanted, mark, after)
        width = max((text_width(_subject(event)) for event in events), default=0)
        for event in events:
            _show(event, width, as_json=session.json)
        if not events and not follow:
            say(_nothing(session, chosen=bool(name or run or since or failed)), err=True)
        try:
            for event in lake.journal.follow(mark, wanted) if follow else ():
                _show(event, width, as_json=session.json)
        except KeyboardInterrupt:
            return


def _nothing(session: Session, *, chosen: bool) -> str:
    if chosen:
        return f"nothing of that kind has happened; {session.call} logs shows all"
    return f"nothing has happened yet; {session.fill if session.aws else session.work} makes it happen"


def _wanted(table: str | None, run: str | None, *, failed: bool) -> Callable[[Event], bool]:
    def wanted(event: Event) -> bool:
        if table is not None and event.get("table") != table:
            return False
        if run is not None and event.get("run") != run:
            return False
        return not failed or is_wrong(event)

    return wanted


def is_wrong(event: Event) -> bool:
    """Whether an event says that something went wrong."""
    return event.get("event") in WRONG or event.get("state") == "failed"


def _show(event: Event, width: int, *, as_json: bool) -> None:
    if as_json:
        emit(event, indent=None)
    else:
        subject = _subject(event)
        blank = " " * max(0, width - text_width(subject))
        say(f"{dim(_time(event))}  {subject}{blank}  {told(event)}")


def _time(event: Event) -> str:
    at = moment_of(event.get("time"))
    return "?" if at is None else moment(at)


def _subject(event: Event) -> str:
    names = [str(event[name]) for name in ("table", "file") if event.get(name)]
    return "  ".join(map(printable, names)) or "-"
