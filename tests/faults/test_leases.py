"""Leases on a disk that is full: only the store on one machine has a disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from penstock import faults
from penstock.clock import HeldClock
from penstock.state import SqliteState


@pytest.mark.parametrize("next_", ["renew", "acquire"])
def test_a_lease_given_back_on_a_full_disk_is_free_when_there_is_room(tmp_path: Path, next_: str) -> None:
    """What the store could not be told of is no lease that its worker prolongs: it is told with the next write."""
    clock = HeldClock()
    one, two = SqliteState(tmp_path, clock), SqliteState(tmp_path, clock)
    lease, kept = one.leases.acquire("x"), one.leases.acquire("kept")
    assert lease is not None
    assert kept is not None
    faults.install(_full)
    try:
        with pytest.raises(sqlite3.OperationalError, match="full"):
            one.leases.release(lease)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            one.leases.renew()
    finally:
        faults.install(None)
    assert not one.leases.held(lease)
    clock.sleep(30)
    if next_ == "renew":
        one.leases.renew()
    else:
        one.leases.acquire("y")
    assert two.leases.acquire("x") is not None
    assert two.leases.acquire("kept") is None
    assert one.leases.held(kept)
    one.close()
    two.close()


def _full(place: str) -> None:
    if place in ("state.write", "state.commit"):
        message = "database or disk is full"
        raise sqlite3.OperationalError(message)
