"""A lake's folder, opened: its declaration, zones, state store, catalog and journal; `Lake` adds the verbs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from penstock.clock import Clock, SystemClock
from penstock.errors import DeclarationError, PenstockError
from penstock.naming import TableName
from penstock.runs import Limits
from penstock.signals import Signals
from penstock.site import STATE_FOLDER, LocalSite, Site
from penstock.state import SqliteState, State
from penstock.state.known import Declared, KnownText, LazyTables
from penstock.state.processes import Kind, Process, at_work, this_process
from penstock.storage.room import Room
from penstock.tables import IcebergCatalog
from penstock.tables.catalog import Described
from penstock.tables.history import History
from penstock.version import __version__

if TYPE_CHECKING:
    from penstock.declaration import Declaration, Examined, Table

BELL = "bell"
"""A file that is touched when something happened; `penstock up` watches it."""
JOURNAL_EVENTS = (
    *("finished", "dead", "failed", "readmitted", "purged", "sealed", "repaired", "noticed"),
    *("maintained", "upkeep_failed"),
    *("told", "not_told", "given_up"),
    *("workflow_step", "workflow_output", "workflow_skipped"),
)
TOLD = ("arrived", "breached", "recovered", "replayed", "scheduled", "workflow", "alarm", "ok")
"""Recorded events that are announced as they are, for the journal; the others are announced with more facts."""
OF_UP = (
    *(
        "up_started",
        "up_stopped",
        "paused",
        "resumed",
        "full",
        "outage",
        "blocked",
        "discarded",
        "unrecorded",
        "polling",
    ),
    *("attendant_failed", "part_failed", "left_alone", "declaration_changed", "declaration_refused"),
    "secret_changed",
)


class Closing(Protocol):
    """What is closed with the lake."""

    def close(self) -> None:
        """Let go of everything."""


class Opened:
    """What stands in a lake's folder, opened when it is first needed.

    Use it as a context manager, or call `close()` when done.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock | None = None,
        text: bytes | None = None,
        site: Callable[[Opened], Site] | None = None,
        read: Callable[[str], Examined] | None = None,
    ) -> None:
        """Open the lake in `folder`.

        Args:
            folder: The lake's folder.
            clock: What time it is; the machine's clock, when left out.
            text: What declares it; `lake.yaml`, when left out.
            site: Says where it stands; in its folder, when left out.
            read: Reads what declares it; with the environment's variables, when left out.

        Raises:
            LakeNotFoundError: There is no `lake.yaml`.
            DeclarationError: `lake.yaml` has problems; all are named.
            StateError: The state store cannot be used.
        """
        self.folder = folder.absolute()
        self._text = _bytes_of(self.folder / "lake.yaml") if text is None else text
        self._read = read
        known = KnownText(self.folder / STATE_FOLDER, __version__)
        self._declared = (known.recall(self._text) if self._text else None) or self._examine(known)
        self.clock = clock or SystemClock()
        self.signals = Signals()
        self._closing: list[Closing] = []
        self.site = (site or _here)(self)
        self.work, self.seals = self.site.work, self.site.seals
        self.raw, self.processed, self.enriched = self.site.raw, self.site.processed, self.site.enriched
        self._since = 0.0
        self.journal = self.site.journal(self.clock, self._limits)
        for event in (*JOURNAL_EVENTS, *TOLD, *OF_UP):
            self.signals.listen(event, self.journal.write)

    def _examine(self, known: KnownText) -> Declared:
        """Examine the declaration, and keep that it is sound."""
        lake, zones = self.declaration.lake, self.declaration.zones
        declared = Declared(lake, zones.raw, zones.processed, zones.enriched, tuple(self.declaration.tables))
        if self._text:
            known.remember(self._text, declared)
        return declared

    @cached_property
    def examined(self) -> Examined:
        """What came of looking at `lake.yaml`, its problems included, as it was when the lake was opened."""
        from penstock.declaration import decoded, examine, read_text

        text = read_text(self.folder) if self._text is None else decoded(self._text)
        return (self._read or examine)(text)

    @cached_property
    def declaration(self) -> Declaration:
        """What `lake.yaml` says, as it was when the lake was opened."""
        if self.examined.problems or self.examined.declaration is None:
            raise DeclarationError(self.examined.problems)
        return self.examined.declaration

    @property
    def name(self) -> str:
        """The lake's name."""
        return self._declared.lake

    @property
    def zones(self) -> tuple[str, str, str]:
        """Where the zones raw, processed and enriched are declared to be."""
        return self._declared.raw, self._declared.processed, self._declared.enriched

    @property
    def text(self) -> bytes | None:
        """What `lake.yaml` said when the lake was opened; None when it could not be read."""
        return self._text

    def mentions(self, key: str) -> bool:
        """Whether `lake.yaml` may say something of `key`; asked before the declaration is looked at for it."""
        return self._text is None or key.encode() in self._text

    @cached_property
    def state(self) -> State:
        """The state store."""
        state = self.site.state(self.clock)
        state.events.listen(self._ring)
        return state

    @property
    def here(self) -> LocalSite:
        """The site of a lake that stands on this machine, for what looks at its files.

        Raises:
            PenstockError: It stands elsewhere.
        """
        if not isinstance(self.site, LocalSite):
            message = "this is for lakes that stand on this machine"
            raise PenstockError(message, where=self.name)
        return self.site

    @property
    def store(self) -> SqliteState:
        """The state store of a lake that stands on this machine; raises as `here` does."""
        if not isinstance(self.state, SqliteState):
            message = "this is for lakes that stand on this machine"
            raise PenstockError(message, where=self.name)
        return self.state

    @cached_property
    def catalog(self) -> IcebergCatalog:
        """The catalog."""
        catalog = self.site.catalog(self.state.heads)
        catalog.describe = self._described
        return catalog

    def _described(self, name: TableName) -> Described:
        """What is declared of a table for people."""
        table = self.declared.get(name)
        columns = table.columns.items() if table else ()
        said = {column: facts.description for column, facts in columns if facts.description}
        return Described(table.description if table else None, said)

    @property
    def declared(self) -> Mapping[TableName, Table]:
        """Declared tables by name; what is declared of them is looked at on demand."""
        return LazyTables(self._declared.tables, lambda: self.declaration.tables)

    @property
    def tables(self) -> list[str]:
        """Names of the tables that exist."""
        return [str(name) for name in self.catalog.tables()]

    @cached_property
    def history(self) -> History:
        """The past of the tables: snapshots and tags."""
        return History(self.catalog)

    @cached_property
    def room(self) -> Room:
        """Room on the disks that the lake is on."""
        from penstock.declaration import bytes_of

        folders = [self.work, self.processed.root]
        return Room(folders, bytes_of(self.declaration.up.min_free), self.clock)

    def describe(self, kind: Kind, port: int | None = None) -> None:
        """Say what this process is, for the list of those who are at work."""
        self._since = self._since or self.clock.now()
        self.state.describe(this_process(kind, self._since, __version__, port))

    def processes(self) -> list[Process]:
        """Who is at work on the lake, this process included if it is."""
        return at_work(self.work)

    def _limits(self) -> Limits:
        """How much of the journal is kept."""
        from penstock.declaration import bytes_of

        up = self.declaration.up
        return Limits(bytes_of(up.log_size), up.log_files)

    def _ring(self, told: list[dict[str, Any]]) -> None:
        """Let everybody who looks after the lake know that something happened, in this process and in others."""
        for facts in told:
            if facts["event"] in TOLD:
                self.signals.announce(facts["event"], **{key: fact for key, fact in facts.items() if key != "event"})
        self.signals.announce("rung")
        with suppress(OSError):  # nobody has to hear: they look for themselves now and then
            (self.work / BELL).touch()

    def note_sealed(self, paths: list[str]) -> None:
        """Tell of files that nobody had sealed: another writer's, an older lake's, or those of a commit cut short."""
        self.signals.announce("sealed", files=len(paths), paths=paths[:20])

    def closing(self, part: Closing) -> None:
        """Close a part with the lake, before what was there already."""
        self._closing.append(part)

    def close(self) -> None:
        """Let go of files and of all work held; once is enough, twice does no harm."""
        with ExitStack() as closing:  # whatever fails, the rest is closed
            closing.callback(self.seals.close)
            if "state" in self.__dict__:
                closing.callback(self.state.close)
            while self._closing:
                closing.callback(self._closing.pop().close)

    def __enter__(self) -> Self:
        """Use the lake in a `with` block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close it at the end of the block."""
        self.close()

    def __repr__(self) -> str:
        """Name and folder."""
        return f"<Lake {self.name} in {self.folder}>"


def _here(lake: Opened) -> LocalSite:
    """The lake's own folder, with the zones where it declares them."""
    return LocalSite(lake.folder, lake.zones, lake.note_sealed)


def _bytes_of(file: Path) -> bytes | None:
    """The file's bytes; None where reading says why it cannot be read."""
    try:
        return file.read_bytes()
    except OSError:
        return None
