"""The worker: claims arrivals, stages them, commits them in groups, and says what happened.

Any number of workers, in one process or many, may work on one lake. What keeps them from harming each other is told in
`docs/how-it-works/exactly-once.md`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from penstock.arrivals.batch import BATCH_BYTES, BATCH_FILES, FEWEST, Batcher, Batching, is_batchable, is_small
from penstock.arrivals.discover import newest_finished
from penstock.arrivals.finish import POLL_SECONDS, Finisher, Summary
from penstock.arrivals.keep import Keeper
from penstock.arrivals.outside import notice
from penstock.arrivals.partitioning import lay_out
from penstock.arrivals.planning.known import PROPERTY, SourceSchema
from penstock.arrivals.planning.plan import Planner, Terms
from penstock.arrivals.readmission.reapply import with_corrections
from penstock.arrivals.settle import Heartbeat
from penstock.arrivals.stage import Prepared, Workshop, stage
from penstock.arrivals.through import Job
from penstock.declaration import Table
from penstock.engines.packs import Packer
from penstock.errors import FileChangedError, UnreadableTableError
from penstock.naming import TableName
from penstock.quality.checks import needs_lease
from penstock.signals import Signals
from penstock.state import Arrival, Lease, SqliteState
from penstock.steps import table_order
from penstock.tables import Catalog
from penstock.tables.others import beside, others_of

log = logging.getLogger("penstock.arrivals")

GROUP_ARRIVALS = 256
GROUP_BYTES = 256_000_000
GROUP_SECONDS = 2.0


class Worker:
    """Processes what waits, table by table, until nothing does."""

    def __init__(
        self,
        shop: Workshop,
        *,
        state: SqliteState,
        catalog: Catalog,
        signals: Signals,
        tags: Mapping[str, str],
        committed: Callable[[TableName], object] | None = None,
    ) -> None:
        """Take everything the road of a file needs; `committed` hears of a table that may want upkeep."""
        self._committed = committed
        self._shop, self._clock = shop, shop.bench.clock
        self._state, self._catalog, self._signals = state, catalog, signals
        self._keeper = Keeper(shop.processed, state, catalog, self._clock, signals)
        self._finisher = Finisher(shop, state=state, catalog=catalog, signals=signals, tags=tags)
        self._batcher = Batcher(shop, Packer(shop.bench.engine, shop.processed))
        self._planners: dict[TableName, Planner] = {}
        self._sources: dict[TableName, tuple[str | None, SourceSchema | None]] = {}
        self._stopping = threading.Event()

    def close(self) -> None:
        """Let go of the engine's memory and temporary files."""
        self._shop.bench.engine.close()

    def stop(self) -> None:
        """Finish the file at hand, commit, and return from `drain`."""
        self._stopping.set()

    def drain(self, tables: Mapping[TableName, Table]) -> Summary:
        """Process everything that waits, also what other workers hold until they finish or die."""
        summary = Summary()
        heart = Heartbeat(self._state)
        heart.start()
        try:
            for name in table_order(tables):
                try:
                    self._drain(name, tables[name], summary)
                except UnreadableTableError as error:  # the other tables go on
                    summary.blocked.append(name)
                    summary.notes.append((str(name), f"its files wait: {error.what}; {error.hint}"))
        finally:
            heart.stop()
        return summary

    def _drain(self, name: TableName, table: Table, summary: Summary) -> None:
        """Process everything that waits for one table."""
        self._restore(name, summary)
        for text in notice(self._catalog, name):
            summary.notes.append((str(name), text))
            self._signals.announce("noticed", table=str(name), note=text)
        working = True
        while working and not self._stopping.is_set():
            if changed := lay_out(self._catalog, name, table):
                summary.notes.append((str(name), changed))
            working = self._pass(name, table, summary)
            if self._committed is not None:
                self._committed(name)
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

    def _restore(self, name: TableName, summary: Summary) -> None:
        """The tables are the truth: where one is gone, the files that were in it wait again."""
        if self._catalog.pointer(name) is not None:
            return
        lost = [arrival for arrival in newest_finished(self._state, name) if arrival.accounting.rows_out]
        for arrival in lost:
            self._state.arrivals.requeue(arrival, arrival.generation)
        if lost:
            summary.notes.append((str(name), f"the table was gone; its files are processed again: {len(lost)}"))

    def _pass(self, name: TableName, table: Table, summary: Summary) -> bool:
        """Process one group; False when nothing of the table is left to wait for."""
        there = self._catalog.pointer(name) is not None
        if there and not needs_lease(table.checks):
            if self._group(name, table, summary, GROUP_ARRIVALS):
                return True
        elif lease := self._state.leases.acquire(f"table {name}"):
            try:  # the first file decides the types, and files that are compared with others follow each other: alone
                limit = 1 if self._catalog.pointer(name) is None else GROUP_ARRIVALS
                if self._group(name, table, summary, limit, lease):
                    return True
            finally:
                self._state.leases.release(lease)
        if not self._state.arrivals.find(name, ("pending", "working")):
            return False
        self._clock.sleep(POLL_SECONDS)
        return True

    def _group(self, name: TableName, table: Table, summary: Summary, limit: int, lease: Lease | None = None) -> bool:
        """Claim, stage and commit up to `limit` arrivals; False when none could be claimed."""
        started = self._clock.now()
        ready: list[Prepared] = []
        claimed = size = 0
        while claimed < limit and size < GROUP_BYTES and self._clock.now() - started < GROUP_SECONDS:
            arrivals = self._claim(name, table, limit - claimed)
            if not arrivals:
                break
            claimed, size = claimed + len(arrivals), size + sum(arrival.size for arrival in arrivals)
            staged = self._staged(name, table, arrivals, summary, ready)
            for prepared in staged:
                if ready and prepared.changes_table:  # those before were planned against the table as it is
                    self._finisher.commit(name, table, ready, summary, started, lease)
                    ready.clear()
                ready.append(prepared)
                if prepared.changes_table:  # and the next must be planned against the table as it will be
                    self._finisher.commit(name, table, ready, summary, started, lease)
                    ready.clear()
        if ready:
            self._finisher.commit(name, table, ready, summary, started, lease)
        return claimed > 0

    def _claim(self, name: TableName, table: Table, most: int) -> list[Arrival]:
        """Claim the next arrival, or as many as can be processed together."""
        if self._stopping.is_set():
            return []
        many = is_batchable(table, self._known(name))
        return self._state.arrivals.claim(name, min(BATCH_FILES, most) if many else 1, BATCH_BYTES)

    def _staged(
        self, name: TableName, table: Table, arrivals: list[Arrival], summary: Summary, ready: list[Prepared]
    ) -> Iterator[Prepared]:
        """Stage arrivals: together those with which that can be done, the others one by one beside what is `ready`."""
        for arrival in arrivals:
            self._announce(arrival)
        done = set[int]()
        for prepared in self._together(name, table, arrivals):
            summary.notes += [(prepared.arrival.key, note) for note in prepared.notes]
            done.add(prepared.arrival.sequence)
            yield prepared
        rest = [arrival for arrival in arrivals if arrival.sequence not in done]
        for at, arrival in enumerate(rest):
            if self._stopping.is_set():
                for left in rest[at:]:
                    self._state.arrivals.give_back(left, "the work was stopped", counted=False)
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
            self._finisher.look_again(name, arrival)
        except Exception as error:  # noqa: BLE001 - whatever one file causes must not stop the others
            self._finisher.fail(name, table, arrival, error, summary)
        else:
            return prepared
        return None

    def _planner(self, name: TableName, table: Table) -> Planner:
        if name not in self._planners:
            self._planners[name] = Planner(name, table, self._shop.bench.engine)
        return self._planners[name]

    def _known(self, name: TableName) -> SourceSchema | None:
        """What the table's properties say of its files; read again only when the table has moved on."""
        pointer = self._catalog.pointer(name)
        if name not in self._sources or self._sources[name][0] != pointer:
            metadata = self._catalog.metadata(name)
            text = metadata["properties"].get(PROPERTY) if metadata else None
            self._sources[name] = (pointer, SourceSchema.from_json(text) if text else None)
        return self._sources[name][1]
