"""Calls an attendant whenever something happened and whenever its time has come, in a thread of its own."""

from __future__ import annotations

import logging

from penstock.clock import Clock
from penstock.service.attendant import Attendant
from penstock.service.news import News
from penstock.signals import Signals

log = logging.getLogger("penstock.service")

PAUSE_SECONDS = 0.1
"""How long an attendant rests after each call: a thousand events in a row are a few calls."""
FAILED_SECONDS = 5.0
LONGEST_SECONDS = 300.0
"""How long it waits at most, whatever moment it gave: clocks are set."""


class Minder:
    """Calls one attendant."""

    def __init__(self, attendant: Attendant, clock: Clock, signals: Signals, pause: float = PAUSE_SECONDS) -> None:
        """Call `attendant`, at most every `pause` seconds; what it fails with is told, and it is called again."""
        self._rest = pause
        self.attendant, self._clock, self._signals = attendant, clock, signals
        self.news = News()
        self.trouble: str | None = None

    def run(self) -> None:
        """Call it until the news are over, and then once more, for what happened last."""
        while True:
            over, seen = self.news.over, self.news.count
            due = self._attend()
            if over:
                return
            until = LONGEST_SECONDS if due is None else min(max(due - self._clock.now(), 0.0), LONGEST_SECONDS)
            self.news.rest(self._rest)
            self.news.wait(seen, until)

    def _attend(self) -> float | None:
        try:
            due = self.attendant.attend()
        except Exception as error:
            log.warning("%s failed", self.attendant.name, exc_info=error)
            self._tell(f"{type(error).__name__}: {error}")
            return self._clock.now() + FAILED_SECONDS
        self.trouble = None
        return due

    def _tell(self, trouble: str) -> None:
        """Say what is wrong, once for each trouble in a row."""
        if trouble != self.trouble:
            self._signals.announce("attendant_failed", attendant=self.attendant.name, reason=trouble)
        self.trouble = trouble
