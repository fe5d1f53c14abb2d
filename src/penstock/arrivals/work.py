"""The worker: claims arrivals, stages them, commits them in groups, and says what happened.

Any number of workers, in one process or many, may work on one lake. What keeps them from harming each other is told in
`docs/how-it-works/exactly-once.md`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from penstock.arrivals.discover import fingerprint, newest_finished, record
from penstock.arrivals.failure import details_of, is_final, reason_of
from penstock.arrivals.keep import Keeper
from penstock.arrivals.planning.evolution import Rewriter
from penstock.arrivals.planning.known import PROPERTY, SourceSchema
from penstock.arrivals.planning.plan import Planner, Terms
from penstock.arrivals.readmission.reapply import assert_settled, run_of_parts, with_corrections
from penstock.arrivals.settle import Heartbeat, run_id, table_for
from penstock.arrivals.stage import Prepared, Workshop, stage
from penstock.arrivals.through import Job
from penstock.declaration import Table
from penstock.errors import (
    CheckHaltedError,
    FileChangedError,
    LeaseLostError,
    PlanOutdatedError,
)
from penstock.naming import TableName
from penstock.quality.checks import check_outcomes, needs_lease
from penstock.signals import Signals
from penstock.state import Accounting, Arrival, Lease, Run, SqliteState
from penstock.steps import table_order
from penstock.tables import Catalog, Committed, commit_group
from penstock.tables.others import beside, others_of

GROUP_ARRIVALS = 256
GROUP_BYTES = 256_000_000
GROUP_SECONDS = 2.0
ATTEMPTS = 5
FIRST_DELAY = 1.0
POLL_SECONDS = 0.05


@dataclass
class Summary:
    """What a pass over the tables did.

    Attributes:
        accounts: Where rows went, by table.
        files: Files whose rows are in, by table.
        dead: Arrivals that ended as dead letters.
        notes: What people should know, by file.
    """

    accounts: dict[TableName, Accounting] = field(default_factory=dict)
    files: dict[TableName, int] = field(default_factory=dict)
    dead: list[Arrival] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


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
    ) -> None:
        """Take everything the road of a file needs."""
        self._shop, self._clock = shop, shop.bench.clock
        self._state, self._catalog, self._signals = state, catalog, signals
        self._tags = tags
        self._keeper = Keeper(shop.processed, state, catalog, self._clock, signals)
        self._rewrite = Rewriter(shop.bench.engine, shop.processed)
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
                table = tables[name]
                self._restore(name, summary)
                while not self._stopping.is_set() and self._pass(name, table, summary):
                    pass
                for purged in self._keeper.purge(name, table):
                    text = f"quarantined rows removed, kept for {table.quarantine.keep}: {purged.rows}"
                    summary.notes.append((purged.file or str(name), text))
        finally:
            heart.stop()
        return summary

    def reprocess(self, name: TableName) -> int:
        """Make the newest version of every file of a table wait again; gives their number."""
        head = self._catalog.head(name)
        live = [file.arrival for file in head.files if file.arrival] if head else []
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
                if limit == 1 or there:
                    if self._group(name, table, summary, limit, lease):
                        return True
                else:
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
            arrivals = [] if self._stopping.is_set() else self._state.arrivals.claim(name, 1)
            if not arrivals:
                break
            claimed, size = claimed + 1, size + arrivals[0].size
            prepared = self._stage(name, table, arrivals[0], summary, ready)
            if prepared is not None:
                if ready and prepared.changes_table:  # those before were planned against the table as it is
                    self._commit(name, table, ready, summary, started, lease)
                    ready = []
                ready.append(prepared)
                if prepared.changes_table:
                    break  # and the next must be planned against the table as it will be
        if ready:
            self._commit(name, table, ready, summary, started, lease)
        return claimed > 0

    def _stage(
        self, name: TableName, table: Table, arrival: Arrival, summary: Summary, ready: list[Prepared]
    ) -> Prepared | None:
        """Stage one arrival beside those that are `ready`; None, with the outcome recorded, when that cannot be."""
        self._signals.announce(
            "started", table=str(name), file=arrival.key, bytes=arrival.size, attempt=arrival.attempts
        )
        try:
            head = self._catalog.head(name)
            there = beside(head, [other.staged for other in ready], arrival.name, table.on_reupload)
            terms = Terms(head, others_of(self._catalog, name, there))
            job = Job(arrival, table, self._planner(name, table), terms, self._known(name))
            prepared = with_corrections(self._shop, self._catalog, job, stage(self._shop, job), there)
        except FileChangedError:
            self._look_again(name, arrival)
        except Exception as error:  # noqa: BLE001 - whatever one file causes must not stop the others
            self._failed(name, table, arrival, error, summary)
        else:
            summary.notes += [(arrival.key, note) for note in prepared.notes]
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

    def _look_again(self, name: TableName, arrival: Arrival) -> None:
        """Record what the file is now; the claimed version gives way to it, or waits if the bytes turn out the same."""
        if record(self._shop.raw, name, arrival.key, self._state) is None:
            self._state.arrivals.give_back(arrival, "the file is still being written", FIRST_DELAY, counted=False)
        elif self._state.arrivals.held(arrival):
            self._state.arrivals.give_back(arrival, "the file was touched while it was read", counted=False)

    def _failed(self, name: TableName, table: Table, arrival: Arrival, error: Exception, summary: Summary) -> None:
        """End an attempt: as a dead letter when trying again is of no use, else to be tried again later."""
        final = is_final(error) or arrival.attempts >= ATTEMPTS
        reason = reason_of(error)
        facts = {"table": str(name), "file": arrival.key, "reason": reason, "attempt": arrival.attempts}
        facts |= details_of(error)
        if not final:
            delay = FIRST_DELAY * 2 ** (arrival.attempts - 1)
            self._state.arrivals.give_back(arrival, reason, delay)
            self._signals.announce("failed", **facts, retry_in=delay)
            return
        run = Run(
            run=run_id(self._clock),
            table=name,
            state="failed",
            accounting=Accounting(bytes_in=arrival.size),
            started=self._clock.now(),
            duration_ms=0,
            arrivals=[arrival.key],
            error=reason,
        )
        with self._state.together():
            self._state.runs.add(run)
            self._state.arrivals.bury(arrival, reason, fingerprint(table, self._shop.bench.folder), run.run)
            if isinstance(error, CheckHaltedError):
                self._state.checks.add(check_outcomes(error.findings, name, arrival.key, run.run, run.started))
        summary.dead.append(replace(arrival, state="dead", reason=reason))
        self._signals.announce("dead", **facts, run=run.run)

    def _commit(
        self,
        name: TableName,
        table: Table,
        ready: list[Prepared],
        summary: Summary,
        started: float,
        lease: Lease | None,
    ) -> None:
        """Commit a group and record it; on a lost race everything of it waits again."""
        own = lease or self._wait_for_lease(name)
        try:
            whole, ready = ready, self._still_valid(name, ready)
            _assert_comparable(name, table, whole, ready)
            head = table_for(self._catalog, name, ready, self._tags, self._rewrite) if ready else None
            if head is None:
                self._finish(name, table, ready, summary, started, None)
                return
            assert_settled(head, ready)
            group = [staged for prepared in ready for staged in prepared.group]
            committed = commit_group(self._catalog, name, group, self._clock, lambda: self._assert_held(own, ready))
            self._finish(name, table, ready, summary, started, committed)
        except (LeaseLostError, PlanOutdatedError) as error:
            self._discard(ready)
            for prepared in ready:
                self._state.arrivals.give_back(prepared.arrival, error.what, counted=False)
        except Exception as error:
            if self._state.leases.held(own):
                for prepared in ready:
                    self._failed(name, table, prepared.arrival, error, summary)
            else:
                raise
        finally:
            if lease is None:
                self._state.leases.release(own)

    def _wait_for_lease(self, name: TableName) -> Lease:
        while True:
            lease = self._state.leases.acquire(f"table {name}")
            if lease is not None:
                return lease
            self._clock.sleep(POLL_SECONDS)

    def _still_valid(self, name: TableName, ready: list[Prepared]) -> list[Prepared]:
        """Leave out what another worker has taken over, and files that have changed since."""
        valid = []
        for prepared in ready:
            arrival = prepared.arrival
            now = self._shop.raw.stat(arrival.key)
            if not self._state.arrivals.held(arrival):
                self._discard([prepared])
            elif now is not None and now.mark != arrival.mark:
                self._discard([prepared])
                self._look_again(name, arrival)
            else:
                valid.append(prepared)
        return valid

    def _assert_held(self, lease: Lease, ready: list[Prepared]) -> None:
        if not self._state.leases.held(lease) or not all(self._state.arrivals.held(p.arrival) for p in ready):
            message = "another worker has taken over"
            raise LeaseLostError(message)

    def _discard(self, ready: list[Prepared]) -> None:
        """Remove files that no commit will ever name; their names belong to this attempt alone."""
        for prepared in ready:
            for staged in prepared.group:
                for file in staged.files:
                    Path(file.path).unlink(missing_ok=True)

    def _finish(
        self,
        name: TableName,
        table: Table,
        ready: list[Prepared],
        summary: Summary,
        started: float,
        committed: Committed | None,
    ) -> None:
        """Record what is now in the table, and announce it file by file."""
        if not ready:
            return
        total = sum((prepared.accounting for prepared in ready), Accounting())
        run = Run(
            run=run_id(self._clock),
            table=name,
            state="finished" if total.rows_out else "empty",
            accounting=total,
            started=started,
            duration_ms=round((self._clock.now() - started) * 1000),
            arrivals=[prepared.arrival.key for prepared in ready],
            snapshot=committed.head.snapshot if committed else None,
        )
        replaces = table.on_reupload == "replace"
        with self._state.together():
            self._state.runs.add(run)
            for done in ready:
                if (again := run_of_parts(self._clock, run, done)) is not None:
                    self._state.runs.add(again)
                stem = done.quarantine_stem
                self._state.arrivals.finish(done.arrival, run.run, done.accounting, stem, replaces=replaces)
                outcomes = check_outcomes(list(done.findings), name, done.arrival.key, run.run, run.started)
                self._state.checks.add(outcomes)
        for prepared in ready:
            if committed and prepared.arrival.name in committed.already:
                self._discard([replace(prepared, parts=())])
            summary.files[name] = summary.files.get(name, 0) + 1
            self._announce(name, run.run, prepared)
        summary.accounts[name] = summary.accounts.get(name, Accounting()) + total

    def _announce(self, name: TableName, run: str, prepared: Prepared) -> None:
        figures = prepared.accounting
        self._signals.announce(
            "finished",
            table=str(name),
            file=prepared.arrival.key,
            run=run,
            rows_in=figures.rows_in,
            rows_out=figures.rows_out,
            rows_dropped=figures.dropped,
            rows_quarantined=figures.quarantined,
            rows_added=figures.added,
            warnings=figures.warned,
            bytes=prepared.arrival.size,
            notes=list(prepared.notes),
        )


def _assert_comparable(name: TableName, table: Table, whole: list[Prepared], valid: list[Prepared]) -> None:
    """Files that are compared with each other were not, when one of the group has changed since."""
    if len(valid) < len(whole) and needs_lease(table.checks):
        message = "the files were compared with one that has changed since"
        raise PlanOutdatedError(message, where=str(name))
