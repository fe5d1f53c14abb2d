"""Many processes commit to one table at once: every row is there once, no data file is doubled."""

from __future__ import annotations

import ctypes
import random
import time
from multiprocessing.sharedctypes import RawArray
from pathlib import Path

import pytest

from penstock.clock import SystemClock
from penstock.errors import CommitConflictError, LeaseLostError
from penstock.state import Lease, SqliteState
from penstock.tables import Catalog, Staged, commit_group
from tests.road.lakes import CONTEXT
from tests.storms.storm import FULL, chance, size, tell
from tests.storms.writing import T, expire, files_of, make_table, named, opened, staged, values_of

WRITERS, COMMITS = 32 if FULL else 16, size(100, 200)
RACING = 2
"""How many of the writers hold no lease and race with all others: leases save work, they do not guard the rows."""
EVERY = 25
"""Commits after which snapshots are expired, which is a commit that races with the others, too."""
COMMITTED, LOST = 0, 1


@pytest.mark.timeout(7200)
def test_many_processes_commit_to_one_table(tmp_path: Path) -> None:
    """Sixteen processes commit 100 files each, some of them twice or for each other: 1,600 of 1,600 are there once."""
    clock = SystemClock()
    make_table(tmp_path, clock)
    done = RawArray(ctypes.c_long, 2 * WRITERS)
    began = time.monotonic()
    luck = chance("commits")
    writers = [CONTEXT.Process(target=_write, args=(str(tmp_path), at, luck.random(), done)) for at in range(WRITERS)]
    for writer in writers:
        writer.start()
    state, catalog = opened(tmp_path, clock, "upkeep")
    expired = 0
    while any(writer.is_alive() for writer in writers):
        if sum(done[COMMITTED::2]) >= expired + EVERY:  # else each commit would write down all earlier ones
            expire(catalog)
            expired = sum(done[COMMITTED::2])
        time.sleep(0.1)
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    seconds = time.monotonic() - began
    wanted = sorted(_value(writer, at) for writer in range(WRITERS) for at in range(COMMITS))
    assert values_of(catalog) == wanted
    files = [file["file_path"] for file in files_of(catalog)]
    assert len(files) == len(set(files)) == len(wanted)
    head = catalog.head(T)
    assert head is not None
    assert {file.path for file in head.files} == set(files)
    state.close()
    lost = sum(done[LOST::2])
    tell(
        f"commits: {WRITERS} processes, {RACING} of them without a lease, committed {sum(done[COMMITTED::2])} times: "
        f"{len(wanted)} of {WRITERS * COMMITS} rows once, {lost} commits given up and tried again, {seconds:.0f} s"
    )


def _value(writer: int, at: int) -> int:
    return writer * 100_000 + at


def _write(folder: str, writer: int, seed: float, done: ctypes.Array[ctypes.c_long]) -> None:
    """Commit one file after the other: each of one's own, some of them again, and some of another's."""
    luck, clock = random.Random(seed), SystemClock()
    state, catalog = opened(Path(folder), clock)
    for at in range(COMMITS):
        numbers = [_value(writer, at)]
        if luck.random() < 0.1:
            numbers.append(luck.choice([_value(writer, luck.randint(0, at)), _value((writer + 1) % WRITERS, at)]))
        for number in numbers:
            ready = staged(Path(folder), named(number), f"{luck.getrandbits(32):08x}", [number])
            while not _committed(state, catalog, ready, leased=writer >= RACING):
                done[2 * writer + LOST] += 1
            done[2 * writer + COMMITTED] += 1
    state.close()


def _committed(state: SqliteState, catalog: Catalog, ready: Staged, *, leased: bool) -> bool:
    """Commit as a worker does; False, when others won all races or took over. Any other error ends the process."""
    lease = _acquired(state) if leased else None
    try:
        commit_group(catalog, T, [ready], SystemClock(), lambda: _assert_held(state, lease))
    except (CommitConflictError, LeaseLostError):
        return False
    finally:
        if lease is not None:
            state.leases.release(lease)
    return True


def _acquired(state: SqliteState) -> Lease:
    while (lease := state.leases.acquire(f"table {T}")) is None:
        time.sleep(random.uniform(0.05, 0.2))
    return lease


def _assert_held(state: SqliteState, lease: Lease | None) -> None:
    if lease is not None and not state.leases.held(lease):
        message = "another worker has taken over"
        raise LeaseLostError(message)
