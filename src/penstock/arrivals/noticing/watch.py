"""Watching: the kernel says which files landed or changed, and now and then everything is looked at all the same.

Notifications name files; the recorder finds out what became of them. They can be missed: when more come than the
kernel keeps, when a disk is written by other machines, when a name is not UTF-8. So the whole zone is looked at when
watching starts, whenever watching had to be started anew, and every few minutes; where notifications cannot be had, or
others than this machine write, every few seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from penstock.arrivals.noticing.discover import changed
from penstock.declaration import Table
from penstock.naming import TableName
from penstock.signals import Signals
from penstock.state import State
from penstock.steps import table_order
from penstock.storage import Zone
from penstock.storage.keys import matches
from penstock.storage.local import make_folder
from penstock.storage.settled import is_remote
from penstock.storage.watched import watched

log = logging.getLogger("penstock.arrivals")

STEP_MS, SHARE_MS = 5, 20
"""How often the library hands over what it heard, and for how long it gathers while more comes."""
NET_SECONDS = 300.0
POLL_SECONDS = 2.0
MOVE_SECONDS, CHECK_SECONDS = 1.0, 0.02
"""How long the zone's folder may be gone before it is made again: somebody may move another one to its place."""
AGAIN_SECONDS = 0.2
"""After what time the folders are looked into once more that came: files may have come before anyone watched."""


class Hear(Protocol):
    """Who takes the names of files."""

    def __call__(self, keys: Iterable[str], *, urgent: bool = True) -> None:
        """Take the names of files that may have changed, those first that somebody may wait for."""


class Watcher:
    """Watches the raw zone."""

    def __init__(
        self,
        raw: Zone,
        tables: Mapping[TableName, Table],
        state: State,
        signals: Signals,
        hear: Hear,
    ) -> None:
        """Watch for files of `tables` in `raw`; `hear` takes their names."""
        self._raw, self._tables, self._state, self._signals, self._hear = raw, tables, state, signals, hear
        self._done = threading.Event()
        self._look_now = threading.Event()
        self.polling: str | None = None
        self._watching = threading.Event()
        self._unseen = dict[str, str]()
        self._trouble = ""

    def stop(self) -> None:
        """Return from `run` and `look`."""
        self._done.set()
        self._look_now.set()
        self._watching.set()

    def run(self) -> None:
        """Pass on what the kernel says, until stopped."""
        while not self._done.is_set():
            try:
                make_folder(self._raw.root)
                if is_remote(self._raw.root):
                    self._poll("the files are on a disk that other machines write to")
                self._watch()
                self._await_folder()
            except (OSError, RuntimeError) as error:  # such as too many watches, or a name that is not UTF-8
                log.info("watching is started anew", exc_info=error)
                if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                    self._poll(f"the system cannot tell of changes: {error}")
                    self._watching.set()
                    self._done.wait(POLL_SECONDS)

    def _await_folder(self) -> None:
        """Wait a moment for the folder that went to be there again."""
        end = time.monotonic() + MOVE_SECONDS
        while not self._raw.root.is_dir() and time.monotonic() < end and not self._done.is_set():
            self._done.wait(CHECK_SECONDS)

    def wait_until_watching(self) -> None:
        """Wait until nothing that lands is missed any more."""
        self._watching.wait()

    def look(self) -> None:
        """Look at the whole zone at once, and then again now and then, until stopped."""
        self._watching.wait()
        while not self._done.is_set():
            self._look_now.wait(POLL_SECONDS if self.polling else NET_SECONDS)
            self._look_now.clear()
            if self._done.is_set():
                return
            try:
                self._look()
                self._trouble = ""
            except Exception as error:  # noqa: BLE001 - whatever it is, the zone is looked at again
                self._tell(error)

    def look_again(self) -> None:
        """Look at the whole zone now."""
        self._look_now.set()

    def _look(self) -> None:
        listed = list(self._raw.list("**"))
        unseen = dict(self._raw.unseen)
        for file, reason in unseen.items() - self._unseen.items():
            self._signals.announce("unseen", file=file, reason=reason)
        self._unseen = unseen
        claimed = set[str]()
        for name in table_order(self._tables):
            wanted = [version for version in listed if matches(self._tables[name].files, version.key)]
            claimed.update(version.key for version in wanted)
            for some in changed(self._state, name, wanted):
                self._hear([version.key for version in some], urgent=False)
        self._hear([version.key for version in listed if version.key not in claimed], urgent=False)

    def _tell(self, error: Exception) -> None:
        """Say why the zone could not be looked through, once for each reason in a row."""
        if str(error) != self._trouble:
            log.warning("the raw zone could not be looked through", exc_info=error)
            self._signals.announce("unrecorded", files=0, reason=str(error), error=error)
        self._trouble = str(error)

    def _poll(self, reason: str) -> None:
        if self.polling is None:
            self.polling = reason
            self._signals.announce("polling", reason=reason, seconds=POLL_SECONDS)
            self._look_now.set()

    def _watch(self) -> None:
        """Pass on until stopped, or until the zone's folder is another one."""
        begun = False
        for paths in watched(self._raw.root, self._done, step_ms=STEP_MS, share_ms=SHARE_MS):
            self._pass_on(paths)
            if not begun:
                begun = True
                self._watching.set()
                self._look_now.set()  # at what came while nobody watched

    def _pass_on(self, paths: Iterable[str]) -> None:
        folders, keys = list[str](), list[str]()
        for path in paths:
            if (key := self._raw.key_of(path)) is None:
                continue
            (folders if Path(path).is_dir() else keys).append(key)
        for folder in folders:
            keys += [version.key for version in self._raw.below(folder)]
        if keys:
            self._hear(keys)
        if folders:
            again = threading.Timer(AGAIN_SECONDS, self._look_into, (folders,))
            again.daemon = True
            again.start()

    def _look_into(self, folders: list[str]) -> None:
        self._hear([version.key for folder in folders for version in self._raw.below(folder)])
