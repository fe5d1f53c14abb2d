"""What happens together: calls of the store whose writes are gathered, and written at the end.

A unit reads documents as they are, remembers their revisions, and gathers what its calls change; its own calls see that
at once. At the end everything is written in one transaction that holds only if every document read by its key is as it
was. If somebody was faster, the calls are made again on what is there now, which must give the same answers: what was
decided in between rests on them. If an answer is another one, nothing is written and the caller is told.

DynamoDB takes 100 items and 4 MB in a transaction. What is larger is cut between calls, never within one, into
transactions one after the other; runs, checks, events and messages come first, files after them. A crash between two of
them loses nothing: the tables are the truth. Files whose rows are in, and whose end was not recorded any more, are
claimed again when their lease has run out, and are found in the table; at worst something is told twice. An answer that
changes after a first part was written is an error, too, of which the same holds.

Events get their sequence in the moment that they are written: whoever reads events in order never finds an earlier one
later. Within `together()`, their sequence is therefore not known yet.
"""

from __future__ import annotations

import uuid
from bisect import insort
from collections import deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from penstock.errors import StateError
from penstock.state.aws.calls import AT_ONCE, ATTEMPTS, Calls, Write, pause
from penstock.state.aws.documents import NOTHING, Doc, Found, item_of, size_of
from penstock.state.aws.layout import Key, counter_at, number

MOST_BYTES = 3_500_000
"""DynamoDB takes 4 MB in one transaction."""
EVENTS = counter_at("events")
AGAIN = "nothing of it was kept; the next attempt finds how things are"


@dataclass
class Call:
    """One call of the store within a unit.

    Attributes:
        first: Whether it is written before others where not everything fits into one transaction.
        exact: Whether its answer must be the same when it is made again.
    """

    make: Callable[[Unit], Any]
    first: bool = False
    exact: bool = True
    answer: Any = None
    reads: set[Key] = field(default_factory=set)
    puts: dict[Key, tuple[Doc, float | None]] = field(default_factory=dict)
    deletes: set[Key] = field(default_factory=set)
    sums: dict[Key, Doc] = field(default_factory=dict)
    events: list[tuple[Doc, float]] = field(default_factory=list)

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return bool(self.puts or self.deletes or self.sums or self.events)

    @property
    def keys(self) -> set[Key]:
        """Every document that it reads or changes, but for events."""
        return self.reads | self.puts.keys() | self.deletes | self.sums.keys()

    @property
    def size(self) -> int:
        """About how many bytes it writes."""
        items = (item_of(key, doc, 0, "", expires) for key, (doc, expires) in self.puts.items())
        return sum(map(size_of, items)) + sum(2 * len(str(doc)) for doc, _ in self.events)

    def reset(self) -> None:
        """Forget what it did, to be made again."""
        for gathered in (self.reads, self.puts, self.deletes, self.sums, self.events):
            gathered.clear()


