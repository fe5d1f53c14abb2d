"""The end of a lake's life: what is at hand is finished, for as long as was declared."""

from __future__ import annotations

import time
from typing import Protocol


class Ending(Protocol):
    """Work that was asked to end."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, at most `timeout` seconds; whether it has."""


class Stoppable(Protocol):
    """Work that ends when it is asked to."""

    def stop(self, seconds: float) -> bool:
        """Ask it to end, and wait at most `seconds`; whether it has."""


def drain(live: Ending, workflows: Stoppable, seconds: float) -> bool:
    """Wait, at most `seconds` in all, until files at hand and steps of workflows are finished; whether they are."""
    until = time.monotonic() + seconds
    stopped = workflows.stop(seconds)
    return live.wait(max(0.0, until - time.monotonic())) and stopped
