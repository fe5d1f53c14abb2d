"""`penstock plan`: what deploying would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.cli.deployable import prepared, region_of_the_tools
from penstock.cli.output import dim, emit, next_steps, say
from penstock.cli.planned import show_plan, summary
from penstock.cli.session import Session, json_option
from penstock.errors import AwsCredentialsError, PenstockError
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.declaration import Declaration, Examined
    from penstock.deployment.plan import Plan
    from penstock.deployment.synth import Synthesised


@click.command("plan")
@click.option("--offline", is_flag=True, help="Ask nothing of AWS: show everything as new.")
@click.option("--permissions", is_flag=True, help="Show every statement about who may do what.")
@json_option("Print {lake, stack, deployed, counts, resources, permissions, tables, cost, notes, ...}.")
@click.pass_obj
def command(session: Session, *, offline: bool, permissions: bool) -> None:
    """Show what deploying would do: resources, permissions, columns, money.

    Compares lake.yaml with what is deployed, and changes nothing. Without credentials for AWS, everything is shown as
    new.
    """
    examined, declaration, made = prepared(session)
    plan = _offline(made, declaration) if offline else _planned(session, examined, declaration, made)
    if session.json:
        emit(plan.facts())
        return
    show_plan(plan, session.call, permissions=permissions)
    say()
    say(summary(plan))
    next_steps([f"{session.call} deploy"] if not plan.empty else [])


def _planned(session: Session, examined: Examined, declaration: Declaration, made: Synthesised) -> Plan:
    from penstock.clock import SystemClock
    from penstock.deployment.apply import Deployment
    from penstock.deployment.survey import survey
    from penstock.deployment.target import target_of

    try:
        target = target_of(declaration)
    except AwsCredentialsError as error:
        say(f"AWS was not asked: {printable(error.what)}", err=True)
        return _offline(made, declaration)
    deployment = Deployment(target, SystemClock(), lambda _event: None, lambda _text: None)
    stack = deployment.stacks.find(target.stack)
    given = _code(session, declaration, made) if stack is not None else {}
    return survey(deployment, made, examined, session.folder, given)


def _code(session: Session, declaration: Declaration, made: Synthesised) -> dict[str, str]:
    """The code as it would be deployed; nothing where it cannot be built here, so that it counts as it is."""
    from penstock.deployment.bundle import build

    try:
        bundle = build(session.folder, declaration, watch=lambda text: say(dim(text), err=True))
    except PenstockError as error:
        say(f"the functions' code is not compared: {printable(error.what)}", err=True)
        return {}
    return {"CodeKey": f"{made.stack}/{bundle.name}"}


def _offline(made: Synthesised, declaration: Declaration) -> Plan:
    from penstock.deployment.survey import new_plan

    return new_plan(made, declaration, {}, region=region_of_the_tools())
