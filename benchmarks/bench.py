"""Speed, measured: `make bench` runs this.

Every contender is a whole process. Contenders take turns, so that a noisy moment hits all of them alike; medians are
shown. A contender's result is compared with the truth before its time counts. What is measured is in `road.py`,
`startup.py` and, for developers, `inside.py`; a new measurement is a new file with a function that gives a `Table`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import inside
import road
import startup
from report import Report, write_docs

DOCS = Path(__file__).parent.parent / "docs" / "benchmarks.md"
MEASUREMENTS = {"road": road.measure, "startup": startup.measure}


def main() -> int:
    """Measure what is asked for, print it, and say by the exit code whether Penstock's own rows were right."""
    options = _options()
    if options.what == "profile":
        inside.profile(options.data, options.rows)
        return 0
    report = Report.here()
    print(report.machine_line())
    for name in MEASUREMENTS if options.what == "all" else [options.what]:
        table = MEASUREMENTS[name](options)
        report.tables.append(table)
        print(f"\n{table.as_text()}")
    if options.json:
        options.json.write_text(json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.write_docs:
        write_docs(report, DOCS)
        print(f"\nwritten: {DOCS}")
    return 0 if report.own_rows_are_right() else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure Penstock against other ways of doing the same.")
    parser.add_argument("what", nargs="?", default="all", choices=["all", *MEASUREMENTS, "profile"])
    parser.add_argument("--runs", type=int, default=5, help="times that each contender runs (5)")
    parser.add_argument("--rows", type=int, help="rows of the sample (15,000,000, about 1 GB; profile: 3,000,000)")
    parser.add_argument("--only", action="append", metavar="NAME", help="only these contenders; may be repeated")
    parser.add_argument("--data", type=Path, default=Path(".bench"), help="where samples are kept (.bench)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON, too")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    if options.write_docs and (options.what != "all" or options.only):
        parser.error("--write-docs needs all measurements and contenders")
    options.data = options.data.absolute()
    return options


if __name__ == "__main__":
    sys.exit(main())
