"""How work on arrivals ends: committed and recorded, waiting again, or as a dead letter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from penstock.arrivals.discover import fingerprint, record
from penstock.arrivals.failure import details_of, is_final, reason_of
from penstock.arrivals.planning.evolution import Rewriter
from penstock.arrivals.readmission.reapply import assert_settled, run_of_parts
from penstock.arrivals.settle import run_id, table_for
from penstock.arrivals.stage import Prepared, Workshop
from penstock.arrivals.tell import tell_breached, tell_committed, tell_dead, tell_failed, tell_recovered
from penstock.declaration import Table
from penstock.engines.packs import Packer
from penstock.errors import CheckHaltedError, LeaseLostError, PlanOutdatedError, RowsElsewhereError
from penstock.naming import TableName
from penstock.quality.checks import check_outcomes, needs_lease
from penstock.signals import Signals
from penstock.state import Accounting, Arrival, CheckOutcome, Lease, Run, SqliteState
from penstock.storage.local import remove_file
from penstock.tables import Catalog, Committed, commit_group
from penstock.tables.commit import assert_replaceable

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
        blocked: Tables that another writer left so that Penstock cannot read them; their files wait.
    """

    accounts: dict[TableName, Accounting] = field(default_factory=dict)
    files: dict[TableName, int] = field(default_factory=dict)
    dead: list[Arrival] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    blocked: list[TableName] = field(default_factory=list)


class Finisher:
    """Commits what was staged, and records what became of arrivals."""

    def __init__(
        self, shop: Workshop, *, state: SqliteState, catalog: Catalog, signals: Signals, tags: Mapping[str, str]
    ) -> None:
        """Take what commits and records need."""
        self._shop, self._clock = shop, shop.bench.clock
        self._state, self._catalog, self._signals = state, catalog, signals
        self._tags = tags
        self._rewrite = Rewriter(shop.bench.engine, shop.processed)
        self._packer = Packer(shop.bench.engine, shop.processed)

    def look_again(self, name: TableName, arrival: Arrival) -> None:
        """Record what the file is now; the claimed version gives way to it, or waits if the bytes turn out the same."""
        if record(self._shop.raw, name, arrival.key, self._state) is None:
            self._state.arrivals.give_back(arrival, "the file is still being written", FIRST_DELAY, counted=False)
        elif self._state.arrivals.held(arrival):
            self._state.arrivals.give_back(arrival, "the file was touched while it was read", counted=False)

    def fail(self, name: TableName, table: Table, arrival: Arrival, error: Exception, summary: Summary) -> None:
        """End an attempt: as a dead letter when trying again is of no use, else to be tried again later."""
        final = is_final(error) or arrival.attempts >= ATTEMPTS
        reason = reason_of(error)
        facts = {"table": str(name), "file": arrival.key, "reason": reason, "attempt": arrival.attempts}
        facts |= details_of(error)
        if not final:
            delay = FIRST_DELAY * 2 ** (arrival.attempts - 1)
            with self._state.together():
                self._state.arrivals.give_back(arrival, reason, delay)
                tell_failed(self._state.events, arrival, reason, delay)
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
                outcomes = check_outcomes(error.findings, name, arrival.key, run.run, run.started)
                self._state.checks.add(outcomes)
                tell_breached(self._state.events, name, outcomes)
            tell_dead(self._state.events, arrival, reason, run.run)
        summary.dead.append(replace(arrival, state="dead", reason=reason))
        self._signals.announce("dead", **facts, run=run.run)

    def commit(
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
            ready = self._replaceable(name, table, ready, summary)
            whole, ready = ready, self._still_valid(name, ready)
            _assert_comparable(name, table, whole, ready)
            head = table_for(self._catalog, name, ready, self._tags, self._rewrite) if ready else None
            if head is None:
                self._finish(name, table, ready, summary, started, None)
                return
            assert_settled(head, ready)
            group = [staged for prepared in ready for staged in prepared.group]
            committed = commit_group(
                self._catalog, name, group, self._clock, lambda: self._assert_held(own, ready), self._packer.carve
            )
            self._finish(name, table, ready, summary, started, committed)
        except (LeaseLostError, PlanOutdatedError) as error:
            self._discard(ready)
            for prepared in ready:
                self._state.arrivals.give_back(prepared.arrival, error.what, counted=False)
        except Exception as error:
            if self._state.leases.held(own):
                for prepared in ready:
                    self.fail(name, table, prepared.arrival, error, summary)
            else:
                raise
        finally:
            if lease is None:
                self._state.leases.release(own)

    def _replaceable(self, name: TableName, table: Table, ready: list[Prepared], summary: Summary) -> list[Prepared]:
        """Leave out what is to replace rows that another writer took out of their files: it ends dead."""
        head = self._catalog.head(name)
        found, refused = [], []
        for prepared in ready:
            try:
                if head is not None:
                    assert_replaceable(head, prepared.group)
                found.append(prepared)
            except RowsElsewhereError as error:
                refused.append(prepared)
                self.fail(name, table, prepared.arrival, error, summary)
        self._discard(refused, {file.path for prepared in found for file in prepared.files})
        return found

    def _wait_for_lease(self, name: TableName) -> Lease:
        while True:
            lease = self._state.leases.acquire(f"table {name}")
            if lease is not None:
                return lease
            self._clock.sleep(POLL_SECONDS)

    def _still_valid(self, name: TableName, ready: list[Prepared]) -> list[Prepared]:
        """Leave out what another worker has taken over, and files that have changed since."""
        valid, gone = [], []
        for prepared in ready:
            arrival = prepared.arrival
            now = self._shop.raw.stat(arrival.key)
            if not self._state.arrivals.held(arrival):
                gone.append(prepared)
            elif now is not None and now.mark != arrival.mark:
                gone.append(prepared)
                self.look_again(name, arrival)
            else:
                valid.append(prepared)
        self._discard(gone, {file.path for prepared in valid for file in prepared.files})
        return valid

    def _assert_held(self, lease: Lease, ready: list[Prepared]) -> None:
        if not self._state.leases.held(lease) or not all(self._state.arrivals.held(p.arrival) for p in ready):
            message = "another worker has taken over"
            raise LeaseLostError(message)

    def _discard(self, ready: list[Prepared], but: Collection[str] = ()) -> None:
        """Remove files that no commit will ever name, unless others need them; their names belong to this worker."""
        for path in {file.path for prepared in ready for file in prepared.files}.difference(but):
            remove_file(path)

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
            outcomes, recovered = list[CheckOutcome](), list[Arrival]()
            for done in ready:
                if (again := run_of_parts(self._clock, run, done)) is not None:
                    self._state.runs.add(again)
                stem = done.quarantine_stem
                if self._state.arrivals.finish(done.arrival, run.run, done.accounting, stem, replaces=replaces):
                    recovered.append(done.arrival)
                outcomes += check_outcomes(list(done.findings), name, done.arrival.key, run.run, run.started)
            self._state.checks.add(outcomes)
            tell_breached(self._state.events, name, outcomes)
            tell_committed(self._state.events, run, [(done.arrival, done.accounting) for done in ready])
            tell_recovered(self._state.events, run, recovered)
        if committed:  # a pack may have been carved for the commit, and what was there already adds nothing
            unused = [one for one in ready if one.arrival.name in committed.already or one.staged.packed]
            live = {file.path for file in committed.head.files}
            self._discard([replace(one, parts=()) for one in unused], live)
        for prepared in ready:
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
