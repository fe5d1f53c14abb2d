"""What single cells look like: numbers, dates, words. It tells headers from rows and right cuts from wrong ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_NUMBER = re.compile(
    r"[-+(]?\s*[$€£¥]?\s*(?:\d+|\d{1,3}(?:[,.\s'\u00a0\u202f]\d{3})+)?(?:[.,]\d+)?(?:[eE][-+]?\d+)?\s*\)?\s*(?:%|€|\$|£|¥)?"
)
_DATE = re.compile(
    r"\d{1,4}([-/.])(?:\d{1,2}|[A-Za-z]{3,9}\.?)\1\d{1,4}"
    r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z| ?[-+]\d{2}:?\d{2})?)?"
)
_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?")
_ADDRESS = re.compile(r"(?:https?|ftp|s3|mailto)://?\S+|[\w.+-]+@[\w-]+\.[\w.-]+")
_WORDS = re.compile(r"[\w\s.'’()/&+°²€$%-]*")  # noqa: RUF001 - the apostrophe of French
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+")
_DECIMAL_POINT = re.compile(r"[-+]?\d+\.\d+")
TOTALS = (
    r"(?:(?:grand|sub|overall)[ -]?)?totals?|totaux|total g[eé]n[eé]ral|sous-total|sum|somme|summe|gesamt|insgesamt"
)
_TOTAL = re.compile(rf"(?:{TOTALS}) *:?", re.IGNORECASE)
TOTAL_STARTS = frozenset("gGsStToOiI ")
"""What the first cell of a line of totals starts with."""
NULL_WORDS = frozenset(
    {"", "-", "--", "na", "n/a", "n.a.", "nan", "null", "none", "nil", "?", "unknown", "#n/a", "\\n"}
)


def is_value(cell: str) -> bool:
    """Whether a cell is a number, a date, a time or an address, which no column is called."""
    text = cell.strip()
    return (
        any(char.isdigit() for char in text)
        and bool(_NUMBER.fullmatch(text) or _DATE.fullmatch(text) or _TIME.fullmatch(text))
    ) or bool(_ADDRESS.fullmatch(text))


def is_whole(cell: str) -> bool:
    """Whether a cell looks like one value, not like several or a part of one."""
    text = cell.strip()
    return bool(_WORDS.fullmatch(text)) or is_value(text) or (text[:1] in "{[" and text[-1:] in "}]")


def is_decimal_comma(cell: str) -> bool:
    """Whether a cell is a number with a decimal comma, and cannot be one with thousands separators."""
    return bool(DECIMAL_COMMA.fullmatch(cell)) and not _THOUSANDS.fullmatch(cell)


def is_decimal_point(cell: str) -> bool:
    """Whether a cell is a number with a decimal point, and cannot be one with thousands separators."""
    return bool(_DECIMAL_POINT.fullmatch(cell)) and not _THOUSANDS.fullmatch(cell.replace(".", ","))


def all_values(cells: Iterable[str]) -> bool:
    """Whether there are values among the cells of a column, and no other text but words for null."""
    told = [is_value(cell) for cell in cells if cell.strip().lower() not in NULL_WORDS]
    return bool(told) and all(told)


def is_total(cells: Sequence[str]) -> bool:
    """Whether a record reads like a line of totals: it says so first, and leaves cells empty."""
    first = cells[0]
    return bool(first) and "" in cells and bool(_TOTAL.fullmatch(first.strip()))


def is_padded(cells: Sequence[str]) -> bool:
    """Whether a record is a title with empty cells behind it, as spreadsheets write them."""
    filled = sum(bool(cell.strip()) for cell in cells)
    return len(cells) > 2 and filled <= max(1, len(cells) // 4) and (not filled or bool(cells[0].strip()))  # noqa: PLR2004
