"""A lake: one folder, opened. This module only wires the parts; the work is theirs."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from penstock.errors import AwsError, DeclarationError, Problem, StepFailedError, TableNotFoundError
from penstock.naming import TableName, did_you_mean
from penstock.opened import Opened
from penstock.state import NoHeads
from penstock.state.events import forget_old
from penstock.storage import LocalZone, Seals
from penstock.tables import LocalCatalog

if TYPE_CHECKING:
    from penstock.access import Grant
    from penstock.alarms import Alarms
    from penstock.arrivals import Discovery, Previewer, Readmission, Summary, Worker, Workshop
    from penstock.arrivals.dead import Letters
    from penstock.declaration import Examined
    from penstock.engines import DuckDBEngine, Engine
    from penstock.notices import Notifier
    from penstock.quality.retention import Purged
    from penstock.queries import Result
    from penstock.queries.aws import Answer
    from penstock.upkeep.deeds import Repaired
    from penstock.upkeep.findings import Report
    from penstock.upkeep.maintain import Maintained, Maintainer, Upkept
    from penstock.upkeep.policy import Policy
    from penstock.workflow import Stoppable, Workflows


class Lake(Opened):
    """A data lake on this machine.

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
        from penstock.queries import Asker

        folders = [self.raw.root, self.processed.root, self.enriched.root]
        grant = None if role is None else self.grant(role)
        if grant is not None:
            grant.assert_allows(sql)
        asker = Asker(self.catalog, self.state, self.processed, folders, self.history)
        return asker.ask(sql, at, grant.tables if grant else None)

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
        from penstock.queries.athena import tables_of
        from penstock.queries.aws import AthenaAsker

        if self.site.deployed is None:
            raise AwsError("Athena knows deployed lakes only", where=self.name)
        if role is not None:
            self.grant(role).assert_allows(sql)
        named, there = tables_of(sql), self.catalog.tables()
        heads = {name: self.catalog.head(name) if name in named else None for name in there}
        schema = {name: head.columns if head else () for name, head in heads.items()}
        return AthenaAsker(self.site.deployed, schema, self.clock).ask(sql, role, progress)

    def grant(self, role: str) -> Grant:
        """What a role may query.

        Raises:
            AccessError: No role of that name is declared.
        """
        from penstock.access import grant_of

        return grant_of(self.declaration.access, role, {*self.declared, *self.catalog.tables()})

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
        self._closing.append(notifier)
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
        from penstock.workflow import workflows_of

        made = workflows_of(
            self.declaration,
            self.folder,
            lambda: _Hands(Lake(self.folder, self.clock, self.text)),
            state=self.state,
            clock=self.clock,
            signals=self.signals,
        )
        self._closing.append(made)
        return made

    def discover(self) -> Discovery:
        """Record every file version in `raw/` that is new."""
        from penstock.arrivals import discover
        from penstock.declaration import seconds_of

        settle = seconds_of(self.declaration.intake.settle)
        return discover(self.raw, self.declared, self.state, self.folder, settle)

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
        from penstock.arrivals import Worker

        shop = self._workshop(threads, share)
        worker = Worker(
            shop,
            state=self.state,
            catalog=self.catalog,
            signals=self.signals,
            tags=self.declaration.tags,
            retry=self.declaration.retry,
            committed=committed or self.tender(lambda: shop.bench.engine),
            claimed=claimed,
        )
        if claimed is not None:  # a single run has to end
            worker.wait_for_room(self.room)
        else:
            worker.leave_rest_to(lambda: any(process.kind == "up" for process in self.processes()))
        self._closing.append(worker)
        return worker

    def tender(self, engine: Callable[[], Engine] | None = None) -> Callable[[TableName], Maintained | None]:
        """What does a little upkeep of a table that was written to, where any is due; with an engine of its own."""
        maintainer = self._maintainer(engine or self._engine)
        return lambda table: maintainer.tend(table, self._policy(table))

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
        self._closing.append(readmitter)
        return readmitter.readmit(name, self.declared[name], Path(corrections), dry_run=dry_run)

    def purge(self, tables: Iterable[TableName]) -> dict[TableName, list[Purged]]:
        """Remove rows that have been in quarantine for longer than their table declares; `run` does so at its end."""
        from penstock.arrivals import Keeper

        keeper = Keeper(self.processed, self.state, self.catalog, self.clock, self.signals)
        return {name: keeper.purge(name, self.declared[name], wait=True) for name in tables}

    def _workshop(self, threads: int | None = None, share: int = 1) -> Workshop:
        from penstock.arrivals import Bench, Workshop
        from penstock.engines import DuckDBEngine
        from penstock.engines.memory import memory_share
        from penstock.steps import problems_of

        self._assert_sound(problems_of(self._examined.document, self._examined.text))
        engine = DuckDBEngine(self._spill(), memory_share(share), threads)
        scratch = self.work / "scratch"
        return Workshop(self.raw, self.processed, Bench(engine, self.clock, self.folder), scratch)

    def _spill(self) -> Path:
        """A folder of its own for each engine, named after this process."""
        return self.work / "spill" / f"{os.getpid()}-{secrets.token_hex(4)}"

    def assert_columns(self, tables: Iterable[TableName]) -> None:
        """Make sure, before anything runs, that the columns which steps and checks name can be there.

        Raises:
            DeclarationError: A name is in none of the table's known columns and in no file that waits.
        """
        from penstock.arrivals import Previewer

        previewer = Previewer(self.catalog, self.raw, self.declaration.tables)
        found = []
        for name in tables:
            waiting = self.state.backlog.keys(name)
            text = next(text for text in self.declaration.tables if TableName.parse(text) == name)
            found += previewer.problems_for(self._examined, text, waiting)
        self._assert_sound(found)

    def problems_with(self, text: bytes) -> list[Problem]:
        """What keeps the lake from going on as `text` declares it, as far as it is known before anything runs."""
        from penstock.declaration import decoded, examine
        from penstock.notices import problems_of as problems_of_notices
        from penstock.steps import problems_of

        try:
            examined = examine(decoded(text))
        except DeclarationError as error:
            return error.problems
        found = {*examined.problems, *problems_of(examined.document, examined.text)}
        found |= set(problems_of_notices(examined.document, examined.declaration, self.folder))
        previewer = preview_columns(self.folder, examined)
        for name in examined.tables if not found else ():
            found |= set(previewer.problems_for(examined, name, self.state.backlog.keys(TableName.parse(name))))
        return sorted(found)

    def verify(self, tables: Iterable[str] = (), *, quick: bool = False, raw: bool = False) -> Report:
        """Check everything that can be checked, and change nothing.

        Args:
            tables: Names of tables to look at; all when left out.
            quick: Whether files that show no change are not read.
            raw: Whether files in `raw/` are compared with what was read of them, too.
        """
        from penstock.upkeep.verify import Grounds, Verifier

        site = self.here
        grounds = Grounds(
            site.catalog(self._heads()),
            site.raw,
            site.processed,
            lambda: self.store,
            self.declared,
            self.signals,
        )
        return Verifier(grounds).verify(map(TableName.parse, tables), quick=quick, raw=raw)

    def repair(self, *, dry_run: bool = False) -> Repaired:
        """Rebuild the state store from the tables, and mend what can be mended; nobody else may be at work.

        Args:
            dry_run: Whether only to say what would be done.

        Raises:
            StateError: Workers are running.
        """
        from penstock.upkeep.repair import Repairer, Workplace

        self.close()
        self.__dict__.pop("state", None)
        self.__dict__.pop("catalog", None)
        self.__dict__.pop("history", None)
        site = self.here
        place = Workplace(
            self.work,
            site.raw,
            site.processed,
            lambda heads: site.catalog(heads or NoHeads()),
            self.declared,
            self.journal.tail(1_000_000_000),
            self.clock,
            self.signals,
        )
        return Repairer(place, dry_run=dry_run).repair()

    def maintain(self, tables: Iterable[str] = (), *, dry_run: bool = False) -> Upkept:
        """Join small data files, let old snapshots expire, and remove files that nothing names any more.

        Others may read and write meanwhile. What goes wrong with one table stands in its result, and stops no other.

        Args:
            tables: Names of tables; all when left out.
            dry_run: Whether only to say what would be done.
        """
        from penstock.arrivals.settle import beating
        from penstock.upkeep.leftovers import clear, leftovers
        from penstock.upkeep.maintain import Upkept
        from penstock.upkeep.policy import policy_of

        maintainer = self._maintainer(self._engine)
        chosen = [TableName.parse(table) for table in tables] or self.catalog.tables()
        with beating(self.state):
            done = tuple(maintainer.maintain(table, self._policy(table), dry_run=dry_run) for table in chosen)
        left = leftovers(self.work, policy_of(self.declaration.upkeep).orphan_seconds, time.time())
        if not dry_run:
            clear(left)
        return Upkept(done, len(left))

    def _engine(self) -> DuckDBEngine:
        """An engine for upkeep; it is closed with the lake."""
        from penstock.engines import DuckDBEngine

        made = DuckDBEngine(self._spill())
        self._closing.append(made)
        return made

    def _maintainer(self, engine: Callable[[], Engine]) -> Maintainer:
        from penstock.tables.retention import IcebergRetention
        from penstock.upkeep.compact import Compactor
        from penstock.upkeep.maintain import Maintainer
        from penstock.upkeep.sweep import Sweeper

        kept, state, clock = IcebergRetention(self.catalog), self.state, self.clock
        sweeper = Sweeper(self.processed, self.site.notes, self.catalog, kept, state, clock)
        compactor = cache(lambda: Compactor(engine(), self.processed, self.catalog, state, clock))
        return Maintainer(self.catalog, kept, state, sweeper, compactor, clock, self.signals)

    def _policy(self, table: TableName) -> Policy:
        """How a table is looked after; one that is not declared as the lake says."""
        from penstock.upkeep.policy import policy_of

        return policy_of(self.declaration.upkeep, self.declared[table].upkeep if table in self.declared else None)

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


