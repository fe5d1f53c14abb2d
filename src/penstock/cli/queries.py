"""`penstock queries`: the saved queries, and what each found last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.cli.layout import left, right, show
from penstock.cli.output import emit, next_steps, say
from penstock.cli.query import place
from penstock.cli.session import Session, json_option
from penstock.cli.words import ago, counted, moment
from penstock.errors import QueryError

if TYPE_CHECKING:
    from penstock.lake import Lake

COLUMNS = [*left("query"), *right("rows"), *left("last saved (UTC)"), *left("", faint=True), *left("", faint=True)]
NEVER = "never"


@click.command("queries")
@json_option("Print [{query, description, sql, saved, rows, bytes, engine, place, snapshots, problem}].")
@click.pass_obj
def command(session: Session) -> None:
    """List the saved queries of lake.yaml: what they are for, and what each found last."""
    with session.open() as lake:
        now = lake.clock.now()
        found = [_facts(lake, name) for name in lake.saved().declared]
    if session.json:
        emit(found)
        return
    if not found:
        say("no query is saved")
        next_steps([f"declare one below queries: in lake.yaml, then: {session.call} queries"])
        return
    show(COLUMNS, [_row(facts, now) for facts in found])
    say()
    say(counted(len(found), "saved query").replace("querys", "queries"))
    next_steps([f"{session.call} query --saved {found[0]['query']}", f"{session.call} query --saved all"])


def _facts(lake: Lake, name: str) -> dict[str, Any]:
    """Facts of a query as programs read them."""
    from penstock.clock import iso

    saved, problem, sql = None, None, None
    try:
        sql = lake.saved().sql(name).strip()
        saved = lake.saved().last(name)
    except QueryError as error:
        problem = f"{error.where}: {error.what}"
    return {
        "query": name,
        "description": lake.saved().declared[name].description,
        "sql": sql,
        "saved": saved and iso(saved.saved),
        "rows": saved and saved.rows,
        "bytes": saved and saved.bytes,
        "engine": saved and saved.engine,
        "place": saved and place(lake, saved.key),
        "snapshots": saved and dict(saved.snapshots),
        "problem": problem,
    }


def _row(facts: dict[str, Any], now: float) -> list[str | None]:
    from penstock.clock import moment_of

    said = facts["problem"] or facts["description"] or ""
    if facts["saved"] is None:
        return [facts["query"], "", "" if facts["problem"] else NEVER, "", said]
    saved = moment_of(facts["saved"]) or 0.0
    return [facts["query"], f"{facts['rows']:,}", moment(saved), ago(now - saved), said]
