"""A disk without room: files wait, and are taken up again by themselves once there is some."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from penstock.signals import Signals
from penstock.storage.room import Room

log = logging.getLogger("penstock.service")

LOOK_SECONDS = 1.0


class Pausable(Protocol):
    """Work that can rest."""

    def pause(self, reason: str) -> None:
        """Take up nothing until `resume` is called; what is at hand is finished."""

    def resume(self) -> None:
        """Go on."""


class DiskWatch:
    """Lets work rest while there is no room."""

    def __init__(self, room: Room, work: Pausable, signals: Signals) -> None:
        """Watch `room` once started."""
        self._room, self._work, self._signals = room, work, signals
        self.reason: str | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="penstock-disk", daemon=True)

    def look(self) -> None:
        """Look once, and let the work rest or go on."""
        reason = self._room.lacks()
        before, self.reason = self.reason, reason
        if reason is not None and before is None:
            self._work.pause(reason)
            self._signals.announce("paused", reason=reason)
        elif reason is None and before is not None:
            self._work.resume()
            self._signals.announce("resumed", reason="there is room again")

    def start(self) -> None:
        """Look now, and from time to time from now on."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception:
                log.exception("the room on the disk could not be looked at")
