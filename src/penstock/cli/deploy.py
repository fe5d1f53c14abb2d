"""`penstock deploy`: the lake comes to AWS, or up to date there."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import click

from penstock.cli.deployable import prepared
from penstock.cli.happening import Happening
from penstock.cli.output import emit, next_steps, say
from penstock.cli.planned import show_plan, summary
from penstock.cli.session import Session, json_option
from penstock.cli.signalled import heard, leave
from penstock.errors import DeploymentError
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.declaration import Declaration, Examined
    from penstock.deployment.apply import Deployment, Package
    from penstock.deployment.change_sets import ChangeSet
    from penstock.deployment.plan import Plan
    from penstock.deployment.stacks import Stack
    from penstock.deployment.synth import Synthesised

ATTEMPTS = 5
"""How often it is begun anew when somebody else changes the stack in between."""


@click.command("deploy")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--replace-data", is_flag=True, help="With --yes, also replace what holds data by what is empty.")
@json_option("Print JSON, one object a line: the plan, what happens, and the outputs at the end; asks nothing.")
@click.pass_obj
def command(session: Session, *, yes: bool, replace_data: bool) -> int:
    """Bring the lake to AWS, or up to date there.

    Shows what CloudFormation is going to do, and asks. Can be repeated at any time, and broken off with Ctrl-C: what is
    going on at AWS goes on, and the next call follows it to its end.
    """
    from penstock.clock import SystemClock
    from penstock.deployment.apply import Deployment
    from penstock.deployment.secret_checks import assert_there
    from penstock.deployment.survey import secrets_there
    from penstock.deployment.target import target_of

    examined, declaration, made = prepared(session)
    told = Happening(as_json=session.json)
    target = target_of(declaration)
    told.begun(f"account {target.account}, region {target.region}, as {target.caller.rpartition(':')[2]}")
    assert_there(secrets_there(declaration, target))
    deployment = Deployment(target, SystemClock(), told.event, told.begun)
    try:
        return _deployed(
            session, _Call(deployment, examined, declaration, made, told), yes=yes, replace_data=replace_data
        )
    except KeyboardInterrupt:
        _say_broken_off(session, deployment, told)
        raise


def _say_broken_off(session: Session, deployment: Deployment, told: Happening) -> None:
    told.clear()
    if deployment.under_way:
        say(f"broken off; what AWS is doing goes on, and is followed by: {session.call} deploy", err=True)
    else:
        say(f"broken off; the lake on AWS is as it was; go on with: {session.call} deploy", err=True)


class _Call:
    """What the steps of one call share."""

    def __init__(
        self, deployment: Deployment, examined: Examined, declaration: Declaration, made: Synthesised, told: Happening
    ) -> None:
        self.deployment, self.examined, self.declaration = deployment, examined, declaration
        self.made, self.told = made, told


def _deployed(session: Session, call: _Call, *, yes: bool, replace_data: bool) -> int:
    deployment = call.deployment
    for _ in range(ATTEMPTS):
        stack = deployment.standing()
        deployment.assert_buckets_free(call.made.body, stack)
        package = _package(session, call)
        url = deployment.upload(package)
        plan = _plan(session, call, package)
        change_set = deployment.change_set(package, url, stack)
        if change_set is None:
            _say_unchanged(session, plan)
            return _end(session, call)
        plan = _settled(plan, change_set)
        _show(session, plan)
        try:
            agreed = _agreed(session, plan, yes=yes, replace_data=replace_data)
        except (DeploymentError, click.Abort) as error:
            if isinstance(error, click.Abort):
                say()
            _decline(session, deployment, change_set)
            raise
        if not agreed:
            _decline(session, deployment, change_set)
            return 1
        if deployment.execute(change_set) is not None:
            return _end(session, call)
        call.told.begun("somebody else changed the stack meanwhile, or is changing it: looking again")
    message = f"others changed the stack {ATTEMPTS} times while this deployment was prepared"
    raise DeploymentError(message, where=deployment.target.stack, hint=f"try again: {session.call} deploy")


def _decline(session: Session, deployment: Deployment, change_set: ChangeSet) -> None:
    """Forget what nobody agreed to, and say what there is on AWS."""
    target = deployment.target
    if deployment.drop(change_set):
        text = f"nothing was created; the uploaded code waits in s3://{target.artifacts}/{target.prefix}"
    else:
        text = "nothing was changed"
    say(text, err=session.json)


def _package(session: Session, call: _Call) -> Package:
    """Build and upload the code; gives what CloudFormation is to be given."""
    from penstock.declaration import read_text
    from penstock.deployment.apply import Package
    from penstock.deployment.bundle import build

    call.told.begun("building the functions' code")
    bundle = build(session.folder, call.declaration, watch=lambda _text: None)
    target, artifacts = call.deployment.target, call.deployment.artifacts
    if artifacts.make():
        call.told.begun(f"made the bucket {target.artifacts} for what is deployed")
    key = f"{target.prefix}{bundle.name}"

    def broken_off(number: int) -> None:  # threads send: Ctrl-C would wait until all that is under way is sent
        _say_broken_off(session, call.deployment, call.told)
        leave(number)

    with call.told.sending(bundle.size) as sent, heard((signal.SIGINT,), broken_off):
        fresh = call.deployment.upload_code(bundle.path, key, sent)
    call.told.begun(f"uploaded the code, {bundle.size / 1e6:.1f} MB" if fresh else "the code is there already")
    given = {"CodeBucket": target.artifacts, "CodeKey": key}
    return Package(call.made.body, call.made.json, read_text(session.folder), call.declaration.tags, given)


def _plan(session: Session, call: _Call, package: Package) -> Plan:
    from penstock.deployment.survey import survey

    return survey(call.deployment, call.made, call.examined, session.folder, package.given)


def _settled(plan: Plan, change_set: ChangeSet) -> Plan:
    from penstock.deployment.plan import settled

    return settled(plan, change_set.changes)


def _show(session: Session, plan: Plan) -> None:
    if session.json:
        emit({"event": "plan", **plan.facts()}, indent=None)
        return
    say()
    show_plan(plan, session.call)
    say()
    say("no resource changes, only what the stack says of itself" if plan.empty else summary(plan))


def _agreed(session: Session, plan: Plan, *, yes: bool, replace_data: bool) -> bool:
    """Whether it may be done.

    Raises:
        DeploymentError: Nobody is there to be asked, or what holds data would go, which needs more than --yes.
    """
    lost = [change.name for change in plan.changes if change.loses_data]
    unasked = yes or session.json
    if unasked and lost and not replace_data:
        message = f"what holds data would be replaced or removed: {', '.join(lost)}"
        hint = "read the plan; if that is meant, call it without --yes, or with --replace-data"
        raise DeploymentError(message, where=plan.stack, hint=hint)
    if unasked:
        return True
    if not sys.stdin.isatty():
        message = "somebody has to agree, and standard input is no terminal"
        raise DeploymentError(message, where=plan.stack, hint=f"agree beforehand: {session.call} deploy --yes")
    return click.confirm("deploy this?", default=False)


def _say_unchanged(session: Session, plan: Plan) -> None:
    if session.json:
        emit({"event": "plan", **plan.facts(), "resources": [], "unchanged": True}, indent=None)
    else:
        say("nothing to change: what is deployed is what lake.yaml declares")


def _end(session: Session, call: _Call) -> int:
    """Say where everything is, who has to confirm, and what to try next."""
    from penstock.deployment.confirmations import unconfirmed

    target = call.deployment.target
    stack: Stack | None = call.deployment.stacks.find(target.stack)
    if stack is None:
        raise DeploymentError("the stack is gone; somebody removed it", where=target.stack)
    waiting = unconfirmed(call.deployment.stacks.resources(stack.id), target.region)
    if session.json:
        emit({"event": "deployed", "stack": stack.name, "outputs": stack.outputs, "unconfirmed": waiting}, indent=None)
        return 0
    say()
    say(f"deployed: {target.lake} as {stack.name} in {target.region}")
    for name in ("RawBucket", "ProcessedBucket", "EnrichedBucket"):
        if name in stack.outputs:
            say(f"  {name.removesuffix('Bucket').lower():<10} s3://{stack.outputs[name]}")
    for address, topic in waiting:
        say(f"  {printable(address)} is told nothing of {printable(topic)} until it confirms: see its e-mail")
    table = next(iter(call.declaration.tables), "TABLE")
    next_steps(
        [
            f"aws s3 cp FILE.csv s3://{stack.outputs.get('RawBucket', 'RAW')}/",
            session.first_query(table).replace(" query ", " query --aws ", 1),
            f"{session.call} logs --aws --follow",
        ]
    )
    return 0
