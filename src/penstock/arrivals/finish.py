"""How work on arrivals ends: committed and recorded, waiting again, or as a dead letter."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace

from penstock.arrivals.failing import Failing, Summary
from penstock.arrivals.planning.evolution import Rewriter
from penstock.arrivals.readmission.reapply import assert_settled, run_of_parts
from penstock.arrivals.settle import run_id, table_for
from penstock.arrivals.staging.stage import Prepared, Workshop
from penstock.arrivals.tell import tell_breached, tell_committed, tell_recovered
from penstock.declaration import Table
from penstock.engines.packs import Packer
from penstock.errors import CommitUnknownError, LeaseLostError, PlanOutdatedError, RowsElsewhereError
from penstock.naming import TableName
from penstock.quality.checks import check_outcomes, needs_lease
from penstock.signals import Signals
from penstock.state import Accounting, Arrival, CheckOutcome, Lease, Run, State
from penstock.storage.together import AT_ONCE, together
from penstock.tables import Catalog, Committed, commit_group
from penstock.tables.commit import assert_replaceable

log = logging.getLogger("penstock.arrivals")

POLL_SECONDS = 0.05
LEASE_SECONDS = 0.01
"""How often it is looked whether a table is free to be committed to; a commit takes a few of these."""
STOPPING_LOOKS = 100
"""How often it is still looked once the worker is to stop: long enough for another's commit, not for what hangs."""


