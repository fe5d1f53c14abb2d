"""A lake: one folder, opened. This module only wires the parts; the work is theirs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from penstock.clock import Clock, SystemClock
from penstock.declaration import Declaration, Table, examine, load, read_text
from penstock.errors import DeclarationError
from penstock.naming import TableName
from penstock.queries import Asker, Result
from penstock.runs import Journal
from penstock.signals import Signals
from penstock.state import SqliteState
from penstock.storage import LocalZone
from penstock.tables import LocalCatalog

if TYPE_CHECKING:
    from penstock.arrivals import Discovery, Summary, Worker

STATE_FOLDER = ".penstock"
JOURNAL_EVENTS = ("finished", "dead", "failed")


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
        self.declaration: Declaration = load(self.folder)
        self.clock = clock or SystemClock()
        self.signals = Signals()
        self._workers: list[Worker] = []
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

        return discover(self.raw, self.declared, self.state)

    def worker(self, threads: int | None = None) -> Worker:
        """Make a worker that processes what waits; it is closed with the lake.

        Raises:
            DeclarationError: An expression of the declaration is not sound.
        """
        from penstock.arrivals import Worker
        from penstock.engines import DuckDBEngine

        self._assert_expressions_sound()
        private = self.folder / STATE_FOLDER
        worker = Worker(
            raw=self.raw,
            processed=self.processed,
            engine=DuckDBEngine(private / "spill" / f"{os.getpid()}-{len(self._workers)}", threads=threads),
            state=self.state,
            catalog=self.catalog,
            clock=self.clock,
            signals=self.signals,
            tags=self.declaration.tags,
            links=private / "links",
        )
        self._workers.append(worker)
        return worker

    def _assert_expressions_sound(self) -> None:
        from penstock.steps import problems_of

        examined = examine(read_text(self.folder))
        problems = problems_of(examined.document, examined.text)
        if problems:
            raise DeclarationError(problems)

    def run(self, reprocess: Iterable[str] = ()) -> Summary:
        """Process every file that is new in `raw/`, once, and return where the rows went.

        Files that cannot become rows end in the summary's `dead`; they stop nothing else.

        Args:
            reprocess: Names of tables whose files are all processed again, for example after their steps changed.
        """
        self.discover()
        worker = self.worker()
        for name in reprocess:
            worker.reprocess(TableName.parse(name))
        return worker.drain(self.declared)

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
