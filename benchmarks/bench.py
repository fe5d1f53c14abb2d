"""Speed, measured: `make bench` runs this.

A contender's result is compared with the truth before its time counts. Contenders take turns, so that a noisy moment
hits all of them alike; medians are shown. Each measurement is a file with a function `measure` that gives tables.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import cold
import commits
import inside
import install
import large
import live
import query
import road
import small
import startup
from machine import machine_line
from measuring import PYTHON, ContenderError, run_process
from page import ROOT, Kept, figures_in, keep, page_in, read_figures, write_page

MEASUREMENTS = {
    "road": road.measure,
    "large": large.measure,
    "small": small.measure,
    "commits": commits.measure,
    "live": live.measure,
    "query": query.measure,
    "startup": startup.measure,
    "cold": cold.measure,
    "install": install.measure,
}
RUNS = 5


def main() -> int:
    """Measure what is asked for, print it, and say by the exit code whether Penstock's own rows were right."""
    options = _options()
    if options.what == ["profile"]:
        inside.profile(options.data, options.rows)
        return 0
    if options.what == ["page"]:
        write_page(read_figures(options.root), options.root)
        print(f"written: {page_in(options.root)}")
        if options.root == ROOT:
            run_process([PYTHON, str(ROOT / "scripts" / "promises.py")])  # which tells some of the figures, too
        return 0
    names = list(MEASUREMENTS) if options.what == ["all"] else options.what
    print(machine_line())
    measured = {name: one for name in names if (one := _measure(name, options)) is not None}
    if options.json:
        kept = {name: one.as_dict() for name, one in measured.items()}
        options.json.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    right = all(table.right for one in measured.values() for table in one.tables)
    return 0 if right and len(measured) == len(names) else 1


def _measure(name: str, options: argparse.Namespace) -> Kept | None:
    """One measurement, printed and, when asked for, written at once; None when it could not be taken."""
    try:
        tables = MEASUREMENTS[name](options)
    except ContenderError as error:
        print(f"\n{name}: not measured\n{error}", file=sys.stderr)
        return None
    for table in tables:
        print(f"\n{table.as_text()}", flush=True)
    measured = Kept(tables, datetime.now(UTC).strftime("%Y-%m-%d"), machine_line())
    if options.write_docs and all(table.right for table in tables):
        keep({name: measured}, list(MEASUREMENTS), options.root)
        print(f"\nwritten: {figures_in(options.root)}", flush=True)
        # In a process of its own: what draws takes memory, and no child's peak is told below that of this process.
        print(run_process([PYTHON, __file__, "page", "--root", str(options.root)]).output, end="", flush=True)
    return measured


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure Penstock against other ways of doing the same.")
    whats = ["all", *MEASUREMENTS, "profile", "page"]
    parser.add_argument("what", nargs="*", default=["all"], help=f"of {', '.join(whats)} (all); page: only write it")
    parser.add_argument("--runs", type=int, help=f"times that each contender runs ({RUNS}; large: 1)")
    parser.add_argument("--rows", type=int, help="rows of the sample (15,000,000, about 1 GB; profile: 3,000,000)")
    parser.add_argument(
        "--quick", action="store_true", help="one run of everything at tiny sizes: does it work at all?"
    )
    parser.add_argument("--further", action="store_true", help="commits: up to the 10,000th")
    parser.add_argument("--only", action="append", metavar="NAME", help="only these contenders; may be repeated")
    parser.add_argument("--data", type=Path, default=Path(".bench"), help="where samples are kept (.bench)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON, too")
    parser.add_argument("--write-docs", action="store_true", help="keep the figures and write docs/benchmarks.md anew")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree whose page is written, for trials (this one)")
    options = parser.parse_args()
    options.runs_given = options.runs is not None
    options.runs = options.runs if options.runs_given else 1 if options.quick else RUNS
    _refuse(parser, options, whats)
    options.data = options.data.absolute()
    return options


def _refuse(parser: argparse.ArgumentParser, options: argparse.Namespace, whats: list[str]) -> None:
    unknown = [what for what in options.what if what not in whats]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there is {', '.join(whats)}")
    if len(options.what) > 1 and {"all", "profile", "page"} & {*options.what}:
        parser.error("all, profile and page stand alone")
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    if options.write_docs and options.root == ROOT and (options.only or options.quick or options.rows):
        parser.error("--write-docs needs all contenders at full size: neither --only nor --quick nor --rows")


if __name__ == "__main__":
    sys.exit(main())
