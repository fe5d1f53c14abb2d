"""Named places where a test can make the world fail.

Every write, rename, unlink, state statement and catalog commit on the road of a file passes through `reach(place)`.
In production that is one dictionary look-up. Tests install a hook that raises, tears a write or kills the process at
the n-th place reached.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

PLACES = (
    "storage.rename",
    "storage.delete",
    "state.begin",
    "state.commit",
    "engine.write",
    "tables.create",
    "tables.commit",
    "tables.committed",
)

_hook: Callable[[str], None] | None = None


def reach(place: str) -> None:
    """Say that `place` is about to happen; raises whatever the installed hook raises."""
    if _hook is not None:
        _hook(place)


def install(hook: Callable[[str], None] | None) -> None:
    """Call `hook` with the name of every place reached from now on; None removes it."""
    global _hook  # noqa: PLW0603 - one process-wide switch is the point: faults strike every part alike
    _hook = hook


def install_from_environment() -> None:
    """Kill this process at the n-th place reached when `PENSTOCK_FAULT_KILL_AT` holds n; for crash tests."""
    at = os.environ.get("PENSTOCK_FAULT_KILL_AT")
    if not at:
        return
    left = int(at)

    def kill(_place: str) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    install(kill)
