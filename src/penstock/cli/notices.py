"""`penstock notices`: who is told of what, whether it reached them, and a test of the way there."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.layout import Column, left, right, show
from penstock.cli.output import dim, emit, next_steps, say
from penstock.cli.session import Session, json_option
from penstock.cli.words import counted, moment
from penstock.clock import iso
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.declaration import Notice
    from penstock.lake import Lake
    from penstock.notices import Subscription, Target
    from penstock.state import Message, MessageState, Tally

FAILED = 1
SHOWN = 1_000_000
STATES: tuple[MessageState, ...] = ("waiting", "sent", "given_up")
UNSENT: tuple[MessageState, ...] = ("waiting", "given_up")
LONGEST_TEST = 90.0
"""Seconds after which a test waits no longer for a server."""
COLUMNS = [*left("notice", "when", "to"), *right("waiting", "sent", "given up"), Column("last error", shortens=True)]


@click.group("notices")
def command() -> None:
    """Look at who is told of what, try the way there, and send again what could not be delivered."""


@command.command("list")
@json_option("Print [{notice, when, tables, target, waiting, sent, given_up, last_sent, error}].")
@click.pass_obj
def list_(session: Session) -> None:
    """List who is told of what, and what of it waits, was sent, or was given up."""
    with session.open() as lake:
        unsent = lake.state.messages.list(UNSENT, SHOWN)
        facts = _facts(_subscriptions(lake), lake.state.messages.tally(), unsent)
    if session.json:
        emit(facts)
        return
    if not facts:
        say("nobody is told of anything: lake.yaml says notices: []")
        return
    show(COLUMNS, [_row(fact) for fact in facts])
    given_up = [message for message in unsent if message.state == "given_up"]
    steps = [f"{session.call} notices show {given_up[-1].message}"] if given_up else []
    next_steps([*steps, f"{session.call} notices retry" if given_up else f"{session.call} notices test"])


@command.command("test")
@click.argument("name", required=False, metavar="[NAME]")
@json_option("Print [{notice, target, delivered, error, hint}].")
@click.pass_obj
def test(session: Session, name: str | None) -> int:
    """Send a test message to everybody who is told of something, now, and say what came of it.

    NAME is a notice's; all notices, when left out. Ends with 1 when a message could not be delivered.
    """
    with session.open() as lake:
        chosen = _named(_subscriptions(lake), name)
        outcomes = _tested(lake, chosen)
    if session.json:
        emit(outcomes)
    else:
        for outcome in outcomes:
            _tell(outcome)
    return FAILED if any(not outcome["delivered"] for outcome in outcomes) else 0


@command.command("show")
@click.argument("number", type=click.IntRange(min=1), metavar="NUMBER")
@json_option("Print {message, notice, target, state, created, not_before, attempts, sent, subject, body, error}.")
@click.pass_obj
def show_(session: Session, number: int) -> None:
    """Show one message, by its number."""
    with session.open() as lake:
        message = _found(lake, number)
        subject, body = message.subject, message.body
        if not message.attempts:
            subject, body = lake.notifier().preview(message)
    if session.json:
        emit({**_message_facts(message), "subject": subject, "body": body})
        return
    say(
        f"message {message.message}, {message.state.replace('_', ' ')}: {message.notice} to {printable(message.target)}"
    )
    say(dim(_history(message)))
    for line in (message.error or "").split("\n") if message.error else ():
        say(f"  {printable(line)}")
    say()
    say(printable(subject))
    say()
    for line in body.split("\n"):
        say(printable(line))
    if message.state == "given_up":
        next_steps([f"{session.call} notices retry {message.message}"])


@command.command("retry")
@click.argument("numbers", type=click.IntRange(min=1), nargs=-1, metavar="[NUMBER]...")
@json_option("Print {retried: [message]}.")
@click.pass_obj
def retry(session: Session, numbers: tuple[int, ...]) -> int:
    """Send again what was given up or rests after a failure: the messages named, or all; says what came of it."""
    with session.open() as lake:
        chosen = [_found(lake, number) for number in numbers] or lake.state.messages.list(UNSENT, SHOWN)
        again = lake.notifier().revive([message.message for message in chosen])
        ours = not again or lake.notifier().finish()
        found = [message for number in again if (message := lake.state.messages.get(number))]
    if session.json:
        emit({"retried": [_message_facts(message) for message in found]})
    else:
        for message in found:
            _tell_retried(message)
        end = "" if ours else "; the process that looks after this lake does it"
        say(f"{counted(len(found), 'message')} to send again{end}" if found else "no message has to be sent again")
    return FAILED if ours and any(message.state != "sent" for message in found) else 0


def _subscriptions(lake: Lake) -> list[Subscription]:
    from penstock.notices import subscriptions_of

    return subscriptions_of(lake.declaration)


def _named(subscriptions: list[Subscription], name: str | None) -> list[Subscription]:
    from penstock.errors import NoticeError
    from penstock.naming import did_you_mean

    names = [one.name for one in subscriptions]
    if name is not None and name not in names:
        hint = f"notices: {', '.join(names) or 'none'}"
        raise NoticeError(f'no notice "{name}"{did_you_mean(name, names)}', hint=hint)
    return [one for one in subscriptions if name in {None, one.name}]


def _found(lake: Lake, number: int) -> Message:
    from penstock.errors import NoticeError

    message = lake.state.messages.get(number)
    if message is None:
        raise NoticeError(f"no message has the number {number}", hint="penstock notices list says what there is")
    return message


# --- What is listed ---------------------------------------------------------------------------


def _facts(subscriptions: list[Subscription], tally: Sequence[Tally], unsent: list[Message]) -> list[dict[str, Any]]:
    """Who is told of what; also those who are no longer, as long as something for them was not sent."""
    counts = {(one.notice, one.target, one.state): one for one in tally}
    errors = {(one.notice, one.target): one.error for one in unsent}
    listed: dict[tuple[str, str], Notice | None] = {
        (one.name, target.label): one.notice for one in subscriptions for target in one.targets
    }
    for pair in errors:
        listed.setdefault(pair, None)
    facts = []
    for (name, label), notice in listed.items():
        found: dict[MessageState, Tally | None] = {state: counts.get((name, label, state)) for state in STATES}
        last = found["sent"].last_sent if found["sent"] else None
        facts.append(
            {
                "notice": name,
                "when": list(notice.when) if notice else [],
                "tables": notice.tables if notice else None,
                "target": label,
                "waiting": _many(found["waiting"]),
                "sent": _many(found["sent"]),
                "given_up": _many(found["given_up"]),
                "last_sent": iso(last) if last is not None else None,
                "error": errors.get((name, label)),
            }
        )
    return facts


def _many(tally: Tally | None) -> int:
    return tally.messages if tally else 0


def _row(fact: dict[str, Any]) -> list[str | None]:
    when = ", ".join(fact["when"]) or "no longer declared"
    about = f" of {', '.join(fact['tables'])}" if fact["tables"] else ""
    error = (fact["error"] or "").split("\n")[0]
    numbers = [f"{fact[state]:,}" for state in STATES]
    return [fact["notice"], f"{when}{about}", printable(fact["target"]), *numbers, printable(error)]


def _message_facts(message: Message) -> dict[str, Any]:
    return {
        "message": message.message,
        "notice": message.notice,
        "target": message.target,
        "state": message.state,
        "created": iso(message.created),
        "not_before": iso(message.not_before),
        "attempts": message.attempts,
        "sent": iso(message.sent_at) if message.sent_at is not None else None,
        "error": message.error,
    }


def _history(message: Message) -> str:
    parts = [f"begun {moment(message.created)}", counted(message.attempts, "attempt")]
    if message.sent_at is not None:
        parts.append(f"sent {moment(message.sent_at)}")
    elif message.state == "waiting":
        parts.append(f"not before {moment(message.not_before)}")
    return f"{', '.join(parts)} (UTC)"


# --- What is tried ----------------------------------------------------------------------------


def _tested(lake: Lake, subscriptions: list[Subscription]) -> list[dict[str, Any]]:
    """Send to all at once; a server that does not answer keeps nobody waiting for longer than a while."""
    outcomes: list[dict[str, Any]] = []
    threads = []
    for one in subscriptions:
        for target in one.targets:
            outcome = {"notice": one.name, "target": target.label, "delivered": False}
            outcomes.append(outcome | {"error": f"no answer within {LONGEST_TEST:.0f} seconds", "hint": ""})
            thread = threading.Thread(target=_try, args=(lake, one.name, target, outcomes[-1]), daemon=True)
            threads.append(thread)
            thread.start()
    for thread in threads:
        thread.join(LONGEST_TEST)
    return [dict(outcome) for outcome in outcomes]


def _try(lake: Lake, notice: str, target: Target, outcome: dict[str, Any]) -> None:
    from penstock.errors import PenstockError
    from penstock.notices import Delivery, Letter

    now = lake.clock.now()
    body = f"This is a test of the notice {notice} of the lake {lake.name}, made at {iso(now)}."
    letter = Letter(f"test-{notice}", now, f"[{lake.name}] test of {notice}", body)
    deliver = Delivery(lake.declaration.mail, lake.folder, lake.work, lake.clock)
    try:
        deliver(target, letter)
    except PenstockError as error:
        outcome.update({"error": error.what, "hint": error.hint})
    except Exception as error:  # noqa: BLE001 - whatever a service's code does, it is told
        outcome.update({"error": f"{type(error).__name__}: {error}", "hint": ""})
    else:
        outcome.update({"delivered": True, "error": None, "hint": None})


def _tell(outcome: dict[str, Any]) -> None:
    say(f"{outcome['notice']} to {printable(outcome['target'])}: {'delivered' if outcome['delivered'] else 'failed'}")
    for line in (outcome["error"], outcome["hint"]):
        if line:
            say(f"  {printable(line)}")


def _tell_retried(message: Message) -> None:
    say(f"message {message.message} to {printable(message.target)}: {message.state.replace('_', ' ')}")
    if message.error:
        say(f"  {printable(message.error.split(chr(10))[0])}")
