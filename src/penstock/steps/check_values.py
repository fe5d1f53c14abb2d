"""Values that checks compare with: from the declaration to SQL of the column's own type, exactly.

A bound is never rounded towards letting more through: 0.5 as the least integer is 1. What cannot be compared with a
column, such as a number with a text, is refused and not converted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Any

from penstock.naming import literal

DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_DECIMAL = re.compile(r"^DECIMAL\((\d+),\s*(\d+)\)$")
_DIGITS = {
    "TINYINT": 3,
    "SMALLINT": 5,
    "INTEGER": 10,
    "BIGINT": 19,
    "UTINYINT": 3,
    "USMALLINT": 5,
    "UINTEGER": 10,
    "UBIGINT": 20,
    "HUGEINT": 38,
}
_FAMILIES = {
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "FLOAT": "double",
    "DOUBLE": "double",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "NULL": "nothing",
    '"NULL"': "nothing",
}
NUMBERS = ("number", "double")
WORDS = {
    "text": "text",
    "boolean": "true or false",
    "number": "a number",
    "double": "a number",
    "date": "a date",
    "time": "a time",
    "timestamp": "a timestamp",
    "timestamptz": "a timestamp with a time zone",
}
_PRECISION = 800


class UnfitError(ValueError):
    """A declared value cannot be compared with the column's."""


def family(kind: str) -> str:
    """What a DuckDB type is to checks: values of one family can be compared."""
    if kind in _DIGITS or _DECIMAL.match(kind):
        return "number"
    return _FAMILIES.get(kind, kind.lower())


def between_sql(column: str, kind: str, low: Any, high: Any) -> str:
    """SQL condition: the value, which is not null, lies outside of two bounds.

    Raises:
        UnfitError: A bound is of another kind than the column.
    """
    outside = []
    if low is not None:
        outside.append(_below(column, kind, low))
    if high is not None:
        outside.append(_above(column, kind, high))
    elif family(kind) == "double":
        outside.append(f"isnan({column})")  # it is above every bound that could stand there
    if len(outside) == 1:
        return outside[0]
    return f"CASE WHEN {outside[0]} THEN true ELSE {outside[1]} END"


def in_sql(column: str, kind: str, values: list[Any]) -> str:
    """SQL condition: the value, which is not null, is none of those listed.

    Raises:
        UnfitError: A value is of another kind than the column.
    """
    found = [_same(kind, value) for value in values]
    listed = ", ".join(value for value in found if value is not None)
    return f"{column} NOT IN ({listed})" if listed else f"{column} IS NOT NULL"


def _below(column: str, kind: str, low: Any) -> str:
    if family(kind) == "number":
        return _exact(column, kind, low, "<")
    return f"{column} < {_moment_or_value(kind, low)}"


def _above(column: str, kind: str, high: Any) -> str:
    if family(kind) == "number":
        return _exact(column, kind, high, ">")
    if family(kind) in {"timestamp", "timestamptz"} and isinstance(high, str) and DAY.match(high):
        return f"{column} >= {_moment_or_value(kind, high)} + INTERVAL 24 HOUR"  # the whole day
    return f"{column} > {_moment_or_value(kind, high)}"


def _exact(column: str, kind: str, bound: Any, compared: str) -> str:
    """Compare with a bound that has the column's own digits, so that nothing is rounded or overflows."""
    digits, scale = _digits(kind)
    with localcontext(prec=_PRECISION):
        wanted = _number(bound, kind)
        rounding = ROUND_CEILING if compared == "<" else ROUND_FLOOR
        whole = wanted.quantize(Decimal(1).scaleb(-scale), rounding)
        beyond = abs(whole) >= Decimal(10) ** (digits - scale)
    if beyond:
        return f"{column} IS NOT NULL" if (whole > 0) == (compared == "<") else f"{column} IS NULL AND false"
    return f"{column} {compared} {whole:f}"


def _same(kind: str, value: Any) -> str | None:
    """A listed value as SQL; None when no value of the column can equal it."""
    if family(kind) == "number":
        digits, scale = _digits(kind)
        with localcontext(prec=_PRECISION):
            number = _number(value, kind)
            whole = number.quantize(Decimal(1).scaleb(-scale), ROUND_FLOOR)
            possible = whole == number and abs(whole) < Decimal(10) ** (digits - scale)
        return f"{whole:f}" if possible else None
    if family(kind) in {"timestamp", "timestamptz"} and isinstance(value, str) and DAY.match(value):
        message = f"{value} is a day, not a moment; write {value} 00:00:00, or use between"
        raise UnfitError(message)
    return _moment_or_value(kind, value)


def _digits(kind: str) -> tuple[int, int]:
    match = _DECIMAL.match(kind)
    return (int(match[1]), int(match[2])) if match else (_DIGITS[kind], 0)


def _number(value: Any, kind: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unfit(value, kind)
    return Decimal(str(value))


def _moment_or_value(kind: str, value: Any) -> str:
    readers: dict[str, Callable[[str, Any], str]] = {
        "text": _text,
        "boolean": _boolean,
        "double": _double,
        "date": _date,
        "time": _time,
        "timestamp": _timestamp,
        "timestamptz": _timestamptz,
    }
    reader = readers.get(family(kind))
    if reader is None:
        message = f"the column has the type {kind}, whose values cannot be compared"
        raise UnfitError(message)
    return reader(kind, value)


def _text(kind: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _unfit(value, kind)
    return literal(value)


def _boolean(kind: str, value: Any) -> str:
    if not isinstance(value, bool):
        raise _unfit(value, kind)
    return str(value).lower()


def _double(kind: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unfit(value, kind)
    return f"CAST({literal(repr(value))} AS DOUBLE)"


def _date(kind: str, value: Any) -> str:
    if not isinstance(value, str) or not DAY.match(value):
        raise _unfit(value, kind)
    return f"CAST({literal(_read(date.fromisoformat, value, kind).isoformat())} AS DATE)"


def _time(kind: str, value: Any) -> str:
    return f"CAST({literal(_read(time.fromisoformat, value, kind).isoformat())} AS TIME)"


def _timestamp(kind: str, value: Any) -> str:
    moment = _read(datetime.fromisoformat, value, kind)
    if moment.tzinfo is not None:
        message = f'"{value}" names a time zone, but the column has none'
        raise UnfitError(message)
    return f"CAST({literal(moment.isoformat(' '))} AS TIMESTAMP)"


def _timestamptz(kind: str, value: Any) -> str:
    """A moment; one that names no zone is meant in UTC."""
    moment = _read(datetime.fromisoformat, value, kind)
    known = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return f"CAST({literal(known.isoformat(' '))} AS TIMESTAMP WITH TIME ZONE)"


def _read(reader: Callable[[str], Any], value: Any, kind: str) -> Any:
    if not isinstance(value, str):
        raise _unfit(value, kind)
    try:
        return reader(value)
    except ValueError:
        raise _unfit(value, kind) from None


def _unfit(value: Any, kind: str) -> UnfitError:
    shown = f'the text "{value}"' if isinstance(value, str) else str(value).lower()
    return UnfitError(f"{shown} is not {WORDS[family(kind)]}, but the column holds {kind}")
