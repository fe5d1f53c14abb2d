"""Where the CPU goes inside one run: a developer's aid, which wraps the parts while it runs them."""

from __future__ import annotations

import importlib
import resource
import shutil
import sys
import time
from collections.abc import Callable
from inspect import isgeneratorfunction
from pathlib import Path
from typing import Any

from samples import fresh_lake, sample

ROWS = 3_000_000
PARTS = {
    "penstock.storage.local:LocalZone.digest": "hashing",
    "penstock.arrivals.staging.intake:open_file": "opening and proving",
    "penstock.engines.duckdb:DuckDBEngine.write": "write pass",
    "penstock.engines.duckdb:DuckDBEngine.fits": "deciding types",
    "penstock.engines.duckdb:DuckDBEngine.set_aside": "quarantine: ordered pass",
    "penstock.quality.collect:collect": "quarantine: placing rows",
    "penstock.quality.quarantine:write_quarantine": "quarantine: writing",
    "penstock.tables.commit:commit_group": "commit",
}


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

    def wrap(self, place: str, part: str) -> None:
        """Book every call of a function, named as `module:name` or `module:Class.name`, under `part`."""
        module, _, path = place.partition(":")
        owner, _, name = path.rpartition(".")
        home = importlib.import_module(module)
        home = getattr(home, owner) if owner else home
        function = getattr(home, name)
        booking = self._iterating(function, part) if isgeneratorfunction(function) else self._calling(function, part)
        setattr(home, name, booking)
        for other in [] if owner else [one for key, one in sys.modules.items() if key.startswith("penstock.")]:
            if getattr(other, name, None) is function:
                setattr(other, name, booking)

    def _calling(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        return lambda *args, **named: self.call(part, lambda: function(*args, **named))

    def _iterating(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The same for a function that gives its rows one after the other."""

        def stepped(*args: Any, **named: Any) -> Any:
            rows = iter(function(*args, **named))
            end = object()
            while (row := self.call(part, lambda: next(rows, end))) is not end:
                yield row

        return stepped


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
    for function, part in PARTS.items():
        meter.wrap(function, part)
    with penstock.open(place) as lake:
        meter.call("everything else", lake.run)


def _import() -> Any:
    import penstock
    import penstock.arrivals  # with all that it needs

    return penstock


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
