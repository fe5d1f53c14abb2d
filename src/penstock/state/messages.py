"""Messages to people: what was gathered for them, what was sent, and what could not be delivered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

MessageState = Literal["waiting", "sent", "given_up"]


@dataclass(frozen=True)
class Message:
    """What one target is told, once, by one notice.

    Attributes:
        message: Its number; 0 for one that is not kept yet.
        notice: The notice's name.
        target: To whom, in words that show no secret; `lake.yaml` knows the address.
        created: When it was begun.
        not_before: When it is to be sent, or tried again.
        attempts: How often it was tried; as long as that is 0, more may be gathered into it.
        sent_at: When it was sent.
        subject: Its subject; empty until the first attempt.
        body: Its text; empty until the first attempt.
        events: What it tells of, gathered, as JSON.
        error: Why the last attempt failed.
    """

    message: int
    notice: str
    target: str
    state: MessageState
    created: float
    not_before: float
    attempts: int = 0
    sent_at: float | None = None
    subject: str = ""
    body: str = ""
    events: str = ""
    error: str | None = None


@dataclass(frozen=True)
class Tally:
    """How many messages one notice has for one target in one state, and when it was last told."""

    notice: str
    target: str
    state: MessageState
    messages: int
    last_sent: float | None


class Messages(Protocol):
    """Messages, in the order in which they were begun."""

    def add(self, message: Message) -> int:
        """Keep a message; gives its number."""

    def replace(self, message: Message) -> None:
        """Keep a message in place of the one with its number."""

    def get(self, number: int) -> Message | None:
        """The message with a number; None for none."""

    def list(self, states: tuple[MessageState, ...] = (), limit: int = 1_000) -> list[Message]:
        """The newest messages, of some states if given, oldest first."""

    def sent_times(self, notice: str, target: str, since: float) -> tuple[float, ...]:
        """When a target was told by a notice since a moment, oldest first."""

    def counts(self) -> dict[MessageState, int]:
        """How many messages there are in each state."""

    def tally(self) -> tuple[Tally, ...]:
        """The same for each notice and target, in order of their names."""

    def trim(self, before: float) -> int:
        """Forget messages that were sent, or last tried and given up, before a moment; gives how many."""
