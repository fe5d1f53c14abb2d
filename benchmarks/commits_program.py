"""Runs with one new file each. Arguments: the lake's folder, which is made, and how many runs.

Prints JSON: milliseconds of every run and of the commit within it, the rows of the table, and whether they are right.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import penstock
import penstock.arrivals
from penstock.tables import commit_group

DECLARATION = 'lake: commits\ntables:\n  points: {files: "*.csv"}\n'


class Watch:
    """Adds up the time of calls of a function, wherever it was imported."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.seconds = 0.0
        self._function = function
        for module in [one for name, one in sys.modules.items() if name.startswith("penstock.")]:
            if getattr(module, function.__name__, None) is function:
                setattr(module, function.__name__, self)

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Call the function."""
        started = time.perf_counter()
        try:
            return self._function(*args, **named)
        finally:
            self.seconds += time.perf_counter() - started


def main() -> None:
    """Run and print."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    (folder / "raw").mkdir(parents=True)
    (folder / "lake.yaml").write_text(DECLARATION, encoding="utf-8")
    watch = Watch(commit_group)
    times: dict[str, list[float]] = {"commit": [], "run": []}
    for number in range(count):
        run, commit = _one(folder, number, watch)
        times["run"].append(run)
        times["commit"].append(commit)
    with penstock.open(folder) as lake:
        ((rows, total),) = lake.query("SELECT count(*), sum(number) FROM points").fetchall()
    right = rows == count and total == sum(range(count)) and min(times["commit"]) > 0
    print(json.dumps({**times, "rows": rows, "right": right}))


def _one(folder: Path, number: int, watch: Watch) -> tuple[float, float]:
    """Milliseconds of one run, and of its commit."""
    file = folder / "raw" / f"points-{number:05}.csv"
    file.write_text(f"number,name\n{number},point {number}\n", encoding="utf-8")
    time.sleep(0.06)  # a file must have been left alone for a moment before it is read
    watch.seconds = 0.0
    started = time.perf_counter()
    with penstock.open(folder) as lake:
        lake.run()
    return (time.perf_counter() - started) * 1000, watch.seconds * 1000


if __name__ == "__main__":
    main()
