"""Time, in one place, so that tests can hold it still.

Everything that decides by the time takes a `Clock`. Only waiting for a file system's tick or for another process's lock
is real time, whatever clock is held.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The time of day and the passing of time."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        time.sleep(seconds)


@dataclass
class HeldClock:
    """A clock that stands still until it is moved; sleeping moves it."""

    seconds: float = 1_700_000_000.0

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Move the clock by `seconds` at once."""
        self.seconds += seconds


def iso(seconds: float) -> str:
    """Write a moment as ISO 8601 in UTC with milliseconds, such as `2026-01-31T08:00:00.000Z`."""
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def moment_of(text: object) -> float | None:
    """The moment that `iso` wrote, seconds since 1970; None for what is none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None
