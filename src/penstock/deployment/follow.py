"""Following what CloudFormation does, to its end, however it was begun and by whom.

The operation goes on whether it is watched or not: whoever stops watching can take it up again, from another machine
too. What is told is what happened, in order, each thing once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile

from penstock.clock import Clock
from penstock.deployment.stacks import ABSENT, BUSY, Event, Stack, Stacks

SOONEST, LATEST = 2.0, 6.0
"""Seconds between two looks: the first few, and later."""
_BEGIN = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS", "REVIEW_IN_PROGRESS")


@dataclass(frozen=True)
class Ended:
    """How an operation ended.

    Attributes:
        stack: The stack afterwards; its status is `DELETE_COMPLETE` when it is gone.
        events: What happened, oldest first.
    """

    stack: Stack
    events: tuple[Event, ...]


def operation(events: Iterable[Event]) -> list[Event]:
    """The events of the newest operation, oldest first, out of a stack's events, newest first."""
    found: list[Event] = []
    for event in events:
        found.append(event)
        if event.of_stack and event.status in _BEGIN:
            break
    return found[::-1]


def follow(stacks: Stacks, stack: Stack, clock: Clock, tell: Callable[[Event], None], after: str = "") -> Ended:
    """Tell what happens to a stack until nothing is done to it any more.

    Args:
        stacks: Where it is.
        stack: The stack.
        clock: What is waited by.
        tell: Is told each event once, in order.
        after: The id of the last event before the operation; the newest operation is told when left out.
    """
    told: dict[str, Event] = {}
    wait = SOONEST
    while True:
        now = stacks.find(stack.id)
        for event in _new(stacks, stack.id, after, told):
            told[event.id] = event
            tell(event)
        if now is None or now.standing != BUSY:
            gone = Stack(stack.id, stack.name, "DELETE_COMPLETE")
            return Ended(now or gone, tuple(told.values()))
        clock.sleep(wait)
        wait = min(wait * 1.2, LATEST)


def last_event(stacks: Stacks, stack: Stack) -> str:
    """The id of the newest event of a stack; empty when nothing has happened to it."""
    return next((event.id for event in stacks.events(stack.id)), "")


def deleted(stack: Stack) -> bool:
    """Whether a stack is gone."""
    return stack.standing == ABSENT


def _new(stacks: Stacks, stack: str, after: str, told: dict[str, Event]) -> list[Event]:
    there = stacks.events(stack)
    if after:
        found = list(takewhile(lambda event: event.id != after and event.id not in told, there))[::-1]
    else:
        found = [event for event in operation(there) if event.id not in told]
    return found