class Finisher:
    """Commits what was staged, and records what became of arrivals."""

    def __init__(
        self,
        shop: Workshop,
        *,
        state: State,
        catalog: Catalog,
        signals: Signals,
        tags: Mapping[str, str],
        failing: Failing,
    ) -> None:
        """Take what commits and records need; `failing` ends what does not succeed."""
        self.failing = failing
        self._shop, self._clock = shop, shop.bench.clock
        self._state, self._catalog, self._signals = state, catalog, signals
        self._tags = tags
        self._rewrite = Rewriter(shop.bench.engine, shop.processed)
        self._packer = Packer(shop.bench.engine, shop.processed)

    def commit(
        self,
        name: TableName,
        table: Table,
        ready: list[Prepared],
        summary: Summary,
        started: float,
        lease: Lease | None,
    ) -> None:
        """Commit a group and record it; on a lost race, or when stopped before it, everything of it waits again."""
        own = lease or self._wait_for_lease(name)
        if own is None:
            self._leave(ready, "the work was stopped")
            return
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
            self._leave(ready, error.what)
        except Exception as error:
            if self._state.leases.held(own):
                if not isinstance(error, CommitUnknownError):
                    self._discard_failed(name, ready)
                for prepared in ready:
                    self.failing.fail(name, table, prepared.arrival, error, summary)
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
                self.failing.fail(name, table, prepared.arrival, error, summary)
        self._discard(refused, {file.path for prepared in found for file in prepared.files})
        return found

    def _wait_for_lease(self, name: TableName) -> Lease | None:
        """The right to commit to a table, when it is free; None when the worker is to stop and it stays taken."""
        left = STOPPING_LOOKS
        while (lease := self._state.leases.acquire(f"table {name}")) is None and left:
            left -= self._shop.stopping.is_set()
            self._clock.sleep(LEASE_SECONDS)
        return lease

    def _leave(self, ready: list[Prepared], reason: str) -> None:
        """Let a group wait again, with nothing counted against it, and no file of it left."""
        self._discard(ready)
        for prepared in ready:
            self._state.arrivals.give_back(prepared.arrival, reason, counted=False)

    def _discard_failed(self, name: TableName, ready: list[Prepared]) -> None:
        """Remove the files of a commit that failed, or each try on a full disk would add its own.

        What failed may have come after the commit: files that the table names stay, and all where that cannot be told.
        """
        try:
            head = self._catalog.head(name)
            self._discard(ready, {file.path for file in head.files} if head else ())
        except Exception:  # what is left is cleared up by upkeep; how the commit failed is what has to be told
            log.warning("files of a commit to %s that failed could not be removed", name, exc_info=True)

    def _still_valid(self, name: TableName, ready: list[Prepared]) -> list[Prepared]:
        """Leave out what another worker has taken over, and files that have changed since."""
        valid, gone = [], []
        held = self._state.arrivals.held_among([prepared.arrival for prepared in ready])
        raw = self._shop.raw
        at_once = AT_ONCE if raw.lasting else 1  # elsewhere a look is sooner done than handed to a thread
        for prepared, now in together(lambda prepared: raw.stat(prepared.arrival.key), ready, at_once):
            arrival = prepared.arrival
            if arrival.sequence not in held:
                gone.append(prepared)
            elif now is not None and now.mark != arrival.mark:
                gone.append(prepared)
                self.failing.look_again(name, arrival)
            else:
                valid.append(prepared)
        self._discard(gone, {file.path for prepared in valid for file in prepared.files})
        return valid

    def _assert_held(self, lease: Lease, ready: list[Prepared]) -> None:
        arrivals = [prepared.arrival for prepared in ready]
        if not self._state.leases.held(lease) or len(self._state.arrivals.held_among(arrivals)) < len(arrivals):
            message = "another worker has taken over"
            raise LeaseLostError(message)

    def _discard(self, ready: list[Prepared], but: Collection[str] = ()) -> None:
        """Remove files that no commit will ever name, unless others need them; their names belong to this worker."""
        self._shop.processed.discard({file.path for prepared in ready for file in prepared.files}.difference(but))

    def _finish(
        self,
        name: TableName,
        table: Table,
        ready: list[Prepared],
        summary: Summary,
        started: float,
        committed: Committed | None,
    ) -> None:
        """Record what is now in the table, and announce it file by file.

        What another worker has taken over since the commit is left to it: it finds the rows there, and records them.
        """
        if not ready:
            return
        run, replaces = run_id(self._clock), table.on_reupload == "replace"
        kept, recovered = list[Prepared](), list[Arrival]()
        with self._state.together():
            for done in ready:
                stem = done.quarantine_stem
                was_dead = self._state.arrivals.finish(done.arrival, run, done.accounting, stem, replaces=replaces)
                kept += [done] if was_dead is not None else []
                recovered += [done.arrival] if was_dead else []
            if kept:
                self._record(self._run(run, name, kept, started, committed), kept, recovered)
        if committed:  # a pack may have been carved for the commit, and what was there already adds nothing
            unused = [one for one in ready if one.arrival.name in committed.already or one.staged.packed]
            live = {file.path for file in committed.head.files}
            self._discard([replace(one, parts=()) for one in unused], live)
        for prepared in kept:
            summary.files[name] = summary.files.get(name, 0) + 1
            self._announce(name, run, prepared, started)
        if kept:
            total = sum((prepared.accounting for prepared in kept), Accounting())
            summary.accounts[name] = summary.accounts.get(name, Accounting()) + total

    def _run(self, run: str, name: TableName, kept: list[Prepared], started: float, committed: Committed | None) -> Run:
        total = sum((prepared.accounting for prepared in kept), Accounting())
        return Run(
            run=run,
            table=name,
            state="finished" if total.rows_out else "empty",
            accounting=total,
            started=started,
            duration_ms=round((self._clock.now() - started) * 1000),
            arrivals=[prepared.arrival.key for prepared in kept],
            snapshot=committed.head.snapshot if committed else None,
        )

    def _record(self, run: Run, kept: list[Prepared], recovered: list[Arrival]) -> None:
        """Record a run, what came of checks, and that it happened; within the transaction of what it tells of."""
        self._state.runs.add(run)
        outcomes = list[CheckOutcome]()
        for done in kept:
            if (again := run_of_parts(self._clock, run, done)) is not None:
                self._state.runs.add(again)
            outcomes += check_outcomes(list(done.findings), run.table, done.arrival.key, run.run, run.started)
        self._state.checks.add(outcomes)
        tell_breached(self._state.events, run.table, outcomes)
        tell_committed(self._state.events, run, [(done.arrival, done.accounting) for done in kept])
        tell_recovered(self._state.events, run, recovered)

    def _announce(self, name: TableName, run: str, prepared: Prepared, started: float) -> None:
        figures, now = prepared.accounting, self._clock.now()
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
            waited_ms=round((now - prepared.arrival.recorded_at) * 1000),
            duration_ms=round((now - started) * 1000),
            notes=list(prepared.notes),
        )


def _assert_comparable(name: TableName, table: Table, whole: list[Prepared], valid: list[Prepared]) -> None:
    """Files that are compared with each other were not, when one of the group has changed since."""
    if len(valid) < len(whole) and needs_lease(table.checks):
        message = "the files were compared with one that has changed since"
        raise PlanOutdatedError(message, where=str(name))
