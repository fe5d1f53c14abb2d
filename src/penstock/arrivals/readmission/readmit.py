"""Readmission: corrected rows of the quarantine come back into their table, each once.

What a readmission adds is one data file for each file that rows come from, all in one snapshot. Which rows are in a
table is told by the table's live files alone (`penstock.quality.readmitted`), so that a crash leaves all of a
readmission or nothing, and the same corrections given again find their rows in the table. The table's lease keeps two
readmissions apart; the guard of each try at the commit makes sure that the files are still those that were looked at.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from penstock.arrivals.planning.evolution import Rewriter
from penstock.arrivals.planning.known import PROPERTY, SourceSchema
from penstock.arrivals.planning.plan import Terms
from penstock.arrivals.readmission.bring_back import Back, Counter, Failed, bring_back, write_list
from penstock.arrivals.readmission.corrected import Case
from penstock.arrivals.readmission.sorting import Desk, Refused, Target, sort_corrections
from penstock.arrivals.settle import SOURCE, Heartbeat, run_id, table_for
from penstock.arrivals.staging.stage import Workshop
from penstock.arrivals.tell import tell_committed
from penstock.declaration import Table
from penstock.errors import LeaseLostError, SupersededError
from penstock.naming import TableName
from penstock.quality import quarantine_key
from penstock.quality.corrections import Corrections, read_corrections
from penstock.quality.quarantine import rewrite_quarantine
from penstock.quality.readmitted import parts_of, read_rows, records_of
from penstock.signals import Signals
from penstock.state import Accounting, Head, Lease, Member, Run, State
from penstock.tables import Catalog, commit_group
from penstock.tables.others import others_of

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Readmission:
    """What became of a file of corrections.

    Attributes:
        table: The table.
        corrections: Name of the file.
        rows: Corrections in it.
        readmitted: Corrections whose rows are in the table now, or would be.
        refused: The others, with the reason.
        accounting: Where the rows went that were tried.
        runs: Names of the runs that brought them in.
        dry_run: Whether nothing was changed.
    """

    table: TableName
    corrections: str
    rows: int
    readmitted: int
    refused: tuple[Refused, ...]
    accounting: Accounting
    runs: tuple[str, ...]
    dry_run: bool


class Readmitter:
    """Brings corrected rows back into one lake's tables."""

    def __init__(
        self, shop: Workshop, *, state: State, catalog: Catalog, signals: Signals, tags: Mapping[str, str]
    ) -> None:
        """Take everything that the road of a row needs."""
        self._shop, self._clock, self._engine = shop, shop.bench.clock, shop.bench.engine
        self._state, self._catalog, self._signals, self._tags = state, catalog, signals, tags
        self._rewrite = Rewriter(self._engine, shop.processed)
        self._desk = Desk(state, catalog, shop.processed, shop.scratch, self._engine.ask)

    def close(self) -> None:
        """Let go of the engine's memory and temporary files."""
        self._engine.close()

    def readmit(self, name: TableName, table: Table, path: Path, *, dry_run: bool = False) -> Readmission:
        """Bring the rows of a file of corrections back into a table.

        Raises:
            QuarantineError: The file cannot be read, or is not about the table.
            SupersededError: A file was replaced while its rows were on their way; nothing was changed.
        """
        corrections = read_corrections(path)
        if dry_run:
            return self._readmit(name, table, corrections, None)
        heart = Heartbeat(self._state)
        heart.start()
        lease = self._wait_for_lease(name)
        try:
            self._note_runs(name)
            return self._readmit(name, table, corrections, lease)
        finally:
            self._state.leases.release(lease)
            heart.stop()

    def _wait_for_lease(self, name: TableName) -> Lease:
        while True:
            lease = self._state.leases.acquire(f"table {name}")
            if lease is not None:
                return lease
            self._clock.sleep(POLL_SECONDS)

    def _readmit(self, name: TableName, table: Table, corrections: Corrections, lease: Lease | None) -> Readmission:
        """Sort and try; what adds columns to the table is committed before the next is planned."""
        target = self._target(name, table)
        found = sort_corrections(self._desk, target, corrections)
        refused, total, runs, came = list(found.refused), Accounting(), list[str](), 0
        cases = found.cases
        while cases:
            started = self._clock.now()
            backs = self._bring_back(target, cases)
            cases = cases[len(backs) :]
            if lease is not None:
                runs.append(self._commit(target, corrections.name, backs, lease, started))
                target = self._target(name, table)
            else:
                self._discard(backs)
            total = sum((back.accounting for back in backs), total)
            came += sum(len(back.came) for back in backs)
            refused += [_refused(failed) for back in backs for failed in back.failed]
        refused.sort(key=lambda one: one.number)
        rows = len(corrections.rows)
        dry_run = lease is None
        return Readmission(name, corrections.name, rows, came, tuple(refused), total, tuple(runs), dry_run)

    def _target(self, name: TableName, table: Table) -> Target:
        metadata = self._catalog.metadata(name)
        text = metadata["properties"].get(PROPERTY) if metadata else None
        known = SourceSchema.from_json(text) if text else None
        return Target(name, table, known, self._catalog.head(name), self._state.arrivals.find(name))

    def _bring_back(self, target: Target, cases: list[Case]) -> list[Back]:
        """Stage cases until one adds to what is known of the table's files."""
        backs: list[Back] = []
        head = target.head
        for case in cases:
            terms = Terms(head, others_of(self._catalog, target.name, partial(_itself, head)))
            shop = self._shop
            counter = Counter(target.name, target.table, terms, target.known, shop.bench, shop.processed, shop.scratch)
            back = bring_back(counter, case)
            backs.append(back)
            if back.changes_table:
                break
            head = _beside(head, back)
        return backs

    def _commit(self, target: Target, corrections: str, backs: list[Back], lease: Lease, started: float) -> str:
        """Make the rows visible in one snapshot, and record the run; gives its name."""
        run = run_id(self._clock)
        moment = datetime.fromtimestamp(self._clock.now(), tz=UTC).replace(tzinfo=None)
        ready = [back for back in backs if back.staged is not None]
        snapshot = None
        try:
            if ready:
                for back in ready:
                    write_list(self._shop.processed, target.name, back, run, moment)
                table_for(self._catalog, target.name, ready, self._tags, self._rewrite)
                group = [staged for back in ready for staged in back.group]
                committed = commit_group(
                    self._catalog, target.name, group, self._clock, lambda: self._assert_current(target, lease, ready)
                )  # parts replace nothing, so nothing is ever carved
                snapshot = committed.head.snapshot
        except (LeaseLostError, SupersededError):
            self._discard(backs)
            raise
        total = sum((back.accounting for back in backs), Accounting())
        took = round((self._clock.now() - started) * 1000)
        self._record(target, corrections, backs, _run(run, target.name, corrections, total, started, snapshot, took))
        return run

    def _assert_current(self, target: Target, lease: Lease, backs: list[Back]) -> None:
        """Make sure that the table is ours, and its files those that were looked at."""
        if not self._state.leases.held(lease):
            message = "another worker has taken over"
            raise LeaseLostError(message, where=str(target.name), hint="nothing was changed; try again")
        now = {arrival.sequence: arrival for arrival in self._state.arrivals.find(target.name)}
        for back in backs:
            there = now.get(back.arrival.sequence)
            newer = [one for one in now.values() if one.key == back.arrival.key]
            waits = any(one.state in {"pending", "working"} for one in newer)
            if there is None or there.state != "finished" or there.generation != back.arrival.generation or waits:
                message = "the file was delivered or processed again while its rows were on their way"
                raise SupersededError(message, where=back.arrival.key, hint="run, and export the quarantine again")

    def _record(self, target: Target, corrections: str, backs: list[Back], run: Run) -> None:
        """Keep the run, and say of the rows that stay in quarantine why they do now."""
        renamed = {}
        for back in backs:
            stem = back.arrival.quarantine_stem or ""
            reasons = {failed.corrected.row["id"]: _reason(failed) for failed in back.failed}
            if any(_reason(failed) != _was(failed) for failed in back.failed):
                renamed[stem] = back.arrival.name.stem(secrets.token_hex(4))
                rewrite_quarantine(self._shop.processed, target.name, stem, renamed[stem], reasons)
        gone = []
        with self._state.together():
            self._state.runs.add(run)
            tell_committed(self._state.events, run, ())
            for back in backs:
                old = back.arrival.quarantine_stem or ""
                if old in renamed:
                    done = self._state.arrivals.requarantine(back.arrival, renamed[old])
                    gone.append(old if done else renamed[old])
        for stem in gone:
            self._shop.processed.delete(quarantine_key(target.name, stem))
        figures = run.accounting
        self._signals.announce(
            "readmitted",
            table=str(target.name),
            file=corrections,
            run=run.run,
            rows_in=figures.rows_in,
            rows_out=figures.rows_out,
            rows_quarantined=figures.quarantined,
        )

    def _note_runs(self, name: TableName) -> None:
        """Keep the runs whose rows are in the table though their process died before it could."""
        head = self._catalog.head(name)
        parts = parts_of(head)
        if head is None or not parts:
            return
        kept = {run.run for run in self._state.runs.list(name, limit=1_000_000)}
        missing: dict[str, list[tuple[Member, list[dict[str, Any]]]]] = {}
        for part, path in zip(parts, records_of(self._shop.processed, name, parts), strict=True):
            rows = list(read_rows(path))
            if rows and rows[0]["run"] not in kept:
                missing.setdefault(rows[0]["run"], []).append((part, rows))
        for run, found in missing.items():
            came, written = sum(len(rows) for _, rows in found), sum(part.rows for part, _ in found)
            more = max(written - came, 0)
            lost = {"steps": came - written} if came > written else {}
            own = {(part,) for part, _ in found}
            size = sum(file.bytes for file in head.files if file.members in own)
            figures = Accounting(rows_in=came, rows_out=written, dropped=lost, bytes_out=size, added=more)
            first = found[0][1][0]
            at = first["readmitted"].replace(tzinfo=UTC).timestamp()
            noted = _run(run, name, first["corrections"], figures, at)
            with self._state.together():
                self._state.runs.add(noted)
                tell_committed(self._state.events, noted, ())

    def _discard(self, backs: list[Back]) -> None:
        for back in backs:
            for staged in back.group:
                for file in staged.files:
                    Path(file.path).unlink(missing_ok=True)


