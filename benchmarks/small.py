"""Many small files in one run: what each file costs beside its rows."""

from __future__ import annotations

import argparse
from dataclasses import replace

import road
from measuring import chosen, take_turns
from samples import LENIENT, SAME, many_files, passing, truth
from table import Bars, Table, of_processes

FILES, QUICK_FILES = 1_000, 12
ROWS = 150
"""Records that make a file of about 10 KB."""
AT_ONCE = "DuckDB COPY, one query"
CHARTS = [Bars("files/s", "Files a second")]


def measure(options: argparse.Namespace) -> list[Table]:
    """Penstock, one query over all files, and a loop over files with each of the others."""
    files = QUICK_FILES if options.quick else FILES
    lake = many_files(options.data, files, ROWS)
    right = truth(lake)
    size = sum(file.stat().st_size for file in (lake / "raw").iterdir())
    with passing(options.data / "place") as place:
        note = "all files in one query, into one Parquet file; nothing tells afterwards which row came from where."
        program = ["road_copy.py", "--at-once"]
        at_once = road.other(AT_ONCE, program, lake, place, right, wanted=(SAME, LENIENT), note=note)
        loops = [replace(one, name=f"{one.name}, file by file", note="") for one in road.others(lake, place, right)]
        own = replace(
            road.own_lake(lake, place, right),
            note="every file hashed, recorded, proven, accounted for and committed exactly once.",
        )
        contenders = chosen([own, at_once, *loops], options.only)
        take_turns(contenders, options.runs)
    title = f"Small files: {files:,} files of {size / files / 1000:.0f} KB in one run"
    notes = [f"Rows are compared by age group with a truth of {sum(right['strict'].values()):,}.", road.RAGGED]
    return [
        of_processes(
            title,
            contenders,
            AT_ONCE,
            options.runs,
            own=road.OWN,
            notes=notes,
            charts=CHARTS,
            amount=("files", files),
        )
    ]
