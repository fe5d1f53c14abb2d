"""Upkeep while a lake is up: beside the work, never in front of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from penstock.lake import Lake
from penstock.naming import TableName

TIDY_SECONDS = 3_600.0
EVENTS_KEPT_SECONDS = 7 * 86_400.0
EVENTS_KEPT_AT_MOST_SECONDS = 90 * 86_400.0
"""How long events are kept that everybody has acted on, and those that somebody never did."""


class Upkeep:
    """Looks after tables that were written to; keeps the contract of `Attendant`."""

    name = "upkeep"

    def __init__(self, lake: Lake, wake: Callable[[], object]) -> None:
        """Look after the tables of `lake`; `wake` lets `attend` be called soon."""
        self._lake, self._wake = lake, wake
        self._lock = threading.Lock()
        self._written: dict[TableName, None] = {}
        self._tend: Callable[[TableName], object] | None = None
        self._tidied = 0.0

    def note(self, table: TableName) -> None:
        """A table was written to."""
        with self._lock:
            self._written[table] = None
        self._wake()

    def attend(self) -> float | None:
        """Do what is due; gives the moment of the next tidying."""
        with self._lock:
            written, self._written = self._written, {}
        for table in written:
            self._tend = self._tend or self._lake.tender()
            self._tend(table)
        now = self._lake.clock.now()
        if now >= self._tidied + TIDY_SECONDS:
            self._tidied = now
            self._tidy(now)
        return self._tidied + TIDY_SECONDS

    def _tidy(self, now: float) -> None:
        """Remove what was kept for long enough: rows in quarantine, and events."""
        self._lake.purge(self._lake.declared)
        self._lake.state.events.trim(now - EVENTS_KEPT_SECONDS, now - EVENTS_KEPT_AT_MOST_SECONDS)
