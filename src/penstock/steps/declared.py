"""Steps that put declared values in the place of others: fill, map, clip."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from penstock.declaration import Map
from penstock.errors import BadFileError
from penstock.formats import is_type
from penstock.naming import identifier, literal
from penstock.steps.check_values import NUMBERS, WORDS, family
from penstock.steps.frame import Field, Frame
from penstock.steps.reading import CLOCK, exact_text, refuse
from penstock.steps.rows import OUTCOME
from penstock.steps.texts import distinct

_BITS = {"TINYINT": 7, "SMALLINT": 15, "INTEGER": 31, "BIGINT": 63, "HUGEINT": 127}
_UNSIGNED_BITS = {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64}
_EXACT_DOUBLE = 2**53


def fill(frame: Frame, values: dict[str, Any]) -> Frame:
    """Put a value where there is none."""
    new = []
    for field, value in zip(distinct(frame, list(values)), values.values(), strict=True):
        kind = frame.type_of(field)
        sql = value_of(kind, value)
        if sql is None:
            shown = f'the text "{value}"' if isinstance(value, str) else str(value).lower()
            message = (
                f'{frame.place}: the column "{field.name}" holds {_words(kind)}, and {shown} is none of its values'
            )
            raise BadFileError(message, hint="give a value of that type, or cast the column before")
        new.append((replace(field, type=kind), f"coalesce({identifier(field.name)}, {sql})"))
    return frame.with_fields(new)


def _words(kind: str) -> str:
    return f"{WORDS[family(kind)]} ({kind})" if family(kind) in WORDS else kind


def value_of(kind: str, value: Any) -> str | None:
    """SQL of a declared value as one of the type, nothing lost; None when it is none."""
    readers: dict[str, Callable[[str, Any], bool]] = {
        "text": lambda _kind, given: isinstance(given, str),
        "boolean": lambda _kind, given: isinstance(given, bool),
        "number": _is_exact,
        "double": _is_double,
        "date": lambda _kind, given: isinstance(given, str) and is_type("DATE", given),
        "time": lambda _kind, given: isinstance(given, str) and re.fullmatch(CLOCK, given) is not None,
        "timestamp": lambda _kind, given: isinstance(given, str) and _is_moment(given),
        "timestamptz": lambda _kind, given: isinstance(given, str) and _is_instant(given),
    }
    reader = readers.get(family(kind))
    if reader is None or not reader(kind, value):
        return None
    text = value if isinstance(value, str) else str(value).lower()
    return f"CAST({literal(text)} AS {kind})"


def _range(kind: str) -> tuple[Decimal, Decimal, int]:
    """Least and greatest value of a type of exact numbers, and its digits after the point."""
    if kind.startswith("DECIMAL"):
        digits, scale = (int(part) for part in kind[8:-1].split(","))
        most = Decimal(10**digits - 1).scaleb(-scale)
        return -most, most, scale
    if kind in _UNSIGNED_BITS:
        return Decimal(0), Decimal(2 ** _UNSIGNED_BITS[kind] - 1), 0
    bits = _BITS[kind]
    return Decimal(-(2**bits)), Decimal(2**bits - 1), 0


def _whole(value: float, scale: int) -> bool:
    return Decimal(str(value)).normalize().as_tuple().exponent >= -scale  # type: ignore[operator] # never NaN


def _is_exact(kind: str, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high, scale = _range(kind)
    return _whole(value, scale) and low <= Decimal(str(value)) <= high


def _is_double(_kind: str, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or abs(value) <= _EXACT_DOUBLE


def _is_moment(value: str) -> bool:
    return is_type("TIMESTAMP", value) or is_type("DATE", value)


def _is_instant(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None and time.fromisoformat(value[11:]).tzinfo is not None
    except ValueError:
        return False


def map_values(frame: Frame, rules: dict[str, Any]) -> Frame:
    """Replace values by others."""
    for name, rule in rules.items():
        frame = _map(frame, name, rule if isinstance(rule, Map) else Map(values=rule))
    return frame


def _map(frame: Frame, name: str, rule: Map) -> Frame:
    field = frame.find(name)
    kind = frame.type_of(field)
    column = identifier(field.name)
    text = exact_text(kind, column)
    if text is None:
        message = f'{frame.place}: "{field.name}" holds {kind}, whose values have no one text to look up'
        raise BadFileError(message, hint="derive a text from it before")
    new_kind = kind if rule.otherwise == "keep" else _kind_of(list(rule.values.values()), kind)
    values = {key: _mapped(frame, field, kind, new_kind, value) for key, value in rule.values.items()}
    key = f"lower({text})" if rule.ignore_case else text
    keys = {_key(known, rule): value for known, value in values.items()}
    cases = " ".join(f"WHEN {known} THEN {value}" for known, value in keys.items())
    other = column if rule.otherwise == "keep" else "NULL"
    mapped = f"CAST(CASE {key} {cases} ELSE {other} END AS {new_kind})"
    if rule.otherwise == "keep":
        return frame.with_field(replace(field, type=new_kind), mapped)
    computed = frame.with_field(Field(OUTCOME, new_kind), mapped)
    refused = (
        f"CASE WHEN {OUTCOME} IS NOT NULL OR {column} IS NULL THEN false ELSE {key} NOT IN ({', '.join(keys)}) END"
    )
    what = "is none of the values to map"
    computed, value = refuse(computed, field, refused, OUTCOME, f"map {name}", what, rule.otherwise)
    return computed.with_field(replace(field, type=new_kind), value).without(OUTCOME)


def _key(known: str, rule: Map) -> str:
    return f"lower({literal(known)})" if rule.ignore_case else literal(known)


def _kind_of(values: list[Any], kind: str) -> str:
    """The one type of the new values; that of the column where all of them are null."""
    given = [value for value in values if value is not None]
    kinds = {str: "VARCHAR", bool: "BOOLEAN", int: "BIGINT"}
    if any(isinstance(value, float) for value in given):
        return "DOUBLE"
    return kinds[type(given[0])] if given else kind


def _mapped(frame: Frame, field: Field, kind: str, new_kind: str, value: Any) -> str:
    if value is None:
        return "NULL"
    sql = value_of(new_kind, value)
    if sql is None:
        shown = f'the text "{value}"' if isinstance(value, str) else str(value).lower()
        message = (
            f'{frame.place}: the column "{field.name}" holds {_words(kind)}, and would get {shown} beside the values '
            "that stay as they are (otherwise: keep)"
        )
        raise BadFileError(message, hint="use otherwise: null or quarantine, or give new values of the column's type")
    return sql


def clip(frame: Frame, ranges: dict[str, list[Any]]) -> Frame:
    """Move numbers outside a range to its nearest end."""
    new = []
    for field, (low, high) in zip(distinct(frame, list(ranges)), ranges.values(), strict=True):
        kind, column = frame.type_of(field), identifier(field.name)
        if family(kind) not in NUMBERS:
            message = f'{frame.place}: the column "{field.name}" holds {_words(kind)}, and clip works on numbers'
            raise BadFileError(message, hint=f"read it as a number before: parse: {{{field.name}: double}}")
        least, most = _end(frame, field, kind, low, "least"), _end(frame, field, kind, high, "most")
        cases = f"WHEN {column} < {least} THEN {least} " if least else ""
        cases += f"WHEN {column} > {most} THEN {most} " if most else ""
        new.append((replace(field, type=kind), f"CASE {cases}ELSE {column} END" if cases else column))
    return frame.with_fields(new)


def _end(frame: Frame, field: Field, kind: str, bound: float | None, which: str) -> str | None:
    """SQL for an end of the range; None where no value of the type lies beyond it."""
    if bound is None:
        return None
    if family(kind) != "number":
        return f"CAST({literal(repr(bound))} AS {kind})"
    low, high, _scale = _range(kind)
    number = Decimal(str(bound))
    if (which == "least" and number < low) or (which == "most" and number > high):
        return None
    if not _is_exact(kind, bound):
        message = f'{frame.place}: the column "{field.name}" holds {kind}, and {bound} is none of its values'
        raise BadFileError(message, hint="give an end that is, or cast the column before")
    return f"CAST('{number:f}' AS {kind})"
