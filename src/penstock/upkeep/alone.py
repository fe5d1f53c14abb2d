"""The lease of a table, as upkeep takes it: for one small commit, when its writers leave it free for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.clock import Clock
from penstock.naming import TableName
from penstock.state import State

POLL_SECONDS = 0.02


@contextmanager
def table_lease(state: State, table: TableName, clock: Clock) -> Iterator[None]:
    """Hold the lease that writers of a table take for each commit; waits for it."""
    while (lease := state.leases.acquire(f"table {table}")) is None:
        clock.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        state.leases.release(lease)
