"""`penstock alarms`: what is watched, how it stands, and how it stood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.cli.layout import Cells, Column, left, right, show
from penstock.cli.output import bold, dim, emit, next_steps, say
from penstock.cli.session import Session, json_option
from penstock.cli.words import counted, lasted, moment, size
from penstock.clock import iso
from penstock.naming import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.lake import Lake
    from penstock.state.alarms import AlarmChange, AlarmStatus

RAISED = 1
WHY = Column("reason", shortens=True)
SECONDS = ("duration", "oldest_waiting", "freshness")
STEPS = {
    "dead_letters": "dead list",
    "undelivered": "notices list",
    "failed_workflow": "workflow runs",
    "oldest_waiting": "status",
    "breaches": "quarantine list",
    "error_rate": "logs",
    "duration": "runs",
    "freshness": "runs",
    "disk": "maintain",
}
"""The command that tells more, by kind."""


@click.command("alarms")
@click.argument("name", required=False)
@click.option("--history", is_flag=True, help="Show when alarms began and ended, the newest first.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="The last N.")
@click.option("--check", is_flag=True, help="End with 1 if there is an alarm, for scripts.")
@json_option("Print [{alarm, table, kind, state, since, checked, value, limit, reason}].")
@click.pass_obj
def command(session: Session, name: str | None, *, history: bool, limit: int, check: bool) -> int:
    """Look at every alarm, or those called NAME, and say how they stand.

    `penstock up` and `penstock run` look at them, too; whoever looks first tells people what changed.
    """
    with session.open() as lake:
        known = lake.state.alarms.history(limit=1)
        found = lake.alarms().now()
        if lake.state.alarms.history(limit=1) != known:
            lake.notifier().finish()
        limits = _limits(lake)
        if name is not None:
            _assert_known(lake, name, limits)
            found = [status for status in found if status.alarm == name]
        changes = lake.state.alarms.history(name, limit) if history else []
    raised = [status for status in found if status.state == "ALARM"]
    if history:
        _show_history(session, changes)
    elif session.json:
        emit([facts_of_alarm(status, limits) for status in found])
    else:
        _show(session, found, raised, limits)
    return RAISED if check and raised else 0


def facts_of_alarm(status: AlarmStatus, limits: Mapping[str, str]) -> dict[str, Any]:
    """An alarm as `--json` shows it; these names are stable."""
    return {
        "alarm": status.alarm,
        "table": str(status.table) if status.table else None,
        "kind": status.kind,
        "state": status.state,
        "since": iso(status.since),
        "checked": iso(status.checked),
        "value": status.value,
        "limit": limits.get(status.alarm),
        "reason": status.reason,
    }


def figure(kind: str, value: float | None) -> str:
    """What was measured, as people write it."""
    if value is None:
        return "-"
    if kind == "error_rate":
        return f"{value:.1%}"
    if kind in SECONDS:
        return lasted(value)
    return size(int(value)) if kind == "disk" else f"{value:,.0f}"


def _limits(lake: Lake) -> dict[str, str]:
    from penstock.alarms import limit_of

    return {watch.alarm: limit_of(watch.declared) for watch in lake.alarms().watched}


def _assert_known(lake: Lake, name: str, limits: Mapping[str, str]) -> None:
    from penstock.errors import AlarmNotFoundError
    from penstock.naming import did_you_mean

    if name in limits or lake.state.alarms.history(name, 1):
        return
    hint = f"alarms: {', '.join(limits) or 'none'}"
    raise AlarmNotFoundError(f'no alarm "{name}"{did_you_mean(name, limits)}', hint=hint)


def _show(session: Session, found: list[AlarmStatus], raised: list[AlarmStatus], limits: Mapping[str, str]) -> None:
    if not found:
        say("no alarm is declared, and those that there are anyway are switched off")
        return
    tables = left("table") if any(status.table for status in found) else []
    columns = [*left("state", "alarm"), *tables, *right("value"), *left("limit", "since (UTC)"), WHY]
    show(columns, [_row(status, limits, tabled=bool(tables)) for status in [*raised, *_well(found)]])
    say()
    say(bold(counted(len(raised), "alarm")) if raised else dim("all is well"))
    steps = dict.fromkeys(f"{session.call} {STEPS[status.kind]}" for status in raised)
    next_steps([*steps, *([f"{session.call} alarms --history"] if raised else [])])


def _well(found: list[AlarmStatus]) -> list[AlarmStatus]:
    return [status for status in found if status.state == "OK"]


def _row(status: AlarmStatus, limits: Mapping[str, str], *, tabled: bool) -> list[str | None]:
    return [
        status.state,
        status.alarm,
        *([str(status.table or "")] if tabled else []),
        figure(status.kind, status.value),
        limits.get(status.alarm, ""),
        moment(status.since),
        printable(status.reason),
    ]


def _show_history(session: Session, changes: list[AlarmChange]) -> None:
    if session.json:
        emit([_facts_of_change(change) for change in changes])
        return
    if not changes:
        say("no alarm has begun or ended yet")
        return
    tables = left("table") if any(change.table for change in changes) else []
    rows: list[Cells] = [
        [
            moment(change.at),
            change.state,
            change.alarm,
            *([str(change.table or "")] if tables else []),
            figure(change.kind, change.value),
            printable(change.reason),
        ]
        for change in changes
    ]
    show([*left("at (UTC)", "state", "alarm"), *tables, *right("value"), WHY], rows)


def _facts_of_change(change: AlarmChange) -> dict[str, Any]:
    return {
        "change": change.change,
        "alarm": change.alarm,
        "table": str(change.table) if change.table else None,
        "kind": change.kind,
        "state": change.state,
        "at": iso(change.at),
        "value": change.value,
        "reason": change.reason,
    }
