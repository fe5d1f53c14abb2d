"""Starting: how long the command line takes to help, to complete, to answer a query, and to give a first result."""

from __future__ import annotations

import argparse
import json
import shlex
from functools import partial
from pathlib import Path

from measuring import PENSTOCK, PYTHON, Contender, Usage, chosen, run_process, take_turns
from samples import fresh_lake, passing, sample
from table import Bars, Table, of_processes

ROWS, QUICK_ROWS = 50_000, 2_000
RUNS_FACTOR = 3
BARE = "python -c pass"
OWN = "penstock query"
FIRST = "penstock, from nothing to a result"
SQL = "SELECT age_group, count(*) FROM consultations GROUP BY age_group"
FIRST_RESULT = "`init` with 2,000 sample rows, `run`, `query`: what a newcomer types."
CHARTS = [Bars("wall s", "Seconds", leave_out=(FIRST,))]
DUCKDB_QUERY = """
import json, sys
import duckdb
print(json.dumps(duckdb.sql(sys.argv[1]).fetchall()))
"""


def measure(options: argparse.Namespace) -> list[Table]:
    """The command line against bare Python and bare DuckDB, and how long a newcomer waits."""
    rows, runs = (QUICK_ROWS, 1) if options.quick else (ROWS, options.runs * RUNS_FACTOR)
    with passing(options.data / "place") as place:
        fresh_lake(sample(options.data, rows), place)
        run_process([PENSTOCK, "-C", str(place), "run", "--quiet"])
        contenders = chosen(_contenders(place), options.only)
        for one in (
            [] if options.quick else contenders
        ):  # the first start compiles a program and fills the system's cache
            run_process(one.command)
        take_turns(contenders, runs)
    notes = [f"The query counts rows by age group; the table has about {rows:,} rows."]
    return [of_processes("Starting", contenders, BARE, runs, own=OWN, notes=notes, charts=CHARTS)]


def _contenders(place: Path) -> list[Contender]:
    files = [str(file) for file in (place / "processed").rglob("data/*.parquet")]
    bare_query = [PYTHON, "-c", DUCKDB_QUERY, SQL.replace("consultations", f"read_parquet({files})")]
    rows = dict(json.loads(run_process(bare_query).output))
    first = ["/bin/sh", "-c", _first_result(place.parent / "first")]
    query = [PENSTOCK, "-C", str(place), "query", "--format", "json", SQL]
    return [
        Contender(BARE, [PYTHON, "-c", "pass"]),
        Contender("python -c 'import duckdb'", [PYTHON, "-c", "import duckdb"]),
        Contender("penstock --help", [PENSTOCK, "--help"]),
        Contender("penstock, completing a table", ["/bin/sh", "-c", _completing(place)]),
        Contender("penstock check", [PENSTOCK, "-C", str(place), "check"]),
        Contender("penstock status", [PENSTOCK, "-C", str(place), "status"]),
        Contender(FIRST, first, note=FIRST_RESULT),
        Contender("DuckDB query", bare_query, note="the same files by `read_parquet`, from Python."),
        Contender(OWN, query, after=partial(_judge, rows), wanted=("same",)),
    ]


def _completing(place: Path) -> str:
    """What a shell calls when a person asks for the names of tables."""
    words = shlex.quote(f"penstock -C {place} show ")
    return f"COMP_WORDS={words} COMP_CWORD=4 _PENSTOCK_COMPLETE=bash_complete {shlex.quote(str(PENSTOCK))}"


def _first_result(place: Path) -> str:
    """Everything that a newcomer types, in a folder that is new each time."""
    folder, penstock = shlex.quote(str(place)), shlex.quote(str(PENSTOCK))
    return " && ".join(
        [
            f"rm -rf {folder}",
            f"{penstock} init consultations {folder} --sample-data --rows 2000",
            f"{penstock} -C {folder} run --quiet",
            f"{penstock} -C {folder} query {shlex.quote(SQL)}",
            f"rm -rf {folder}",
        ]
    )


def _judge(rows: dict[str | None, int], usage: Usage) -> str:
    found = json.loads(usage.output[: usage.output.rindex("]") + 1])
    return "same" if dict(row.values() for row in found) == rows else "differ"
