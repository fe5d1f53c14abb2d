"""One attempt at a step, as those see it who do the work: what to do, for which run, and when to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.declaration.workflows import Action
from penstock.errors import StepFailedError
from penstock.state import WorkflowRun

Outcome = dict[str, Any]


class Halt:
    """Says when an attempt has to end: its time is over, or the process is asked to stop."""

    def __init__(self, seconds: float) -> None:
        """Nothing is over yet; `begin` starts the time."""
        self.seconds = seconds
        self.timed_out = False
        self._over = threading.Event()
        self._listeners: list[Callable[[], object]] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._time_is_over)
        self._timer.daemon = True

    def begin(self) -> None:
        """Let the time run."""
        self._timer.start()

    def end(self) -> None:
        """The attempt is over; nothing happens any more."""
        self._timer.cancel()
        with self._lock:
            self._listeners.clear()

    def _time_is_over(self) -> None:
        self.timed_out = not self._over.is_set()
        self.stop()

    def stop(self) -> None:
        """Ask the attempt to end."""
        with self._lock:
            self._over.set()
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    @property
    def stopping(self) -> bool:
        """Whether the attempt has to end."""
        return self._over.is_set()

    def listen(self, listener: Callable[[], object]) -> None:
        """Call `listener`, from another thread, when the attempt has to end; at once if it has to already."""
        with self._lock:
            self._listeners.append(listener)
            over = self._over.is_set()
        if over:
            listener()

    def wait(self, seconds: float) -> bool:
        """Wait, really; True when the attempt has to end."""
        return self._over.wait(seconds)

    def check(self) -> None:
        """Go on only if there is time.

        Raises:
            StepFailedError: The attempt has to end.
        """
        if self.stopping:
            message = "was stopped before it was done"
            raise StepFailedError(message)


@dataclass(frozen=True)
class Attempt:
    """One attempt at a step."""

    action: Action
    run: WorkflowRun
    halt: Halt
    at: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)


Doer = Callable[[Attempt], Outcome]
