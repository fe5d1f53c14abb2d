"""When a message is due: a pure function of what was gathered, what was sent, and what is declared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.declaration import Notice, seconds_of

SOON = 2.0
"""Seconds for which even what is urgent waits for its like: a burst of failures is one message."""
FIRST_REST, LONGEST_REST = 10.0, 600.0


@dataclass(frozen=True)
class Limits:
    """What a notice declares, in seconds.

    Attributes:
        digest: For how long events are collected.
        messages: How many messages in `window` seconds.
        keep_trying: For how long a message is tried.
    """

    digest: float
    messages: int
    window: float
    keep_trying: float

    @classmethod
    def of(cls, notice: Notice) -> Limits:
        """Read them."""
        messages, window = notice.limit
        keep_trying = seconds_of(notice.keep_trying)
        return cls(seconds_of(notice.digest), messages, seconds_of(window), keep_trying)

    @property
    def memory(self) -> float:
        """How far back one has to know what was sent."""
        return max(self.digest, self.window)


def due(first: float, urgent: float | None, sent: Sequence[float], limits: Limits) -> float:
    """When what was gathered is to be sent.

    Args:
        first: When the first event happened.
        urgent: When the first urgent event happened.
        sent: When the last messages were sent, oldest first, `limits.memory` seconds back.
        limits: What is declared.
    """
    moment = first + limits.digest
    if urgent is not None:
        quiet = sent[-1] + limits.digest if sent else urgent
        moment = min(moment, max(urgent + min(SOON, limits.digest), quiet))
    return no_sooner(moment, sent, limits)


def no_sooner(moment: float, sent: Sequence[float], limits: Limits) -> float:
    """A moment at which one more message is within the limit."""
    return max(moment, sent[-limits.messages] + limits.window) if len(sent) >= limits.messages else moment


def rest(attempts: int) -> float:
    """How long a message rests after so many attempts."""
    return min(FIRST_REST * 2.0 ** min(attempts - 1, 20), LONGEST_REST)
