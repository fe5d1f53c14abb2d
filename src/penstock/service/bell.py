"""Hears the lake's bell, which every process rings that did something to the lake, and changes of `lake.yaml`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from penstock.opened import BELL
from penstock.site import STATE_FOLDER
from penstock.storage.watched import watched

log = logging.getLogger("penstock.service")

STEP_MS, SHARE_MS = 20, 40
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
        self._bell.touch()
        begun = False
        for paths in watched(self._bell, self._done, step_ms=STEP_MS, share_ms=SHARE_MS, beside=self._folder):
            names = {Path(path).name for path in paths}
            if BELL in names or not begun:  # it may have been rung while nobody listened
                self._rung()
            if DECLARATION in names or not begun:  # it may have changed before it was watched
                self._changed()
            begun = True
