"""`penstock repair`: the state store is rebuilt from the tables, and what can be mended is mended.

The tables are the truth. A damaged store is moved aside, never deleted; what can be read of it is taken over. Then the
store is brought in line with what the tables hold, damaged data files are written anew by the next run where their raw
files are there, and what dead workers left is removed. Doing it twice changes nothing more.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from penstock.clock import Clock, iso
from penstock.declaration import Table
from penstock.errors import DamagedStateError, PenstockError, StateError
from penstock.naming import TableName
from penstock.signals import Signals
from penstock.state import Accounting, Heads, Run, SqliteState
from penstock.state.processes import is_alive
from penstock.storage import LocalZone, Seals
from penstock.storage.seals import mark_of
from penstock.tables import IcebergCatalog
from penstock.upkeep.deeds import Deed, Repaired
from penstock.upkeep.files import Files
from penstock.upkeep.findings import RESTORE, Report
from penstock.upkeep.reading import reads_well
from penstock.upkeep.reconcile import Reconciler, runs_of
from penstock.upkeep.sources import Event, Sources, account_in

STORE = ("state.db", "state.db-wal", "state.db-shm", "state.db.mark")
DAMAGED = "damaged"
STAMP = "%Y%m%dT%H%M%S"


@dataclass(frozen=True)
class Workplace:
    """What a repair works on.

    Attributes:
        folder: The lake's `.penstock/`.
        raw: The files as delivered.
        processed: Where tables stand.
        catalog: Gives the tables, with a cache of heads.
        declared: What is declared of tables.
        events: The log, oldest first.
        clock: The time.
        signals: Told of deeds and of files that are looked at.
    """

    folder: Path
    raw: LocalZone
    processed: LocalZone
    catalog: Callable[[Heads | None], IcebergCatalog]
    declared: Mapping[TableName, Table]
    events: Iterable[Event]
    clock: Clock
    signals: Signals


class Repairer:
    """Mends a lake on which nobody works."""

    def __init__(self, place: Workplace, *, dry_run: bool = False) -> None:
        """Work on `place`; in a dry run, on a copy of its state store."""
        self._place, self._dry = place, dry_run
        self.done = Repaired(self._tell, dry_run)
        self._seals: Seals = place.catalog(None).seals

    def repair(self) -> Repaired:
        """Mend everything that can be mended.

        Raises:
            StateError: Workers are running, or the state store was written by a newer version.
        """
        self._assert_alone()
        self._mend_seals()
        with tempfile.TemporaryDirectory() as copy:
            folder = self._copied(Path(copy)) if self._dry else self._place.folder
            state = self._open(folder)
            try:
                self._reconcile(state)
                self._rewrite_history(state)
                self._free(state)
            finally:
                state.close()
        self._clear()
        return self.done

    def _tell(self, deed: Deed) -> None:
        self._place.signals.announce("repaired", kind=deed.kind, table=deed.where, what=deed.what)

    def _assert_alone(self) -> None:
        """Refuse to work while others do; whoever is dead has let go of its lock."""
        running = [path.name for path in self._workers() if is_alive(path)]
        if running:
            count = len(running)
            raise StateError(
                f"{count} {'worker is' if count == 1 else 'workers are'} at work (process {', '.join(_pids(running))})",
                where=str(self._place.folder / "workers"),
                hint="let them end, or stop them, and repair then",
            )

    def _workers(self) -> list[Path]:
        folder = self._place.folder / "workers"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def _aside(self, files: Iterable[Path]) -> Path:
        """Move files out of the way; gives the folder that holds them now."""
        stamp = iso(self._place.clock.now()).replace(":", "").replace("-", "")
        folder = self._place.folder / DAMAGED / stamp
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            if file.exists():
                file.rename(folder / file.name)
        return folder

    def _mend_seals(self) -> None:
        """Move damaged seals aside and seal anew what reads well; drop seals of files that are gone."""
        file = self._seals.file
        try:
            damaged = self._seals.check()
            below = self._seals.below(str(self._place.processed.root))
        except PenstockError as error:
            damaged, below = [error.what], []
        if damaged:
            self._seals.close()
            names = [file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")]
            what = f"damaged ({damaged[0]}): moved to {DAMAGED}/, made anew"
            self.done.do("seals", file, what, partial(self._aside, names))
            return
        if gone := [seal.path for seal in below if mark_of(seal.path) is None and "/metadata/" not in seal.path]:
            self.done.do(
                "seals", file, f"{len(gone)} seals of files that are gone dropped", partial(self._seals.forget, gone)
            )
        for seal in below:
            if seal.mark is None and mark_of(seal.path) is not None:
                self._seal_anew(seal.path)

    def _seal_anew(self, path: str) -> None:
        if reads_well(path):
            self.done.do(
                "seals",
                path,
                "its seal was damaged; it reads well and was sealed anew",
                partial(self._seals.seal_anew, [path]),
            )
        else:
            self.done.leave("damaged", path, "its seal is damaged, and it does not read well", RESTORE)

    def _copied(self, into: Path) -> Path:
        for name in STORE:
            if (self._place.folder / name).exists():
                shutil.copy2(self._place.folder / name, into / name)
        return into

    def _open(self, folder: Path) -> SqliteState:
        """Open the store; one that is damaged is moved aside, and what can be read of it is taken over."""
        file = folder / STORE[0]
        new = not file.exists()
        try:
            state = SqliteState(folder, self._place.clock)
        except DamagedStateError as error:
            return self._made_anew(folder, error.what)
        if new:
            self.done.did("state", self._place.folder / STORE[0], "was missing: made anew from the tables")
            return state
        state.heads.forget()
        faults = state.faults()
        if faults:
            state.close()
            return self._made_anew(folder, faults[0])
        return state

    def _made_anew(self, folder: Path, fault: str) -> SqliteState:
        if self._dry:
            aside = folder / DAMAGED
            aside.mkdir()
            for name in STORE:
                if (folder / name).exists():
                    (folder / name).rename(aside / name)
        else:
            aside = self._aside(folder / name for name in STORE)
        self.done.did("state", self._place.folder / STORE[0], f"damaged ({fault}): moved to {DAMAGED}/, made anew")
        state = SqliteState(folder, self._place.clock)
        taken = state.take_over(aside / STORE[0])
        if any(taken.values()):
            listed = ", ".join(f"{count} {table}" for table, count in taken.items() if count)
            self.done.did("state", self._place.folder / STORE[0], f"taken over from the damaged one: {listed}")
        return state

    def _reconcile(self, state: SqliteState) -> None:
        """Bring the store in line with every table that can be read."""
        place, report = self._place, Report()
        catalog = place.catalog(None if self._dry else state.heads)
        files = Files.of(self._seals, place.processed.root, report, place.signals, quick=False)
        sources = Sources(place.raw, place.processed, place.events)
        reconciler = Reconciler(state, sources, files, place.clock, self.done)
        for name in catalog.tables():
            try:
                head = catalog.head(name)
            except PenstockError as error:
                self.done.leave("metadata", name, error.what, f"{RESTORE}, with the rest of the processed zone")
                continue
            if head is not None:
                reconciler.reconcile(name, place.declared.get(name), head)

    def _rewrite_history(self, state: SqliteState) -> None:
        """Record runs again that the log speaks of and the store does not know."""
        known = {run.run for run in state.runs.list(limit=1_000_000_000)}
        lost = [(run, events) for run, events in runs_of(self._place.events) if run not in known]
        for run, events in lost:
            if (found := _run(run, events)) is not None:
                state.runs.add(found)
        if lost:
            self.done.did("runs", self._place.folder / STORE[0], f"{len(lost)} runs recorded again from the log")
        tables = self._place.catalog(None).tables()
        if not known and not lost and tables:
            self.done.notes.append("the history of runs is lost: neither the store nor the log has it")

    def _free(self, state: SqliteState) -> None:
        freed = state.arrivals.free()
        if freed:
            self.done.did("workers", self._place.folder, f"{freed} files that dead workers held wait again")

    def _clear(self) -> None:
        """Remove what dead workers left."""
        if dead := [path for path in self._workers() if not is_alive(path)]:
            what = f"traces of {len(dead)} dead workers removed"
            self.done.do("workers", self._place.folder / "workers", what, partial(_remove, dead))
        for name in ("scratch", "spill"):
            folder = self._place.folder / name
            if left := sorted(folder.iterdir()) if folder.is_dir() else []:
                what = f"{len(left)} left by dead workers removed"
                self.done.do("leftovers", folder, what, partial(_remove, left))


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _pids(workers: Iterable[str]) -> list[str]:
    return sorted({worker.partition("-")[0] for worker in workers})


def _run(run: str, events: list[Event]) -> Run | None:
    """What the log says of a run; None where it does not say enough."""
    taken = [event for event in events if event.get("event") in {"finished", "dead"}]
    try:
        started = datetime.strptime(f"{run.partition('-')[0]}+0000", f"{STAMP}%z").timestamp()
    except ValueError:
        return None
    if not taken:
        return None
    failed = next((event for event in taken if event["event"] == "dead"), None)
    total = sum((account_in(event) for event in taken), Accounting())
    return Run(
        run=run,
        table=TableName.parse(str(taken[0]["table"])),
        state="failed" if failed else "finished" if total.rows_out else "empty",
        accounting=total,
        started=started,
        duration_ms=0,
        arrivals=[str(event["file"]) for event in taken],
        error=str(failed["reason"]) if failed else None,
    )
