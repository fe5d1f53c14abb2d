"""Rows by age group that should come out of the consultations in a folder: plain Python, sharing nothing with Penstock.

Readers differ in what they do with a line whose fields are not as many as the header's. Each way is counted apart:

- `strict`: such a line is no row.
- `lenient`: one field more is passed over where it is empty.
- `cut`: short lines are filled up with nothing, long ones are cut.
- `filled`: short lines are filled up with nothing, long ones are skipped.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

WIDTH = 9
OLDEST = 120
GROUPS = ((12, "enfant"), (17, "adolescent"), (64, "adulte"), (OLDEST, "senior"))
KINDS = ("strict", "lenient", "cut", "filled")


def main() -> None:
    """Print the counts of all files as JSON."""
    counts = {kind: Counter[str]() for kind in KINDS}
    for path in sorted(Path(sys.argv[1]).iterdir()):
        with path.open(encoding="utf-8", newline="") as file:
            records = csv.reader(file)
            next(records)
            for record in records:
                whole = record if len(record) == WIDTH else (record + [""] * WIDTH)[:WIDTH]
                if (group := age_group(*whole[2:6])) is not None:
                    for kind in kinds_of(record):
                        counts[kind][group] += 1
    print(json.dumps(counts))


def kinds_of(record: list[str]) -> Iterator[str]:
    """The ways of reading for which a record is a row."""
    if len(record) == WIDTH:
        yield from KINDS
    elif record:
        yield "cut"
        if len(record) < WIDTH:
            yield "filled"
        elif len(record) == WIDTH + 1 and not record[-1]:
            yield "lenient"


def age_group(age: str, _sex: str, diagnosis: str, day: str) -> str | None:
    """The row's group; None for a row that is not kept."""
    if not diagnosis.strip() or not is_day(day):
        return None
    if not age:
        return "None"
    return next((name for upto, name in GROUPS if 0 <= int(age) <= upto), None)


@cache
def is_day(text: str) -> bool:
    """Whether the text is a date, or nothing."""
    try:
        return not text or date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


if __name__ == "__main__":
    main()
