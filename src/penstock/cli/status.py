"""`penstock status`: what waits, what is done, what failed, and who is at work."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.layout import left, right, show
from penstock.cli.output import bold, dim, emit, next_steps, on_terminal, say, to_json
from penstock.cli.session import Session, json_option
from penstock.cli.words import ago, counted, lasted, moment
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.lake import Lake
    from penstock.naming import TableName
    from penstock.state.overview import Standing

COUNTS = ("waiting", "working", "finished", "dead", "rows", "quarantined")
WARNED = "warned"
LOOK_SECONDS = 1.0
MOMENTS = ("committed", "waiting_since", "since", "due", "started")
Facts = dict[str, Any]


@click.command("status")
@click.option("--watch", is_flag=True, help="Show it again whenever it changes, until Ctrl-C.")
@json_option("Print {lake, folder, tables: [{table, waiting, ...}], processes, alarms, notices, next_run, last_run}.")
@click.pass_obj
def command(session: Session, *, watch: bool) -> None:
    """Say how many files of every table wait, are worked on, are finished and are dead, and who is at work."""
    with session.open() as lake:
        if not watch:
            _tell(session, _facts(lake), lake.clock.now())
            return
        try:
            _watch(session, lake)
        except KeyboardInterrupt:
            return


def _watch(session: Session, lake: Lake) -> None:
    """Show how it is, again and again: in place on a terminal, one below the other elsewhere."""
    import sys

    redraw = None if session.json or not on_terminal(sys.stdout) else _Screen()
    shown = ""
    try:
        while True:
            facts, now = _facts(lake), lake.clock.now()
            text = to_json(_as_json(facts)) if session.json else _drawn(session, facts, now)
            if redraw is not None:
                redraw.draw(text)
            elif text != shown:
                click.echo(text)
            shown = text
            lake.clock.sleep(LOOK_SECONDS)
    finally:
        if redraw is not None:
            redraw.close()


def _drawn(session: Session, facts: Facts, now: float) -> str:
    import sys

    page = _Page(terminal=on_terminal(sys.stdout))
    with redirect_stdout(page):
        _tell(session, facts, now)
    return page.getvalue()


class _Page(io.StringIO):
    """What would be printed, with its colours where a terminal would show them."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        """Whether it is for a terminal in the end."""
        return self._terminal


class _Screen:
    """A part of the terminal that is drawn anew."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(), auto_refresh=False, vertical_overflow="crop")
        self._live.start()

    def draw(self, text: str) -> None:
        """Show a text in place of the one before."""
        from rich.text import Text

        self._live.update(Text.from_ansi(text), refresh=True)

    def close(self) -> None:
        """Leave the last text where it is."""
        self._live.stop()


def _facts(lake: Lake) -> Facts:
    standings = lake.state.overview.standing()
    names = sorted({*lake.declared, *lake.catalog.tables(), *standings})
    counts = lake.state.overview.counts("messages")
    runs = lake.state.runs.list(limit=1)
    seen = _outlook(lake) if lake.site.deployed else None
    return {
        "lake": lake.name,
        "folder": str(lake.folder),
        "tables": [_facts_of_table(lake, name, standings.get(name)) for name in names],
        "processes": [_facts_of_process(process) for process in lake.processes()],
        "alarms": seen["alarms"] if seen else _alarms(lake),
        "notices": {state: counts.get(state, 0) for state in ("waiting", "given_up")},
        "next_run": None if seen else _next_run(lake),
        "last_run": runs[0] if runs else None,
        **({"aws": seen["aws"]} if seen else {}),
    }


def _outlook(lake: Lake) -> Facts:
    """What AWS says of a deployed lake."""
    from penstock.deployment.outlook import look_out

    assert lake.site.deployed is not None  # noqa: S101 - for the type checker
    seen = look_out(lake.site.deployed)
    ringing = [
        {"alarm": one.alarm, "table": None, "since": one.since, "value": None, "reason": one.reason}
        for one in seen.ringing
    ]
    aws = {name: getattr(seen, name) for name in ("stack", "region", "queued", "in_hand", "dead_letters")}
    waiting = [{"address": address, "topic": topic} for address, topic in seen.unconfirmed]
    return {"alarms": ringing, "aws": {**aws, "alarms": seen.alarms, "unconfirmed": waiting}}


def _alarms(lake: Lake) -> list[Facts]:
    return [_facts_of_alarm(alarm) for alarm in lake.state.alarms.all() if alarm.state == "ALARM"]


def _facts_of_table(lake: Lake, name: TableName, standing: Standing | None) -> Facts:
    from penstock.state.overview import Standing

    one, head = standing or Standing(), lake.catalog.head(name)
    return {
        "table": str(name),
        "waiting": one.waiting,
        "working": one.working,
        "finished": one.finished,
        "dead": one.dead,
        "rows": head.rows if head else 0,
        "quarantined": one.quarantined,
        WARNED: one.warned,
        "waiting_since": one.since,
        "committed": head.committed_at if head else None,
    }


def _facts_of_process(process: Any) -> Facts:
    return {name: getattr(process, name) for name in ("kind", "pid", "host", "since", "version", "port")}


def _facts_of_alarm(alarm: Any) -> Facts:
    table = None if alarm.table is None else str(alarm.table)
    return {"alarm": alarm.alarm, "table": table, "since": alarm.since, "value": alarm.value, "reason": alarm.reason}


