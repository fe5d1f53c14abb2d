"""`penstock show`: one table, with the reasons for its types."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.checks import current
from penstock.cli.complete import TABLE
from penstock.cli.layout import left, right, show
from penstock.cli.output import bold, dim, emit, next_steps, say
from penstock.cli.session import Session, json_option, role_option, table_named
from penstock.cli.words import ago, counted, moment, size
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.lake import Lake
    from penstock.naming import TableName

SOURCE_PROPERTY = "penstock.source"
SNAPSHOTS = 5
MILLISECOND = 1000


@click.command("show")
@click.argument("table", type=TABLE)
@click.option("--history", is_flag=True, help="Show what became of the columns, and which value decided.")
@json_option(
    "Print {table, declared, exists, description, files_pattern, rows, files, bytes, committed, columns, ...}."
)
@role_option("Refuse a table that ROLE may not query.")
@click.pass_obj
def command(session: Session, table: str, role: str | None, *, history: bool) -> None:
    """Tell all about a TABLE: columns, why files are read as they are, size, freshness, snapshots."""
    with session.open() as lake:
        name = table_named(lake, table, role)
        facts = facts_of(lake, name)
        changes = history_of(lake, name)
        now = lake.clock.now()
    if session.json:
        emit({"table": facts["table"], "history": changes} if history else facts)
        return
    if history:
        say_history(facts["table"], changes)
        return
    _say_head(facts, now)
    if not facts["exists"]:
        next_steps([session.fill])
    if facts["exists"]:
        _say_columns(facts)
        _say_checks(facts)
        _say_snapshots(facts)
        next_steps([session.first_query(facts["table"])])


def facts_of(lake: Lake, name: TableName) -> dict[str, Any]:
    """Everything known of a table, as `--json` shows it."""
    from penstock.clock import iso
    from penstock.tables.partition import layout_text

    declared, head, metadata = lake.declared.get(name), lake.catalog.head(name), lake.catalog.metadata(name)
    source = json.loads((metadata or {}).get("properties", {}).get(SOURCE_PROPERTY, "null"))
    return {
        "table": str(name),
        "declared": declared is not None,
        "exists": head is not None,
        "description": declared.description if declared else None,
        "pattern": declared.files if declared else None,
        "on_reupload": declared.on_reupload if declared else None,
        "rows": head.rows if head else 0,
        "files": len(head.files) if head else 0,
        "bytes": head.bytes if head else 0,
        "committed": iso(head.committed_at) if head and head.committed_at else None,
        "snapshot": head.snapshot if head else None,
        "columns": [{"name": column.name, "type": column.type} for column in (head.columns if head else ())],
        "checks": current(lake, name),
        "source": source,
        "partition": layout_text(head.spec, head.columns) if head and head.spec.fields else None,
        "partitions": len({file.partition for file in head.files}) if head else 0,
        "snapshots": [_snapshot(plain) for plain in (metadata or {}).get("snapshots", [])],
    }


def properties_of(lake: Lake, name: TableName) -> dict[str, str]:
    """The properties of a table; none when there is no such table."""
    return dict((lake.catalog.metadata(name) or {}).get("properties", {}))


def history_of(lake: Lake, name: TableName) -> list[dict[str, Any]]:
    """What became of a table's columns, oldest first."""
    from penstock.tables import HISTORY

    found: list[dict[str, Any]] = json.loads(properties_of(lake, name).get(HISTORY, "[]"))
    return found


def say_history(table: str, changes: list[dict[str, Any]]) -> None:
    """Show what became of a table's columns, newest first."""
    say(bold(table))
    if not changes:
        say("nothing is recorded of its columns yet")
        return
    say()
    rows: list[list[str | None]] = [
        [
            change["at"][:19].replace("T", " "),
            printable(change["column"]),
            f"{change['change']}: {_types(change)}",
            printable(change["reason"] or ""),
        ]
        for change in reversed(changes)
    ]
    show([*left("when (UTC)", "column", "change"), *left("because", faint=True)], rows)


def _types(change: dict[str, Any]) -> str:
    if change["was"] in {None, change["type"]}:
        return str(change["type"])
    return f"{change['was']} to {change['type']}"


def _snapshot(plain: dict[str, Any]) -> dict[str, Any]:
    from penstock.clock import iso
    from penstock.tables.outside import is_own

    summary = plain["summary"]
    return {
        "snapshot": plain["snapshot-id"],
        "committed": iso(plain["timestamp-ms"] / MILLISECOND),
        "rows_added": int(summary.get("added-records", 0)),
        "rows_removed": int(summary.get("deleted-records", 0)),
        "rows": int(summary.get("total-records", 0)),
        "own": is_own(summary),
    }


def _seconds(committed: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(committed).timestamp()


def _say_head(facts: dict[str, Any], now: float) -> None:
    say(bold(facts["table"]))
    if facts["description"]:
        say(printable(facts["description"]))
    pattern = printable(str(facts["pattern"]))
    say(f"files:   {pattern} below raw/" if facts["declared"] else "files:   no longer declared in lake.yaml")
    if not facts["exists"]:
        say("rows:    none; no file has filled it yet")
        return
    say(f"rows:    {facts['rows']:,} in {counted(facts['files'], 'data file')}, {size(facts['bytes'])}")
    if facts["partition"]:
        say(f"layout:  by {printable(facts['partition'])}; {counted(facts['partitions'], 'partition')}")
    if facts["committed"]:
        seconds = _seconds(facts["committed"])
        say(f"commit:  {moment(seconds)} UTC, {ago(now - seconds)}")
    if facts["source"]:
        dialect = facts["source"]["dialect"]
        say(f"CSV:     {_delimiter(dialect['delimiter'])} between values: {printable(dialect['reason'])}")


def _delimiter(mark: str) -> str:
    return {",": "comma", ";": "semicolon", "\t": "tab"}.get(mark, printable(mark))


def _say_columns(facts: dict[str, Any]) -> None:
    say()
    show(left("column", "type"), [[printable(column["name"]), column["type"]] for column in facts["columns"]])
    if facts["source"]:
        say()
        rows: list[list[str | None]] = [
            [printable(column["name"]), column["type"], printable(column["reason"])]
            for column in facts["source"]["columns"]
        ]
        show([*left("in the files", "read as"), *left("because", faint=True)], rows)


def _say_checks(facts: dict[str, Any]) -> None:
    if not facts["checks"]:
        return
    say()
    rows: list[list[str | None]] = [
        [printable(check["check"]), check["on_breach"], f"{check['breaches']:,}", f"{check['files']:,}"]
        for check in facts["checks"]
    ]
    show([*left("check", "on breach"), *right("breaches", "files looked at")], rows)


def _say_snapshots(facts: dict[str, Any]) -> None:
    recent = facts["snapshots"][-SNAPSHOTS:][::-1]
    if not recent:
        return
    say()
    others = not all(snapshot["own"] for snapshot in recent)
    rows: list[list[str | None]] = [
        [
            str(snapshot["snapshot"]),
            moment(_seconds(snapshot["committed"])),
            f"+{snapshot['rows_added']:,}",
            f"-{snapshot['rows_removed']:,}" if snapshot["rows_removed"] else "",
            f"{snapshot['rows']:,}",
            *(["" if snapshot["own"] else "another writer"] if others else []),
        ]
        for snapshot in recent
    ]
    by = left("by") if others else []
    show([*left("snapshot", "committed (UTC)"), *right("added", "removed", "rows"), *by], rows)
    older = len(facts["snapshots"]) - len(recent)
    if older:
        say(dim(f"and {counted(older, 'older one')}"))
