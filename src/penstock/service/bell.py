"""Hears the lake's bell, which every process rings that did something to the lake, and changes of `lake.yaml`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from penstock.opened import BELL
from penstock.site import STATE_FOLDER

log = logging.getLogger("penstock.service")

STEP_MS, SHARE_MS, TIMEOUT_MS = 20, 40, 250
AGAIN_SECONDS = 5.0
DECLARATION = "lake.yaml"


class Bell:
    """Watches two files."""

    def __init__(self, folder: Path, rung: Callable[[], object], changed: Callable[[], object]) -> None:
        """Watch in the lake's `folder`: call `rung` for its bell, `changed` for `lake.yaml`."""
        self._folder, self._rung, self._changed = folder, rung, changed
        self._bell = folder / STATE_FOLDER / BELL
        self._done = threading.Event()

    def stop(self) -> None:
        """Return from `run`."""
        self._done.set()

    def run(self) -> None:
        """Watch until stopped; where that cannot be done, ring every few seconds."""
        while not self._done.is_set():
            try:
                self._watch()
                continue
            except (OSError, RuntimeError) as error:
                log.info("the bell is watched anew", exc_info=error)
            self._rung()
            self._done.wait(AGAIN_SECONDS)

    def _watch(self) -> None:
        """Ring until stopped, or until the bell is gone or another one, which nobody would hear."""
        from watchfiles import Change, watch

        self._bell.touch()
        identity, begun = self._identity(), False
        gone = (Change.deleted, str(self._bell))
        looked = False
        for found in watch(
            self._folder,
            self._bell,
            watch_filter=None,
            step=STEP_MS,
            debounce=SHARE_MS,
            rust_timeout=TIMEOUT_MS,
            yield_on_timeout=True,
            stop_event=self._done,
            raise_interrupt=False,
            recursive=False,
            ignore_permission_denied=True,
        ):
            names = {Path(path).name for _, path in found}
            if BELL in names or not begun:  # it may have been rung while nobody listened
                self._rung()
            begun = True
            if DECLARATION in names or not looked:  # it may have changed before it was watched
                looked = True
                self._changed()
            if gone in found or self._identity() != identity:
                return  # a file made anew may have the number of the one that went

    def _identity(self) -> tuple[int, int] | None:
        try:
            there = self._bell.stat()
        except FileNotFoundError:
            return None
        return there.st_dev, there.st_ino
