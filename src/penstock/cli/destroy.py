"""`penstock destroy`: the lake leaves AWS, and what is left is told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from penstock.cli.deployable import prepared
from penstock.cli.happening import Happening
from penstock.cli.layout import wrapped
from penstock.cli.output import bold, dim, emit, next_steps, say
from penstock.cli.session import Session, json_option
from penstock.cli.words import counted
from penstock.errors import DeploymentError
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.deployment.destroy import Destruction
    from penstock.deployment.remains import Left, Thing
    from penstock.deployment.target import Target

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
            return _report(session, there, target, keep_data=keep_data)
        _agree(session, destruction, there, yes=yes, keep_data=keep_data)
        found = destruction.all_but_data() if keep_data else destruction.everything()
    except KeyboardInterrupt:
        say(f"broken off; go on with: {session.call} destroy{' --keep-data' if keep_data else ''}", err=True)
        raise
    return _report(session, found, target, keep_data=keep_data)


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
    try:
        named = click.prompt(f"type the lake's name, {lake}, to remove it")
    except click.Abort:
        say("\nnothing was removed")
        raise
    if named != lake:
        raise DeploymentError("that is not its name; nothing was removed", where=lake)


def _say_what_goes(there: list[Left], letters: int, *, keep_data: bool) -> None:
    say()
    if keep_data:
        say("functions, queues, alarms, roles, logs and results of queries go;")
        say("files, tables, the state store and the key stay")
    else:
        say(bold("everything goes, with all versions of all files:"))
        _list([(item.thing, "") for item in there if item.thing.type in KINDS])
        kinds = sorted({item.thing.kind for item in there if item.thing.type not in KINDS})
        others = sum(item.thing.type not in KINDS for item in there)
        for line in wrapped(f"  and {counted(others, 'other')}: {', '.join(kinds)}") if others else ():
            say(line)
        say("  and what it was made from: code, templates, declarations")
    if letters:
        say(f"  {counted(letters, 'dead letter')} in the queue will be lost")


def _list(things: list[tuple[Thing, str]]) -> None:
    """Name each thing, one line each, and below it why it is there."""
    width = max((len(thing.kind) for thing, _ in things), default=0)
    for thing, why in things:
        say(f"  {thing.kind:<{width}}  {printable(thing.called)}")
        if why:
            say(dim(f"  {'':<{width}}  {printable(why)}"))


def _report(session: Session, found: list[Left], target: Target, *, keep_data: bool) -> int:
    unexplained = [] if keep_data else [item for item in found if not item.why]
    if session.json:
        rows = [{"type": item.thing.type, "name": item.thing.name, "why": item.why or None} for item in found]
        emit({"event": "destroyed", "lake": target.lake, "kept": keep_data, "left": rows}, indent=None)
        return 1 if unexplained else 0
    say()
    if not found:
        say(f"nothing of {target.lake} is on AWS in {target.region}")
        return 0
    if keep_data and any(not item.going for item in found):
        say(bold(f"nothing of {target.lake} runs any more; kept in {target.region}:"))
        _list([(item.thing, item.why if item.going else "") for item in found])
        next_steps([f"{session.call} deploy", f"{session.call} destroy"])
        return 0
    say(bold("what is left:"))
    _list([(item.thing, item.why or "was not removed; try again") for item in found])
    _say_how_to_keep([item.thing.name for item in found if item.going], target.region)
    return 1 if unexplained else 0


def _say_how_to_keep(keys: list[str], region: str) -> None:
    if keys:
        say()
        say(dim(f"to keep {'the key' if len(keys) == 1 else 'a key'} after all, before that day:"))
    for key in keys:
        say(dim(f"  aws kms cancel-key-deletion --region {region} --key-id {printable(key)}"))
