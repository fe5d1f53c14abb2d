"""Upkeep: a table's files are joined, its old snapshots expire, and what nothing names any more goes.

It is safe while others read and write. Each piece of work is one small commit of its own, so that it can end at any
moment and be taken up again by the next upkeep. One lease, `upkeep TABLE`, keeps two upkeeps of one table apart; it
holds up nobody else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.clock import Clock
from penstock.errors import CommitConflictError, PenstockError
from penstock.naming import TableName
from penstock.signals import Signals
from penstock.state import DataFile, Head, State
from penstock.tables import Catalog
from penstock.tables.retention import Retention
from penstock.upkeep.alone import table_lease
from penstock.upkeep.compact import MAINTAINED, Compactor
from penstock.upkeep.plan import expired, groups_of
from penstock.upkeep.policy import Policy
from penstock.upkeep.sweep import Sweeper, Swept

log = logging.getLogger("penstock.upkeep")
ATTEMPTS = 20
ROUNDS = 3
"""How often files are looked for that can be joined: what was joined may be joined again, but writers add more."""
PAUSE_SECONDS = 60.0
"""How long a run leaves a table alone after its upkeep failed."""
POLL_SECONDS = 0.05
SLACK = 4
"""A run lets snapshots grow by one in so many over the most that are kept, so as not to expire at each commit."""


@dataclass
class Maintained:
    """What upkeep did to a table, or would do.

    Attributes:
        table: The table.
        files_before: Data files before.
        files_after: Data files after; where nothing is done, about.
        bytes_before: Their bytes.
        bytes_after: The same after; where nothing is done, as before.
        joined: Files that others took the place of.
        snapshots: Snapshots that expired.
        manifests: Manifests that were merged.
        swept: What became of files that nothing names.
        error: Why upkeep of the table ended early; what was done until then stays.
    """

    table: TableName
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    joined: int = 0
    snapshots: int = 0
    manifests: int = 0
    swept: Swept = field(default_factory=Swept)
    error: PenstockError | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """As `--json` shows it; these names are stable."""
        return {
            "table": str(self.table),
            "files_before": self.files_before,
            "files_after": self.files_after,
            "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after,
            "files_joined": self.joined,
            "snapshots_expired": self.snapshots,
            "manifests_merged": self.manifests,
            "orphans_removed": self.swept.removed,
            "bytes_freed": self.swept.bytes,
            "orphans_waiting": self.swept.waiting,
            "foreign_files": list(self.swept.foreign),
            "error": str(self.error) if self.error else None,
        }

    @property
    def did(self) -> bool:
        """Whether anything was done."""
        return bool(self.joined or self.snapshots or self.manifests or self.swept.removed)


@dataclass(frozen=True)
class Upkept:
    """What upkeep of a lake came to.

    Attributes:
        tables: By table.
        leftovers: Files and folders of dead processes that went, or would.
    """

    tables: tuple[Maintained, ...]
    leftovers: int

    @property
    def failed(self) -> list[Maintained]:
        """Tables whose upkeep ended early."""
        return [one for one in self.tables if one.error is not None]


class Maintainer:
    """Looks after the tables of one lake."""

    def __init__(
        self,
        catalog: Catalog,
        retention: Retention,
        state: State,
        sweeper: Sweeper,
        compactor: Callable[[], Compactor],
        clock: Clock,
        signals: Signals,
    ) -> None:
        """Take the parts; the compactor, whose engine costs time, is made when there is something to join."""
        self._catalog, self._retention, self._state = catalog, retention, state
        self._sweeper, self._compactor = sweeper, compactor
        self._clock, self._signals = clock, signals
        self._looked: dict[TableName, int] = {}
        self._failed: dict[TableName, float] = {}

    def maintain(self, table: TableName, policy: Policy, *, dry_run: bool = False) -> Maintained:
        """Do all there is to do for a table; waits while another process is at it."""
        done = Maintained(table)
        try:
            head = self._catalog.head(table)
            if head is None:
                return done
            done.files_before, done.bytes_before = len(head.files), head.bytes
            done.files_after, done.bytes_after = done.files_before, done.bytes_before
            self._sweeper.assert_newest(table)
            if dry_run:
                self._foresee(head, policy, done)
            else:
                with self._alone(table, wait=True):
                    self._work(table, policy, done)
        except Exception as error:  # noqa: BLE001 - whatever one table causes must not stop the others
            done.error = _told(table, error)
        if not dry_run:
            self._tell(done)
        return done

    def tend(self, table: TableName, policy: Policy) -> Maintained | None:
        """Do a little of what is due, after a commit; None when nothing is, or another process is at it.

        Whatever goes wrong is told, and harms nobody: the rows are in.
        """
        if not policy.automatic or self._clock.now() < self._failed.get(table, 0.0) + PAUSE_SECONDS:
            return None
        done = Maintained(table)
        try:
            head = self._catalog.head(table)
            if head is None or not self._is_due(head, policy):
                return None
            done.files_before, done.bytes_before = len(head.files), head.bytes
            with self._alone(table, wait=False) as free:
                if free:
                    self._tend(head, policy, done)
        except Exception as error:  # noqa: BLE001 - the rows are in, and upkeep can wait
            done.error = _told(table, error)
            self._failed[table] = self._clock.now()
        self._tell(done)
        return done

    def _is_due(self, head: Head, policy: Policy) -> bool:
        return bool(
            groups_of(head, policy, by_tiers=True)
            or self._may_expire(head, policy)
            or self._sweeper.is_due(head.table, policy)
        )

    def _may_expire(self, head: Head, policy: Policy) -> bool:
        """Whether enough commits were made since snapshots were counted; their number stands in the pointer's name."""
        return self._looked.get(head.table) != _version(head.pointer) // _step(policy)

    def _tend(self, head: Head, policy: Policy, done: Maintained) -> None:
        table = head.table
        self._sweeper.assert_newest(table)
        for group in groups_of(head, policy, by_tiers=True)[:1]:
            self._join(head, group, done)
        if self._may_expire(head, policy):
            self._expire(table, policy, done, least=_step(policy))
        if self._sweeper.is_due(table, policy):
            done.swept = self._sweeper.sweep(table, policy)
        self._measure(done)

    def _work(self, table: TableName, policy: Policy, done: Maintained) -> None:
        for _ in range(ROUNDS):
            head = self._catalog.head(table)
            groups = groups_of(head, policy, by_tiers=False) if head else []
            if head is None or not sum(
                [self._join(self._catalog.head(table) or head, group, done) for group in groups]
            ):
                break
        self._merge_manifests(table, done)
        self._expire(table, policy, done)
        done.swept = self._sweeper.sweep(table, policy)
        self._measure(done)

    def _foresee(self, head: Head, policy: Policy, done: Maintained) -> None:
        """Work out what would be done; what the first joining makes possible is left out."""
        groups = groups_of(head, policy, by_tiers=False)
        done.joined = sum(map(len, groups))
        done.files_after = done.files_before - done.joined + len(groups)
        done.bytes_after = done.bytes_before
        done.snapshots = len(expired(self._catalog.metadata(head.table) or {}, policy, self._clock.now()))
        small = self._retention.named(head.table).small_manifests
        done.manifests = small if small > 1 else 0
        done.swept = self._sweeper.sweep(head.table, policy, dry_run=True)

    def _join(self, head: Head, group: Sequence[DataFile], done: Maintained) -> bool:
        wanted = {file.path for file in group}
        files = [file for file in head.files if file.path in wanted]
        if len(files) < len(group):
            return False
        found = self._compactor().compact(head, files)
        self._state.leases.renew()
        if found is None:
            return False
        pack, count = found
        done.joined += count
        self._signals.announce("joined", table=str(head.table), files=count, rows=pack.rows, bytes=pack.bytes)
        return True

    def _merge_manifests(self, table: TableName, done: Maintained) -> None:
        small = self._retention.named(table).small_manifests
        if small > 1:
            self._try(table, lambda head: self._retention.merge_manifests(head, {MAINTAINED: "manifests"}))
            done.manifests = small

    def _expire(self, table: TableName, policy: Policy, done: Maintained, least: int = 1) -> None:
        """Let snapshots expire, if that are `least` at once."""
        gone = expired(self._catalog.metadata(table) or {}, policy, self._clock.now())
        if len(gone) >= least:
            self._try(table, lambda head: self._retention.expire(head, gone))
            done.snapshots = len(gone)
        pointer = self._catalog.pointer(table)
        if pointer is not None:
            self._looked[table] = _version(pointer) // _step(policy)

    def _try(self, table: TableName, change: Callable[[Head], Head]) -> None:
        """Change a table under its lease, so that its writers wait for a moment only."""
        for _ in range(ATTEMPTS):
            with table_lease(self._state, table, self._clock):
                head = self._catalog.head(table)
                if head is None:
                    return
                try:
                    change(head)
                except CommitConflictError:
                    continue
                return
        raise CommitConflictError(f"other writers were faster {ATTEMPTS} times in a row", where=str(table))

    def _measure(self, done: Maintained) -> None:
        head = self._catalog.head(done.table)
        if head is not None:
            done.files_after, done.bytes_after = len(head.files), head.bytes

    @contextmanager
    def _alone(self, table: TableName, *, wait: bool) -> Iterator[bool]:
        while (lease := self._state.leases.acquire(f"upkeep {table}")) is None and wait:
            self._clock.sleep(POLL_SECONDS)
        try:
            yield lease is not None
        finally:
            if lease is not None:
                self._state.leases.release(lease)

    def _tell(self, done: Maintained) -> None:
        if done.error is not None:
            self._signals.announce("upkeep_failed", table=str(done.table), reason=str(done.error))
        if done.did:
            self._signals.announce("maintained", **done.facts)


def _told(table: TableName, error: Exception) -> PenstockError:
    """What went wrong, as an error of ours; what nobody foresaw goes to the log with its traceback."""
    if isinstance(error, PenstockError):
        return error
    log.error("upkeep of %s failed", table, exc_info=error)
    return PenstockError(f"{type(error).__name__}: {error}", where=str(table))


def _version(pointer: str) -> int:
    """How many times a table's metadata was written, from its name."""
    number = Path(pointer).name.partition("-")[0]
    return int(number) if number.isdigit() else 0


def _step(policy: Policy) -> int:
    """How many commits come between two looks of a run at the snapshots."""
    return max(1, policy.max_snapshots // SLACK)