def _run(
    run: str,
    name: TableName,
    corrections: str,
    total: Accounting,
    started: float,
    snapshot: int | None = None,
    duration: int = 0,
) -> Run:
    return Run(
        run=run,
        table=name,
        state="finished" if total.rows_out else "empty",
        accounting=total,
        started=started,
        duration_ms=duration,
        arrivals=[f"{SOURCE}{corrections}"],
        snapshot=snapshot,
    )


def _itself(head: Head | None) -> Head | None:
    return head


def _beside(head: Head | None, back: Back) -> Head | None:
    """The table with a part that will be committed before the next."""
    if head is None or back.staged is None:
        return head
    return replace(head, files=(*head.files, *back.staged.files))


def _refused(failed: Failed) -> Refused:
    row = failed.corrected.row
    return Refused(failed.corrected.number, row["id"], "failed", failed.reason, row["file"], row["line"])


def _was(failed: Failed) -> tuple[str, str | None, str]:
    row = failed.corrected.row
    return (row["rule"], row["column_name"], row["reason"])


def _reason(failed: Failed) -> tuple[str, str | None, str]:
    """Rule, column and reason that a row stays in quarantine for; a new one says where it was corrected."""
    rule, column, reason = failed.rule, failed.column, failed.reason
    if (rule, column, reason) != _was(failed):
        reason += f" (as corrected in {failed.corrected.corrections}, row {failed.corrected.number})"
    return rule, column, reason
