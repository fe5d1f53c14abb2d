"""Waiting, in real time, for what another process or thread does."""

from __future__ import annotations

import time
from collections.abc import Callable

LOOK_SECONDS = 0.02


def until(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK_SECONDS)
    return True
