"""Dead letters: looked at, made to wait again, or given up.

A dead letter is an arrival that failed for good. Its number is that of the arrival, and stays. What is made to wait
again takes the road of any file, and is committed by the same name as before: so nothing comes in twice, however often
it is replayed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from penstock.arrivals.noticing.discover import record
from penstock.errors import DeadLetterError
from penstock.naming import TableName
from penstock.signals import Signals
from penstock.state import Arrival, State
from penstock.storage import Zone

AT_ONCE = 256
"""Dead letters that are made to wait, or discarded, in one transaction."""

Outcome = Literal["waits", "newer", "already", "gone", "growing", "undeclared", "discarded", "refused"]


@dataclass(frozen=True)
class Answer:
    """What came of a dead letter.

    Attributes:
        letter: The arrival, as it was.
        outcome: `waits`: it waits again; `newer`: the file has changed, and its new version waits; `already`: it waits,
            is worked on or is in without this; `discarded`: it is given up; all else: nothing was done.
        text: The same in words.
    """

    letter: Arrival
    outcome: Outcome
    text: str

    @property
    def done(self) -> bool:
        """Whether what was asked for is the case."""
        return self.outcome in {"waits", "newer", "already", "discarded"}


@dataclass(frozen=True)
class Group:
    """Dead letters of one table that failed for the same cause, in the order recorded."""

    letters: tuple[Arrival, ...]

    @property
    def one(self) -> Arrival:
        """The one that failed last, for an example."""
        return max(self.letters, key=lambda letter: (letter.finished_at or 0, letter.sequence))

    @property
    def first(self) -> float:
        """When the first attempt failed."""
        return min(letter.failed_at or letter.finished_at or 0 for letter in self.letters)

    @property
    def last(self) -> float:
        """When the last one did."""
        return max(letter.finished_at or 0 for letter in self.letters)


def grouped(letters: Iterable[Arrival]) -> list[Group]:
    """Gather what failed for the same cause, the largest groups first."""
    found: dict[tuple[object, ...], list[Arrival]] = {}
    for letter in letters:
        cause = letter.trouble.trace or letter.reason
        found.setdefault((letter.table, cause), []).append(letter)
    return sorted((Group(tuple(some)) for some in found.values()), key=lambda group: -len(group.letters))


class Letters:
    """The dead letters of a lake."""

    def __init__(self, raw: Zone, state: State, tables: Collection[TableName], signals: Signals) -> None:
        """Look into `state`; `tables` are those that are declared."""
        self._raw, self._state, self._tables, self._signals = raw, state, tables, signals

    def find(
        self,
        table: TableName | None = None,
        *,
        since: float | None = None,
        trace: str | None = None,
        discarded: bool = False,
    ) -> list[Arrival]:
        """Dead letters in the order recorded.

        Args:
            table: Only those of this table.
            since: Only those that ended after this moment.
            trace: Only those of this cause.
            discarded: Those that were given up, in place of those that are not.
        """
        return [
            letter
            for letter in self._state.arrivals.find(table, ("discarded",) if discarded else ("dead",))
            if (since is None or (letter.finished_at or 0) >= since)
            and (trace is None or letter.trouble.trace == trace)
        ]

    def get(self, number: int) -> Arrival:
        """The arrival of that number, whatever became of it.

        Raises:
            DeadLetterError: There is none.
        """
        arrival = self._state.arrivals.get(number)
        if arrival is None:
            message = f"no dead letter has the number {number}"
            raise DeadLetterError(message, hint="see their numbers with: penstock dead list")
        return arrival

    def replay(self, letters: Sequence[Arrival], *, dry_run: bool = False) -> Iterator[Answer]:
        """Make dead letters wait again, with all their attempts before them; with `dry_run` only say what would be."""
        for some in _parts(letters):
            looked = [(letter, self._look(letter, dry_run=dry_run)) for letter in some]
            with self._state.together():
                answers = [found or self._requeue(letter, dry_run=dry_run) for letter, found in looked]
            yield from answers

    def discard(self, letters: Sequence[Arrival], why: str) -> Iterator[Answer]:
        """Give dead letters up: they are kept with the reason, and come back only when their file changes."""
        for some in _parts(letters):
            with self._state.together():
                refused = [self._discard(letter, why) for letter in some]
            answers = [answer or self._given_up(letter, why) for letter, answer in zip(some, refused, strict=True)]
            yield from answers

    def _requeue(self, letter: Arrival, *, dry_run: bool) -> Answer:
        now = self.get(letter.sequence)  # whoever was faster is told of
        if now.state != "dead":
            return _not_dead(now)
        if dry_run:
            return Answer(letter, "waits", "would wait again")
        self._state.arrivals.requeue(now, now.generation)
        self._state.events.add("replayed", letter.table, {"file": letter.key, "arrival": letter.sequence})
        return Answer(letter, "waits", "waits again")

    def _look(self, letter: Arrival, *, dry_run: bool) -> Answer | None:
        """Why the very bytes that failed cannot be tried again; None where they can."""
        if letter.state != "dead":
            return _not_dead(letter)
        if letter.table not in self._tables:
            return Answer(letter, "undeclared", f"the table {letter.table} is no longer declared")
        there = self._raw.stat(letter.key)
        if there is None:
            return Answer(letter, "gone", "the file is no longer in raw/: deliver it again, or discard the dead letter")
        return None if there.mark == letter.mark else self._look_again(letter, dry_run=dry_run)

    def _look_again(self, letter: Arrival, *, dry_run: bool) -> Answer | None:
        """Record what a file holds now that was written to; None where it still is what failed."""
        if dry_run:
            return Answer(letter, "newer", "the file was written to since; what it holds now would be looked at")
        new = record(self._raw, letter.table, letter.key, self._state)
        if new is None:
            return Answer(letter, "growing", "the file is being written just now; its new version is found later")
        return (
            Answer(letter, "newer", "the file has changed since; its new version waits in its place") if new else None
        )

    def _discard(self, letter: Arrival, why: str) -> Answer | None:
        """Give a dead letter up; why that cannot be, where it cannot."""
        if not self._state.arrivals.discard(letter, why):
            letter = self.get(letter.sequence)
            return replace(_not_dead(letter), outcome="discarded" if letter.state == "discarded" else "refused")
        self._state.events.add("discarded", letter.table, _facts(letter, why))
        return None

    def _given_up(self, letter: Arrival, why: str) -> Answer:
        """Say so, now that it is kept."""
        self._signals.announce("discarded", table=str(letter.table), reason=letter.reason, **_facts(letter, why))
        return Answer(letter, "discarded", "is given up")


def _facts(letter: Arrival, why: str) -> dict[str, Any]:
    return {"file": letter.key, "arrival": letter.sequence, "why": why}


def _parts(letters: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    return (letters[at : at + AT_ONCE] for at in range(0, len(letters), AT_ONCE))


def _not_dead(letter: Arrival) -> Answer:
    match letter.state:
        case "pending":
            return Answer(letter, "already", "waits already")
        case "working":
            return Answer(letter, "already", "is being worked on")
        case "finished":
            return Answer(letter, "already", "is in: its rows were committed")
        case "superseded":
            return Answer(letter, "refused", "a newer version of the file took its place")
    return Answer(letter, "refused", "was discarded: it comes back only when the file changes")
