"""Rows by age group that should come out of the consultations in a folder: plain Python, sharing nothing with Penstock.

Strictly, a line has as many fields as the header. Leniently, it may have one more that is empty.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from datetime import date
from functools import cache
from pathlib import Path

WIDTH = 9
OLDEST = 120
GROUPS = ((12, "enfant"), (17, "adolescent"), (64, "adulte"), (OLDEST, "senior"))


def main() -> None:
    """Print the counts of all files as JSON."""
    counts = {"strict": Counter[str](), "lenient": Counter[str]()}
    for path in sorted(Path(sys.argv[1]).iterdir()):
        with path.open(encoding="utf-8", newline="") as file:
            records = csv.reader(file)
            next(records)
            for record in records:
                too_long = len(record) == WIDTH + 1 and not record[-1]
                if (len(record) == WIDTH or too_long) and (group := age_group(*record[2:6])) is not None:
                    counts["lenient"][group] += 1
                    counts["strict"][group] += not too_long
    print(json.dumps(counts))


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
