"""Sweeping: the orphans of a table are found, wait for their time, and go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.clock import Clock, iso
from penstock.errors import CommitConflictError
from penstock.naming import TableName
from penstock.state import State
from penstock.storage import Notes, Zone
from penstock.tables import Catalog
from penstock.tables.retention import Retention
from penstock.upkeep.alone import table_lease
from penstock.upkeep.orphans import Found, Ledger, folder_of, newer_than, old_catalog
from penstock.upkeep.policy import Policy

ATTEMPTS = 20
AT_ONCE = 200
"""Files that are removed before writers have their turn again."""
MARK = "penstock.swept"
"""Property that moves the table's pointer: when files were removed last."""
OFTEN = 8
"""How many times within the safety age a run looks for orphans."""


@dataclass(frozen=True)
class Swept:
    """What there was in a table's folder.

    Attributes:
        removed: Files that went, or would.
        bytes: Their size.
        waiting: Files that nothing names, whose time has not come.
        foreign: Files, by path below the table's folder, that nothing names and that are not Penstock's; they stay.
    """

    removed: int = 0
    bytes: int = 0
    waiting: int = 0
    foreign: tuple[str, ...] = ()


class Sweeper:
    """Removes orphans from the folders of one lake's tables."""

    def __init__(
        self,
        processed: Zone,
        notes: Notes,
        catalog: Catalog,
        retention: Retention,
        state: State,
        clock: Clock,
    ) -> None:
        """Look in the zone `processed`; keep in `notes` when files were first seen unnamed."""
        self._zone, self._notes = processed, notes
        self._catalog, self._retention, self._state = catalog, retention, state
        self._clock = clock
        self._swept: dict[TableName, float] = {}

    def is_due(self, table: TableName, policy: Policy) -> bool:
        """Whether a run is to look again."""
        now, rest = self._clock.now(), policy.orphan_seconds / OFTEN
        swept = self._swept.get(table)
        if swept is None or not swept <= now < swept + rest:
            swept = self._swept[table] = self._ledger(table).swept
        return not swept <= now < swept + rest

    def assert_newest(self, table: TableName) -> None:
        """Make sure that the catalog is not older than the table's folder.

        Metadata that is newer by one is of a commit at work, or of one that was killed. What was found newer once stays
        so, however many commits the old catalog sees: it has to be brought back, or taken away.

        Raises:
            OldCatalogError: It is older.
        """
        files = self._files(table, "metadata")
        metadata, pointer = self._catalog.metadata(table), self._catalog.pointer(table)
        if metadata is None or pointer is None:
            return
        ledger = self._ledger(table)
        named = {Path(entry["metadata-file"]).name for entry in metadata.get("metadata-log", [])}
        kept = ledger.newer not in {*named, Path(pointer).name} and any(file.name == ledger.newer for file in files)
        newer = newer_than(pointer, files, 1) or (ledger.newer if kept else "")
        if newer != ledger.newer:
            ledger.newer = newer
            self._keep(table, ledger)
        if newer:
            raise old_catalog(table, pointer, newer)

    def sweep(self, table: TableName, policy: Policy, *, dry_run: bool = False) -> Swept:
        """Find the orphans of a table, and remove those whose time has come.

        Raises:
            OldCatalogError: The catalog is older than the table's folder; nothing was removed.
            IntegrityError: What is named cannot be told; nothing was removed.
        """
        files = self._files(table)  # before what is named: what is committed meanwhile is named
        named = self._retention.named(table).names
        unnamed = [file for file in files if file.name not in named]
        orphans = [file for file in unnamed if file.is_own]
        ledger, now = self._ledger(table), self._clock.now()
        ledger.note(orphans, now)
        due = ledger.due(orphans, now, policy.orphan_seconds)
        if not dry_run:
            self._keep(table, ledger)
            due = self._remove(table, due)
        foreign = tuple(file.key for file in unnamed if not file.is_own)
        return Swept(len(due), sum(file.bytes for file in due), len(orphans) - len(due), foreign)

    def _remove(self, table: TableName, due: Sequence[Found]) -> list[Found]:
        """Remove files that are due, a few at a time; gives those that went."""
        gone: list[Found] = []
        for at in range(0, len(due), AT_ONCE):
            with table_lease(self._state, table, self._clock):
                named = self._closed(table, due)
                some = [file for file in due[at : at + AT_ONCE] if file.name not in named]
                self._unlink(table, some)
            gone += some
        return gone

    def _closed(self, table: TableName, due: Iterable[Found]) -> frozenset[str]:
        """What is named now that no commit can land that was worked out before."""
        for _ in range(ATTEMPTS):
            head = self._catalog.head(table)
            if head is None:
                break
            left = {one.name for one in due}  # by a commit that was killed just before it counted
            others = [file for file in self._files(table, "metadata") if file.name not in left]
            if newer := newer_than(head.pointer, others, 0):
                raise old_catalog(table, head.pointer, newer)
            try:
                self._retention.mark(head, MARK, iso(self._clock.now()))
            except CommitConflictError:
                continue
            return self._retention.named(table).names
        raise CommitConflictError(f"other writers committed first {ATTEMPTS} times in a row", where=str(table))

    def _unlink(self, table: TableName, files: Sequence[Found]) -> None:
        paths = [str(self._zone.root / folder_of(table) / file.key) for file in files]
        self._zone.discard(paths)
        if self._zone.seals is not None:
            self._zone.seals.forget(paths)

    def _files(self, table: TableName, folder: str = "") -> list[Found]:
        """Every file in a table's folder, or in a folder of it."""
        top = folder_of(table)
        return [
            Found(version.key[len(top) + 1 :], version.size, version.modified_ns / 1e9)
            for version in self._zone.everything(f"{top}/{folder}".rstrip("/"))
        ]

    def _ledger(self, table: TableName) -> Ledger:
        return Ledger.read(self._notes.read(_name(table)))

    def _keep(self, table: TableName, ledger: Ledger) -> None:
        self._notes.write(_name(table), ledger.written())


def _name(table: TableName) -> str:
    """What the note is called that says when files of a table were first seen unnamed."""
    return f"{table.layer}.{table.name}.json"
