"""`penstock workflow`: workflows, their runs, and a run by hand."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.layout import Cells, Column, left, right, show
from penstock.cli.output import dim, emit, next_steps, say
from penstock.cli.schedule import BY_HAND, described
from penstock.cli.session import Session, json_option
from penstock.cli.signalled import SIGNALLED, Stop, heard
from penstock.cli.words import lasted, moment
from penstock.clock import iso
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.declaration.workflows import Workflow
    from penstock.state import StepRecord, WorkflowRun

FAILED = 3
WHY = Column("reason", shortens=True)


@click.group("workflow")
def command() -> None:
    """Run workflows by hand, and look at their runs."""


@command.command("list")
@json_option("Print [{workflow, description, schedules, timezone, on, steps, overlap, missed, retry}].")
@click.pass_obj
def list_workflows(session: Session) -> None:
    """List the workflows: what starts each, and what it does."""
    with session.open() as lake:
        declared = lake.workflows().declared
    if session.json:
        emit([_facts_of_workflow(name, workflow) for name, workflow in declared.items()])
        return
    if not declared:
        say("lake.yaml declares no workflow")
        return
    rows: list[Cells] = []
    for name, workflow in declared.items():
        steps = "; ".join(action.words for action in workflow.actions)
        rows.append([name, printable(_start(workflow)), printable(steps)])
    show([*left("workflow", "starts"), Column("steps", shortens=True)], rows)


@command.command("run")
@click.argument("name")
@json_option("Print {run, workflow, trigger, state, due, started, finished, steps: [...], error, ...}.")
@click.pass_obj
def run_workflow(session: Session, name: str) -> int:
    """Run the workflow NAME now, and wait for its end; ends with 3 when it failed.

    While another run of it is going, it waits, or is refused where the workflow says `overlap: skip`. Ctrl-C ends the
    step at hand and the run with it; once more leaves at once.
    """
    from penstock import faults

    faults.install_from_environment()
    stop = Stop()
    with heard((signal.SIGINT, signal.SIGTERM), stop.hear), session.open() as lake:
        if not session.json:
            lake.signals.listen("workflow_started", _tell_start)
            lake.signals.listen("workflow_step", _tell_step)
        workflows = lake.workflows()
        started = workflows.start(name)
        stop.end = workflows.cancel
        ended = workflows.finish(started)
        if not stop.signal:
            lake.round_off()
    if session.json:
        emit(facts_of_run(ended))
    else:
        _tell_end(session, ended)
    if stop.signal:
        return SIGNALLED + stop.signal
    return 0 if ended.state == "finished" else FAILED


@command.command("runs")
@click.argument("name", required=False)
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="The last N runs."
)
@json_option("Print [{run, workflow, trigger, state, due, started, finished, steps: [...], error, ...}].")
@click.pass_obj
def list_runs(session: Session, name: str | None, limit: int) -> None:
    """List runs of workflows, the newest first: those that wait and those left out, too."""
    with session.open() as lake:
        runs = lake.workflows().runs(name, limit)
    if session.json:
        emit([facts_of_run(run) for run in runs])
        return
    if not runs:
        say("no run of a workflow yet")
        next_steps([f"{session.call} schedule"])
        return
    columns = [*left("due (UTC)", "workflow", "state"), *right("took"), *left("trigger", "run"), WHY]
    show(columns, [_row(run) for run in runs])
    next_steps([f"{session.call} workflow show {run.run}" for run in runs if run.state == "failed"][:1])


@command.command("show")
@click.argument("run")
@json_option("Print {run, workflow, trigger, state, due, started, finished, steps: [...], error, ...}.")
@click.pass_obj
def show_run(session: Session, run: str) -> None:
    """Tell all about one run of a workflow: its steps, their attempts, and what came of each."""
    with session.open() as lake:
        found = lake.workflows().find(run)
    if session.json:
        emit(facts_of_run(found))
        return
    say(f"{found.workflow}, {found.state}, started by {printable(found.trigger)}")
    for what, when in (("due", found.due), ("started", found.started), ("finished", found.finished)):
        say(f"  {what + ':':10}{moment(when) or '-'}")
    if found.joined:
        say(f"  stands for {found.joined:,} more")
    show([*left("step", "state"), *right("attempts", "took"), WHY], [_step_row(step) for step in found.steps])
    if found.error:
        say(f"{found.state}: {printable(found.error)}")
    for step in found.steps:
        for line in str(step.outcome.get("output", "")).splitlines():
            say(dim(f"  {printable(line)}"))


def facts_of_run(run: WorkflowRun) -> dict[str, Any]:
    """A run of a workflow as `--json` shows it; these names are stable."""
    return {
        "run": run.run,
        "workflow": run.workflow,
        "trigger": run.trigger,
        "state": run.state,
        "due": iso(run.due),
        "started": _iso(run.started),
        "finished": _iso(run.finished),
        "not_before": _iso(run.not_before or None),
        "attempts": run.attempts,
        "joined": run.joined,
        "steps": [_facts_of_step(step) for step in run.steps],
        "cause": run.cause,
        "error": run.error,
    }


def _facts_of_step(step: StepRecord) -> dict[str, Any]:
    return {**vars(step), "started": _iso(step.started), "finished": _iso(step.finished)}


def _facts_of_workflow(name: str, workflow: Workflow) -> dict[str, Any]:
    return {
        "workflow": name,
        "description": workflow.description,
        "schedules": list(workflow.texts),
        "timezone": workflow.timezone,
        "on": workflow.on.patterns if workflow.on else {},
        "steps": [action.words for action in workflow.actions],
        "overlap": workflow.overlap,
        "missed": workflow.missed,
    }


def _start(workflow: Workflow) -> str:
    on = [described(workflow.on.patterns)] if workflow.on else []
    return "; ".join([*workflow.texts, *on]) or BY_HAND


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)


def _row(run: WorkflowRun) -> Cells:
    more = f" and {run.joined:,} more" if run.joined else ""
    reason = printable((run.error or "").split("\n", maxsplit=1)[0])
    return [moment(run.due), run.workflow, run.state, _took(run), printable(run.trigger) + more, run.run, reason]


def _step_row(step: StepRecord) -> Cells:
    return [printable(step.words), step.state, f"{step.attempts:,}", _took(step), printable(step.error or "")]


def _took(what: WorkflowRun | StepRecord) -> str:
    return lasted(what.finished - what.started) if what.finished and what.started else ""


def _tell_start(event: dict[str, Any]) -> None:
    if event["attempt"] == 1:
        say(dim(f"{event['workflow']}: {event['run']}"), err=True)


def _tell_step(event: dict[str, Any]) -> None:
    if event["state"] == "finished":
        say(f"{click.style('done', fg='green')}  {printable(event['step'])}", err=True)
        return
    rest = event["retry_in"]
    again = "" if rest is None else f"; again in {lasted(rest)}"
    say(f"{click.style('failed', fg='red')}  {printable(event['step'])}: {printable(event['reason'])}{again}", err=True)


def _tell_end(session: Session, run: WorkflowRun) -> None:
    sys.stderr.flush()
    if run.state == "finished":
        say(f"{run.workflow} finished: {len(run.steps)} of {len(run.steps)} steps done, {_took(run)}")
        return
    say(f"{run.workflow} {run.state}: {printable(run.error or '')}")
    next_steps([f"{session.call} workflow show {run.run}"])
