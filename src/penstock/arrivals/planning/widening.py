"""Widening: which type a known column of the files takes so that values which it refused fit, without loss.

Pure: texts in, types out. Integers become DOUBLE, or DECIMAL where a double would not be exact; a DECIMAL gets more
digits; a DATE becomes a TIMESTAMP. Nothing becomes text by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from penstock.formats import is_type, pointed
from penstock.formats.nested import DECIMAL
from penstock.tables import rewritten_type, widened_type

MOST_DIGITS = 38
INTEGERS = {"INTEGER": 10, "BIGINT": 19}
"""Integer types, and the digits that they need as a DECIMAL."""
_PLAIN = re.compile(r"[-+]?(0|[1-9][0-9]*)?(?:\.([0-9]*?)0*)?")
_INT32 = range(-(2**31), 2**31)


@dataclass
class Refused:
    """What the values that a column's type refused would need.

    Attributes:
        decimal: The decimal mark of numbers that are written as text.
        doubles: Whether one is a number that a double holds.
        beyond: Whether one is a number that no double holds.
        stamps: Whether one is a timestamp.
        whole: Most digits before the decimal mark.
        scale: Most digits after it.
        kinds: Types of the cells, where the file gives them one.
        first: Line and text of the first such value, where cells have types.
    """

    decimal: str = "."
    doubles: bool = False
    beyond: bool = False
    stamps: bool = False
    whole: int = 0
    scale: int = 0
    kinds: set[str] = field(default_factory=set)
    first: tuple[int, str] | None = None

    def see(self, text: str) -> None:
        """Take note of a value."""
        self.stamps = self.stamps or is_type("TIMESTAMP", text)
        number = pointed("DOUBLE", text, self.decimal)
        digits = digits_of(number)
        double = is_type("DOUBLE", number)
        self.doubles = self.doubles or double
        if digits is not None:
            self.whole, self.scale = max(self.whole, digits[0]), max(self.scale, digits[1])
            self.beyond = self.beyond or not double

    def types(self, there: str) -> list[str]:
        """What a column of the type `there` may become, the best first."""
        if there in INTEGERS:
            double = ["DOUBLE"] if self.doubles else []
            exact = self._decimal(INTEGERS[there], 0) if self.doubles or self.beyond else []
            found = [*exact, *double] if self.beyond else [*double, *exact]
        elif old := DECIMAL.fullmatch(there):
            found = self._decimal(int(old[1]) - int(old[2]), int(old[2]))
        elif there == "DATE":
            found = ["TIMESTAMP"] if self.stamps else []
        else:
            found = ["DOUBLE"] if there == "FLOAT" and self.doubles else []
        return [kind for kind in (*found, *self._of_kinds(there)) if kind != there]

    def _decimal(self, whole: int, scale: int) -> list[str]:
        whole, scale = max(whole, self.whole), max(scale, self.scale)
        return [f"DECIMAL({whole + scale},{scale})"] if whole + scale <= MOST_DIGITS else []

    def _of_kinds(self, there: str) -> list[str]:
        """Types that hold values of the types that a Parquet or JSON file gives the column."""
        wider = (widened_type(there, kind) or rewritten_type(there, kind) for kind in sorted(self.kinds))
        return [kind for kind in wider if kind is not None]


def digits_of(text: str) -> tuple[int, int] | None:
    """Digits before and after the point of a plain decimal number; None for any other text."""
    match = _PLAIN.fullmatch(text)
    if match is None or not any(char.isdigit() for char in text):
        return None
    return len(match[1] or ""), len(match[2] or "")


def holds(kind: str, text: str, decimal: str, was: str = "") -> bool:
    """Whether a text stands for a value of a column's type; the plain meaning of what the engine is told."""
    if found := DECIMAL.fullmatch(kind):
        digits = digits_of(pointed("DOUBLE", text, decimal))
        scale = int(found[2])
        return digits is not None and digits[0] <= int(found[1]) - scale and digits[1] <= scale
    if kind == "INTEGER":
        return is_type("BIGINT", text) and int(text) in _INT32
    if kind == "TIMESTAMP" and was == "DATE" and is_type("DATE", text):
        return True
    known = {"FLOAT": "DOUBLE"}.get(kind, kind)
    return known not in _TESTED or is_type(known, pointed(known, text, decimal))


_TESTED = ("BOOLEAN", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "VARCHAR")
