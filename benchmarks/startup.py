"""Starting: how long the command line takes to help, to complete, to answer a query, and to give a first result."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
from functools import partial
from pathlib import Path

from measuring import PENSTOCK, PYTHON, Contender, Usage, chosen, run_process, take_turns
from report import Table
from road import fresh_lake, sample

ROWS = 50_000
RUNS_FACTOR = 3
BARE = "python -c pass"
OWN = "penstock query"
SQL = "SELECT age_group, count(*) FROM consultations GROUP BY age_group"
FIRST_RESULT = "`init` with 2,000 sample rows, `run`, `query`: what a newcomer types."
DUCKDB_QUERY = """
import json, sys
import duckdb
print(json.dumps(duckdb.sql(sys.argv[1]).fetchall()))
"""


def measure(options: argparse.Namespace) -> Table:
    """The command line against bare Python and bare DuckDB, and how long a newcomer waits."""
    place = options.data / "place"
    fresh_lake(sample(options.data, ROWS), place)
    try:
        run_process([PENSTOCK, "-C", str(place), "run", "--quiet"])
        contenders = chosen(_contenders(place), options.only)
        for one in contenders:  # the first start of a program compiles it and fills the system's cache
            run_process(one.command)
        runs = options.runs * RUNS_FACTOR
        take_turns(contenders, runs)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    notes = [f"The query counts rows by age group; the table has about {ROWS:,} rows."]
    return Table("Starting", contenders, BARE, runs, notes, OWN, ("same",))


def _contenders(place: Path) -> list[Contender]:
    files = [str(file) for file in (place / "processed").rglob("data/*.parquet")]
    bare_query = [PYTHON, "-c", DUCKDB_QUERY, SQL.replace("consultations", f"read_parquet({files})")]
    rows = dict(json.loads(run_process(bare_query).output))
    return [
        Contender(BARE, [PYTHON, "-c", "pass"]),
        Contender("python -c 'import duckdb'", [PYTHON, "-c", "import duckdb"]),
        Contender("penstock --help", [PENSTOCK, "--help"]),
        Contender("completing a table", ["/bin/sh", "-c", _completing(place)]),
        Contender("penstock check", [PENSTOCK, "-C", str(place), "check"]),
        Contender(
            "nothing to first result", ["/bin/sh", "-c", _first_result(place.parent / "first")], note=FIRST_RESULT
        ),
        Contender("DuckDB query", bare_query, note="the same files by `read_parquet`, from Python."),
        Contender(
            OWN,
            [PENSTOCK, "-C", str(place), "query", "--format", "json", SQL],
            after=partial(_judge, rows),
        ),
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
    return "same" if dict(row.values() for row in json.loads(usage.output)) == rows else "differ"
