"""JSON types: what every value of a file says about the type of its column, and why.

Types are JSON's own, over the whole file: a text is never read as a number, and a number only becomes one where not a
digit of it is lost. Values of several kinds in one place become text, each as JSON writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from penstock.errors import BadFileError
from penstock.formats.json.values import Literal, shown

MAX_FIELDS = 10_000
INTEGERS = {"INTEGER": range(-(2**31), 2**31), "BIGINT": range(-(2**63), 2**63)}
_EXACT_INTEGERS = range(-(2**53), 2**53 + 1)
_EXACT_LENGTH = 16
KINDS: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "an integer",
    Literal: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
_NESTED = frozenset({dict, list})
_PLAIN = frozenset({"text", "true or false", "null"})
ENDLESS = 1 << 30
_GREATEST = 1 << 1023


@dataclass
class Seen:
    """All values in one place of the records.

    Attributes:
        kinds: The kinds of value, each with the line of its first one and that value.
        low, high: The least and the greatest integer.
        whole, scale: The most digits before and behind the point.
        inexact: The first number that no double is, and the first such integer.
        big: The first integer of more than 64 bits.
        fields: What was seen in the fields of objects.
        element: What was seen in lists.
        spelled: The keys of `fields` by their lower case.
    """

    kinds: dict[str, tuple[int, str]] = field(default_factory=dict)
    low: int = 0
    high: int = 0
    whole: int = 1
    scale: int = 0
    inexact: tuple[int, str] | None = None
    inexact_integer: tuple[int, str] | None = None
    big: tuple[int, str] | None = None
    fields: dict[str, Seen] = field(default_factory=dict)
    element: Seen | None = None
    spelled: dict[str, str] = field(default_factory=dict)

    def see(self, value: Any, line: int) -> None:
        """Take note of a value; every key in it must have its place already."""
        kind = KINDS[type(value)]
        if kind not in self.kinds:
            self.kinds[kind] = (line, shown(value))
        if kind == "an integer":
            if not self.low <= value <= self.high:
                self._integer(value, line)
        elif kind == "a number":
            self._number(value, line)
        elif kind == "an object":
            self._object(value, line)
        elif kind == "a list":
            if self.element is None:
                self.element = Seen()
            for below in value:
                self.element.see(below, line)

    def _object(self, value: dict[str, Any], line: int) -> None:
        fields = self.fields
        for key, below in value.items():
            there, kind = fields[key], KINDS[type(below)]
            if kind not in _PLAIN or kind not in there.kinds:
                there.see(below, line)

    def _integer(self, value: int, line: int) -> None:
        self.low, self.high = min(self.low, value), max(self.high, value)
        if value not in _EXACT_INTEGERS:
            if self.inexact_integer is None and not is_double(value):
                self.inexact_integer = (line, shown(value))
            if self.big is None and value not in INTEGERS["BIGINT"]:
                self.big = (line, shown(value))

    def _number(self, value: Literal, line: int) -> None:
        whole, scale = digits(value)
        self.whole, self.scale = max(self.whole, whole), max(self.scale, scale)
        if self.inexact is None and not is_double(value):
            self.inexact = (line, shown(value))

    @property
    def without_value(self) -> bool:
        """Whether there was nothing but null."""
        return not self.kinds or (len(self.kinds) == 1 and "null" in self.kinds)

    def only(self, kind: str) -> bool:
        """Whether all values but null were of one kind, and there was one."""
        return kind in self.kinds and len(self.kinds) == 1 + ("null" in self.kinds)


class Tree:
    """What was seen in all records of a file."""

    def __init__(self) -> None:
        """Start with no record."""
        self.root = Seen()
        self.count = 0

    def see(self, value: dict[str, Any], line: int) -> str | None:
        """Take note of a record; what keeps it from being one, in which case nothing of it is noted."""
        problem = self.place(value)
        if problem is None:
            self.root.see(value, line)
        return problem

    def place(self, value: dict[str, Any]) -> str | None:
        """Give every new key of a record its place, unless one differs from a known key only by case: say which."""
        added: list[tuple[Seen, str]] = []
        problem = self._place(value, self.root, added)
        if problem is not None:
            for seen, key in reversed(added):
                del seen.fields[key], seen.spelled[key.lower()]
            self.count -= len(added)
        return problem

    def _place(self, value: Any, seen: Seen, added: list[tuple[Seen, str]]) -> str | None:
        if type(value) is list:
            seen.element = seen.element or Seen()
            problems = (self._place(below, seen.element, added) for below in value if type(below) in _NESTED)
            return next((problem for problem in problems if problem), None)
        if not value.keys() <= seen.fields.keys():
            for key in value:
                if key not in seen.fields and (problem := self._add(seen, key, added)):
                    return problem
        for key, below in value.items():
            if type(below) in _NESTED and (problem := self._place(below, seen.fields[key], added)):
                return problem
        return None

    def _add(self, seen: Seen, key: str, added: list[tuple[Seen, str]]) -> str | None:
        if other := seen.spelled.get(key.lower()):
            line = min((line for line, _ in seen.fields[other].kinds.values()), default=0)
            return f'the key "{key}" differs from "{other}"{f" of line {line}" if line else ""} only by case'
        seen.fields[key], seen.spelled[key.lower()] = Seen(), key
        added.append((seen, key))
        self.count += 1
        if self.count > MAX_FIELDS:
            raise BadFileError(
                f'more than {MAX_FIELDS:,} different keys, "{key}" being the last: they are values rather than names',
                hint="deliver them as a list of objects that hold the key as a value",
            )
        return None


def digits(number: Literal | int) -> tuple[int, int]:
    """How many digits a number has before and behind the point when it is written out."""
    if isinstance(number, int):
        return len(str(abs(number))), 0
    if "e" not in number and "E" not in number:
        whole, _, rest = number.partition(".")
        return len(whole) - whole.startswith("-"), len(rest)
    try:
        _, figures, exponent = Decimal(number).as_tuple()
    except InvalidOperation:
        return ENDLESS, ENDLESS
    if not isinstance(exponent, int):
        return ENDLESS, ENDLESS
    return max(len(figures) + exponent, 1), max(-exponent, 0)


def is_double(number: Literal | int) -> bool:
    """Whether a double holds the number with every digit."""
    if isinstance(number, int):
        return number in _EXACT_INTEGERS or (abs(number) < _GREATEST and int(float(number)) == number)
    if len(number) <= _EXACT_LENGTH and "e" not in number and "E" not in number:
        return True
    if digits(number)[0] >= ENDLESS:
        return False
    return Decimal(repr(float(number))) == Decimal(number)
