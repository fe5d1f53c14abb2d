"""`penstock destroy`: the lake leaves AWS, and what is left is told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from penstock.cli.deployable import prepared
from penstock.cli.happening import Happening
from penstock.cli.layout import left, show
from penstock.cli.output import bold, dim, emit, next_steps, say
from penstock.cli.session import Session, json_option
from penstock.cli.words import counted
from penstock.errors import DeploymentError
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.deployment.destroy import Destruction
    from penstock.deployment.remains import Left

KINDS = ("AWS::S3::Bucket", "AWS::Glue::Database", "AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Logs::LogGroup")
"""What is named before it is asked: what holds data, and what can read it."""


@click.command("destroy")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for the lake's name.")
@click.option("--keep-data", is_flag=True, help="Keep files, tables, the state store and the key.")
@json_option("Print JSON, one object a line: what happens, and what is left at the end; needs --yes.")
@click.pass_obj
def command(session: Session, *, yes: bool, keep_data: bool) -> int:
    """Remove the lake from AWS, with everything in it.

    Asks for the lake's name. Can be broken off and repeated; at its end it looks again and says what is left, and why.
    """
    from penstock.clock import SystemClock
    from penstock.deployment.apply import Deployment
    from penstock.deployment.destroy import Destruction, Listener
    from penstock.deployment.target import target_of

    _examined, declaration, made = prepared(session, to_deploy=False)
    told = Happening(as_json=session.json)
    target = target_of(declaration)
    told.begun(f"account {target.account}, region {target.region}, as {target.caller.rpartition(':')[2]}")
    deployment = Deployment(target, SystemClock(), told.event, told.begun)
    destruction = Destruction(deployment, made.body, SystemClock(), Listener(told.begun, told.emptied))
    try:
        there = destruction.there()
        if all(item.going for item in there) and not destruction.artifacts_left():
            return _report(session, there, target.lake, keep_data=keep_data)
        _agree(session, destruction, there, yes=yes, keep_data=keep_data)
        found = destruction.all_but_data() if keep_data else destruction.everything()
    except KeyboardInterrupt:
        say(f"broken off; go on with: {session.call} destroy{' --keep-data' if keep_data else ''}", err=True)
        raise
    return _report(session, found, target.lake, keep_data=keep_data)


def _agree(session: Session, destruction: Destruction, there: list[Left], *, yes: bool, keep_data: bool) -> None:
    """Let somebody type the lake's name.

    Raises:
        DeploymentError: Nobody is there to be asked, or another name was given.
    """
    lake = destruction.target.lake
    if yes:
        return
    if session.json or not sys.stdin.isatty():
        message = "somebody has to agree, and nobody can be asked"
        raise DeploymentError(message, where=lake, hint=f"agree beforehand: {session.call} destroy --yes")
    _say_what_goes(there, destruction.dead_letters(), keep_data=keep_data)
    if click.prompt(f"type the lake's name, {lake}, to remove it") != lake:
        raise DeploymentError("that is not its name; nothing was removed", where=lake)


def _say_what_goes(there: list[Left], letters: int, *, keep_data: bool) -> None:
    say()
    if keep_data:
        say("functions, queues, alarms and roles go; files, tables, the state store and the key stay")
    else:
        say(bold("everything goes, with all versions of all files:"))
        for item in there:
            if item.thing.type in KINDS:
                say(f"  {_kind(item.thing.type):<18} {printable(item.thing.name)}")
        others = sum(item.thing.type not in KINDS for item in there)
        say(f"  and {counted(others, 'other thing')}: functions, queues, roles, alarms")
    if letters:
        say(f"  {counted(letters, 'dead letter')} in the queue will be lost")


def _report(session: Session, found: list[Left], lake: str, *, keep_data: bool) -> int:
    unexplained = [] if keep_data else [item for item in found if not item.why]
    if session.json:
        rows = [{"type": item.thing.type, "name": item.thing.name, "why": item.why or None} for item in found]
        emit({"event": "destroyed", "lake": lake, "kept": keep_data, "left": rows}, indent=None)
        return 1 if unexplained else 0
    say()
    if not found:
        say(f"nothing of {lake} is on AWS")
        return 0
    say(bold("what is left:"))
    unknown = "kept" if keep_data else "not removed; try again"
    show(
        [*left("what", "name"), *left("why", faint=True)],
        [[_kind(item.thing.type), printable(item.thing.name), printable(item.why or unknown)] for item in found],
    )
    keys = [item.thing.name for item in found if item.going]
    if keep_data and any(not item.going for item in found):
        next_steps([f"{session.call} deploy", f"{session.call} destroy"])
    elif keys:
        say(dim(f"to keep a key after all: aws kms cancel-key-deletion --key-id {printable(keys[0])}"))
    return 1 if unexplained else 0


def _kind(kind: str) -> str:
    return kind.removeprefix("AWS::").replace("::", " ")
