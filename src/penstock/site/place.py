"""What is asked of the place where a lake stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from penstock.clock import Clock
from penstock.deployed import Deployed
from penstock.runs import Limits, Log
from penstock.state import Heads, State
from penstock.storage import Notes, Seals, Zone
from penstock.tables import IcebergCatalog


class Site(Protocol):
    """Where a lake stands."""

    @property
    def work(self) -> Path:
        """A folder of this machine for the journal, for what lives no longer than the work, and for caches."""

    @property
    def raw(self) -> Zone:
        """Files as delivered."""

    @property
    def processed(self) -> Zone:
        """Tables."""

    @property
    def enriched(self) -> Zone:
        """Results of saved queries."""

    @property
    def seals(self) -> Seals:
        """What the files of the tables were when they were written."""

    @property
    def notes(self) -> Notes:
        """What upkeep remembers from one time to the next."""

    @property
    def deployed(self) -> Deployed | None:
        """Where its parts are on AWS; None for a lake on this machine."""

    def state(self, clock: Clock) -> State:
        """Open the state store."""

    def catalog(self, heads: Heads) -> IcebergCatalog:
        """Open the catalog; it keeps heads in `heads`."""

    def journal(self, clock: Clock, limits: Callable[[], Limits]) -> Log:
        """Open the journal; where it is a file, `limits` says how large it may become."""
