"""What becomes of the sample data, worked out in plain Python without the product: the other half of a comparison.

Each lake's rules are written here a second time, by other means: Python's own `csv`, `gzip`, `decimal` and `datetime`,
row by row. Nothing of the product is imported.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

Row = dict[str, Any]
SPACES = " \t\u00a0\u202f"


class SetAsideError(Exception):
    """A cell cannot be read; its row is quarantined on account of a column."""


@dataclass
class Reading:
    """Where every row of some files went.

    Attributes:
        rows: Rows of the table.
        rows_in: Rows of each file.
        dropped: Rows dropped, by what dropped them.
        quarantined: File, line and column of each row set aside.
        warned: Rows that are kept and spoken of, by what speaks of them.
    """

    rows: list[Row] = field(default_factory=list)
    rows_in: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    quarantined: list[tuple[str, int, str]] = field(default_factory=list)
    warned: Counter[str] = field(default_factory=Counter)


def records(path: Path, delimiter: str, encoding: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Give line number and cells of each record; no record of the sample data spans lines."""
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    lines = io.StringIO(content.decode(encoding), newline="")
    yield from enumerate(csv.DictReader(lines, delimiter=delimiter, strict=True), start=2)


def text(cell: str) -> str | None:
    """A text without white space at its ends; None for an empty one."""
    return cell.strip(SPACES) or None


def whole(cell: str, units: tuple[str, ...] = (), nulls: tuple[str, ...] = ()) -> int | None:
    """An integer."""
    bare = _bare(cell, units, nulls)
    if bare is None:
        return None
    if not re.fullmatch(r"-?[0-9]+", bare):
        raise SetAsideError
    return int(bare)


def french(cell: str, units: tuple[str, ...], nulls: tuple[str, ...]) -> Decimal | None:
    """A number as the French write it: spaces between thousands, a decimal comma."""
    bare = _bare(cell, units, nulls)
    if bare is None:
        return None
    if not re.fullmatch(rf"(?:[0-9]+|[0-9]{{1,3}}(?:[{SPACES}][0-9]{{3}})+)(?:,[0-9]{{1,2}})?", bare):
        raise SetAsideError
    return Decimal(re.sub(f"[{SPACES}]", "", bare).replace(",", "."))


def english(cell: str, units: tuple[str, ...], nulls: tuple[str, ...]) -> Decimal | None:
    """A number as the English write it: commas between thousands, a decimal point."""
    bare = _bare(cell, units, nulls)
    if bare is None:
        return None
    if not re.fullmatch(r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]{1,2})?", bare):
        raise SetAsideError
    return Decimal(bare.replace(",", ""))


def _bare(cell: str, units: tuple[str, ...], nulls: tuple[str, ...]) -> str | None:
    bare = cell.strip(SPACES)
    if not bare or bare.lower() in nulls:
        return None
    for unit in units:
        bare = bare.removesuffix(unit).removeprefix(unit).strip(SPACES)
    return bare


def yes_or_no(cell: str) -> bool | None:
    """A French boolean."""
    words = {"": None, "oui": True, "o": True, "non": False, "n": False}
    word = cell.strip(SPACES).lower()
    if word not in words:
        raise SetAsideError
    return words[word]


def day(cell: str, layouts: tuple[str, ...]) -> date | None:
    """A date in the first layout that fits."""
    for layout in layouts if cell.strip(SPACES) else ():
        try:
            return datetime.strptime(cell.strip(SPACES), layout).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    if cell.strip(SPACES):
        raise SetAsideError
    return None
