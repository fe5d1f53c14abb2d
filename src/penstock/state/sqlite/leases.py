"""Rights to do something alone."""

from __future__ import annotations

import sqlite3

from penstock.state.sqlite.database import Database
from penstock.state.store import Lease

LEASE_SECONDS = 60.0


class Leases:
    """Rights to do something alone; keeps the contract of `Leases`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(self, name: str) -> Lease | None:
        """Take the lease if it is free."""
        now, worker = self._database.clock.now(), self._database.worker
        if not self._free(self._database.rows("SELECT * FROM leases WHERE name=?", name), now):
            return None  # told without a transaction, so that those who wait do not hold up the holder
        with self._database.transaction() as sql:
            found = sql.execute("SELECT * FROM leases WHERE name=?", (name,)).fetchall()
            if not self._free(found, now):
                return None
            row = found[0] if found else None
            token = 1 if row is None else row["token"] + 1
            sql.execute(
                "INSERT OR REPLACE INTO leases (name, worker, token, until) VALUES (?, ?, ?, ?)",
                (name, worker, token, now + LEASE_SECONDS),
            )
        return Lease(name, worker, token)

    def _free(self, found: list[sqlite3.Row], now: float) -> bool:
        return not found or not found[0]["worker"] or found[0]["until"] < now or self._database.dead(found[0]["worker"])

    def held(self, lease: Lease) -> bool:
        """Whether the lease is still ours."""
        rows = self._database.rows(
            "SELECT 1 FROM leases WHERE name=? AND token=? AND worker<>''", lease.name, lease.token
        )
        return bool(rows)

    def release(self, lease: Lease) -> None:
        """Give the lease back."""
        with self._database.transaction() as sql:
            sql.execute("UPDATE leases SET worker='', until=0 WHERE name=? AND token=?", (lease.name, lease.token))

    def renew(self) -> None:
        """Prolong everything that this worker holds."""
        until, worker = self._database.clock.now() + LEASE_SECONDS, self._database.worker
        with self._database.transaction() as sql:
            sql.execute("UPDATE leases SET until=? WHERE worker=?", (until, worker))
            sql.execute("UPDATE arrivals SET lease_until=? WHERE worker=? AND state='working'", (until, worker))
