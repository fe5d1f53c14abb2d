"""The recorder: takes names of files that may have changed, waits until each has settled, and records it.

It looks at a file as soon as it hears of it. One that is being written is looked at again soon, and less often the
longer nothing changes in it; the others do not wait for it. Large files are read, for the hash that names their
content, by threads of their own, which end with the process, however much is left to read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue

from penstock.arrivals.noticing.discover import record_all
from penstock.arrivals.noticing.sight import Glance, glance, version_of
from penstock.declaration import Table
from penstock.naming import TableName
from penstock.signals import Signals
from penstock.state import State
from penstock.storage import FileVersion, Zone
from penstock.storage.keys import matches

log = logging.getLogger("penstock.arrivals")

SOONEST, LATEST = 0.025, 1.0
"""How soon a file is looked at again that is being written, and how often at least, in seconds."""
CALMING = 0.25
"""Share of the time for which nothing changed after which it is looked at again."""
TROUBLE_SECONDS = 1.0
AT_ONCE = 256
LARGE = 4_000_000
READERS = 2
MOST_UNCLAIMED = 10_000


@dataclass
class _Look:
    """A file that is being written, or has not settled.

    Attributes:
        at: When to look at it again.
        changed: When it was last seen to change.
        mark: What it was then.
        told: Whether it was said that it is being written.
    """

    at: float
    changed: float
    mark: str = ""
    told: bool = False


class Recorder:
    """Records versions of files once they have settled."""

    def __init__(
        self,
        raw: Zone,
        tables: Mapping[TableName, Table],
        state: State,
        signals: Signals,
        recorded: Callable[[], object],
        settle: float,
    ) -> None:
        """Record files of `tables`; `recorded` is called whenever something new waits to be worked on."""
        self._raw, self._tables, self._state = raw, tables, state
        self._signals, self._recorded, self._settle = signals, recorded, settle
        self._news = threading.Condition()
        self._urgent: dict[str, None] = {}
        self._others: dict[str, None] = {}
        self._read: list[tuple[FileVersion, str | Exception | None]] = []
        self._looks: dict[str, _Look] = {}
        self._reading: set[str] = set()
        self._unclaimed: set[str] = set()
        self._stopping = False
        self._trouble = ""
        self._large: SimpleQueue[FileVersion | None] = SimpleQueue()

    def hear(self, keys: Iterable[str], *, urgent: bool = True) -> None:
        """Take the names of files that may have changed, those first that somebody may wait for."""
        with self._news:
            (self._urgent if urgent else self._others).update(dict.fromkeys(keys))
            self._news.notify()

    def stop(self) -> None:
        """Record nothing more, and return from `run`."""
        with self._news:
            self._stopping = True
            self._news.notify()

    @property
    def growing(self) -> list[str]:
        """Files that are being written."""
        return [key for key, look in list(self._looks.items()) if look.told]

    def run(self) -> None:
        """Record until stopped."""
        for _ in range(READERS):
            threading.Thread(target=self._read_all, name="penstock-reader", daemon=True).start()
        try:
            while (due := self._wait()) is not None:
                self._attend(due)
        finally:
            for _ in range(READERS):
                self._large.put(None)

    def _wait(self) -> list[str] | None:
        """Wait for news or for the time of the next look; gives what to look at, None when there will be no more."""
        with self._news:
            next_look = min((look.at for look in self._looks.values()), default=None)
            timeout = None if next_look is None else max(next_look - time.monotonic(), 0.0)
            self._news.wait_for(lambda: self._stopping or self._urgent or self._others or self._read, timeout)
            if self._stopping:
                return None
            now = time.monotonic()
            heard = dict.fromkeys(key for key, look in self._looks.items() if look.at <= now)
            for news in (self._urgent, self._others):
                heard.update(dict.fromkeys(islice(news, AT_ONCE - min(len(heard), AT_ONCE))))
                for key in heard:
                    news.pop(key, None)
        return [key for key in heard if key not in self._reading and self._is_wanted(key)]

    def _is_wanted(self, key: str) -> bool:
        """Whether a table wants the file; that none does is said once."""
        if any(matches(table.files, key) for table in self._tables.values()):
            return True
        if key not in self._unclaimed and len(self._unclaimed) < MOST_UNCLAIMED and self._raw.stat(key) is not None:
            self._unclaimed.add(key)
            self._signals.announce("unclaimed", file=key)
        return False

    def _attend(self, due: list[str]) -> None:
        """Look at what is due, and record what has settled."""
        with self._news:
            read, self._read = self._read, []
        settled = [(file, version) for file, version in read if isinstance(version, str)]
        for file, version in read:
            self._reading.discard(file.key)
            if version is None:
                self._look_soon(file.key)
            elif isinstance(version, Exception):
                self._tell(version, 1)
                self._look_soon(file.key, TROUBLE_SECONDS)
        try:
            settled += self._settled(due)
            self._record(settled)
            self._trouble = ""
        except Exception as error:  # noqa: BLE001 - whatever it is, the files are looked at again
            self._tell(error, len(due))
            for key in [*due, *(file.key for file, _ in settled)]:
                self._look_soon(key, TROUBLE_SECONDS)

    def _tell(self, error: Exception, files: int) -> None:
        """Say why files could not be recorded, once for each reason in a row; they are tried again all the time."""
        if str(error) != self._trouble:
            log.warning("files could not be recorded; they are tried again", exc_info=error)
            self._signals.announce("unrecorded", files=files, reason=str(error), error=error)
        self._trouble = str(error)

    def _look_soon(self, key: str, pause: float = 0.0) -> None:
        now = time.monotonic()
        self._looks.setdefault(key, _Look(now, now)).at = now + pause

    def _settled(self, keys: list[str]) -> list[tuple[FileVersion, str]]:
        """Those of the files that can be recorded now; the others are looked at again, or are read by others."""
        found = list[tuple[FileVersion, str]]()
        for key in self._changed(keys):
            seen = glance(self._raw, key, self._settle, self._rested(key))
            if seen.found != "settled" or seen.file is None:
                self._again(key, seen)
                continue
            self._looks.pop(key, None)
            if seen.file.size > LARGE:
                self._reading.add(key)
                self._large.put(seen.file)
            elif (version := version_of(self._raw, seen.file)) is not None:
                found.append((seen.file, version))
            else:
                self._look_soon(key)
        return found

    def _rested(self, key: str) -> str:
        """The mark that a file was seen to have for as long as it has to be left alone."""
        look = self._looks.get(key)
        return look.mark if look and time.monotonic() - look.changed >= self._settle else ""

    def _changed(self, keys: list[str]) -> list[str]:
        """Files that are not recorded as they are now; the others need no further look."""
        there = {key: file.mark for key in keys if (file := self._raw.stat(key)) is not None}
        wanted = set[str]()
        for name, table in self._tables.items():
            mine = [key for key in there if matches(table.files, key)]
            known = self._state.backlog.marks(name, mine) if mine else {}
            wanted.update(key for key in mine if there[key] != known.get(key))
        for key in keys:
            if key not in wanted:
                self._looks.pop(key, None)
        return [key for key in keys if key in wanted]

    def _again(self, key: str, seen: Glance) -> None:
        """Note when to look at a file again."""
        if seen.file is None:
            self._looks.pop(key, None)
            return
        now = time.monotonic()
        look = self._looks.setdefault(key, _Look(now, now))
        if look.mark != seen.file.mark:
            look.mark, look.changed = seen.file.mark, now
        look.at = now + (seen.wait or min(max((now - look.changed) * CALMING, SOONEST), LATEST))
        if seen.found == "written" and not look.told:
            look.told = True
            self._signals.announce("growing", file=key, bytes=seen.file.size)

    def _read_all(self) -> None:
        """Read large files, one after the other, until stopped."""
        while (file := self._large.get()) is not None and not self._stopping:
            version: str | Exception | None
            try:
                version = version_of(self._raw, file)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the file is looked at again
                version = error
            with self._news:
                self._read.append((file, version))
                self._news.notify()

    def _record(self, settled: list[tuple[FileVersion, str]]) -> None:
        new = 0
        with self._state.together() if settled else nullcontext():
            for name, table in self._tables.items():
                mine = [there for there in settled if matches(table.files, there[0].key)]
                new += record_all(self._state, name, mine) if mine else 0
        if new:
            self._recorded()
