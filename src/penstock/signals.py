"""Announcements of what happened, for those who want to know.

The road of a file announces; progress bars, logs, and later notices and metrics listen. No step knows its listeners,
and a listener that fails never harms the work: its error goes to the log.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any

log = logging.getLogger("penstock.signals")

Listener = Callable[[dict[str, Any]], None]


class Signals:
    """A board that listeners sign up on, by the name of what happens."""

    def __init__(self) -> None:
        """Start with no listener."""
        self._listeners: dict[str, list[Listener]] = defaultdict(list)

    def listen(self, name: str, listener: Listener) -> None:
        """Call `listener` with the facts each time `name` is announced; `*` hears everything."""
        self._listeners[name].append(listener)

    def announce(self, name: str, **facts: Any) -> None:
        """Tell everyone who listens to `name`."""
        facts = {"event": name, **facts}
        for listener in [*self._listeners[name], *self._listeners["*"]]:
            try:
                listener(facts)
            except Exception:
                log.exception("a listener of %s failed", name)
