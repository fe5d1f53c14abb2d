"""Cold starts: what the functions of a deployed lake import, out of the unpacked bundle, on one core; and its size.

The bundle is built for the Python and the machine that run this, with the same choice of packages and files as for AWS.
A function has little more than one core, and none of it has been read before: here, files are in the system's cache.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import zipfile
from pathlib import Path

from measuring import MILLION, PYTHON, Contender, chosen, take_turns
from samples import passing
from table import Bars, Row, Table, of_processes

from penstock.declaration import Declaration, loads
from penstock.deployment.bundle import ARCHITECTURES, RUNTIME, Bundle, build

BARE = "python -c pass"
OWN = "all that a file needs, with bytecode"
TARGET_SECONDS = 2.0
RUNS_FACTOR = 3
LAKE = "lake: shop\ntables:\n  orders: {files: '*.csv'}\n"
MACHINES = {"x86_64": "x86_64", "aarch64": "arm64"}
HANDLERS = "from penstock.deployment import handlers"
NEEDED = f"{HANDLERS}; import duckdb, pyarrow.parquet, pyiceberg.io.pyarrow, pyiceberg.catalog.glue, boto3"
LARGEST = 8
CHARTS = [Bars("wall s", "Seconds", leave_out=(BARE,))]


def measure(options: argparse.Namespace) -> list[Table]:
    """Imports on one core, with and without bytecode, and how large the bundles are."""
    runs = 1 if options.quick else options.runs * RUNS_FACTOR
    with passing(options.data / "cold") as place:
        (place / "lake").mkdir(parents=True)
        (place / "lake" / "lake.yaml").write_text(LAKE, encoding="utf-8")
        here = build(place / "lake", _declared(), MACHINES[platform.machine()], python=_version())
        compiled, bare = _unpacked(here.path, place / "compiled"), _unpacked(here.path, place / "bare")
        for folder in [*bare.rglob("__pycache__")]:
            shutil.rmtree(folder)
        contenders = chosen(_contenders(compiled, bare), options.only)
        take_turns(contenders, runs)
        wheres = [] if options.quick else [build(place / "lake", _declared(), one) for one in ARCHITECTURES]
    notes = [f"The target is {TARGET_SECONDS:g} s for all that a file needs. AWS runs {RUNTIME}; this is {_version()}."]
    cold = of_processes(
        "Cold start of a function: imports on one core", contenders, BARE, runs, own=OWN, notes=notes, charts=CHARTS
    )
    return [cold, *([_sizes(wheres)] if wheres else [])]


def _declared() -> Declaration:
    return loads(LAKE)


def _version() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _unpacked(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def _contenders(compiled: Path, bare: Path) -> list[Contender]:
    def importing(root: Path, what: str) -> list[str]:
        program = f"import os, sys; os.sched_setaffinity(0, {{0}}); sys.path.insert(0, {str(root)!r}); {what}"
        return [PYTHON, "-I", "-S", "-B", "-c", program]

    return [
        Contender(BARE, [PYTHON, "-I", "-S", "-c", "pass"]),
        Contender("handlers, with bytecode", importing(compiled, HANDLERS)),
        Contender(OWN, importing(compiled, NEEDED), note="handlers, DuckDB, pyarrow, pyiceberg and boto3."),
        Contender("handlers, without bytecode", importing(bare, HANDLERS)),
        Contender("all that a file needs, without bytecode", importing(bare, NEEDED)),
    ]


def _sizes(bundles: list[Bundle]) -> Table:
    names = [one.name for one in bundles[0].contents[:LARGEST]]
    sizes = [{one.name: one.size / MILLION for one in bundle.contents} for bundle in bundles]
    rows = [
        Row("the zip", tuple(bundle.size / MILLION for bundle in bundles)),
        Row("unzipped", tuple(bundle.unzipped / MILLION for bundle in bundles)),
        *(Row(f"{name}, unzipped", tuple(of.get(name) for of in sizes)) for name in names),
        Row("left out of the packages", tuple(sum(bundle.left_out.values()) / MILLION for bundle in bundles)),
    ]
    return Table(
        "The bundle: megabytes",
        [(bundle.architecture, 1) for bundle in bundles],
        rows,
        how="AWS takes 262.1 MB, unzipped.",
    )
