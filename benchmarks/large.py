"""Memory at five times the size: the same files, each with its rows five times over."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import road
from measuring import chosen, take_turns
from samples import Truth, passing, sample, truth
from table import Bars, Table, of_processes

TIMES = 5
CHUNK = 1 << 24
CHARTS = [Bars("memory MB", "Peak memory, MB")]


def measure(options: argparse.Namespace) -> list[Table]:
    """Penstock and the bare copy; by default in one run each, for memory hardly differs between runs."""
    rows = options.rows or (road.QUICK_ROWS if options.quick else road.ROWS)
    runs = options.runs if options.runs_given else 1
    source = sample(options.data, rows)
    right = _times(truth(source))
    with passing(options.data / f"consultations-{rows}-x{TIMES}") as lake, passing(options.data / "place") as place:
        _repeat(source, lake)
        size = sum(file.stat().st_size for file in (lake / "raw").iterdir()) / 1e9
        contenders = [road.own_lake(lake, place, right), road.bare_copy(lake, place, right)]
        take_turns(chosen(contenders, options.only), runs)
    title = f"CSV to table, large: {size:.2f} GB, {rows * TIMES:,} rows"
    notes = [f"The same files as above, each with its records {TIMES} times over."]
    return [of_processes(title, contenders, road.BARE, runs, own=road.OWN, notes=notes, charts=CHARTS)]


def _times(right: Truth) -> Truth:
    return {kind: {group: count * TIMES for group, count in groups.items()} for kind, groups in right.items()}


def _repeat(source: Path, lake: Path) -> None:
    shutil.rmtree(lake, ignore_errors=True)
    (lake / "raw").mkdir(parents=True)
    for path in (source / "raw").iterdir():
        with path.open("rb") as file, (lake / "raw" / path.name).open("wb") as target:
            target.write(file.readline())
            start = file.tell()
            for _ in range(TIMES):
                file.seek(start)
                shutil.copyfileobj(file, target, CHUNK)
    shutil.copy(source / "lake.yaml", lake)
