"""The worker: gives every table its turn, until nothing waits, or as long as the lake is up.

Any number of workers, in one process or many, may work on one lake. What keeps them from harming each other is told in
`docs/how-it-works/exactly-once.md`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile

from penstock.arrivals.failing import Failing, Summary
from penstock.arrivals.failure import reason_of
from penstock.arrivals.finish import POLL_SECONDS, Finisher
from penstock.arrivals.gather import GROUP_ARRIVALS, REST_SECONDS, Gatherer
from penstock.arrivals.keep import Keeper
from penstock.arrivals.noticing.discover import newest_finished
from penstock.arrivals.outside import notice
from penstock.arrivals.settle import Heartbeat
from penstock.arrivals.staging.partitioning import lay_out
from penstock.arrivals.staging.stage import Workshop
from penstock.aws import is_of_aws
from penstock.declaration import Retry, Table
from penstock.errors import UnreadableTableError
from penstock.naming import TableName
from penstock.quality.checks import needs_lease
from penstock.signals import Signals
from penstock.state import State
from penstock.steps import others_named, table_order
from penstock.storage.room import Room
from penstock.tables import Catalog

log = logging.getLogger("penstock.arrivals")

RESTORED_AT_ONCE = 250
"""Files of a lost table that are made to wait in one transaction."""
RECHECK_SECONDS = 1.0
"""How often it is looked whether other processes that hold arrivals are still alive, while there are any."""


@dataclass(frozen=True)
class Advance:
    """What one round over the tables came to.

    Attributes:
        summary: What became of files.
        worked: Whether there was anything to do; there may be more.
        due: When there is more to do, as far as is known; None when only news can bring it.
    """

    summary: Summary
    worked: bool
    due: float | None


class Worker:
    """Processes what waits, table by table, until nothing does."""

    def __init__(
        self,
        shop: Workshop,
        *,
        state: State,
        catalog: Catalog,
        signals: Signals,
        tags: Mapping[str, str],
        retry: Retry | None = None,
        committed: Callable[[TableName], object] | None = None,
        claimed: Callable[[], object] | None = None,
    ) -> None:
        """Take everything the road of a file needs.

        `committed` hears of a table that may want upkeep, `claimed` that files were taken and others may be left; with
        it, somebody waits for each single file, and commits are small.
        """
        self._committed = committed
        self._shop, self._clock = shop, shop.bench.clock
        self._state, self._catalog, self._signals = state, catalog, signals
        self._keeper = Keeper(shop.processed, state, catalog, self._clock, signals)
        self._failing = Failing(shop, state, signals, retry=retry)
        finisher = Finisher(shop, state=state, catalog=catalog, signals=signals, tags=tags, failing=self._failing)
        self._gatherer = Gatherer(shop, state, catalog, signals, self._failing, finisher, claimed)
        self._resting: dict[TableName, float] = {}
        self._relieved: Callable[[], bool] = lambda: False

    def wait_for_room(self, room: Room) -> None:
        """Let files wait, with nothing counted against them, that meet a full disk; whoever asks resumes the work."""
        self._failing.room = room

    def leave_rest_to(self, others: Callable[[], bool]) -> None:
        """Let `drain` end with what was recorded when it began, where `others` says that somebody goes on after it."""
        self._relieved = others

    def close(self) -> None:
        """Let go of the engine's memory and temporary files."""
        self._shop.bench.engine.close()

    def stop(self) -> None:
        """Finish the file at hand, commit, and take no other."""
        self._shop.stopping.set()

    def drain(self, tables: Mapping[TableName, Table]) -> Summary:
        """Process everything that waits, also what other workers hold until they finish or die.

        While files land without end there is always more; see `leave_rest_to`.
        """
        summary, last = Summary(), self._state.backlog.last()
        heart = Heartbeat(self._state)
        heart.start()
        try:
            turns = self.start(tables, summary)
            while turns and not self._shop.stopping.is_set():
                worked, due = self._round(turns, turns, summary, patient=True)
                if (not worked and due is None) or self._is_relieved(turns, last):
                    break
                if not worked and due is not None:
                    self._clock.sleep(min(max(due - self._clock.now(), 0.0), POLL_SECONDS))
            for name in turns:
                self._purge(name, tables[name], summary)
        finally:
            heart.stop()
        return summary

    def _is_relieved(self, tables: Mapping[TableName, Table], last: int) -> bool:
        """Whether everything up to the arrival `last` is done, and somebody else goes on with the others."""
        ahead = any(self._state.backlog.is_ahead(name, last + 1) for name in tables)
        return not ahead and self._relieved()

    def start(
        self, tables: Mapping[TableName, Table], summary: Summary, *, patient: bool = True
    ) -> dict[TableName, Table]:
        """Get tables ready to be worked on; gives those that can be, in the order of their turns."""
        turns = dict[TableName, Table]()
        for name in table_order(tables):
            with self._blocking(name, summary) if patient else self._resting_on_error(name, summary):
                if not self._restore(name, summary):
                    continue
                for text in notice(self._catalog, name):
                    self._note(name, text, summary)
                self._lay_out(name, tables[name], summary)
                turns[name] = tables[name]
        return turns

    def advance(self, tables: Mapping[TableName, Table]) -> Advance:
        """Let every table have a turn, and never wait; `tables` are those that `start` gave.

        Whatever goes wrong with one table is told, and stops no other that does not refer to it: the table rests for a
        while.
        """
        summary, now = Summary(), self._clock.now()
        self._gatherer.give_back()
        turns = {name: table for name, table in tables.items() if not self._rests(name, now)}
        worked, due = self._round(turns, tables, summary, patient=False)
        moments = [self._resting[name] for name in tables if self._rests(name, self._clock.now())]
        return Advance(summary, worked, min([*moments, *([] if due is None else [due])], default=None))

    def _rests(self, name: TableName, now: float) -> bool:
        """Whether a table is to be left alone; a clock that was set back makes no rest longer than meant."""
        return 0 < self._resting.get(name, 0.0) - now <= REST_SECONDS

    def _round(
        self, tables: dict[TableName, Table], among: Mapping[TableName, Table], summary: Summary, *, patient: bool
    ) -> tuple[bool, float | None]:
        """One turn for each table: whether any could do something, and when, as far as is known, the next one could.

        Tables wait for those `among` which they refer to, resting ones included.

        Who is `patient` has all the time that it takes: tables wait until those before them that they refer to have
        nothing left, and a table that cannot be worked on ends the call, or is left out from then on.
        """
        worked, moments = False, list[float]()
        for name, table in list(tables.items()):
            if self._shop.stopping.is_set():
                break
            with self._blocking(name, summary) if patient else self._resting_on_error(name, summary):
                did, due = self._turn(name, table, among, summary, patient=patient)
                worked = worked or did
                moments += [] if due is None else [due]
            if patient and name in summary.blocked:
                del tables[name]
        return worked, min(moments, default=None)

    def _turn(
        self,
        name: TableName,
        table: Table,
        among: Mapping[TableName, Table],
        summary: Summary,
        *,
        patient: bool,
    ) -> tuple[bool, float | None]:
        """Process one group of a table, if there is one, and nothing that it has to wait for."""
        found, now = self._state.backlog.due(name), self._clock.now()
        if found.ready is None:
            recheck = POLL_SECONDS if patient else RECHECK_SECONDS
            later = [] if found.later is None else [found.later]
            return False, min([*later, *([now + recheck] if found.elsewhere else [])], default=None)
        if self._must_wait(name, table, found.ready, list(among), patient=patient):
            return False, now + POLL_SECONDS
        self._lay_out(name, table, summary)
        if not self._pass(name, table, summary):
            return False, now + POLL_SECONDS  # another worker has the table, or was faster
        if self._committed is not None:
            self._committed(name)
        return True, None

    def _must_wait(self, name: TableName, table: Table, ready: int, among: list[TableName], *, patient: bool) -> bool:
        """Whether tables that this one refers to go first: with what landed earlier, or, with patience, with all.

        Tables that refer to each other would wait for each other for ever: with patience, only earlier ones count.
        """
        ask, named = self._state.backlog, {TableName.parse(other) for other in others_named(table.checks)}
        if patient:
            return any(ask.count(other) for other in takewhile(lambda one: one != name, among) if other in named)
        return any(ask.is_ahead(other, ready) for other in among if other in named and other != name)

    def _lay_out(self, name: TableName, table: Table, summary: Summary) -> None:
        if changed := lay_out(self._catalog, name, table):
            self._note(name, changed, summary)

    def _note(self, name: TableName, text: str, summary: Summary) -> None:
        summary.notes.append((str(name), text))
        self._signals.announce("noticed", table=str(name), note=text)

    @contextmanager
    def _blocking(self, name: TableName, summary: Summary) -> Iterator[None]:
        """A table that cannot be read does not stop the others; everything else does."""
        try:
            yield
        except UnreadableTableError as error:
            summary.blocked.append(name)
            summary.notes.append((str(name), f"its files wait: {error.what}; {error.hint}"))

    @contextmanager
    def _resting_on_error(self, name: TableName, summary: Summary) -> Iterator[None]:
        """Whatever is wrong with a table, or with the store or the disk just now, it gets another turn later."""
        try:
            yield
        except Exception as error:
            log.warning("the work on %s rests", name, exc_info=error)
            full = self._failing.room is not None and self._failing.room.note(error)
            if full or is_of_aws(error):
                summary.held_up.append((str(name), reason_of(error)))
            self._resting[name] = self._clock.now() + REST_SECONDS
            summary.blocked.append(name)
            facts = {"table": str(name), "reason": str(error), "kind": type(error).__name__, "retry_in": REST_SECONDS}
            self._signals.announce("blocked", **facts)

    def _purge(self, name: TableName, table: Table, summary: Summary) -> None:
        for purged in self._keeper.purge(name, table):
            text = f"quarantined rows removed, kept for {table.quarantine.keep}: {purged.rows}"
            summary.notes.append((purged.file or str(name), text))

    def reprocess(self, name: TableName) -> int:
        """Make the newest version of every file of a table wait again; gives their number."""
        head = self._catalog.head(name)
        live = [member.arrival for file in head.files for member in file.members] if head else []
        arrivals = newest_finished(self._state, name)
        for arrival in arrivals:
            same = [there.generation for there in live if there.key_id == arrival.name.key_id]
            self._state.arrivals.requeue(arrival, max([arrival.generation, *same]) + 1)
        return len(arrivals)

    def _restore(self, name: TableName, summary: Summary) -> bool:
        """The tables are the truth: where one is gone, the files that were in it wait again.

        False when the worker was stopped before all of them do: nothing is put into the table until then, as nobody
        would know of the others that they are lost. Whoever is next goes on with them.
        """
        if self._catalog.pointer(name) is not None or not self._state.backlog.has_rows(name):
            return True
        lost = [arrival for arrival in newest_finished(self._state, name) if arrival.accounting.rows_out]
        done = 0
        while done < len(lost) and not self._shop.stopping.is_set():
            with self._state.together():
                for arrival in lost[done : done + RESTORED_AT_ONCE]:
                    self._state.arrivals.requeue(arrival, arrival.generation)
            done = min(done + RESTORED_AT_ONCE, len(lost))
        if lost:
            left = f"; {len(lost) - done} more the next time" if done < len(lost) else ""
            self._note(name, f"the table was gone; its files are processed again: {done}{left}", summary)
        return done == len(lost)

    def _pass(self, name: TableName, table: Table, summary: Summary) -> bool:
        """Process one group; False when there was none for this worker."""
        there = self._catalog.pointer(name) is not None
        if not there and not self._restore(name, summary):
            return False
        if there and not needs_lease(table.checks):
            return self._gatherer.gather(name, table, summary)
        lease = self._state.leases.acquire(f"table {name}")
        if lease is None:
            return False
        try:  # the first file decides the types, and files that are compared with others follow each other: alone
            limit = 1 if self._catalog.pointer(name) is None else GROUP_ARRIVALS
            return self._gatherer.gather(name, table, summary, limit, lease)
        finally:
            self._state.leases.release(lease)
