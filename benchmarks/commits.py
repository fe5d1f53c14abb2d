"""Commits: what the n-th one costs, when every file arrives in a run of its own."""

from __future__ import annotations

import argparse
import json
from statistics import fmean, median
from typing import Any

from measuring import PYTHON, run_process
from samples import HERE, passing
from table import Curve, Row, Table, ratio

MARKS, QUICK_MARKS = (10, 100, 1_000), (2, 4, 8)
FURTHER = 10_000
AROUND = 4
"""A commit is shown as the median of itself and so many before and after it."""
POINTS = 120
COMMIT = (
    "commit: the call of `commit_group` within that run, which reads the table, plans, writes metadata and swaps the "
    "pointer."
)
RUN = (
    "run: opening the lake and all of `lake.run()`, with looking for files, types, row accounting, the state store, "
    "and whatever upkeep falls due on its own."
)


def measure(options: argparse.Namespace) -> list[Table]:
    """One file after the other into one table, in one process."""
    marks = QUICK_MARKS if options.quick else (*MARKS, *((FURTHER,) if options.further else ()))
    around = 1 if options.quick else AROUND
    with passing(options.data / "place") as place:
        output = run_process([PYTHON, str(HERE / "commits_program.py"), str(place), str(marks[-1] + around)]).output
    found = json.loads(output.splitlines()[-1])
    rows, right = found.pop("rows"), found.pop("right")
    table = Table(
        f"Commits: one file in each run, {marks[-1] + around:,} runs into one table",
        [("commit ms", 1), ("commit ratio", 2), ("run ms", 1), ("run ratio", 2)],
        [*_rows(found, marks, around), Row("mean of all", _mean(found))],
        how=f"Medians of {2 * around + 1} runs: the n-th and those next to it. Ratios: the {_nth(marks[0])} is 1.",
        notes=[
            "Measured inside one process: a file of one row is put into raw/, then `lake.run()` takes it in.",
            COMMIT,
            RUN,
            f"Afterwards the table had {rows:,} rows, {'as it should' if right else 'which is wrong'}.",
        ],
        charts=[Curve("commits", ("run ms", "commit ms"), "Milliseconds, by the number of commits so far")],
        right=right,
        samples=_points(found),
    )
    return [table]


def _rows(found: dict[str, list[float]], marks: tuple[int, ...], around: int) -> list[Row]:
    rows = []
    for mark in marks:
        at, first = (
            {name: median(times[of - 1 - around : of + around]) for name, times in found.items()}
            for of in (mark, marks[0])
        )
        rows.append(
            Row(
                _nth(mark),
                tuple(figure for name in ("commit", "run") for figure in (at[name], ratio(at[name], first[name]))),
            )
        )
    return rows


def _mean(found: dict[str, list[float]]) -> tuple[float | None, ...]:
    return fmean(found["commit"]), None, fmean(found["run"]), None


def _points(found: dict[str, list[float]]) -> dict[str, Any]:
    """Medians of equal stretches, as many as a chart can show."""
    length = len(found["run"])
    step = max(1, length // POINTS)
    starts = range(0, length - step + 1, step)
    curves = {f"{name} ms": [round(median(times[at : at + step]), 2) for at in starts] for name, times in found.items()}
    return {"commits": [at + step for at in starts], **curves}


def _nth(number: int) -> str:
    return f"{number:,}{'nd' if number == QUICK_MARKS[0] else 'th'} commit"