class Unit:
    """Calls that happen together.

    Attributes:
        sequences: Those of the events that it recorded, once it is written.
        ended: Attempts that are at their end once it is written.
    """

    def __init__(self, calls: Calls, *, alone: bool = False) -> None:
        """Read and write by `calls`; the answer of a call that is `alone` may still change, as nobody has it yet."""
        self._calls, self._alone = calls, alone
        self._done: list[Call] = []
        self._now: Call = Call(lambda _unit: None)
        self._seen: dict[Key, Found] = {}
        self._again = False
        self._changed: dict[Key, Doc | None] = {}
        self._expected: set[Key] = set()
        self._numbers: dict[str, tuple[list[int], int]] = {}
        self.sequences: list[int] = []
        self.ended: set[str] = set()

    @classmethod
    def whole(cls, calls: Calls, call: Call) -> Any:
        """Make one call, and write what it did; gives its answer."""
        unit = cls(calls, alone=True)
        unit.do(call)
        unit.commit()
        return call.answer

    @property
    def made(self) -> list[Call]:
        """The calls that were made, in order."""
        return self._done

    def do(self, call: Call) -> Any:
        """Make a call; gives its answer."""
        self._make(call)
        self._done.append(call)
        return call.answer

    def _make(self, call: Call) -> None:
        before, self._now = self._now, call
        kept = dict(self._changed)
        try:
            call.answer = call.make(self)
        except BaseException:
            self._changed = kept
            raise
        finally:
            self._now = before

    # --- What calls do -------------------------------------------------------------------------

    def get(self, key: Key) -> Doc | None:
        """A document, as this unit left it or as it is; it must still be so when the unit is written."""
        self._now.reads.add(key)
        if key in self._changed:
            return deepcopy(self._changed[key])
        if key not in self._seen:
            self._read(key)
        return deepcopy(self._seen[key].doc)

    def presume(self, key: Key, found: Found = NOTHING) -> None:
        """Take a document to be so without reading it: that it is not there, or is as this process wrote it last.

        What the call writes holds only if it was so; otherwise the call is made again, and reads it. A call that may
        write nothing must not presume anything.
        """
        if not self._again and key not in self._changed:
            self._seen.setdefault(key, found)

    def look(self, key: Key) -> Doc | None:
        """A document on which nothing rests that is written."""
        there = key in self._now.reads
        found = self.get(key)
        self._now.reads -= set() if there else {key}
        return found

    def expect(self, *keys: Key) -> None:
        """Say which documents are likely to be asked for: all of them are read with the first one."""
        self._expected.update(key for key in keys if key not in self._seen)

    def _read(self, key: Key) -> None:
        self._expected.discard(key)
        if self._expected:
            self._seen |= self._calls.get_all([key, *(one for one in self._expected if one not in self._seen)])
            self._expected.clear()
        else:
            self._seen[key] = self._calls.get(key)

    def query(self, partition: str, first: str = "", last: str = "") -> list[tuple[Key, Doc]]:
        """Documents of a partition in order of their sort keys, as this unit left them or as they are."""
        found: list[tuple[Key, Doc]] = []
        for page in self._calls.query(partition, first, last):
            found += [(key, at.doc) for key, at in page if at.doc is not None and key not in self._changed]
        for key, doc in self._changed.items():
            if key[0] == partition and doc is not None and (not first or first <= key[1] <= last):
                insort(found, (key, deepcopy(doc)), key=lambda at: at[0])
        return found

    def put(self, key: Key, doc: Doc, expires: float | None = None) -> None:
        """Keep a document; one that is as it was is left alone."""
        if key not in self._changed and key in self._seen and self._seen[key].doc == doc:
            return
        self._look(key)
        self._changed[key] = deepcopy(doc)
        self._now.deletes.discard(key)
        self._now.puts[key] = (self._changed[key] or {}, expires)

    def delete(self, key: Key) -> None:
        """Remove a document."""
        self._look(key)
        self._changed[key] = None
        self._now.puts.pop(key, None)
        self._now.deletes.add(key)

    def discard(self, key: Key) -> None:
        """Remove a document if it is there."""
        if self.get(key) is not None:
            self.delete(key)

    def _look(self, key: Key) -> None:
        """Know the revision of what is about to be changed; what was never read is taken to be new."""
        if key not in self._seen:
            self._seen[key] = NOTHING

    def count(self, key: Key, **sums: int | str) -> None:
        """Add to numbers of a document that only counts, and set texts of it."""
        there = self._now.sums.setdefault(key, {})
        _add(there, {name: value for name, value in sums.items() if value != 0})
        if not there:
            del self._now.sums[key]

    def tell(self, event: Doc, expires: float) -> None:
        """Record an event; it gets its sequence when it is written."""
        self._now.events.append((event, expires))

    def number(self, what: str) -> int:
        """The next number of a kind; one that is not used in the end is never given again.

        The more numbers a unit needs, the more are taken at once.
        """
        left, taken = self._numbers.get(what, ([], 0))
        if not left:
            first = self._calls.next_number(counter_at(what), max(taken, 1))
            left, taken = list(range(first, first + max(taken, 1))), min(2 * max(taken, 1), AT_ONCE)
        self._numbers[what] = (left, taken)
        return left.pop(0)

    # --- The end -------------------------------------------------------------------------------

    def commit(self) -> None:
        """Write everything.

        Raises:
            StateError: Others kept changing the same, or changed it so that an answer was wrong.
        """
        if not any(call.writes for call in self._done):
            return
        waiting = deque(_cut(sorted(self._done, key=lambda call: not call.first)))
        attempt, stale = 0, False
        while waiting:
            group = waiting.popleft()
            if stale:
                self._repeat(group)
                group, *more = _cut(group)
                waiting.extendleft(reversed(more))
            if self._write(group):
                attempt = 0
                continue
            if (attempt := attempt + 1) == ATTEMPTS:
                message = f"others changed the same {ATTEMPTS} times in a row"
                raise StateError(message, where=self._calls.table, hint=AGAIN)
            pause(attempt)
            waiting.appendleft(group)
            stale = True

    def _repeat(self, group: list[Call]) -> None:
        """Make calls again, on what is there now."""
        self._again = True
        self._seen.clear()
        self._changed.clear()
        for call in group:
            told = call.answer
            call.reset()
            self._make(call)
            if call.exact and call.answer != told and not self._alone:
                message = "somebody else changed what this rests on before it could be recorded"
                raise StateError(message, where=self._calls.table, hint=AGAIN)

    def _write(self, group: list[Call]) -> bool:
        """Write what some calls did, in one transaction; False when somebody else was faster."""
        write, events = self._gathered(group)
        if not (write.puts or write.deletes or write.sums or events):
            return True
        by = uuid.uuid4().hex
        sequences: list[int] = []
        for attempt in range(ATTEMPTS if events else 1):
            sequences = self._number(write, events, fresh=attempt > 0)
            beaten = self._calls.write(write, by)
            if beaten is None:
                break
            if any(key != EVENTS and key[0] != "events" for key in beaten.keys):
                return False
            pause(attempt)
        else:
            return False
        self.sequences += sequences
        for key, (doc, _) in write.puts.items():
            self._seen[key] = Found(write.revs[key] + 1, deepcopy(doc), by)
            if key in self._calls.own:
                self._calls.own[key] = self._seen[key]
        self._seen |= dict.fromkeys(write.deletes, NOTHING)
        return True

    def _gathered(self, group: list[Call]) -> tuple[Write, list[tuple[Doc, float]]]:
        write, events, revs = Write(), list[tuple[Doc, float]](), set[Key]()
        for call in group:
            revs |= call.reads
            for key, put in call.puts.items():
                write.deletes.discard(key)
                write.puts[key] = put
            for key in call.deletes:
                write.puts.pop(key, None)
                write.deletes.add(key)
            for key, sums in call.sums.items():
                _add(write.sums.setdefault(key, {}), sums)
            events += call.events
        write.revs = {key: self._seen.get(key, NOTHING).rev for key in revs | write.puts.keys() | write.deletes}
        for key in [key for key in write.deletes if write.revs[key] == 0]:
            write.deletes.discard(key)  # made and removed within the unit
            del write.revs[key]
        return write, events

    def _number(self, write: Write, events: list[tuple[Doc, float]], *, fresh: bool) -> list[int]:
        """Give events their sequences, as they would be if they were written now."""
        if not events:
            return []
        if fresh or EVENTS not in self._seen:
            self._seen[EVENTS] = self._calls.get(EVENTS)
        for key in [key for key in write.puts if key[0] == "events"]:
            del write.puts[key], write.revs[key]
        counter = self._seen[EVENTS]
        last = int((counter.doc or {}).get("last", 0))
        sequences = list(range(last + 1, last + 1 + len(events)))
        for sequence, (doc, expires) in zip(sequences, events, strict=True):
            key = ("events", number(sequence))
            write.puts[key], write.revs[key] = ({**doc, "sequence": sequence}, expires), 0
        write.puts[EVENTS], write.revs[EVENTS] = ({"last": sequences[-1]}, None), counter.rev
        return sequences


def _add(there: Doc, sums: Doc) -> None:
    for name, value in sums.items():
        there[name] = value if isinstance(value, str) else there.get(name, 0) + value


def _cut(calls: list[Call]) -> list[list[Call]]:
    """Calls in groups, each of which fits into a transaction; a call is never cut."""
    groups: list[list[Call]] = []
    keys, size, events = set[Key](), 0, 0
    for call in calls:
        wider, more, told = keys | call.keys, size + call.size, events + len(call.events)
        if not groups or len(wider) + told + 1 > AT_ONCE or more > MOST_BYTES:
            groups.append([])
            wider, more, told = set(call.keys), call.size, len(call.events)
        groups[-1].append(call)
        keys, size, events = wider, more, told
    return groups
