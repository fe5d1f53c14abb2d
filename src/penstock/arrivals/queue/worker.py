"""From messages to rows: what a queue says landed is recorded and worked on, and every message gets its answer.

A message is done when its files are: in a table, replaced by a newer version, dead with the reason kept, gone, or
wanted by no table. All others come back, and only they: one file that fails holds up no other. They come back when
trying again is of use; how often a file is tried is counted in the state store, not by the queue.

The queue counts, too, how often it gave a message out, and puts it among the dead letters by itself when that was too
often. While AWS is in trouble, messages therefore stay away for longer each time, up to a day and more in all: files do
not wait for them, as upkeep takes up whatever waits. The last time that a message is given out, it is put among the
dead letters from here, with the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from penstock.arrivals.dead import Letters
from penstock.arrivals.failing import MOST_HELD_UP, Summary
from penstock.arrivals.noticing.discover import revive
from penstock.arrivals.noticing.sighting import Sighting
from penstock.arrivals.noticing.unseen import Unseen
from penstock.arrivals.queue.holding import Holding
from penstock.arrivals.queue.letters import LetterBox
from penstock.arrivals.queue.messages import Message, read_messages
from penstock.arrivals.queue.place import Looked, Place
from penstock.arrivals.queue.sqs import DeadLetterQueue, IntakeQueue
from penstock.arrivals.settle import beating
from penstock.arrivals.work import Worker
from penstock.declaration import Table
from penstock.errors import AwsError
from penstock.naming import TableName
from penstock.steps import others_named, table_order

log = logging.getLogger("penstock.arrivals")

PATIENCE_SECONDS, POLL_SECONDS = 2.0, 0.2
"""How long it is waited for what rests or is in others' hands, before the message goes back for it."""
SOONEST, LATEST = 1.0, 900.0
"""After how many seconds messages come back, but for those whose files rest for longer: the queue counts each time."""
OUTAGE_SECONDS = 60.0
"""By how much longer, each time twice as much, while AWS is in trouble; ten times are more than a day."""


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
        self._sighting = Sighting(place)
        self.unseen = Unseen(place, self._sighting)
        self.letters = LetterBox(place.state, dead_letters, place.lake, place.bucket, place.clock)

    def take(self, event: Mapping[str, Any], remaining: Callable[[], float]) -> dict[str, Any]:
        """Work on an event's messages; gives those that are not done, as the event source mapping wants it.

        Args:
            event: What the mapping gives.
            remaining: How many seconds are left.
        """
        messages = read_messages(event, self._place.bucket)
        try:
            back = self._taken(messages, remaining)
        except Exception:
            self._put_off({message: _after_outage(message) for message in messages})
            raise
        self._put_off(back)
        return {"batchItemFailures": [{"itemIdentifier": message.id} for message in back]}

    def _taken(self, messages: list[Message], remaining: Callable[[], float]) -> dict[Message, float]:
        """Work on messages; gives those that are to come back, and after how many seconds."""
        with Holding(self._queue, messages, remaining) as held, beating(self._state):
            self._try_again([message.letter for message in messages if message.letter])
            looked = self._sighting.look([key for message in messages for key in message.keys], held)
            self._work(self._among(looked.keys), looked, held)
            if any(message.received > 1 for message in messages):
                self.letters.empty()  # who had it before may have been ended between a dead letter and its message
            undone = self._undone(looked.keys)
            return {message: wait for message in messages if (wait := self._wait(message, looked, undone)) is not None}

    def _try_again(self, letters: Iterable[tuple[int, str]]) -> None:
        """Replay dead letters whose messages were moved back into the queue, unless they failed anew since."""
        dead = Letters(self._place.raw, self._state, self._tables.keys(), self._signals)
        for number, run in letters:
            letter = self._state.arrivals.get(number)
            if letter is not None and (letter.state, letter.run) == ("dead", run):
                for _ in dead.replay([letter]):
                    continue

    def _put_off(self, back: Mapping[Message, float]) -> None:
        """Set when messages come back; where that cannot be set, they come when they were held until."""
        try:
            for wait in sorted(set(back.values())):
                self._queue.prolong([message for message, its in back.items() if its == wait], wait)
        except AwsError as error:
            log.warning("messages could not be put off", exc_info=error)

    def catch_up(self, remaining: Callable[[], float]) -> None:
        """Work on everything that waits, whoever was told of it."""
        with Holding(None, (), remaining) as held, beating(self._state):
            for name, table in self._tables.items():
                revive(self._state, name, table, self._place.folder)
            self._work(self._tables, Looked(), held)
        self.letters.empty()

    def _among(self, names: Iterable[TableName]) -> dict[TableName, Table]:
        """Tables with those that they are compared with, in the order of their turns."""
        found, left = set[TableName](), list(names)
        while left:
            name = left.pop()
            if name in self._tables and name not in found:
                found.add(name)
                left += [TableName.parse(other) for other in others_named(self._tables[name].checks)]
        return {name: table for name, table in self._tables.items() if name in found}

    def _work(self, tables: Mapping[TableName, Table], looked: Looked, held: Holding) -> None:
        """Work on what waits for tables, until nothing does, or others have it, or the time is nearly over.

        It ends, too, when one file after the other is held up: the others would fare no better now.
        """
        if not tables:
            return
        worker = self._worker = self._worker or self._make()
        held.stops(worker.stop)
        dead, in_vain, summary = 0, 0, Summary()
        try:
            turns, waited = worker.start(tables, summary, patient=False), 0.0
            looked.held_up |= dict(summary.held_up)
            while not held.short:
                step = worker.advance(turns)
                dead += len(step.summary.dead)
                looked.held_up |= dict(step.summary.held_up)
                if step.worked or step.summary.held_up:
                    self._place.prune()
                in_vain = 0 if step.summary.files else in_vain + len(step.summary.held_up)
                if in_vain >= MOST_HELD_UP:
                    break
                if step.worked:
                    waited = 0.0
                elif self._is_in_vain(step.due, waited) or not any(self._undone(looked.keys).values()):
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

    def _wait(self, message: Message, looked: Looked, undone: Mapping[TableName, Mapping[str, float]]) -> float | None:
        """After how many seconds a message is to come back; None when it is done."""
        refused = next((looked.refused[key] for key in message.keys if key in looked.refused), None)
        if message.trouble or refused:
            return self._put_away(message, refused or f"the message cannot be understood: {message.trouble}")
        mine = {name: [key for key in message.keys if key in some] for name, some in looked.keys.items()}
        moments = [undone[name][key] for name, keys in mine.items() for key in keys if key in undone[name]]
        if not moments and looked.failed.isdisjoint(message.keys):
            return None
        if self._is_last(message):
            return self._put_away(message, _too_often(message, looked, map(str, mine)))
        again = _after_outage(message) if looked.held_up else min(2.0 ** min(message.received, 10), LATEST)
        return max(SOONEST, again, *(moment - self._clock.now() for moment in moments))

    def _is_last(self, message: Message) -> bool:
        """Whether SQS gives a message to nobody any more that comes back; where it does not say, it is asked later."""
        try:
            return message.received > 1 and message.received >= self._queue.receives()
        except AwsError as error:
            log.warning("the queue does not say how often it gives messages out", exc_info=error)
            return False

    def _put_away(self, message: Message, reason: str) -> float | None:
        """Keep a message that is of no use, for people to look at; it comes back while that cannot be."""
        self._signals.announce("noticed", note=f"{reason}; it is among the dead letters", message=message.id)
        try:
            self._dead_letters.put_strange(self._place.lake, message, reason)
        except AwsError as error:
            self._sighting.tell(error, 0)
            return LATEST
        return None


def _after_outage(message: Message) -> float:
    """After how many seconds a message comes back that AWS's own trouble held up."""
    return OUTAGE_SECONDS * 2.0 ** min(message.received, 20)


def _too_often(message: Message, looked: Looked, tables: Iterable[str]) -> str:
    """Why a message is given up whose file waits: it does without, as upkeep takes up what waits."""
    why = next((looked.held_up[name] for name in (*message.keys, *tables) if name in looked.held_up), "")
    said = f"{', '.join(message.keys)} was told of {message.received} times, and still waits"
    return f"{said}{f': {why}' if why else ''}"
