"""A plan for people: what comes, changes and goes, by part of the lake, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from penstock.cli.layout import wrapped
from penstock.cli.output import bold, dim, say
from penstock.cli.words import counted
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.deployment.changes import Change
    from penstock.deployment.plan import Money, Plan
    from penstock.deployment.schemas import TableChange
    from penstock.deployment.statements import Allowed

MARKS = {"add": "+", "change": "~", "replace": "±", "remove": "-"}
COLOURS = {"add": "green", "change": "yellow", "replace": "red", "remove": "red"}
SHOWN = 20
"""How many statements are shown in full where nothing was deployed before and nobody asks for all."""
NAME = 28
CENT = 0.005
ELSEWHERE = "us-east-1"
"""Whose prices stand where those of a region are not known."""


def show_plan(plan: Plan, call: str, *, permissions: bool = False) -> None:
    """Show a plan.

    Args:
        plan: The plan.
        call: How the command line is called for its lake.
        permissions: Whether every statement is shown, however many there are.
    """
    for line in lines(plan, call, permissions=permissions):
        say(line)


def lines(plan: Plan, call: str = "penstock", *, permissions: bool = False) -> Iterator[str]:
    """The lines of a plan."""
    yield bold(f"{plan.lake}: {_where(plan)}")
    yield from _warned(plan)
    yield from _resources(plan.changes)
    yield from _permissions(plan, call, everything=permissions)
    yield from _tables(plan.tables)
    yield from _money(plan, call)
    for note in plan.notes:
        yield ""
        yield from wrapped(f"note: {note}")
    for finding in plan.secrets:
        yield ""
        yield from wrapped(f"{'! ' if finding.stops else 'note: '}{printable(finding.text)}")
        if finding.command:
            yield f"  {finding.command}"


def summary(plan: Plan) -> str:
    """A plan in one sentence."""
    if plan.empty:
        return "nothing to change: what is deployed is what lake.yaml declares"
    words = {"add": "to add", "change": "to change", "replace": "to replace", "remove": "to remove"}
    parts = [f"{plan.counts[action]} {word}" for action, word in words.items() if plan.counts[action]]
    return f"{counted(len(plan.changes), 'resource')}: {', '.join(parts)}"


def _where(plan: Plan) -> str:
    stack = f"stack {plan.stack}"
    where = f" in {plan.region}" if plan.region else ""
    whose = f", account {plan.account}" if plan.account else ""
    state = "" if plan.exists else ", not deployed yet" if plan.known else ", not compared with AWS"
    return f"{stack}{where}{whose}{state}"


def _warned(plan: Plan) -> Iterator[str]:
    lost = [change for change in plan.changes if change.loses_data]
    for change in lost:
        what = "a new, empty one takes its place" if change.action == "replace" else "it goes, with what is in it"
        text = f"{change.name} ({_kind(change)}) holds data: {what}"
        yield click.style(f"! {text}", fg="red", bold=True)


def _resources(changes: Sequence[Change]) -> Iterator[str]:
    for part, group in groupby(changes, key=lambda change: change.part):
        yield ""
        yield bold(part)
        for change in group:
            yield from _resource(change)


def _resource(change: Change) -> Iterator[str]:
    mark = click.style(MARKS[change.action], fg=COLOURS[change.action])
    line = f"  {mark} {change.name:<{NAME}}  {_kind(change)}"
    reason = _reason(change)
    if not reason:
        yield line.rstrip()
        return
    yield line
    yield from (dim(part) for part in wrapped(reason, "      "))


def _kind(change: Change) -> str:
    return change.type.removeprefix("AWS::").replace("::", " ")


def _reason(change: Change) -> str:
    because = ", ".join(change.because)
    if change.action == "replace":
        return f"made anew, because of {because or 'what it is made of'}" + (
            "; the old one stays on AWS" if change.kept else ""
        )
    if change.action == "remove":
        return "stays on AWS, outside the stack" if change.kept else ""
    return because if change.action == "change" else ""


def _permissions(plan: Plan, call: str, *, everything: bool) -> Iterator[str]:
    if not (plan.granted or plan.withdrawn):
        return
    yield ""
    yield bold("who may do what")
    if plan.exists or everything or len(plan.granted) <= SHOWN:
        for mark, colour, found in (("+", "green", plan.granted), ("-", "red", plan.withdrawn)):
            for statement in found:
                yield from _statement(click.style(mark, fg=colour), statement)
        return
    for holder, number in Counter(statement.holder for statement in plan.granted).items():
        yield f"  {click.style('+', fg='green')} {holder:<{NAME}}  {counted(number, 'statement')}"
    yield dim(f"  every statement: {call} plan --permissions")


def _statement(mark: str, found: Allowed) -> Iterator[str]:
    verb = "may" if found.effect == "Allow" else "may not"
    who = f"{', '.join(found.who)} " if found.who else ""
    yield f"  {mark} {found.holder}: {printable(who)}{verb}"
    yield from wrapped(", ".join(found.actions), "      ")
    if found.resources:
        yield from wrapped(f"on {', '.join(found.resources)}", "      ")
    if found.conditions:
        yield from (dim(line) for line in wrapped(f"if {found.conditions}", "      "))


def _tables(changes: Sequence[TableChange]) -> Iterator[str]:
    if not changes:
        return
    yield ""
    yield bold("columns of tables")
    for change in changes:
        mark = click.style(MARKS[change.action], fg=COLOURS[change.action])
        name = f"{change.table}.{change.column}" if change.column else change.table
        first, *more = wrapped(f"{name}: {change.text}", "    ")
        yield f"  {mark} {first.strip()}"
        yield from more


def _money(plan: Plan, call: str) -> Iterator[str]:
    money = plan.money
    if money is None:
        return
    yield ""
    yield bold("cost")
    whole = money.then + money.missing
    idle = money.idle + money.idle_missing
    yield f"  about {whole:,.2f} USD a month{_compared(money)}; {idle:,.2f} when nothing happens"
    if money.missing >= CENT:
        yield f"  {money.missing:,.2f} of it at prices of {ELSEWHERE}, as those of {plan.region} are not known"
    yield dim(f"  at the volumes that {call} cost assumes; give yours there")


def _compared(money: Money) -> str:
    """What a month costs, beside what it costs now."""
    if money.now is None:
        return ""
    more = money.then + money.missing - money.now - money.now_missing
    return ", as now" if abs(more) < CENT else f", {abs(more):,.2f} {'more' if more > 0 else 'less'} than now"