def _next_run(lake: Lake) -> Facts | None:
    """What is due next; the declaration is only looked at where it may speak of workflows."""
    if not lake.mentions("workflows"):
        return None
    upcoming = lake.workflows().upcoming(1)
    return {"workflow": upcoming[0].workflow, "due": upcoming[0].moment} if upcoming else None


def _as_json(facts: Facts) -> Facts:
    """Facts as programs read them: moments as ISO 8601."""
    from penstock.cli.runs import facts_of_run

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: _iso(one) if key in MOMENTS else told(one) for key, one in value.items()}
        return [told(one) for one in value] if isinstance(value, list) else value

    last = facts["last_run"]
    return {**told({**facts, "last_run": None}), "last_run": facts_of_run(last) if last else None}


def _iso(value: Any) -> Any:
    from penstock.clock import iso

    return iso(value) if isinstance(value, float) else value


def _tell(session: Session, facts: Facts, now: float) -> None:
    if session.json:
        emit(_as_json(facts))
        return
    tables = facts["tables"]
    say(f"{bold(facts['lake'])}  {dim(printable(facts['folder']))}")
    say()
    counts = [*COUNTS, *([WARNED] if any(one[WARNED] for one in tables) else [])]
    columns = [*left("table"), *right(*counts), *left("commit", faint=True)]
    show(columns, [_row(one, counts, now) for one in tables])
    say()
    for line in [*_lines_of_alarms(facts, now), *_lines(facts, now)]:
        say(line)
    next_steps(_steps(session, facts))


def _row(facts: Facts, counts: list[str], now: float) -> list[str | None]:
    figures = [f"{facts[key]:,}" for key in counts]
    committed = facts["committed"]
    return [facts["table"], *figures, ago(now - committed) if committed else "not yet"]


def _lines_of_alarms(facts: Facts, now: float) -> list[str]:
    return [f"{click.style('ALARM', fg='red', bold=True)} {_alarm(one, now)}" for one in facts["alarms"]]


def _alarm(facts: Facts, now: float) -> str:
    name = f"{facts['alarm']} of {facts['table']}" if facts["table"] else facts["alarm"]
    return printable(f"{name}, for {lasted(max(0.0, now - facts['since']))}: {facts['reason']}")


def _lines(facts: Facts, now: float) -> list[str]:
    from penstock.cli.runs import outcome

    waiting = [(one["waiting_since"], one["table"]) for one in facts["tables"] if one["waiting_since"]]
    lines = [f"waits longest: a file of {min(waiting)[1]}, {lasted(now - min(waiting)[0])}"] if waiting else []
    messages = facts["notices"]
    if any(messages.values()):
        lines.append(f"notices: {counted(messages['waiting'], 'message')} waiting, {messages['given_up']:,} given up")
    lines += [f"at work: {_process(one, now)}" for one in facts["processes"]]
    lines += _lines_of_aws(facts["aws"]) if "aws" in facts else []
    if (due := facts["next_run"]) is not None:
        lines.append(f"next run: workflow {due['workflow']}, {moment(due['due'])} UTC")
    last = facts["last_run"]
    return [*lines, f"last run: {moment(last.started)} UTC, {outcome(last)}" if last else "no run yet"]


def _lines_of_aws(aws: Facts) -> list[str]:
    lines = [f"on AWS: stack {aws['stack']}, {aws['region']}; {counted(aws['alarms'], 'alarm')} watching"]
    depths = (("queued", "waiting for a function"), ("in_hand", "in a function's hands"))
    depth = [f"{counted(aws[name], 'message')} {words}" for name, words in depths if aws[name]]
    lines += [f"intake queue: {', '.join(depth)}"] if depth else []
    lines += [f"dead-letter queue: {counted(aws['dead_letters'], 'message')}"] if aws["dead_letters"] else []
    return lines + [
        f"not confirmed yet: {printable(one['address'])}, for {one['topic']}; the link is in the mail from AWS"
        for one in aws["unconfirmed"]
    ]


def _process(facts: Facts, now: float) -> str:
    from penstock.state.processes import Process

    process = Process(**facts)
    port = f", answering on port {process.port}" if process.port else ""
    return printable(f"{process}, for {lasted(max(0.0, now - process.since))}{port}")


def _steps(session: Session, facts: Facts) -> list[str]:
    tables, steps = facts["tables"], []
    if "aws" in facts and not any(one["finished"] or one["waiting"] or one["dead"] for one in tables):
        steps.append(session.fill)
    idle = "aws" not in facts and not any(process["kind"] in {"run", "up"} for process in facts["processes"])
    if idle and (any(one["waiting"] for one in tables) or not any(one["finished"] for one in tables)):
        steps.append(f"{session.call} run")
    if facts["alarms"] and "aws" not in facts:
        steps.append(f"{session.call} alarms")
    if any(one["dead"] for one in tables):
        steps.append(f"{session.call} dead list")
    if facts["notices"]["given_up"] and "aws" not in facts:
        steps.append(f"{session.call} notices list")
    if any(one["quarantined"] for one in tables):
        steps.append(session.query("SELECT * FROM penstock.quarantine"))
    if any(one[WARNED] for one in tables):
        steps.append(session.query("SELECT * FROM penstock.warnings"))
    return steps
