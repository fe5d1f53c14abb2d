"""Where the CPU goes inside one run: a developer's aid, which wraps the parts while it runs them."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from road import fresh_lake, sample

ROWS = 3_000_000


class Meter:
    """Adds up CPU and time by part; a part's own figures leave out the parts within it."""

    def __init__(self) -> None:
        self.parts: dict[str, list[float]] = {}
        self._within: list[list[float]] = []

    def call(self, part: str, function: Callable[[], Any]) -> Any:
        """Call a function and book what it used."""
        self._within.append([0.0, 0.0])
        cpu, wall = _cpu(), time.perf_counter()
        try:
            return function()
        finally:
            used = [_cpu() - cpu, time.perf_counter() - wall]
            inner = self._within.pop()
            booked = self.parts.setdefault(part, [0.0, 0.0, 0])
            for at in range(2):
                booked[at] += used[at] - inner[at]
                if self._within:
                    self._within[-1][at] += used[at]
            booked[2] += 1

    def wrap(self, owner: Any, name: str, part: str) -> None:
        """Book every call of a function under `part`."""
        inner = getattr(owner, name)
        setattr(owner, name, lambda *args, **named: self.call(part, lambda: inner(*args, **named)))

    def wrap_rows(self, owner: Any, name: str, part: str) -> None:
        """The same for a function that gives its rows one after the other."""
        inner = getattr(owner, name)

        def stepped(*args: Any, **named: Any) -> Any:
            rows = iter(inner(*args, **named))
            end = object()
            while (row := self.call(part, lambda: next(rows, end))) is not end:
                yield row

        setattr(owner, name, stepped)


def profile(data: Path, rows: int | None) -> None:
    """Run the road once in this process and print its parts."""
    lake, place = sample(data, rows or ROWS), data / "place"
    fresh_lake(lake, place)
    meter = Meter()
    try:
        _run(meter, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    total = sum(part[0] for part in meter.parts.values())
    for name, (cpu, wall, calls) in sorted(meter.parts.items(), key=lambda part: -part[1][0]):
        print(f"  {name:28} {cpu:7.2f} s CPU {cpu / total:5.0%} {wall:7.2f} s  {calls:6.0f} calls")
    print(f"  {'all':28} {total:7.2f} s CPU  peak memory {_peak() / 1e6:.0f} MB")


def _run(meter: Meter, place: Path) -> None:
    penstock = meter.call("imports", _import)
    _wrap(meter)
    with penstock.open(place) as lake:
        meter.call("everything else", lake.run)


def _import() -> Any:
    import penstock
    import penstock.arrivals.work
    import penstock.quality.quarantine

    return penstock


def _wrap(meter: Meter) -> None:
    from penstock.arrivals import stage, work
    from penstock.engines.duckdb import DuckDBEngine
    from penstock.quality import quarantine
    from penstock.storage import LocalZone

    meter.wrap(LocalZone, "digest", "hashing")
    meter.wrap(DuckDBEngine, "write", "write pass")
    meter.wrap(DuckDBEngine, "fits", "deciding types")
    meter.wrap(stage, "write_quarantine", "quarantine: other")
    meter.wrap_rows(DuckDBEngine, "set_aside", "quarantine: ordered pass")
    for name in ("locate_texts", "locate_records", "locate_offsets"):
        meter.wrap_rows(quarantine, name, f"quarantine: {name}")
    meter.wrap(work.Worker, "_commit", "commit")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
