"""A lake's notifier, put together from what is declared."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from penstock.clock import Clock
from penstock.declaration import Declaration
from penstock.deployed import Deployed
from penstock.notices.aws import TopicDelivery, topics_of
from penstock.notices.deliver import Deliver, Delivery
from penstock.notices.notifier import Notifier, Post
from penstock.notices.targets import subscriptions_of
from penstock.notices.template import read_template
from penstock.signals import Signals
from penstock.state import State

WAKE = "event"
"""What is announced when attendants have to look: an attempt has ended."""


def notifier_of(
    declaration: Declaration,
    place: tuple[Path, Path],
    state: State,
    clock: Clock,
    signals: Signals,
    deployed: Deployed | None = None,
) -> Notifier:
    """Make the notifier of a lake.

    Args:
        declaration: Says who is told of what.
        place: Its folder, and the one that holds the outbox.
        state: Keeps events and messages.
        clock: Says when messages are due.
        signals: Hears of attempts.
        deployed: Where the lake is on AWS; None for one on this machine.
    """
    deliver: Deliver = Delivery(declaration.mail, *place, clock)
    subscriptions = subscriptions_of(declaration)
    if deployed is not None:
        deliver, subscriptions = TopicDelivery(deployed.region), topics_of(declaration, deployed)
    post = Post(
        declaration.lake,
        subscriptions,
        partial(read_template, place[0]),
        deliver,
        lambda name, facts: signals.announce(name, **facts),
        lambda: signals.announce(WAKE, of="delivery"),
    )
    return Notifier(state, clock, post)
