"""`penstock logs`: one line per file, as it happened."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from penstock.cli.complete import TABLE
from penstock.cli.layout import text_width
from penstock.cli.output import dim, emit, say
from penstock.cli.session import Session, json_option, table_named
from penstock.cli.words import counted, lasted, moment, size
from penstock.naming import printable


@click.command("logs")
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens, until Ctrl-C.")
@click.option("--table", type=TABLE, metavar="TABLE", help="Only files of this table.")
@click.option(
    "--lines", type=click.IntRange(min=0), default=20, show_default=True, metavar="N", help="The last N lines."
)
@json_option("Print JSON, one object a line: {time, event, table, file, ...}.")
@click.pass_obj
def command(session: Session, table: str | None, lines: int, *, follow: bool) -> None:
    """Show one line per file: when, table, file, and where its rows went."""
    with session.open() as lake:
        name = str(table_named(lake, table)) if table else None
        end = lake.journal.end
        events = lake.journal.tail(lines, name, end)
        width = max((text_width(_subject(event)) for event in events), default=0)
        for event in events:
            _show(event, width, as_json=session.json)
        if not events and not follow:
            say(f"nothing has happened yet; {session.call} run makes it happen", err=True)
        try:
            for event in lake.journal.follow(name, end) if follow else ():
                _show(event, width, as_json=session.json)
        except KeyboardInterrupt:
            return


def _show(event: dict[str, Any], width: int, *, as_json: bool) -> None:
    if as_json:
        emit(event, indent=None)
    else:
        subject = _subject(event)
        blank = " " * max(0, width - text_width(subject))
        say(f"{dim(_time(event))}  {subject}{blank}  {told(event)}")


def _time(event: dict[str, Any]) -> str:
    try:
        return moment(datetime.fromisoformat(str(event["time"])).timestamp())
    except (KeyError, ValueError):
        return "?"


def _subject(event: dict[str, Any]) -> str:
    names = [str(event[name]) for name in ("table", "file") if name in event]
    return "  ".join(map(printable, names)) or "?"


def told(event: dict[str, Any]) -> str:
    """What happened to a file, in one phrase."""
    match event.get("event"):
        case "finished":
            text = _finished(event)
        case "failed":
            wait = lasted(float(event.get("retry_in", 0)))
            text = f"attempt {event.get('attempt')} failed, again in {wait}: {event.get('reason')}"
        case "readmitted":
            stay = event.get("rows_quarantined", 0)
            text = f"{counted(event['rows_out'], 'row')} came back" + (f", {stay:,} stay in quarantine" if stay else "")
        case "purged":
            text = f"{counted(event['rows'], 'row')} removed from quarantine, set aside {event['set_aside']}"
        case "dead":
            text = f"dead: {event.get('reason')}"
        case "maintained":
            text = _maintained(event)
        case "upkeep_failed":
            text = f"upkeep failed: {event.get('reason')}"
        case "sealed":
            text = f"{counted(event['files'], 'file')} sealed that nobody had sealed when they were written"
        case "repaired":
            text = f"repaired: {event.get('what')}"
        case other:
            text = str(other)
    return printable(text)


def _maintained(event: dict[str, Any]) -> str:
    parts = [f"{event['files_joined']:,} files joined"] if event.get("files_joined") else []
    parts += [f"{counted(event['snapshots_expired'], 'snapshot')} expired"] if event.get("snapshots_expired") else []
    parts += [f"{event['manifests_merged']:,} manifests merged"] if event.get("manifests_merged") else []
    if event.get("orphans_removed"):
        parts.append(f"{counted(event['orphans_removed'], 'orphan')} removed, {size(event['bytes_freed'])} freed")
    return ", ".join(parts)


def _finished(event: dict[str, Any]) -> str:
    dropped = sum(event.get("rows_dropped", {}).values())
    parts = [f"{counted(event['rows_in'], 'row')} in"]
    if event.get("rows_added"):
        parts.append(f"{event['rows_added']:,} added")
    if event["rows_out"]:
        parts.append(f"{event['rows_out']:,} out")
    if dropped:
        parts.append(f"{dropped:,} dropped")
    if event["rows_quarantined"]:
        parts.append(f"{event['rows_quarantined']:,} quarantined")
    if not event["rows_out"]:
        parts.append("nothing written: no row was left")
    return ", ".join(parts)
