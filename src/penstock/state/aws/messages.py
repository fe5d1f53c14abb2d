"""Messages to people. There are few: what was sent is forgotten after a while, so they are read as they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from functools import partial

from penstock.state.aws.database import Database
from penstock.state.aws.layout import number
from penstock.state.aws.unit import Unit
from penstock.state.messages import Message, MessageState, Tally
from penstock.state.sqlite.messages import STATES


class Messages:
    """Messages; keeps the contract of `Messages`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, message: Message) -> int:
        """Keep a message."""

        def added(unit: Unit) -> int:
            given = unit.number("messages")
            unit.put(("messages", number(given)), asdict(replace(message, message=given)))
            return given

        return int(self._database.call(added, first=True, exact=False))

    def replace(self, message: Message) -> None:
        """Keep a message in place of an older state of it."""
        at = ("messages", number(message.message))

        def replaced(unit: Unit) -> None:
            if unit.get(at) is not None:
                unit.put(at, asdict(message))

        self._database.call(replaced, first=True)

    def get(self, number_: int) -> Message | None:
        """The message with a number."""
        found = self._database.call(lambda unit: unit.get(("messages", number(number_))), first=True)
        return None if found is None else Message(**found)

    def _all(self) -> list[Message]:
        return [Message(**doc) for _, doc in self._database.documents("messages")]

    def list(self, states: tuple[MessageState, ...] = (), limit: int = 1_000) -> list[Message]:
        """The newest messages, oldest first."""
        found = [message for message in self._all() if message.state in (states or STATES)]
        return found[-limit:] if limit else []

    def sent_times(self, notice: str, target: str, since: float) -> tuple[float, ...]:
        """When a target was told by a notice."""
        sent = [one for one in self._all() if (one.state, one.notice, one.target) == ("sent", notice, target)]
        return tuple(sorted(at for one in sent if (at := one.sent_at) is not None and at >= since))

    def counts(self) -> dict[MessageState, int]:
        """How many messages there are in each state."""
        found = Counter(message.state for message in self._all())
        return {state: found[state] for state in STATES}

    def tally(self) -> tuple[Tally, ...]:
        """How many messages each notice has for each target in each state."""
        found: dict[tuple[str, str, MessageState], list[float | None]] = {}
        for one in self._all():
            found.setdefault((one.notice, one.target, one.state), []).append(one.sent_at)
        return tuple(
            Tally(*whose, len(sent), max((at for at in sent if at is not None), default=None))
            for whose, sent in sorted(found.items())
        )

    def trim(self, before: float) -> int:
        """Forget messages that were sent, or last tried and given up, long ago."""
        gone = [one for one in self._all() if _ended(one) < before]
        for one in gone:
            self._database.call(partial(Unit.discard, key=("messages", number(one.message))))
        return len(gone)


def _ended(message: Message) -> float:
    if message.state == "sent" and message.sent_at is not None:
        return message.sent_at
    return message.not_before if message.state == "given_up" else float("inf")
