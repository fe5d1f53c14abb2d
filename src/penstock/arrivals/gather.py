"""Gathering: arrivals are claimed, staged one by one or together, and committed in groups."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from penstock.arrivals.failing import MOST_HELD_UP, Failing, Summary
from penstock.arrivals.finish import Finisher
from penstock.arrivals.planning.known import PROPERTY, SourceSchema
from penstock.arrivals.planning.plan import Planner, Terms
from penstock.arrivals.readmission.reapply import with_corrections
from penstock.arrivals.staging.batch import BATCH_BYTES, BATCH_FILES, FEWEST, Batcher, Batching, is_batchable, is_small
from penstock.arrivals.staging.stage import Prepared, Workshop, stage
from penstock.arrivals.staging.through import Job
from penstock.declaration import Table
from penstock.engines.packs import Packer
from penstock.errors import FileChangedError, PenstockError
from penstock.naming import TableName
from penstock.signals import Signals
from penstock.state import Arrival, Lease, State
from penstock.tables import Catalog
from penstock.tables.others import beside, others_of

log = logging.getLogger("penstock.arrivals")

GROUP_ARRIVALS = 256
GROUP_BYTES = 256_000_000
GROUP_SECONDS = 2.0
LIVE_SECONDS = 0.1
"""For how long at least files are gathered while the lake is up, where all that counts is how soon they are in."""
REST_SECONDS = 5.0
"""How long a table rests when something is wrong that is not one file's fault."""


@dataclass(frozen=True)
class Group:
    """Arrivals that share a commit: at most so many, under a lease of the table if there is one already.

    Attributes:
        held_up: How many files and tables were held up before.
    """

    name: TableName
    table: Table
    limit: int
    lease: Lease | None
    started: float
    held_up: int = 0

    def is_in_vain(self, summary: Summary) -> bool:
        """Whether so many of its files were held up that the others are left alone."""
        return len(summary.held_up) - self.held_up >= MOST_HELD_UP


