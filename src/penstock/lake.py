"""A lake: one folder, opened. This module only wires the parts; the work is theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import Problem
from penstock.naming import TableName
from penstock.opened import Opened
from penstock.state.events import forget_old

if TYPE_CHECKING:
    from penstock.access import Grant
    from penstock.alarms import Alarms
    from penstock.arrivals import Discovery, Readmission, Summary, Worker
    from penstock.arrivals.dead import Letters
    from penstock.engines import Engine
    from penstock.notices import Notifier
    from penstock.quality.retention import Purged
    from penstock.queries import Result
    from penstock.queries.aws import Answer
    from penstock.queries.saved import Saved, SavedQueries
    from penstock.upkeep.deeds import Repaired
    from penstock.upkeep.findings import Report
    from penstock.upkeep.maintain import Maintained, Upkept
    from penstock.workflow import Workflows


class Lake(Opened):
    """A data lake, opened: everything that can be done with it, by name.

    Use it as a context manager, or call `close()` when done.
    """

    def query(self, sql: str, at: str | None = None, role: str | None = None) -> Result:
        """Ask in SQL (DuckDB's dialect) over tables and `penstock.*`; read-only.

        Args:
            sql: One statement.
            at: The moment as of which tables are read: a snapshot's id, a tag, a time in ISO 8601; now, when left out.
            role: For whom it is asked, who may ask what `access` grants the role; anything, when left out.

        Raises:
            AccessError: The role may not ask this, or is not declared; nothing is read.
            IntegrityError: A file of a table is missing, or not as it was written; nothing is served.
            SnapshotError: Nothing is called `at`, or a table did not exist then.
            QueryError: The statement is not valid, would change something, or names what is not there.
        """
        from penstock.wiring.asking import ask

        return ask(self, sql, at, role)

    def query_athena(
        self, sql: str, role: str | None = None, progress: Callable[[str], object] | None = None
    ) -> Answer:
        """Ask Athena in SQL (DuckDB's dialect) over the tables of a deployed lake; what it read is in `result.told`.

        Args:
            sql: One statement.
            role: For whom it is asked, in the role's workgroup; the operator's, when left out.
            progress: Is told the state that the query is in.

        Raises:
            AccessError: The role may not ask this, or is not declared; nothing is read.
            QueryError: The statement is not valid, has no known equal in Athena's dialect, or failed there.
            AwsError: The lake is not a deployed one, or AWS could not be asked.
        """
        from penstock.wiring.asking import ask_athena

        return ask_athena(self, sql, role, progress)

    def save(self, name: str, engine: str | None = None, progress: Callable[[str], object] | None = None) -> Saved:
        """Ask a saved query, and keep its rows as `NAME/NAME.parquet` in the zone enriched, in place of those before.

        Args:
            name: The query's name below `queries`.
            engine: Who answers, `duckdb` or `athena`; Athena for a deployed lake, when left out.
            progress: As for `query_athena`.

        Raises:
            QueryError: It is not declared, or failed; the rows from before stay.
        """
        from penstock.wiring.asking import save

        return save(self, name, engine, progress)

    def saved(self) -> SavedQueries:
        """The saved queries, and what each of them found last."""
        from penstock.wiring.asking import saved_queries

        return saved_queries(self)

    def grant(self, role: str) -> Grant:
        """What a role may query; raises AccessError where no role of that name is declared."""
        from penstock.wiring.asking import grant_of

        return grant_of(self, role)

    def alarms(self) -> Alarms:
        """What watches over the lake: how each alarm stands, and a look at all of them."""
        return self._alarms

    def round_off(self) -> None:
        """Look at the alarms, tell people what happened, and forget old events, as a process does that was not up."""
        self.alarms().attend()
        self.notifier().finish()
        forget_old(self.state.events, self.clock.now())

    @cached_property
    def _alarms(self) -> Alarms:
        from penstock.alarms import Alarms, Measurer, watches

        watched = watches(self.declaration.alarms, self.declared)
        return Alarms(self.state, watched, Measurer(self.state.figures, self.room), self.clock)

    def notifier(self) -> Notifier:
        """What tells people what happened; it is closed with the lake."""
        return self._notifier

    @cached_property
    def _notifier(self) -> Notifier:
        from penstock.notices import notifier_of

        place = self.folder, self.work
        notifier = notifier_of(self.declaration, place, self.state, self.clock, self.signals, self.site.deployed)
        self.closing(notifier)
        return notifier

    @cached_property
    def dead(self) -> Letters:
        """The dead letters: to look at, to replay, to discard."""
        from penstock.arrivals.dead import Letters

        return Letters(self.raw, self.state, self.declared, self.signals)

    def workflows(self) -> Workflows:
        """What runs on schedules, after events and by hand; what is going is stopped when the lake is closed."""
        return self._workflows

    @cached_property
    def _workflows(self) -> Workflows:
        from penstock.wiring.hands import LakeHands
        from penstock.workflow import workflows_of

        made = workflows_of(
            self.declaration,
            self.folder,
            lambda: LakeHands(Opened(self.folder, self.clock, self.text)),
            state=self.state,
            clock=self.clock,
            signals=self.signals,
        )
        self.closing(made)
        return made

    def discover(self) -> Discovery:
        """Record every file version in `raw/` that is new."""
        from penstock.wiring.workers import discover

        return discover(self)

    def worker(
        self,
        threads: int | None = None,
        *,
        share: int = 1,
        committed: Callable[[TableName], object] | None = None,
        claimed: Callable[[], object] | None = None,
    ) -> Worker:
        """Make a worker that processes what waits; it is closed with the lake.

        Args:
            threads: How many threads its engine uses; as many as there are processors, when left out.
            share: How many workers share the memory.
            committed: Hears of a table that was written to; the worker looks after it itself, when left out.
            claimed: Hears that files were taken while others may be left; given while the lake is up.

        Raises:
            DeclarationError: An expression of the declaration is not sound.
        """
        from penstock.wiring.workers import worker

        return worker(self, threads, share=share, committed=committed, claimed=claimed)

    def tender(self, engine: Callable[[], Engine] | None = None) -> Callable[[TableName], Maintained | None]:
        """What does a little upkeep of a table that was written to, where any is due; with an engine of its own."""
        from penstock.wiring.upkeep import tender

        return tender(self, engine)

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
        from penstock.wiring.workers import readmit

        return readmit(self, table, Path(corrections), dry_run=dry_run)

    def purge(self, tables: Iterable[TableName]) -> dict[TableName, list[Purged]]:
        """Remove rows that have been in quarantine for longer than their table declares; `run` does so at its end."""
        from penstock.wiring.workers import purge

        return purge(self, tables)

    def assert_columns(self, tables: Iterable[TableName]) -> None:
        """Make sure, before anything runs, that the columns which steps and checks name can be there.

        Raises:
            DeclarationError: A name is in none of the table's known columns and in no file that waits.
        """
        from penstock.wiring.soundness import assert_columns

        assert_columns(self, tables)

    def problems_with(self, text: bytes) -> list[Problem]:
        """What keeps the lake from going on as `text` declares it, as far as it is known before anything runs."""
        from penstock.wiring.soundness import problems_with

        return problems_with(self, text)

    def verify(self, tables: Iterable[str] = (), *, quick: bool = False, raw: bool = False) -> Report:
        """Check everything that can be checked, and change nothing.

        Args:
            tables: Names of tables to look at; all when left out.
            quick: Whether files that show no change are not read.
            raw: Whether files in `raw/` are compared with what was read of them, too.
        """
        from penstock.wiring.integrity import verify

        return verify(self, tables, quick=quick, raw=raw)

    def repair(self, *, dry_run: bool = False) -> Repaired:
        """Rebuild the state store from the tables, and mend what can be mended; nobody else may be at work.

        Args:
            dry_run: Whether only to say what would be done.

        Raises:
            StateError: Workers are running.
        """
        from penstock.wiring.integrity import repair

        self.close()
        for part in ("state", "catalog", "history"):  # they are opened anew, once they were mended
            self.__dict__.pop(part, None)
        return repair(self, dry_run=dry_run)

    def maintain(self, tables: Iterable[str] = (), *, dry_run: bool = False) -> Upkept:
        """Join small data files, let old snapshots expire, and remove files that nothing names any more.

        Others may read and write meanwhile. What goes wrong with one table stands in its result, and stops no other.

        Args:
            tables: Names of tables; all when left out.
            dry_run: Whether only to say what would be done.
        """
        from penstock.wiring.upkeep import maintain

        return maintain(self, tables, dry_run=dry_run)

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


def open_lake(path: str | Path = ".") -> Lake:
    """Open the lake in the folder `path`; `penstock.open` is this function."""
    return Lake(Path(path))
