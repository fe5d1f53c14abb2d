"""A lake: one folder, opened. This module only wires the parts; the work is theirs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from penstock.clock import Clock, SystemClock
from penstock.declaration import Declaration, Examined, Table, examine, read_text
from penstock.errors import DeclarationError, Problem, TableNotFoundError
from penstock.naming import TableName, did_you_mean
from penstock.queries import Asker, Result
from penstock.runs import Journal
from penstock.signals import Signals
from penstock.state import Head, SqliteState
from penstock.storage import LocalZone
from penstock.tables import LocalCatalog

if TYPE_CHECKING:
    from penstock.arrivals import Discovery, Previewer, Readmission, Readmitter, Summary, Worker, Workshop
    from penstock.quality.retention import Purged

STATE_FOLDER = ".penstock"
JOURNAL_EVENTS = ("finished", "dead", "failed", "readmitted", "purged")


class Lake:
    """A data lake on this machine.

    Use it as a context manager, or call `close()` when done.
    """

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        """Open the lake in `folder`.

        Raises:
            LakeNotFoundError: There is no `lake.yaml`.
            DeclarationError: `lake.yaml` has problems; all are named.
            StateError: The state store cannot be used.
        """
        self.folder = folder.absolute()
        self._examined = examine(read_text(self.folder))
        if self._examined.problems or self._examined.declaration is None:
            raise DeclarationError(self._examined.problems)
        self.declaration: Declaration = self._examined.declaration
        self.clock = clock or SystemClock()
        self.signals = Signals()
        self._workers: list[Worker | Readmitter] = []
        zones = self.declaration.zones
        self.raw = LocalZone(self.folder / zones.raw)
        self.processed = LocalZone(self.folder / zones.processed)
        self.enriched = LocalZone(self.folder / zones.enriched)
        self.journal = Journal(self.folder / STATE_FOLDER / "logs", self.clock)
        for event in JOURNAL_EVENTS:
            self.signals.listen(event, self.journal.write)

    @cached_property
    def state(self) -> SqliteState:
        """The state store."""
        return SqliteState(self.folder / STATE_FOLDER, self.clock)

    @cached_property
    def catalog(self) -> LocalCatalog:
        """The catalog."""
        return LocalCatalog(self.processed.root, self.state.heads)

    @property
    def declared(self) -> Mapping[TableName, Table]:
        """Declared tables by name."""
        return {TableName.parse(name): table for name, table in self.declaration.tables.items()}

    @property
    def tables(self) -> list[str]:
        """Names of the tables that exist."""
        return [str(name) for name in self.catalog.tables()]

    def query(self, sql: str) -> Result:
        """Ask in SQL (DuckDB's dialect) over tables and `penstock.*`; read-only.

        Raises:
            QueryError: The statement is not valid, would change something, or names what is not there.
        """
        folders = [self.raw.root, self.processed.root, self.enriched.root]
        return Asker(self.catalog, self.state, self.processed, folders).ask(sql)

    def discover(self) -> Discovery:
        """Record every file version in `raw/` that is new."""
        from penstock.arrivals import discover

        return discover(self.raw, self.declared, self.state, self.folder)

    def worker(self, threads: int | None = None) -> Worker:
        """Make a worker that processes what waits; it is closed with the lake.

        Raises:
            DeclarationError: An expression of the declaration is not sound.
        """
        from penstock.arrivals import Worker

        worker = Worker(
            self._workshop(threads),
            state=self.state,
            catalog=self.catalog,
            signals=self.signals,
            tags=self.declaration.tags,
        )
        self._workers.append(worker)
        return worker

    def readmit(self, table: str, corrections: str | Path, *, dry_run: bool = False) -> Readmission:
        """Bring corrected rows of the quarantine back into a table, each once.

        Args:
            table: The table's name.
            corrections: A file like those of `penstock quarantine export`: CSV, JSON or Parquet.
            dry_run: Whether only to say what would come of it.

        Raises:
            QuarantineError: The file cannot be read, or is not about the table.
            TableNotFoundError: The table is not declared.
        """
        from penstock.arrivals import Readmitter

        name = TableName.parse(table)
        if name not in self.declared:
            hint = f"declared: {', '.join(map(str, self.declared)) or 'none'}"
            near = did_you_mean(table, map(str, self.declared))
            raise TableNotFoundError(f'no table "{table}" is declared{near}', hint=hint)
        readmitter = Readmitter(
            self._workshop(),
            state=self.state,
            catalog=self.catalog,
            signals=self.signals,
            tags=self.declaration.tags,
        )
        self._workers.append(readmitter)
        return readmitter.readmit(name, self.declared[name], Path(corrections), dry_run=dry_run)

    def purge(self, tables: Iterable[TableName]) -> dict[TableName, list[Purged]]:
        """Remove rows that have been in quarantine for longer than their table declares; `run` does so at its end."""
        from penstock.arrivals import Keeper

        keeper = Keeper(self.processed, self.state, self.catalog, self.clock, self.signals)
        return {name: keeper.purge(name, self.declared[name], wait=True) for name in tables}

    def _workshop(self, threads: int | None = None) -> Workshop:
        from penstock.arrivals import Bench, Workshop
        from penstock.engines import DuckDBEngine
        from penstock.steps import problems_of

        self._assert_sound(problems_of(self._examined.document, self._examined.text))
        private = self.folder / STATE_FOLDER
        engine = DuckDBEngine(private / "spill" / f"{os.getpid()}-{len(self._workers)}", threads=threads)
        return Workshop(self.raw, self.processed, Bench(engine, self.clock, self.folder), private / "scratch")

    def assert_columns(self, tables: Iterable[TableName]) -> None:
        """Make sure, before anything runs, that the columns which steps and checks name can be there.

        Raises:
            DeclarationError: A name is in none of the table's known columns and in no file that waits.
        """
        from penstock.arrivals import Previewer

        previewer = Previewer(self.catalog, self.raw, self.declaration.tables)
        found = []
        for name in tables:
            waiting = [arrival.key for arrival in self.state.arrivals.find(name, ("pending",))]
            text = next(text for text in self.declaration.tables if TableName.parse(text) == name)
            found += previewer.problems_for(self._examined, text, waiting)
        self._assert_sound(found)

    def _assert_sound(self, problems: list[Problem]) -> None:
        if problems:
            raise DeclarationError(problems)

    def run(self, reprocess: Iterable[str] = ()) -> Summary:
        """Process every file that is new in `raw/`, once, and return where the rows went.

        Files that cannot become rows end in the summary's `dead`; they stop nothing else.

        Args:
            reprocess: Names of tables whose files are all processed again, for example after their steps changed.

        Raises:
            DeclarationError: An expression is not sound, or names a column that can nowhere be.
        """
        found = self.discover()
        self.assert_columns(self.declared)
        worker = self.worker()
        for name in reprocess:
            worker.reprocess(TableName.parse(name))
        summary = worker.drain(self.declared)
        summary.notes[:0] = found.unseen.items()
        return summary

    def close(self) -> None:
        """Let go of files and of all work held; once is enough, twice does no harm."""
        while self._workers:
            self._workers.pop().close()
        if "state" in self.__dict__:
            self.state.close()

    def __enter__(self) -> Self:
        """Use the lake in a `with` block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close it at the end of the block."""
        self.close()

    def __repr__(self) -> str:
        """Name and folder."""
        return f"<Lake {self.declaration.lake} in {self.folder}>"


def open_lake(path: str | Path = ".") -> Lake:
    """Open the lake in the folder `path`; `penstock.open` is this function."""
    return Lake(Path(path))


def preview_columns(folder: Path, examined: Examined) -> Previewer:
    """Look at the lake in `folder` without opening it: nothing is made, and its declaration may have problems."""
    from penstock.arrivals import Previewer

    catalog = LocalCatalog(folder / examined.zones.processed, NoHeads())
    return Previewer(catalog, LocalZone(folder / examined.zones.raw), examined.tables)


class NoHeads:
    """A cache of heads that keeps nothing."""

    def get(self, _table: TableName, _pointer: str) -> Head | None:
        """Nothing is kept."""
        return None

    def put(self, _head: Head) -> None:
        """Nothing is kept."""
