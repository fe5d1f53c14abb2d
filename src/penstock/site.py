"""Where a lake stands: its zones, its state store and its catalog, on this machine or on AWS.

The same lake can stand in several places. What is done to it asks the site for its parts, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from penstock.clock import Clock
from penstock.state import Heads, SqliteState, State
from penstock.storage import LocalZone, Seals, Zone
from penstock.tables import LocalCatalog

STATE_FOLDER = ".penstock"


class Site(Protocol):
    """Where a lake stands.

    Attributes:
        work: A folder of this machine for the journal, for what lives no longer than the work, and for caches.
        raw: Files as delivered.
        processed: Tables.
        enriched: Results of saved queries.
        seals: What the files of the tables were when they were written.
    """

    work: Path
    raw: Zone
    processed: Zone
    enriched: Zone
    seals: Seals

    def state(self, clock: Clock) -> State:
        """Open the state store."""

    def catalog(self, heads: Heads) -> LocalCatalog:
        """Open the catalog; it keeps heads in `heads`."""


class LocalSite:
    """A lake in a folder of this machine; keeps the contract of `Site`."""

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

    def state(self, clock: Clock) -> SqliteState:
        """Open the state store, in `.penstock/`."""
        return SqliteState(self.work, clock)

    def catalog(self, heads: Heads) -> LocalCatalog:
        """Open the catalog, which stands beside the tables."""
        return LocalCatalog(self.processed.root, heads, self.seals)
