"""Excel types: which type all cells of a column have, and how a cell becomes a value of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from penstock.formats.intake import Evidence

_MIDNIGHT = time()
_WHOLE = 2**53
_WORDS = {
    "BOOLEAN": "true or false",
    "BIGINT": "an integer",
    "DOUBLE": "a number",
    "DATE": "a date",
    "TIMESTAMP": "a date with time",
    "TIME": "a time of day",
    "VARCHAR": "text",
    "DURATION": "a duration",
    "HUGE": "an integer of more than 53 bits",
}
_WIDER = {frozenset({"BIGINT", "DOUBLE"}): "DOUBLE", frozenset({"DATE", "TIMESTAMP"}): "TIMESTAMP"}


class Shape(NamedTuple):
    """A column's type, how a cell's value becomes one of it, and why the type is this one."""

    kind: str
    convert: Callable[[Any], Any]
    why: Evidence


@dataclass
class Values:
    """What was seen in a column: the kinds of value, each with the row of its first one and that value."""

    kinds: dict[str, tuple[int, str]] = field(default_factory=dict)

    def see(self, value: Any, line: int) -> None:
        """Take note of a value."""
        kind = kind_of(value)
        if kind not in self.kinds:
            self.kinds[kind] = (line, as_text(value))

    def shape(self, known: str | None) -> Shape:
        """The type of the column, that of the table where every value fits."""
        kinds = frozenset(self.kinds)
        natural = _WIDER.get(kinds) or (next(iter(kinds)) if len(kinds) == 1 else "VARCHAR")
        if not kinds:
            return _shape(known or "VARCHAR", Evidence("no value in the file"))
        if known is None:
            return self._own(natural, kinds)
        if natural == known or _WIDER.get(frozenset({natural, known})) == known:
            return _shape(known, Evidence(f"the table's column is {known}, and every value fits"))
        line, value = next((first for kind, first in self.kinds.items() if kind != known), (None, None))
        return _shape("VARCHAR", Evidence(f"the table's column is {known}, but row {line} holds {value}", line, value))

    def _own(self, natural: str, kinds: frozenset[str]) -> Shape:
        first = self.kinds.get(natural) or next(iter(self.kinds.values()))
        if natural == "VARCHAR" and len(kinds) > 1:
            (one, here), (two, there) = list(self.kinds.items())[:2]
            reason = f"row {here[0]} holds {_WORDS[one]} ({here[1]}), row {there[0]} {_WORDS[two]} ({there[1]})"
            return _shape("VARCHAR", Evidence(f"{reason}: kept as text", *there))
        if natural in {"DURATION", "HUGE"}:
            return _shape("VARCHAR", Evidence(f"every value is {_WORDS[natural]}: kept as text", *first))
        return _shape(natural, Evidence(f"every value is {_WORDS[natural]}", *first))


def kind_of(value: Any) -> str:
    """The narrowest type for a cell's value."""
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int):
        return "BIGINT" if abs(value) <= _WHOLE else "HUGE"
    if isinstance(value, float):
        return "BIGINT" if value.is_integer() and abs(value) <= _WHOLE else "DOUBLE"
    if isinstance(value, datetime):
        return "DATE" if value.time() == _MIDNIGHT else "TIMESTAMP"
    kinds = {date: "DATE", time: "TIME", timedelta: "DURATION"}
    return next((kind for there, kind in kinds.items() if isinstance(value, there)), "VARCHAR")


def as_text(value: Any) -> str:
    """A cell's value as text: whole numbers without a point, times in ISO 8601, durations in hours."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) <= _WHOLE else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == _MIDNIGHT else value.isoformat(" ")
    if isinstance(value, timedelta):
        sign, left = ("-", -value) if value < timedelta(0) else ("", value)
        minutes, seconds = divmod(left, timedelta(minutes=1))
        hours, minutes = divmod(minutes, 60)
        return f"{sign}{hours}:{minutes:02}:{seconds.total_seconds():09.6f}".removesuffix(".000000")
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def _shape(kind: str, why: Evidence) -> Shape:
    return Shape(kind, _CONVERTERS.get(kind, _same), why)


def _same(value: Any) -> Any:
    return value


def _as_date(value: Any) -> date:
    return value.date() if isinstance(value, datetime) else value


def _as_timestamp(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, _MIDNIGHT)


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "BIGINT": int,
    "DOUBLE": float,
    "DATE": _as_date,
    "TIMESTAMP": _as_timestamp,
    "VARCHAR": as_text,
}
