"""Queries inside a process: the product beside bare `read_parquet` over the very same files."""

from __future__ import annotations

import argparse
import json
from statistics import median

from measuring import PENSTOCK, PYTHON, run_process
from samples import HERE, fresh_lake, many_files, passing
from table import Bars, Row, Table, counted, ratio

FILES, ROWS = 100, 30_000
QUICK_FILES, QUICK_ROWS = 4, 100
INSIDE = (
    "Measured inside one process: `lake.query(sql).fetchall()` on an open lake, in turns with a new DuckDB connection "
    "that asks the same statement over `read_parquet` of the table's live files."
)
TURNS = 5
"""Turns for each run that is asked for: queries take milliseconds."""


def measure(options: argparse.Namespace) -> list[Table]:
    """Several statements over one table of many files."""
    files, rows = (QUICK_FILES, QUICK_ROWS) if options.quick else (FILES, ROWS)
    source, turns = many_files(options.data, files, rows), options.runs * TURNS
    with passing(options.data / "place") as place:
        fresh_lake(source, place)
        run_process([PENSTOCK, "-C", str(place), "run", "--quiet"])
        output = run_process([PYTHON, str(HERE / "query_program.py"), str(place), str(turns)]).output
    found = json.loads(output.splitlines()[-1])
    statements = found["statements"]
    right = all(one["same"] for one in statements.values())
    table = Table(
        f"Queries: {found['rows']:,} rows in {counted(found['files'], 'data file')}",
        [("penstock ms", 1), ("read_parquet ms", 1), ("ratio", 2)],
        [_row(name, one) for name, one in statements.items()],
        how=f"Medians of {turns} turns. Ratios: read_parquet is 1.",
        notes=[
            INSIDE,
            "same: both give the same rows, in any order; else there are no times.",
            *(f"{name}: `{one['sql']}`" for name, one in statements.items()),
        ],
        charts=[Bars("ratio", "Penstock's time, where read_parquet takes 1")],
        right=right,
        samples={name: {"penstock": one["penstock"], "read_parquet": one["bare"]} for name, one in statements.items()},
    )
    return [table]


def _row(name: str, one: dict[str, list[float]]) -> Row:
    if not one["same"]:
        return Row(name, (None, None, None), "refused: differ")
    own, bare = median(one["penstock"]), median(one["bare"])
    return Row(name, (own, bare, ratio(own, bare)), "same")
