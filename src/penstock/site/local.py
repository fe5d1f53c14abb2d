"""A lake in a folder of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from penstock.clock import Clock
from penstock.runs import Journal, Limits
from penstock.state import Heads, SqliteState
from penstock.storage import FolderNotes, LocalZone, Seals
from penstock.tables import LocalCatalog

STATE_FOLDER = ".penstock"


class LocalSite:
    """A lake in a folder of this machine; keeps the contract of `Site`."""

    deployed = None

    def __init__(self, folder: Path, zones: tuple[str, str, str], sealed: Callable[[list[str]], None]) -> None:
        """Stand in `folder`.

        Args:
            folder: The lake's folder.
            zones: Folders of the zones raw, processed and enriched, below the lake's folder or absolute.
            sealed: Is told the paths of files that were sealed though nobody had sealed them when they were written.
        """
        self.work = folder / STATE_FOLDER
        raw, processed, enriched = (folder / zone for zone in zones)
        self.raw = LocalZone(raw)
        self.seals = Seals(processed, sealed)
        self.processed = LocalZone(processed, self.seals)
        self.enriched = LocalZone(enriched)
        self.notes = FolderNotes(self.work / "upkeep")

    def state(self, clock: Clock) -> SqliteState:
        """Open the state store, in `.penstock/`."""
        return SqliteState(self.work, clock)

    def catalog(self, heads: Heads) -> LocalCatalog:
        """Open the catalog, which stands beside the tables."""
        return LocalCatalog(self.processed.root, heads, self.seals)

    def journal(self, clock: Clock, limits: Callable[[], Limits]) -> Journal:
        """Open the journal, in `.penstock/logs/`."""
        return Journal(self.work / "logs", clock, limits)
