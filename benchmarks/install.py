"""From an empty virtual environment to the first answer: Penstock and tools that newcomers compare it with.

Everyone loads the same CSV file and answers the same question. What they type is in `install_jobs.py`.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
from collections import Counter
from functools import partial
from pathlib import Path

from install_jobs import JOBS
from measuring import MILLION, PYTHON, Contender, Usage, chosen, run_process, take_turns
from samples import HERE, passing
from table import Bars, Row, Table, counted

ROWS, QUICK_ROWS = 5_000, 200
CITIES = ("Bordeaux", "Lille", "Lyon", "Nantes", "Nice", "Paris", "Rennes", "Strasbourg", "Toulouse")
OWN = "penstock"
SHOWN = 9
TIMED = (
    "Timed: making the environment, installing with uv out of its warm cache of packages (nothing is downloaded or "
    "built), loading the file, asking. How long the network takes says nothing of a tool."
)
LEFT_OUT = (
    "Little of it can be left out: pyarrow has no smaller package (its parts for Flight, S3 and Substrait, a third of "
    "it, are never loaded), and pyiceberg insists on zstandard and pyroaring."
)
BIG = 4 * MILLION
"""Packages from this size on are named."""


def measure(options: argparse.Namespace) -> list[Table]:
    """A new environment for each run."""
    wheel = _wheel(options.data)
    with passing(options.data / "install") as place:
        sales, right = _sales(place, QUICK_ROWS if options.quick else ROWS)
        contenders = chosen([_contender(tool, place, sales, wheel, right) for tool in JOBS], options.only)
        for one in contenders:  # fills the cache of packages
            one.run()
            one.usages.clear()
        take_turns(contenders, options.runs)
        found = {one.name: _weigh(place / one.name / "venv") for one in contenders if one.usages}
    return [_table(contenders, found, options.runs, sum(right.values()))]


def _table(contenders: list[Contender], found: dict[str, dict[str, int]], runs: int, rows: int) -> Table:
    own = found.get(OWN, {})
    largest = sorted(own.items(), key=lambda one: -one[1])
    heavy = ", ".join(f"{name} {size / MILLION:.0f}" for name, size in largest[:SHOWN] if size >= BIG)
    return Table(
        f"Nothing to first answer: a CSV file of {rows:,} rows, grouped",
        [("wall s", 1), ("CPU s", 1), ("packages", 0), ("MB on disk", 0)],
        [_row(one, found.get(one.name, {})) for one in contenders],
        how=f"Medians of {counted(runs, 'run')}, each in a new virtual environment.",
        notes=[
            TIMED,
            "MB on disk: the environment as installed, without what Python compiles at the first start.",
            f"MB of Penstock's packages: {heavy}. {LEFT_OUT}",
            *(f"{one.name}: {one.note}" for one in contenders if one.note),
        ],
        charts=[Bars("wall s", "Seconds from nothing to the first answer"), Bars("MB on disk", "MB on disk")],
        right=all(not one.is_out for one in contenders if one.name == OWN),
        samples={one.name: [round(usage.wall, 3) for usage in one.usages] for one in contenders},
    )


def _row(one: Contender, packages: dict[str, int]) -> Row:
    size = sum(packages.values()) / MILLION if packages else None
    return Row(one.name, (one.median("wall"), one.median("cpu"), len(packages) or None, size), one.outcome)


def _contender(tool: str, place: Path, sales: Path, wheel: Path, right: dict[str, int]) -> Contender:
    job = JOBS[tool]
    packages = [str(wheel) if name == OWN else name for name in job.packages]
    folder = place / tool
    command = [PYTHON, str(HERE / "install_jobs.py"), tool, str(folder), str(sales), *packages]
    return Contender(tool, command, partial(_fresh, folder), partial(_judge, right), wanted=("same",), note=job.note)


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _judge(right: dict[str, int], usage: Usage) -> str:
    """The answer is the last line: JSON, name of the city to rows."""
    return "same" if json.loads(usage.output.strip().splitlines()[-1]) == right else "differ"


def _sales(place: Path, rows: int) -> tuple[Path, dict[str, int]]:
    """The file, and the answer."""
    chance = random.Random(7)  # noqa: S311 - sample data
    cities = [chance.choice(CITIES) for _ in range(rows)]
    place.mkdir(parents=True, exist_ok=True)
    with (place / "sales.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "city", "amount"])
        writer.writerows(
            [number, city, f"{chance.randint(100, 99_999) / 100:.2f}"] for number, city in enumerate(cities)
        )
    return place / "sales.csv", dict(Counter(cities))


def _wheel(data: Path) -> Path:
    """The product as people install it, built out of the tree as it is."""
    dist = data / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    uv = str(Path(PYTHON).with_name("uv"))
    run_process([uv, "build", "--quiet", "--wheel", "--python", PYTHON, "--out-dir", str(dist), str(HERE.parent)])
    return next(dist.glob("*.whl"))


def _weigh(environment: Path) -> dict[str, int]:
    """Bytes of every package in an environment, by the files that it says are its own."""
    sizes = {}
    for site in environment.glob("lib/python*/site-packages"):
        for info in site.glob("*.dist-info"):
            with (info / "RECORD").open(encoding="utf-8", newline="") as file:
                files = [site / row[0] for row in csv.reader(file)]
            sizes[info.name.split("-")[0]] = sum(file.stat().st_size for file in files if file.is_file())
    return sizes
