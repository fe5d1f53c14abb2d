"""Rights to do something alone."""

from __future__ import annotations

import threading
from functools import partial

from penstock.state.aws.database import Database, until_in
from penstock.state.aws.documents import NOTHING, Doc, Found
from penstock.state.aws.layout import KEPT_SECONDS, Key, lease_at, worker_at
from penstock.state.aws.unit import Unit
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
        now, worker, at = self._database.clock.now(), self._database.worker, lease_at(name)

        def acquired(unit: Unit) -> int | None:
            there = unit.get(at)
            if there is not None and not self._is_free(unit, name, there, now):
                return None
            token = 1 if there is None else there["token"] + 1
            unit.put(at, {"worker": worker, "token": token, "until": now + LEASE_SECONDS})
            self._database.calls.own.setdefault(at, NOTHING)
            return token

        token = self._database.call(acquired)
        if token is None:
            return None
        self._database.leases.add((name, token))
        return Lease(name, worker, token)

    def _is_free(self, unit: Unit, name: str, there: Doc, now: float) -> bool:
        """Whether nobody has it, the time ran out, or it was given to this worker, whom the answer never reached."""
        holder = there["worker"]
        if not holder or (holder == self._database.worker and (name, there["token"]) not in self._database.leases):
            return True
        return bool(there["until"] < now) and until_in(unit.get(worker_at(holder))) < now

    def held(self, lease: Lease) -> bool:
        """Whether the lease is still ours."""
        if lease in self._left:
            return False

        def held(unit: Unit) -> bool:
            there = unit.get(lease_at(lease.name))
            return there is not None and there["token"] == lease.token and there["worker"] != ""

        return bool(self._database.call(held))

    def release(self, lease: Lease) -> None:
        """Give the lease back; what cannot be told to the store now is told to it before a lease is taken or renewed.

        Otherwise trouble that lasts for a moment would leave this worker with a lease that it prolongs for ever.
        """
        with self._leaving:
            self._left.add(lease)
        self._give_back()

    def _give_back(self) -> None:
        """Tell the store what was given back."""
        with self._leaving:
            left = list(self._left)
        for lease in left:
            self._database.call(partial(_let_go, lease=lease, own=self._database.calls.own))
            with self._leaving:
                self._left.discard(lease)
            self._database.leases.discard((lease.name, lease.token))

    def renew(self) -> None:
        """Prolong everything that this worker holds: one write, however much that is."""
        self._give_back()
        now, at = self._database.clock.now(), worker_at(self._database.worker)
        until = now + LEASE_SECONDS

        def renewed(unit: Unit) -> None:
            unit.put(at, {**(unit.get(at) or {}), "until": until}, now + KEPT_SECONDS["worker"])

        self._database.call(renewed)

    def give_up(self) -> None:
        """Give everything back: this worker ends."""
        for name, token in list(self._database.leases):
            self.release(Lease(name, self._database.worker, token))


def _let_go(unit: Unit, lease: Lease, own: dict[Key, Found]) -> None:
    last = own.pop(lease_at(lease.name), NOTHING)
    if last.doc is not None and last.doc["token"] == lease.token:
        unit.presume(lease_at(lease.name), last)
    there = unit.get(lease_at(lease.name))
    if there is not None and there["token"] == lease.token:
        unit.put(lease_at(lease.name), {**there, "worker": "", "until": 0.0})
