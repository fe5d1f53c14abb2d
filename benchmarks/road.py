"""The main road: raw CSV files become typed, filtered, derived rows in Parquet."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from functools import partial
from pathlib import Path

from measuring import PENSTOCK, PYTHON, Contender, Usage, chosen, run_process, take_turns
from report import Table

ROWS = 15_000_000
HERE = Path(__file__).parent
BARE = "DuckDB COPY"
OWN = "penstock run"
SAME, LENIENT = "same", "same but for empty last fields"
GROUPS = "SELECT age_group, count(*) AS rows FROM {rows} GROUP BY age_group"
SAMPLE = """
import sys
from pathlib import Path
from penstock.templates.create import create
create("consultations", Path(sys.argv[1]), sample_data=True, rows=int(sys.argv[2]))
"""
COUNT = """
import json, sys
import duckdb
print(json.dumps({str(name): rows for name, rows in duckdb.sql(sys.argv[1]).fetchall()}))
"""


def sample(data: Path, rows: int) -> Path:
    """The lake with that many rows of sample data, made when it is not there; its `lake.yaml` is written last."""
    lake = data / f"consultations-{rows}"
    if not (lake / "lake.yaml").exists():
        shutil.rmtree(lake, ignore_errors=True)
        data.mkdir(parents=True, exist_ok=True)
        print(f"making {rows:,} rows of sample data", flush=True)
        run_process([PYTHON, "-c", SAMPLE, str(lake), str(rows)])
    return lake


def truth(lake: Path) -> dict[str, dict[str, int]]:
    """Rows by age group as plain Python counts them, strictly and leniently; kept beside the sample."""
    kept = lake / "truth.json"
    if not kept.exists():
        print("counting the truth in plain Python", flush=True)
        kept.write_text(run_process([PYTHON, str(HERE / "road_truth.py"), str(lake / "raw")]).output, encoding="utf-8")
    found: dict[str, dict[str, int]] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def fresh_lake(lake: Path, place: Path) -> None:
    """The same lake as new, its files linked."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "raw").mkdir(parents=True)
    shutil.copy(lake / "lake.yaml", place)
    for file in (lake / "raw").iterdir():
        os.link(file, place / "raw" / file.name)


def measure(options: argparse.Namespace) -> Table:
    """Penstock against the bare copy, Polars and pandas."""
    lake = sample(options.data, options.rows or ROWS)
    right = truth(lake)
    place = options.data / "place"
    contenders = chosen(_contenders(lake, place, right), options.only)
    try:
        take_turns(contenders, options.runs)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    files = list((lake / "raw").iterdir())
    size = sum(file.stat().st_size for file in files)
    return Table(
        title=f"CSV to table: {size / 1e9:.2f} GB, {options.rows or ROWS:,} rows in {len(files)} files",
        contenders=contenders,
        baseline=BARE,
        runs=options.runs,
        notes=_notes(right),
        own=OWN,
        wanted=(SAME, LENIENT),
    )


def _contenders(lake: Path, place: Path, right: dict[str, dict[str, int]]) -> list[Contender]:
    raw, out = str(lake / "raw"), place / "out"
    own_lake = Contender(
        OWN,
        [PENSTOCK, "-C", str(place), "run", "--quiet"],
        before=partial(fresh_lake, lake, place),
        after=partial(_judge_lake, place, right),
        note="Iceberg commit, row accounting, and quarantine with the line of every bad row included.",
    )

    def other(name: str, program: str, note: str) -> Contender:
        command = [PYTHON, str(HERE / program), raw, str(out)]
        return Contender(name, command, partial(_fresh_folder, place, out), partial(_judge_files, out, right), note)

    return [
        own_lake,
        other(
            BARE, "road_copy.py", "the same SELECT written by hand, malformed rows by `store_rejects`; nothing else."
        ),
        other("Polars", "road_polars.py", "streaming; lines with too few or too many fields are filled up or cut."),
        other("pandas", "road_pandas.py", "whole files in memory; lines with too many fields are skipped."),
    ]


def _notes(right: dict[str, dict[str, int]]) -> list[str]:
    strict, lenient = (sum(right[kind].values()) for kind in ("strict", "lenient"))
    rows = f"Rows are compared by age group with a truth of {strict:,}."
    shifted = f"{lenient - strict:,} lines have a field too many that is empty; DuckDB's reader passes over it"
    return [rows, f'"{LENIENT}": {shifted}.']


def _fresh_folder(place: Path, out: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    out.mkdir(parents=True)


def _judge_lake(place: Path, right: dict[str, dict[str, int]], _usage: Usage) -> str:
    sql = GROUPS.format(rows="consultations")
    answer = run_process([PENSTOCK, "-C", str(place), "query", "--format", "json", sql]).output
    return _outcome({str(row["age_group"]): row["rows"] for row in json.loads(answer)}, right)


def _judge_files(out: Path, right: dict[str, dict[str, int]], _usage: Usage) -> str:
    sql = GROUPS.format(rows=f"read_parquet('{out}/*.parquet')")
    return _outcome(json.loads(run_process([PYTHON, "-c", COUNT, sql]).output), right)


def _outcome(found: dict[str, int], right: dict[str, dict[str, int]]) -> str:
    if found == right["strict"]:
        return SAME
    if found == right["lenient"]:
        return LENIENT
    groups = found.keys() | right["strict"].keys()
    differ = sum(abs(found.get(group, 0) - right["strict"].get(group, 0)) for group in groups)
    return f"differ by {differ:,}"
