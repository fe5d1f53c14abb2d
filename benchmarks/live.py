"""Live: how soon the rows of a file are there that lands while `penstock up` runs."""

from __future__ import annotations

import argparse
import json
from statistics import median, quantiles
from typing import Any

from measuring import MILLION, PYTHON, run_process
from samples import HERE, passing
from table import Curve, Row, Table

FILES, QUICK_FILES = 5_000, 8
BURST, QUICK_BURST = 1_000, 20
POINTS = 120


def measure(options: argparse.Namespace) -> list[Table]:
    """One file after the other, then many at once."""
    files, burst = (QUICK_FILES, QUICK_BURST) if options.quick else (FILES, BURST)
    with passing(options.data / "place") as place:
        program = str(HERE / "live_program.py")
        output = run_process([PYTHON, program, str(place), str(files), str(burst)]).output
    found = json.loads(output.splitlines()[-1])
    times, part = found["latencies"], max(2, min(100, files // 4))
    first, last = median(times[:part]), median(times[-part:])
    table = Table(
        f"Live: {files:,} files of 10 KB, one commit each",
        [("median ms", 0), ("95th percentile ms", 0), ("files a second", 0)],
        [
            _row(f"all {files:,}", times),
            _row(f"the first {part}", times[:part]),
            _row(f"the last {part}", times[-part:]),
            Row(f"{burst:,} files at once", (None, None, found["rate"])),
        ],
        how=(
            "Milliseconds from the end of a file's rename into raw/ to the moment at which another process sees its "
            f"rows. The medians of the last and the first {part} have the ratio {last / first:.2f}."
        ),
        notes=[
            "`penstock up` runs as it does anywhere; the reader looks every 2 ms at the table's catalog.",
            "Between files pass up to 50 ms, by chance. Files of the burst have 10 rows, the others 300.",
            (
                f"All in all `penstock up` used {found['cpu']:,.0f} s of CPU, and {found['peak'] / MILLION:,.0f} MB of "
                f"memory at most. Afterwards the table had {found['rows']:,} rows, "
                f"{'as it should' if found['right'] else 'which is wrong'}."
            ),
        ],
        charts=[Curve("files", ("median ms", "95th percentile ms"), "Milliseconds, by the number of files so far")],
        right=found["right"],
        samples=_points(times),
    )
    return [table]


def _row(name: str, times: list[float]) -> Row:
    return Row(name, (median(times), _late(times), None))


def _late(times: list[float]) -> float:
    """The 95th percentile."""
    return quantiles(times, n=20, method="inclusive")[-1]


def _points(times: list[float]) -> dict[str, Any]:
    """Of equal stretches, as many as a chart can show."""
    step = max(2, len(times) // POINTS)
    starts = range(0, len(times) - step + 1, step)
    return {
        "files": [at + step for at in starts],
        "median ms": [round(median(times[at : at + step]), 1) for at in starts],
        "95th percentile ms": [round(_late(times[at : at + step]), 1) for at in starts],
    }
