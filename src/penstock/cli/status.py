"""`penstock status`: what waits, what is done, what failed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.layout import left, right, show
from penstock.cli.output import bold, dim, emit, next_steps, say
from penstock.cli.session import Session, json_option
from penstock.cli.words import ago, moment
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.lake import Lake
    from penstock.naming import TableName
    from penstock.state.store import ArrivalState

STATES: dict[str, ArrivalState] = {"waiting": "pending", "working": "working", "finished": "finished", "dead": "dead"}
COUNTS = (*STATES, "rows", "quarantined")
WARNED = "warned"


@click.command("status")
@json_option("Print {lake, folder, tables: [{table, waiting, working, finished, dead, rows, ...}], last_run}.")
@click.pass_obj
def command(session: Session) -> None:
    """Say, for every table, how many files wait, are worked on, are finished and are dead."""
    from penstock.cli.runs import facts_of_run, outcome
    from penstock.clock import iso

    with session.open() as lake:
        found = [_facts(lake, name) for name in sorted({*lake.declared, *lake.catalog.tables()})]
        runs = lake.state.runs.list(limit=1)
        now, title, folder = lake.clock.now(), lake.name, str(lake.folder)
    if session.json:
        tables = [{**facts, "committed": facts["committed"] and iso(facts["committed"])} for facts in found]
        last = facts_of_run(runs[0]) if runs else None
        emit({"lake": title, "folder": folder, "tables": tables, "last_run": last})
        return
    say(f"{bold(title)}  {dim(printable(folder))}")
    say()
    counts = [*COUNTS, *([WARNED] if any(facts[WARNED] for facts in found) else [])]
    show(
        [*left("table"), *right(*counts), *left("commit", faint=True)],
        [_row(facts, counts, now) for facts in found],
    )
    say()
    say(f"last run: {moment(runs[0].started)} UTC, {outcome(runs[0])}" if runs else "no run yet")
    next_steps(_steps(session, found))


def _facts(lake: Lake, name: TableName) -> dict[str, Any]:
    arrivals = lake.state.arrivals.find(name)
    states = Counter(arrival.state for arrival in arrivals)
    head = lake.catalog.head(name)
    finished = [arrival for arrival in arrivals if arrival.state == "finished"]
    return {
        "table": str(name),
        **{word: states[state] for word, state in STATES.items()},
        "rows": head.rows if head else 0,
        "quarantined": sum(arrival.accounting.quarantined for arrival in finished),
        WARNED: sum(sum(arrival.accounting.warned.values()) for arrival in finished),
        "committed": head.committed_at if head else None,
    }


def _row(facts: dict[str, Any], counts: list[str], now: float) -> list[str | None]:
    figures = [f"{facts[key]:,}" for key in counts]
    committed = facts["committed"]
    return [facts["table"], *figures, ago(now - committed) if committed else "not yet"]


def _steps(session: Session, found: list[dict[str, Any]]) -> list[str]:
    steps = []
    if any(facts["waiting"] for facts in found) or not any(facts["finished"] for facts in found):
        steps.append(f"{session.call} run")
    if any(facts["dead"] for facts in found):
        steps.append(session.query("SELECT * FROM penstock.dead_letters"))
    if any(facts["quarantined"] for facts in found):
        steps.append(session.query("SELECT * FROM penstock.quarantine"))
    if any(facts[WARNED] for facts in found):
        steps.append(session.query("SELECT * FROM penstock.warnings"))
    return steps
