"""The programs of a busy lake: writers, readers and upkeep, each a process of its own that tells what it saw."""

from __future__ import annotations

import json
import time
import traceback
from pathlib import Path
from typing import Any

import penstock
from penstock import queries
from penstock.clock import SystemClock
from penstock.engines import DuckDBEngine
from penstock.engines.packs import Packer
from penstock.errors import LeaseLostError
from penstock.naming import TableName
from penstock.state import Lease
from penstock.tables import DataFile, Staged, commit_group
from tests.contracts.parquet import arrival

T = TableName.parse("t")
ROWS = 7
COLUMNS = [("key", "VARCHAR"), ("version", "BIGINT"), ("n", "BIGINT")]
SEEN = """
SELECT sum(c), count(*), count(DISTINCT key), min(c), max(c), sum(s)
FROM (SELECT key, version, count(*) AS c, sum(n) AS s FROM t GROUP BY ALL)
"""
"""In one statement: all rows, pairs of key and version, keys, the fewest and most rows of a pair, a sum."""


def written(folder: Path, key: str, version: int) -> Staged:
    """One delivery of a key, with its rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"VARCHAR": pa.string(), "BIGINT": pa.int64()}
    fields = [
        pa.field(name, kinds[kind], metadata={"PARQUET:field_id": str(at)})
        for at, (name, kind) in enumerate(COLUMNS, start=1)
    ]
    name = arrival(key, str(version))
    path = folder / f"{name.stem(f'{time.time_ns() % 2**32:08x}')}.parquet"
    part = path.with_name(f".{path.name}.tmp")
    values = [[key] * ROWS, [version] * ROWS, list(range(version, version + ROWS))]
    pq.write_table(
        pa.table([pa.array(v, f.type) for v, f in zip(values, fields, strict=True)], pa.schema(fields)), part
    )
    part.rename(path)
    return Staged(name, (DataFile(str(path), ROWS, path.stat().st_size),))


def deliveries(writer: int, commits: int) -> list[tuple[str, int]]:
    """What a writer delivers, in order: every fourth time a key that it delivered before, with other rows."""
    made: list[tuple[str, int]] = []
    for at in range(commits):
        again = at % 4 == 3
        key = made[(at * 7) % len(made)][0] if again else f"{writer}-{at}"
        made.append((key, writer * 1_000_000 + at * 100))
    return made


def write(folder: Path, writer: int, commits: int) -> dict[str, Any]:
    """Commit one delivery after the other, under the table's lease as workers do."""
    waits = []
    with penstock.open(folder) as lake:
        packer = Packer(DuckDBEngine(folder / ".penstock" / "spill" / f"writer{writer}"), lake.processed)
        for key, version in deliveries(writer, commits):
            started = time.monotonic()
            while (lease := lake.state.leases.acquire(f"table {T}")) is None:
                time.sleep(0.01)
            # only now, because waiting on a busy machine may take longer than so short a safety age
            ready = written(folder / "processed" / "main" / "t" / "data", key, version)
            commit_group(lake.catalog, T, [ready], SystemClock(), _guard(lake, lease), packer.carve)
            lake.state.leases.release(lease)
            waits.append(time.monotonic() - started)
            time.sleep(0.05)  # a writer that never pauses would keep the lease for itself
    return {"commits": len(waits), "slowest": round(max(waits), 2)}


def _guard(lake: penstock.Lake, lease: Lease) -> Any:
    def assert_held() -> None:
        if not lake.state.leases.held(lease):
            raise LeaseLostError("another worker has taken over")

    return assert_held


def read(folder: Path, stop: Path) -> dict[str, Any]:
    """Ask again and again until `stop` is there; every answer must be one that some commit made."""
    asked, slowest, last = 0, 0.0, 0
    again: list[str] = []
    asking: Any = queries.query
    look = asking.assert_whole

    def counting(*arguments: Any) -> None:
        try:
            look(*arguments)
        except penstock.PenstockError as error:
            again.append(str(error))
            raise

    asking.assert_whole = counting
    with penstock.open(folder) as lake:
        while not stop.exists():
            started = time.monotonic()
            ((rows, pairs, keys, fewest, most, _),) = lake.query(SEEN).fetchall()
            slowest = max(slowest, time.monotonic() - started)
            asked += 1
            assert pairs == keys, f"{pairs} versions of {keys} keys"
            assert {fewest, most} <= {ROWS, None}, (fewest, most)
            assert (rows or 0) == keys * ROWS >= last, (rows, keys, last)
            last = rows or 0
            time.sleep(0.1)
    return {"queries": asked, "slowest": round(slowest, 2), "looked_again": len(again), "rows": last}


def maintain(folder: Path, stop: Path) -> dict[str, Any]:
    """Keep looking after the table until `stop` is there."""
    rounds = joined = expired = removed = 0
    with penstock.open(folder) as lake:
        while not stop.exists():
            for done in lake.maintain().tables:
                assert done.error is None, done.error
                joined, expired = joined + done.joined, expired + done.snapshots
                removed += done.swept.removed
            rounds += 1
            time.sleep(0.2)
    return {"rounds": rounds, "joined": joined, "expired": expired, "removed": removed}


def main(role: str, folder: str, told: str, *rest: str) -> None:
    """Do what the role says; what it saw, or why it failed, is written to the file `told` as JSON."""
    try:
        match role:
            case "write":
                found = write(Path(folder), int(rest[0]), int(rest[1]))
            case "read":
                found = read(Path(folder), Path(rest[0]))
            case _:
                found = maintain(Path(folder), Path(rest[0]))
    except BaseException:  # noqa: BLE001 - whatever it is, the test shows it
        found = {"failed": traceback.format_exc()}
    Path(told).write_text(json.dumps(found))
