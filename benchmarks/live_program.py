"""Files that land beside `penstock up`. Arguments: the lake's folder, which is made, how many files, how large a burst.

A reader of its own looks every few milliseconds how many rows the table has. Prints JSON: milliseconds from the rename
of each file to the moment at which its rows were there, files a second of the burst, the processor's seconds that
`penstock up` used for all, its peak memory, and whether the rows are right.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import penstock
from penstock.lake import Lake
from penstock.naming import TableName

DECLARATION = 'lake: live\nup: {min_free: 100KB}\ntables:\n  points: {files: "*.csv"}\n'
TABLE = TableName.parse("points")
ROWS, BURST_ROWS = 300, 10
LOOK_SECONDS = 0.002
PAUSE_SECONDS = 0.05
PATIENCE = 120.0


def main() -> None:
    """Measure and print."""
    folder, count, burst = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    (folder / "raw").mkdir(parents=True)
    (folder / "aside").mkdir()
    (folder / "lake.yaml").write_text(DECLARATION, encoding="utf-8")
    command = [sys.executable, "-P", "-m", "penstock", "-C", str(folder), "up", "--no-http", "--quiet"]
    with subprocess.Popen(command) as process, penstock.open(folder) as lake:
        _drop(folder, "first", 0, ROWS)
        _wait(lake, ROWS)
        latencies = _one_by_one(lake, folder, count)
        rate = _burst(lake, folder, count, burst)
        process.send_signal(signal.SIGTERM)
        process.wait()
        rows = ROWS * (count + 1) + BURST_ROWS * burst
        ((found, different),) = lake.query("SELECT count(*), count(DISTINCT number) FROM points").fetchall()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    right = found == different == rows and process.returncode == 0
    facts = {"latencies": latencies, "rate": rate, "rows": found, "right": right}
    print(json.dumps({**facts, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024}))


def _one_by_one(lake: Lake, folder: Path, count: int) -> list[float]:
    """Milliseconds for each of so many files, with pauses in between."""
    chance, latencies = random.Random(1), []  # noqa: S311 - pauses, not secrets
    for number in range(1, count + 1):
        time.sleep(chance.uniform(0, PAUSE_SECONDS))
        started = _drop(folder, f"points-{number:05}", number * ROWS, ROWS)
        _wait(lake, ROWS * (number + 1))
        latencies.append(round((time.perf_counter() - started) * 1000, 1))
    return latencies


def _burst(lake: Lake, folder: Path, count: int, burst: int) -> float:
    """Files a second, when many land at once."""
    base = ROWS * (count + 1)
    for number in range(burst):
        _write(folder, f"burst-{number:05}", base + number * BURST_ROWS, BURST_ROWS)
    started = time.perf_counter()
    for number in range(burst):
        _land(folder, f"burst-{number:05}")
    _wait(lake, base + burst * BURST_ROWS)
    return burst / (time.perf_counter() - started)


def _drop(folder: Path, name: str, first: int, rows: int) -> float:
    """Let a file land; gives the moment after."""
    _write(folder, name, first, rows)
    _land(folder, name)
    return time.perf_counter()


def _write(folder: Path, name: str, first: int, rows: int) -> None:
    lines = (f"{first + at},2026-01-{at % 28 + 1:02},{at * 1.25},customer {at}\n" for at in range(rows))
    (folder / "aside" / f"{name}.csv").write_text("number,day,amount,name\n" + "".join(lines), encoding="utf-8")


def _land(folder: Path, name: str) -> None:
    (folder / "aside" / f"{name}.csv").replace(folder / "raw" / f"{name}.csv")


def _wait(lake: Lake, rows: int) -> None:
    """Wait until the table has so many rows."""
    until, seen = time.monotonic() + PATIENCE, ""
    while time.monotonic() < until:
        pointer = lake.catalog.pointer(TABLE) or ""
        if pointer != seen:
            head = lake.catalog.head(TABLE)
            if head is not None and head.rows >= rows:
                return
            seen = pointer
        time.sleep(LOOK_SECONDS)
    raise SystemExit(f"the rows did not come within {PATIENCE:g} seconds")


if __name__ == "__main__":
    main()
