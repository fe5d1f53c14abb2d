"""The main road: raw CSV files become typed, filtered, derived rows in Parquet."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from measuring import PENSTOCK, PYTHON, Contender, chosen, take_turns
from samples import (
    CUT,
    FILLED,
    HERE,
    LENIENT,
    SAME,
    Truth,
    fresh_folder,
    fresh_lake,
    judge_files,
    judge_lake,
    passing,
    sample,
    truth,
)
from table import Bars, Table, of_processes

ROWS, QUICK_ROWS = 15_000_000, 20_000
BARE, OWN = "DuckDB COPY", "penstock run"
CHARTS = [Bars("CPU s", "Seconds of CPU"), Bars("memory MB", "Peak memory, MB")]
RAGGED = (
    f'Ragged lines: "{LENIENT}" passes over an empty field too many; "{CUT}" fills short lines up and cuts long ones; '
    f'"{FILLED}" fills short ones up and skips long ones. Penstock sets them aside.'
)
AWSWRANGLER = (
    "awswrangler 3.17 is not measured: it writes Parquet to S3 only and refuses local folders. It reads CSV with "
    "pandas and writes with pyarrow, as the row for pandas does."
)


def measure(options: argparse.Namespace) -> list[Table]:
    """Penstock against the bare copy, Polars and pandas."""
    rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    lake = sample(options.data, rows)
    right = truth(lake)
    with passing(options.data / "place") as place:
        contenders = chosen([own_lake(lake, place, right), *others(lake, place, right)], options.only)
        take_turns(contenders, options.runs)
    files = list((lake / "raw").iterdir())
    size = sum(file.stat().st_size for file in files) / 1e9
    title = f"CSV to table: {size:.2f} GB, {rows:,} rows in {len(files)} files"
    notes = [f"Rows are compared by age group with a truth of {sum(right['strict'].values()):,}.", RAGGED, AWSWRANGLER]
    return [of_processes(title, contenders, BARE, options.runs, own=OWN, notes=notes, charts=CHARTS)]


def own_lake(lake: Path, place: Path, right: Truth) -> Contender:
    """The product as people use it."""
    return Contender(
        OWN,
        [PENSTOCK, "-C", str(place), "run", "--quiet"],
        before=partial(fresh_lake, lake, place),
        after=partial(judge_lake, place, right),
        wanted=(SAME,),
        note="Iceberg commit, row accounting, and quarantine with the line of every bad row included.",
    )


def bare_copy(lake: Path, place: Path, right: Truth) -> Contender:
    """The least that must be done."""
    note = "the same SELECT written by hand, malformed rows by `store_rejects`; nothing else."
    return other(BARE, ["road_copy.py"], lake, place, right, wanted=(SAME, LENIENT), note=note)


def others(lake: Path, place: Path, right: Truth) -> list[Contender]:
    """Everyone but the product."""
    return [
        bare_copy(lake, place, right),
        other("Polars", ["road_polars.py"], lake, place, right, wanted=(SAME, CUT), note="streaming, file by file."),
        other("pandas", ["road_pandas.py"], lake, place, right, wanted=(SAME, FILLED), note="whole files in memory."),
    ]


def other(
    name: str, program: list[str], lake: Path, place: Path, right: Truth, *, wanted: tuple[str, ...], note: str
) -> Contender:
    """A program of this folder that turns a folder of files into a folder of Parquet."""
    out = place / "out"
    command = [PYTHON, str(HERE / program[0]), str(lake / "raw"), str(out), *program[1:]]
    return Contender(
        name, command, partial(fresh_folder, place, out), partial(judge_files, out, right), wanted=wanted, note=note
    )