class Gatherer:
    """Brings arrivals of a table to their end, a group at a time."""

    def __init__(
        self,
        shop: Workshop,
        state: State,
        catalog: Catalog,
        signals: Signals,
        failing: Failing,
        finisher: Finisher,
        claimed: Callable[[], object] | None = None,
    ) -> None:
        """Take what the road of a file needs.

        `claimed` hears that files were taken and others may be left; with it, somebody waits for each single file, and
        commits are small.
        """
        self._claimed = claimed
        self._shop, self._clock = shop, shop.bench.clock
        self._state, self._catalog, self._signals = state, catalog, signals
        self._failing, self._finisher = failing, finisher
        self._batcher = Batcher(shop, Packer(shop.bench.engine, shop.processed))
        self._planners: dict[TableName, Planner] = {}
        self._sources: dict[TableName, tuple[str | None, SourceSchema | None]] = {}
        self._owed: list[Arrival] = []

    def gather(
        self, name: TableName, table: Table, summary: Summary, limit: int = GROUP_ARRIVALS, lease: Lease | None = None
    ) -> bool:
        """Claim, stage and commit up to `limit` arrivals; False when none could be claimed.

        Whatever is claimed and not brought to an end, because something failed that is no file's fault, waits again.
        """
        held = list[Arrival]()
        try:
            self._work(Group(name, table, limit, lease, self._clock.now(), len(summary.held_up)), summary, held)
        except BaseException:
            self._owed += held
            self.give_back()
            raise
        finally:
            self._shop.raw.release((arrival.key, arrival.mark) for arrival in held)
        return bool(held)

    def give_back(self) -> None:
        """Let what failed wait again; what cannot be told to the store now is told to it later."""
        with suppress(sqlite3.Error, OSError, PenstockError):
            while self._owed:
                self._state.arrivals.give_back(
                    self._owed[-1], "the work on its table failed", REST_SECONDS, counted=False
                )
                self._owed.pop()

    def _work(self, group: Group, summary: Summary, held: list[Arrival]) -> None:
        """Claim, stage and commit; what is claimed stands in `held`."""
        name, table, started = group.name, group.table, group.started
        ready: list[Prepared] = []
        size = 0
        while len(held) < group.limit and size < GROUP_BYTES and self._clock.now() - started < self._patience(held):
            arrivals = self._claim(name, table, group.limit - len(held), again=bool(held))
            if not arrivals:
                break
            held += arrivals
            size += sum(arrival.size for arrival in arrivals)
            if self._claimed is not None:
                self._claimed()
            arrivals = self._failing.receive(name, table, arrivals, summary)
            if _suspect(arrivals):
                self._commit(group, ready, summary)
            for prepared in self._staged(group, arrivals, summary, ready):
                if prepared.changes_table:  # those before were planned against the table as it is
                    self._commit(group, ready, summary)
                ready.append(prepared)
                if prepared.changes_table:  # and the next must be planned against the table as it will be
                    self._commit(group, ready, summary)
            if _suspect(arrivals) or group.is_in_vain(summary):
                break
        self._commit(group, ready, summary)

    def _commit(self, group: Group, ready: list[Prepared], summary: Summary) -> None:
        """Commit what is ready, if anything is."""
        if ready:
            self._finisher.commit(group.name, group.table, ready, summary, group.started, group.lease)
            ready.clear()

    def _patience(self, held: list[Arrival]) -> float:
        """How long files are gathered for one commit: when somebody waits for them, as long as they waited already."""
        if self._claimed is None or not held:
            return GROUP_SECONDS
        return min(max(self._clock.now() - held[0].recorded_at, LIVE_SECONDS), GROUP_SECONDS)

    def _claim(self, name: TableName, table: Table, most: int, *, again: bool) -> list[Arrival]:
        """Claim the next arrival, or as many as can be processed together; it is looked first when trying `again`."""
        if self._shop.stopping.is_set() or (again and self._state.backlog.due(name).ready is None):
            return []
        many = is_batchable(table, self._known(name))
        return self._state.arrivals.claim(name, min(BATCH_FILES, most) if many else 1, BATCH_BYTES)

    def _staged(
        self, group: Group, arrivals: list[Arrival], summary: Summary, ready: list[Prepared]
    ) -> Iterator[Prepared]:
        """Stage arrivals: together those with which that can be done, the others one by one beside what is `ready`."""
        name, table = group.name, group.table
        for arrival in arrivals:
            self._announce(arrival)
        done = set[int]()
        for prepared in self._together(name, table, arrivals):
            summary.notes += [(prepared.arrival.key, note) for note in prepared.notes]
            done.add(prepared.arrival.sequence)
            yield prepared
        rest = [arrival for arrival in arrivals if arrival.sequence not in done]
        for at, arrival in enumerate(rest):
            if self._shop.stopping.is_set() or group.is_in_vain(summary):
                reason = summary.held_up[-1][1] if group.is_in_vain(summary) else "the work was stopped"
                for left in rest[at:]:
                    self._state.arrivals.give_back(left, reason, counted=False)
                return
            if (alone := self._stage(name, table, arrival, summary, ready)) is not None:
                summary.notes += [(arrival.key, note) for note in alone.notes]
                yield alone

    def _together(self, name: TableName, table: Table, arrivals: list[Arrival]) -> list[Prepared]:
        """Stage what can be processed together; nothing where that fails: each file alone says whose fault it is."""
        small = [arrival for arrival in arrivals if is_small(arrival, table)]
        if len(small) < FEWEST:
            return []
        try:
            head, known = self._catalog.head(name), self._known(name)
            if head is None or known is None or not is_batchable(table, known):
                return []
            terms = Terms(head, others_of(self._catalog, name, lambda: head))
            task = Batching(name, table, head, known, self._planner(name, table), terms)
            return self._batcher.stage(task, small)
        except Exception:
            log.info("files of %s could not be processed together", name, exc_info=True)
            return []

    def _announce(self, arrival: Arrival) -> None:
        facts = {"table": str(arrival.table), "file": arrival.key, "bytes": arrival.size, "attempt": arrival.attempts}
        self._signals.announce("started", **facts)

    def _stage(
        self, name: TableName, table: Table, arrival: Arrival, summary: Summary, ready: list[Prepared]
    ) -> Prepared | None:
        """Stage one arrival beside those that are `ready`; None, with the outcome recorded, when that cannot be."""
        try:
            head = self._catalog.head(name)
            group = [staged for other in ready for staged in other.group]
            there = cache(lambda: beside(head, group, arrival.name, table.on_reupload))  # only some files ask for it
            terms = Terms(head, others_of(self._catalog, name, there))
            job = Job(arrival, table, self._planner(name, table), terms, self._known(name))
            prepared = with_corrections(self._shop, self._catalog, job, stage(self._shop, job), there)
        except FileChangedError:
            self._failing.look_again(name, arrival)
        except Exception as error:  # noqa: BLE001 - whatever one file causes must not stop the others
            self._failing.fail(name, table, arrival, error, summary)
        else:
            return prepared
        return None

    def _planner(self, name: TableName, table: Table) -> Planner:
        if name not in self._planners:
            self._planners[name] = Planner(name, table, self._shop.bench.engine, self._shop.processed.seals)
        return self._planners[name]

    def _known(self, name: TableName) -> SourceSchema | None:
        """What the table's properties say of its files; read again only when the table has moved on."""
        pointer = self._catalog.pointer(name)
        if name not in self._sources or self._sources[name][0] != pointer:
            metadata = self._catalog.metadata(name)
            text = metadata["properties"].get(PROPERTY) if metadata else None
            self._sources[name] = (pointer, SourceSchema.from_json(text) if text else None)
        return self._sources[name][1]


def _suspect(arrivals: list[Arrival]) -> bool:
    """Whether a process ended with these in its hands: should one of them end this one, too, no others are with it."""
    return any(arrival.trouble.lost for arrival in arrivals)