class _Hands:
    """A lake of its own for one step of a workflow, closed with everything that the step needed."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._lake.close()

    @property
    def table_names(self) -> list[str]:
        return [str(name) for name in self._lake.declared]

    def process(
        self, tables: Iterable[str], *, again: bool, began: Callable[[Stoppable], object]
    ) -> tuple[dict[str, int], list[str]]:
        lake, names = self._lake, [TableName.parse(table) for table in tables]
        lake.discover()
        lake.assert_columns(names)
        worker = lake.worker(share=2)  # the files that land meanwhile have the other half
        worker.wait_for_room(lake.room)
        lake.room.listen(worker.stop)
        began(worker)
        for name in names if again else ():
            worker.reprocess(name)
        summary = worker.drain({name: lake.declared[name] for name in names})
        if lake.room.met is not None:
            raise StepFailedError(lake.room.met, hint="the files wait; they are processed once there is room")
        figures = {"files": sum(summary.files.values()), "dead": len(summary.dead)}
        figures["rows_out"] = sum(account.rows_out for account in summary.accounts.values())
        return figures, [*(arrival.key for arrival in summary.dead), *map(str, summary.blocked)]

    def maintain_table(self, table: str) -> str | None:
        failed = self._lake.maintain([table]).failed
        return str(failed[0].error) if failed else None

    def verify_table(self, table: str) -> list[str]:
        return [str(finding) for finding in self._lake.verify([table]).findings]


def open_lake(path: str | Path = ".") -> Lake:
    """Open the lake in the folder `path`; `penstock.open` is this function."""
    return Lake(Path(path))


def preview_columns(folder: Path, examined: Examined) -> Previewer:
    """Look at the lake in `folder` without opening it: nothing is made, and its declaration may have problems."""
    from penstock.arrivals import Previewer

    processed = folder / examined.zones.processed
    catalog = LocalCatalog(processed, NoHeads(), Seals(processed, keeps=False))
    return Previewer(catalog, LocalZone(folder / examined.zones.raw), examined.tables)
