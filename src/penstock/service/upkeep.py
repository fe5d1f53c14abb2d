"""Upkeep while a lake is up: beside the work, never in front of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from penstock.lake import Lake
from penstock.naming import TableName
from penstock.state.events import forget_old

log = logging.getLogger("penstock.service")

TIDY_SECONDS = 3_600.0


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
        """Do what is due; gives the moment of the next tidying.

        Whatever fails is due again the next time, and holds up nothing else.

        Raises:
            Exception: What failed first.
        """
        failed = self._tend_all()
        now = self._lake.clock.now()
        if now >= self._tidied + TIDY_SECONDS:
            self._tidy(now)
            self._tidied = now
        if failed:
            raise failed[0]
        return self._tidied + TIDY_SECONDS

    def _tend_all(self) -> list[Exception]:
        with self._lock:
            written, self._written = self._written, {}
        failed = []
        for table in written:
            try:
                self._tend = self._tend or self._lake.tender()
                self._tend(table)
            except Exception as error:
                log.warning("%s could not be looked after; it is tried again", table, exc_info=error)
                failed.append(error)
                with self._lock:
                    self._written[table] = None
        return failed

    def _tidy(self, now: float) -> None:
        """Remove what was kept for long enough: rows in quarantine, and events."""
        self._lake.purge(self._lake.declared)
        forget_old(self._lake.state.events, now)
