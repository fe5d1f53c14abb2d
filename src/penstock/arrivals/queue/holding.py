"""A function's hold on the messages that it works on: they are kept from others for as long as it lives, and no longer.

At first the time is short, and it is prolonged again and again. So the messages of a function that was killed come back
soon, though work may take as long as the function may run. When that time is nearly over, the work is stopped, so that
what is at hand is finished and the rest given back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Self

from penstock.arrivals.queue.messages import Message
from penstock.arrivals.queue.sqs import IntakeQueue

log = logging.getLogger("penstock.arrivals")

HELD_SECONDS = 120.0
PROLONGED_SECONDS = 40.0
LOOK_SECONDS = 0.5
MARGIN_SECONDS, MARGIN_SHARE = 20.0, 0.25
"""How long before its end a function takes up no more work; of a short time, a share."""


class Holding:
    """Holds messages for the time of a `with` block."""

    def __init__(self, queue: IntakeQueue | None, messages: Sequence[Message], remaining: Callable[[], float]) -> None:
        """Hold `messages` of `queue`; `remaining` says how many seconds are left to the function."""
        self._queue, self._messages, self._remaining = queue, messages, remaining
        self._margin = min(MARGIN_SECONDS, MARGIN_SHARE * remaining())
        self._stop: Callable[[], object] = lambda: None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="penstock-holding", daemon=True)

    @property
    def short(self) -> bool:
        """Whether the time is nearly over: nothing is taken up any more."""
        return self._remaining() <= self._margin

    def stops(self, stop: Callable[[], object]) -> None:
        """Call `stop` when the time is nearly over."""
        self._stop = stop

    def __enter__(self) -> Self:
        """Hold from now on."""
        self._prolong()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Hold no more; what becomes of the messages is said by the function's answer."""
        self._done.set()
        self._thread.join()

    def _hold(self) -> None:
        waited = 0.0
        while not self._done.wait(LOOK_SECONDS):
            if self.short:
                self._stop()
            waited += LOOK_SECONDS
            if waited >= PROLONGED_SECONDS:
                waited = 0.0
                self._prolong()

    def _prolong(self) -> None:
        if self._queue is None or not self._messages:
            return
        try:
            self._queue.prolong(self._messages, HELD_SECONDS)
        except Exception:  # what comes back too early finds its files being worked on, or done
            log.warning("messages could not be prolonged", exc_info=True)
