"""`penstock schedule`: when workflows are due next, and how their last runs ended."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.layout import Cells, Column, left, show
from penstock.cli.output import emit, next_steps, say
from penstock.cli.session import Session, json_option
from penstock.cli.since import dated
from penstock.cli.words import moment
from penstock.clock import iso
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.lake import Lake
    from penstock.state import WorkflowRun

BY_HAND = "by hand"


@click.command("schedule")
@click.option(
    "-n", "count", type=click.IntRange(1, 1_000), default=3, show_default=True, metavar="N", help="The next N times."
)
@click.option("--from", "start", metavar="TIME", help="Count from this moment, such as 2026-12-24T18:00; UTC.")
@json_option("Print [{workflow, schedules, timezone, on, next: [{utc, local}], last: {run, state, ...}}].")
@click.pass_obj
def command(session: Session, count: int, start: str | None) -> None:
    """Show when each workflow is due next, in UTC and in its own time zone, and how its last run ended.

    Workflows run while `penstock up` runs.
    """
    with session.open() as lake:
        begin = None if start is None else dated(start, "--from", "write it like 2026-12-24T18:00")
        facts = _facts(lake, count, begin)
    if session.json:
        emit(facts)
        return
    if not facts:
        say("lake.yaml declares no workflow")
        return
    show(
        [*left("workflow", "due (UTC)", "local time", "zone"), Column("last run", shortens=True)],
        [row for one in facts for row in _rows(one)],
    )
    by_hand = [one["workflow"] for one in facts if not one["next"]]
    next_steps([f"{session.call} workflow run {name}" for name in by_hand[:1]])


def facts_of_last(run: WorkflowRun | None) -> dict[str, Any] | None:
    """A workflow's last run in short."""
    if run is None:
        return None
    ended = iso(run.finished) if run.finished else None
    return {"run": run.run, "state": run.state, "finished": ended, "error": run.error}


def described(on: dict[str, list[str]]) -> str:
    """What starts a workflow beside its schedule: `committed orders, returns`; by hand when nothing does."""
    return "; ".join(f"{event} {', '.join(names)}" for event, names in on.items()) or BY_HAND


def _facts(lake: Lake, count: int, start: float | None) -> list[dict[str, Any]]:
    workflows = lake.workflows()
    upcoming = workflows.upcoming(count, start)
    return [
        {
            "workflow": name,
            "schedules": list(declared.texts),
            "timezone": declared.timezone,
            "on": declared.on.patterns if declared.on else {},
            "next": [{"utc": iso(one.moment), "local": one.local} for one in upcoming if one.workflow == name],
            "last": facts_of_last(workflows.last(name)),
        }
        for name, declared in workflows.declared.items()
    ]


def _rows(one: dict[str, Any]) -> list[Cells]:
    last = one["last"]
    outcome = "never" if last is None else f"{last['state']}{' ' + last['finished'][:16] if last['finished'] else ''}"
    if not one["next"]:
        when = "no more" if one["schedules"] else described(one["on"])
        return [[one["workflow"], printable(when), "", "", outcome]]
    rows: list[Cells] = [
        ["", moment(datetime.fromisoformat(due["utc"]).timestamp(), "%a %Y-%m-%d %H:%M"), _clock(due["local"]), "", ""]
        for due in one["next"]
    ]
    rows[0][0], rows[0][3], rows[0][4] = one["workflow"], one["timezone"], outcome
    return rows


def _clock(local: str) -> str:
    there = datetime.fromisoformat(local)
    return f"{there:%a %Y-%m-%d %H:%M} {there:%z}"
