"""From messages to rows: what a queue says landed is recorded and worked on, and every message gets its answer.

A message is done when its files are: in a table, replaced by a newer version, dead with the reason kept, gone, or
wanted by no table. All others come back, and only they: one file that fails holds up no other. They come back when
trying again is of use; how often a file is tried is counted in the state store, not by the queue.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.arrivals.aws import DeadLetterQueue, IntakeQueue
from penstock.arrivals.discover import changed, record_all, revive
from penstock.arrivals.failing import Summary
from penstock.arrivals.holding import Holding
from penstock.arrivals.letters import LetterBox
from penstock.arrivals.messages import Message, read_messages
from penstock.arrivals.settle import beating
from penstock.arrivals.sight import see
from penstock.arrivals.work import Worker
from penstock.clock import Clock
from penstock.declaration import Table
from penstock.errors import AwsError, BadFileError
from penstock.naming import TableName
from penstock.signals import Signals
from penstock.state import State
from penstock.steps import others_named, table_order
from penstock.storage import FileVersion, Zone
from penstock.storage.keys import matches

log = logging.getLogger("penstock.arrivals")

AT_ONCE = 25
"""Files that are recorded in one transaction."""
LOOKERS = 8
"""Files that are looked at, and read for their digests, at the same time."""
PATIENCE_SECONDS, POLL_SECONDS = 2.0, 0.2
"""How long it is waited for what rests or is in others' hands, before the message goes back for it."""
SOONEST, LATEST = 1.0, 900.0
"""After how many seconds messages come back, but for those whose files rest for longer: the queue counts each time."""


@dataclass(frozen=True)
class Place:
    """What a queue worker works on.

    Attributes:
        lake: The lake's name.
        folder: The lake's folder.
        bucket: Where the files of the raw zone are.
        tables: The declared tables.
        prune: Called between two pieces of work: lets go of copies, so that they do not fill the disk.
    """

    lake: str
    folder: Path
    bucket: str
    tables: Mapping[TableName, Table]
    raw: Zone
    state: State
    signals: Signals
    clock: Clock
    prune: Callable[[], object] = lambda: None


@dataclass
class _Looked:
    """What files are, as they were looked at.

    Attributes:
        keys: Files by the table that wants them.
        failed: Files that could not be looked at, or recorded.
        refused: Files that can never be read, with the reason.
    """

    keys: dict[TableName, list[str]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)


