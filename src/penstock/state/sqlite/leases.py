"""Rights to do something alone."""

from __future__ import annotations

import sqlite3
import threading

from penstock.state.sqlite.database import Database
from penstock.state.store import LEASE_SECONDS, Lease


class Leases:
    """Rights to do something alone; keeps the contract of `Leases`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._left: set[Lease] = set()  # given back, and not told to the store yet
        self._leaving = threading.Lock()

    def acquire(self, name: str) -> Lease | None:
        """Take the lease if it is free."""
        self._give_back()
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
        if lease in self._left:
            return False
        rows = self._database.rows(
            "SELECT 1 FROM leases WHERE name=? AND token=? AND worker<>''", lease.name, lease.token
        )
        return bool(rows)

    def release(self, lease: Lease) -> None:
        """Give the lease back; what cannot be told to the store now is told to it before a lease is taken or renewed.

        Otherwise a full disk that lasts for a moment would leave this worker with a lease that it prolongs for ever.
        """
        with self._leaving:
            self._left.add(lease)
        self._give_back()

    def _give_back(self) -> None:
        """Tell the store what was given back."""
        with self._leaving:
            left = list(self._left)
        if not left:
            return
        with self._database.transaction() as sql:
            tokens = [(lease.name, lease.token) for lease in left]
            sql.executemany("UPDATE leases SET worker='', until=0 WHERE name=? AND token=?", tokens)
        with self._leaving:
            self._left.difference_update(left)

    def renew(self) -> None:
        """Prolong everything that this worker holds."""
        self._give_back()
        until, worker = self._database.clock.now() + LEASE_SECONDS, self._database.worker
        with self._database.transaction() as sql:
            sql.execute("UPDATE leases SET until=? WHERE worker=?", (until, worker))
            sql.execute("UPDATE arrivals SET lease_until=? WHERE worker=? AND state='working'", (until, worker))
