"""What a declaration says of trying again: how often, and how long to wait in between."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from penstock.declaration.strict import Strict
from penstock.declaration.upkeep import Duration, seconds_of


class Retry(Strict):
    """How often something is tried, and how long it rests in between; what a table leaves out is as the lake says."""

    attempts: int | None = Field(default=None, ge=1, le=1_000, examples=[5])
    """How often it is tried in all, the first time included; 5 when left out."""
    wait: Duration | None = Field(default=None, examples=["1s"])
    """How long it rests after the first failure; 1s when left out."""
    backoff: float | None = Field(default=None, ge=1, le=100, allow_inf_nan=False, examples=[2.0])
    """By how much each rest is longer than the one before; 2.0 when left out, 1 for rests of equal length."""
    jitter: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False, examples=[0.2])
    """Share by which each rest is made longer or shorter by chance, so that not everything is tried again at the same
    moment; 0.2 when left out."""
    max_wait: Duration | None = Field(default=None, examples=["5m"])
    """The longest rest, or `wait` where that is longer; 5m when left out."""


@dataclass(frozen=True)
class Patience:
    """How often to try, and how long to rest in between: the declaration's words as numbers.

    Attributes:
        attempts: Attempts in all.
        wait: Seconds after the first failure.
        backoff: Factor between one rest and the next.
        jitter: Share by which a rest may be longer or shorter.
        max_wait: Seconds of the longest rest; never less than `wait`.
    """

    attempts: int = 5
    wait: float = 1.0
    backoff: float = 2.0
    jitter: float = 0.2
    max_wait: float = 300.0

    @property
    def longest(self) -> float:
        """Seconds that no rest goes beyond."""
        return max(self.max_wait, self.wait)

    def delay(self, attempt: int, chance: random.Random) -> float:
        """Seconds to rest after the `attempt`-th attempt, counted from 1, has failed."""
        steps = max(attempt, 1) - 1
        room = math.log(self.longest / self.wait)
        grown = self.longest if steps * math.log(self.backoff) >= room else self.wait * self.backoff**steps
        return min(grown * chance.uniform(1 - self.jitter, 1 + self.jitter), self.longest)

    def delays(self, chance: random.Random) -> Iterator[float]:
        """All rests, in order: one less than there are attempts."""
        return (self.delay(attempt, chance) for attempt in range(1, self.attempts))


def patience_of(*said: Retry | None) -> Patience:
    """What declarations say together: the last one that says something about a key decides, else the default."""
    facts: dict[str, Any] = {}
    for retry in said:
        facts |= retry.model_dump(exclude_none=True) if retry is not None else {}
    for name in ("wait", "max_wait"):
        facts |= {name: seconds_of(facts[name])} if name in facts else {}
    return Patience(**facts)
