"""A lake's notifier, put together from what is declared."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from penstock.clock import Clock
from penstock.declaration import Declaration
from penstock.notices.deliver import Delivery
from penstock.notices.notifier import Notifier, Post
from penstock.notices.targets import subscriptions_of
from penstock.notices.template import read_template
from penstock.signals import Signals
from penstock.state import State

WAKE = "event"
"""What is announced when attendants have to look: an attempt has ended."""


def notifier_of(
    declaration: Declaration, place: tuple[Path, Path], state: State, clock: Clock, signals: Signals
) -> Notifier:
    """Make the notifier of a lake; `place` is its folder, and the one below it that holds the outbox."""
    post = Post(
        declaration.lake,
        subscriptions_of(declaration),
        partial(read_template, place[0]),
        Delivery(declaration.mail, *place, clock),
        lambda name, facts: signals.announce(name, **facts),
        lambda: signals.announce(WAKE, of="delivery"),
    )
    return Notifier(state, clock, post)
