"""`penstock tables`: what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.cli.layout import left, right, show
from penstock.cli.output import emit, next_steps, say
from penstock.cli.session import Session, json_option, role_option
from penstock.cli.words import ago, counted, moment, size

if TYPE_CHECKING:
    from penstock.lake import Lake

COLUMNS = [*left("table"), *right("rows", "files", "size"), *left("last commit (UTC)"), *left("", faint=True)]
ABSENT = "not yet"


@click.command("tables")
@json_option("Print [{table, exists, declared, rows, files, bytes, committed}].")
@role_option("List the tables that ROLE may query, and no others.")
@click.pass_obj
def command(session: Session, role: str | None) -> None:
    """List the tables: those that exist, and those declared that no file has filled yet."""
    from penstock.clock import iso

    with session.open() as lake:
        now = lake.clock.now()
        found = tables(lake, role)
    if session.json:
        emit([{**facts, "committed": facts["committed"] and iso(facts["committed"])} for facts in found])
        return
    if not found and role is not None:
        say(f'the role "{role}" may query no table')
        return
    if not found:
        say("no table is declared")
        next_steps([f"declare a table in lake.yaml, then: {session.call} check"])
        return
    show(COLUMNS, [_row(facts, now) for facts in found])
    say()
    there = [facts for facts in found if facts["exists"]]
    say(f"{counted(len(found), 'table')}, {counted(sum(facts['rows'] for facts in there), 'row')}")
    asking = "" if role is None else f" --role {role}"
    next_steps([f"{session.call} show {there[0]['table']}{asking}" if there else session.fill])


def tables(lake: Lake, role: str | None = None) -> list[dict[str, Any]]:
    """Facts of every table, or of those that a role may query; `committed` in seconds."""
    found = []
    grant = None if role is None else lake.grant(role)
    for name in sorted({*lake.declared, *lake.catalog.tables()}):
        if grant is not None and not grant.covers(name):
            continue
        head = lake.catalog.head(name)
        found.append(
            {
                "table": str(name),
                "exists": head is not None,
                "declared": name in lake.declared,
                "rows": head.rows if head else 0,
                "files": len(head.files) if head else 0,
                "bytes": head.bytes if head else 0,
                "committed": head.committed_at if head else None,
            }
        )
    return found


def _row(facts: dict[str, Any], now: float) -> list[str | None]:
    if not facts["exists"]:
        return [facts["table"], ABSENT, "", "", "", ""]
    committed = facts["committed"]
    remark = ago(now - committed) if committed else ""
    if not facts["declared"]:
        remark += ", no longer declared"
    figures = [f"{facts['rows']:,}", f"{facts['files']:,}", size(facts["bytes"])]
    return [facts["table"], *figures, moment(committed), remark]
