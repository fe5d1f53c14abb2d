"""Keeping quarantined rows for as long as their table declares, and no longer; what is removed goes to the log."""

from __future__ import annotations

from penstock.clock import Clock, iso
from penstock.declaration import Table
from penstock.naming import TableName
from penstock.quality.retention import Purged, purge, seconds_of
from penstock.signals import Signals
from penstock.state import Lease, State
from penstock.storage import Zone
from penstock.tables import Catalog

POLL_SECONDS = 0.05


class Keeper:
    """Removes quarantined rows whose time has come."""

    def __init__(self, processed: Zone, state: State, catalog: Catalog, clock: Clock, signals: Signals) -> None:
        """Work on the tables of one lake."""
        self._processed, self._state, self._catalog = processed, state, catalog
        self._clock, self._signals = clock, signals

    def purge(self, name: TableName, table: Table, *, wait: bool = False) -> list[Purged]:
        """Remove what is older than the table declares; nothing where it declares nothing.

        Where another worker is at the table, this waits for it, or leaves the rows for the next time.
        """
        if table.quarantine.keep is None:
            return []
        lease = self._lease(name, wait=wait)
        if lease is None:
            return []
        try:
            now = self._clock.now()
            before = now - seconds_of(table.quarantine.keep)
            head = self._catalog.head(name)
            return [self._told(name, purged) for purged in purge(self._state, self._processed, name, head, before, now)]
        finally:
            self._state.leases.release(lease)

    def _lease(self, name: TableName, *, wait: bool) -> Lease | None:
        while (lease := self._state.leases.acquire(f"table {name}")) is None and wait:
            self._clock.sleep(POLL_SECONDS)
        return lease

    def _told(self, name: TableName, purged: Purged) -> Purged:
        file = purged.file or "left by an earlier attempt"
        moment = iso(purged.set_aside)
        self._signals.announce("purged", table=str(name), file=file, rows=purged.rows, set_aside=moment)
        return purged