class QueueWorker:
    """Works on what messages name."""

    def __init__(
        self, place: Place, queue: IntakeQueue, dead_letters: DeadLetterQueue, make_worker: Callable[[], Worker]
    ) -> None:
        """Work at `place`; a worker is made when there is none that can go on."""
        self._place, self._queue, self._dead_letters, self._make = place, queue, dead_letters, make_worker
        self._state, self._signals, self._clock = place.state, place.signals, place.clock
        self._tables = {name: place.tables[name] for name in table_order(place.tables)}
        self._worker: Worker | None = None
        self.letters = LetterBox(place.state, dead_letters, place.lake, place.bucket, place.clock)

    def take(self, event: Mapping[str, Any], remaining: Callable[[], float]) -> dict[str, Any]:
        """Work on an event's messages; gives those that are not done, as the event source mapping wants it.

        Args:
            event: What the mapping gives.
            remaining: How many seconds are left.
        """
        messages = read_messages(event, self._place.bucket)
        with Holding(self._queue, messages, remaining) as held, beating(self._state):
            looked = self._look([key for message in messages for key in message.keys], held)
            self._work(self._among(looked.keys), looked.keys, held)
            if any(message.received > 1 for message in messages):
                self.letters.empty()  # who had it before may have been ended between a dead letter and its message
            back = {message: wait for message in messages if (wait := self._wait(message, looked)) is not None}
        self._put_off(back)
        return {"batchItemFailures": [{"itemIdentifier": message.id} for message in back]}

    def _put_off(self, back: Mapping[Message, float]) -> None:
        """Set when messages come back; where that cannot be set, they come when they were held until."""
        try:
            for wait in sorted(set(back.values())):
                self._queue.prolong([message for message, its in back.items() if its == wait], wait)
        except AwsError as error:
            log.warning("messages could not be put off", exc_info=error)

    def catch_up(self, since: float, remaining: Callable[[], float]) -> None:
        """Record what landed after `since` and nobody was told of, and work on everything that waits."""
        listed = [file for file in self._place.raw.list("**") if file.modified_ns >= since * 1e9]
        with Holding(None, (), remaining) as held, beating(self._state):
            self._look([file.key for file in listed], held, dict.fromkeys(listed), told=False)
            for name, table in self._tables.items():
                revive(self._state, name, table, self._place.folder)
            self._work(self._tables, {}, held)
        self.letters.empty()

    def _look(
        self, keys: Iterable[str], held: Holding, listed: Iterable[FileVersion] | None = None, *, told: bool = True
    ) -> _Looked:
        """Record files as they are now; those `listed` were looked at already."""
        looked, raw = _Looked(), self._place.raw
        for key in dict.fromkeys(keys):
            wanting = self._wanting(key)
            for name in wanting:
                looked.keys.setdefault(name, []).append(key)
            if told and not wanting:
                self._signals.announce("unclaimed", file=key)
        with ThreadPoolExecutor(LOOKERS) as pool:
            all_keys = list(dict.fromkeys(key for some in looked.keys.values() for key in some))
            there = {file.key: file for file in listed or ()}
            if listed is None:
                found = pool.map(self._guarded(raw.stat, looked, held), all_keys)
                there = {file.key: file for file in found if file is not None}
            for name in (name for name in self._tables if name in looked.keys):
                self._record(name, [there[key] for key in looked.keys[name] if key in there], looked, held, pool)
        return looked

    def _record(
        self, name: TableName, there: list[FileVersion], looked: _Looked, held: Holding, pool: ThreadPoolExecutor
    ) -> None:
        """Record those of the files that are not recorded as they are."""

        def seen(key: str) -> tuple[FileVersion, str] | None:
            found = see(self._place.raw, key)
            if found is None and self._place.raw.stat(key) is not None:
                looked.failed.add(key)  # it was written over while it was looked at
            return found

        try:
            new = [file for some in changed(self._state, name, there) for file in some]
            found = [one for one in pool.map(self._guarded(seen, looked, held), [file.key for file in new]) if one]
            for at in range(0, len(found), AT_ONCE):
                record_all(self._state, name, found[at : at + AT_ONCE])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the messages come back
            looked.failed.update(file.key for file in there)
            self._tell(error, len(there))

    def _guarded(self, look: Callable[[str], Any], looked: _Looked, held: Holding) -> Callable[[str], Any]:
        """Look at a file; one that cannot be looked at, or for which no time is left, fails alone."""

        def guarded(key: str) -> Any:
            if held.short:
                looked.failed.add(key)
                return None
            try:
                return look(key)
            except BadFileError as error:
                looked.refused[key] = str(error)
                return None
            except Exception as error:  # noqa: BLE001 - whatever one file causes must not stop the others
                looked.failed.add(key)
                self._tell(error, 1, key)
                return None

        return guarded

    def _tell(self, error: Exception, files: int, key: str = "") -> None:
        self._signals.announce("unrecorded", file=key, files=files, reason=str(error), error=error)

    def _wanting(self, key: str) -> list[TableName]:
        """The tables that want a file; none wants one whose name says that it is hidden or not finished."""
        if self._place.raw.key_of(str(self._place.raw.root / key)) is None:
            return []
        return [name for name, table in self._tables.items() if matches(table.files, key)]

    def _among(self, names: Iterable[TableName]) -> dict[TableName, Table]:
        """Tables with those that they are compared with, in the order of their turns."""
        found, left = set[TableName](), list(names)
        while left:
            name = left.pop()
            if name in self._tables and name not in found:
                found.add(name)
                left += [TableName.parse(other) for other in others_named(self._tables[name].checks)]
        return {name: table for name, table in self._tables.items() if name in found}

    def _work(self, tables: Mapping[TableName, Table], keys: Mapping[TableName, Sequence[str]], held: Holding) -> None:
        """Work on what waits for tables, until nothing does, or others have it, or the time is nearly over."""
        if not tables:
            return
        worker = self._worker = self._worker or self._make()
        held.stops(worker.stop)
        dead, summary = 0, Summary()
        try:
            turns, waited = worker.start(tables, summary, patient=False), 0.0
            while not held.short:
                step = worker.advance(turns)
                dead += len(step.summary.dead)
                if step.worked:
                    waited = 0.0
                    self._place.prune()
                elif self._is_in_vain(step.due, waited) or not any(self._undone(keys).values()):
                    break
                else:
                    self._clock.sleep(POLL_SECONDS)
                    waited += POLL_SECONDS
        finally:
            held.stops(lambda: None)  # from here on nothing stops a worker that is kept for the next invocation
            if held.short:
                self._end(worker)
        if dead:
            self.letters.empty()

    def _end(self, worker: Worker) -> None:
        """A worker that was stopped does not go on."""
        self._worker = None
        worker.close()
        reason = "the time of the function is nearly over; what is left goes back"
        self._signals.announce("paused", reason=reason)

    def _is_in_vain(self, due: float | None, waited: float) -> bool:
        return due is None or due - self._clock.now() > PATIENCE_SECONDS or waited >= PATIENCE_SECONDS

    def _undone(self, keys: Mapping[TableName, Sequence[str]]) -> dict[TableName, dict[str, float]]:
        return {name: self._state.backlog.undone(name, some) for name, some in keys.items()}

    def _wait(self, message: Message, looked: _Looked) -> float | None:
        """After how many seconds a message is to come back; None when it is done."""
        refused = next((looked.refused[key] for key in message.keys if key in looked.refused), None)
        if message.trouble or refused:
            return self._put_away(message, refused or f"the message cannot be understood: {message.trouble}")
        mine = {name: [key for key in message.keys if key in some] for name, some in looked.keys.items()}
        moments = [moment for found in self._undone(mine).values() for moment in found.values()]
        if not moments and looked.failed.isdisjoint(message.keys):
            return None
        again = min(2.0 ** min(message.received, 10), LATEST)
        return max(SOONEST, again, *(moment - self._clock.now() for moment in moments))

    def _put_away(self, message: Message, reason: str) -> float | None:
        """Keep a message that is of no use, for people to look at; it comes back while that cannot be."""
        self._signals.announce("noticed", note=f"{reason}; it is among the dead letters", message=message.id)
        try:
            self._dead_letters.put_strange(self._place.lake, message, reason)
        except AwsError as error:
            self._tell(error, 0)
            return LATEST
        return None
