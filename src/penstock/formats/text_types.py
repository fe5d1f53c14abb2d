"""When does a text stand for an integer, a number, a date? The one place that says so, in SQL and in Python.

A type is only inferred for texts that it can hold without loss: `007` is no integer (the zeros would be lost), `1.5`
is not 2, `12E4` is a code rather than 120000, `2023-02-30` is no date, and 20 digits are no double. The rules are
needed because DuckDB's own casts are more generous: they round `1.5` to 2, and read `1_000`, `epoch` and
`2023-01-05x`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime

INFERRED_TYPES = ("BOOLEAN", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "VARCHAR")
"""From narrow to wide; of those that hold every value of a column, the first is taken."""

WORDS = {
    "BOOLEAN": "true or false",
    "BIGINT": "an integer",
    "DOUBLE": "a number",
    "DATE": "a date (YYYY-MM-DD)",
    "TIMESTAMP": "a timestamp (YYYY-MM-DD HH:MM:SS)",
    "VARCHAR": "text",
}
_BOOLEANS = ("true", "false", "True", "False", "TRUE", "FALSE")
_DECIMAL = r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)"
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_EXPONENT = r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]*[eE][-+]?[0-9]+|[eE][-+][0-9]+)"
_NUMBER = re.compile(rf"{_DECIMAL}(?:[eE][-+]?[0-9]+)?")
_STAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T](?:[01][0-9]|2[0-3]):[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_DATE_LENGTH = 10
_BIGINT = range(-(2**63), 2**63)
_EXACT_LENGTH = 16
_INTEGER_LENGTH = 20


def value_sql(kind: str, text: str) -> str:
    """SQL that turns the SQL expression `text` into a value of `kind`; null where it cannot."""
    if kind == "VARCHAR":
        return text
    if kind == "BOOLEAN":
        return f"CASE WHEN {text} IN {_BOOLEANS} THEN lower({text}) = 'true' END"
    return f"TRY_CAST({text} AS {kind})"


def holds_sql(kind: str, text: str, value: str | None = None) -> str:
    """SQL condition: the non-null `text` stands for a value of `kind`, without loss.

    `value` is SQL for the value where that was computed already.
    """
    value = value or value_sql(kind, text)
    if kind == "VARCHAR":
        return "true"
    if kind == "BOOLEAN":
        return f"{text} IN {_BOOLEANS}"
    if kind == "BIGINT":
        return f"coalesce(CAST({value} AS VARCHAR) = {text}, false)"
    if kind == "DATE":  # the length keeps out what the engine also writes as it reads: infinity, and years BC
        return f"coalesce(strlen({text}) = {_DATE_LENGTH} AND CAST({value} AS VARCHAR) = {text}, false)"
    if kind == "DOUBLE":
        return _double_sql(text, value)
    return f"CASE WHEN {value} IS NULL OR {text} < '0001' THEN false ELSE regexp_full_match({text}, '{_STAMP}') END"


def _double_sql(text: str, value: str) -> str:
    """What is short and written plainly is the number meant; what is longer must be what the engine writes for it."""
    written = f"regexp_full_match({text}, '{_DECIMAL}|{_EXPONENT}')"
    short = f"strlen({text}) < {_EXACT_LENGTH}"
    pointed = f"strlen({text}) = {_EXACT_LENGTH} AND ({text} < '0' OR contains({text}, '.'))"
    exact = f"CASE WHEN {pointed} THEN true ELSE CAST({value} AS VARCHAR) = {text} END"
    rest = f"coalesce(isfinite({value}) AND {exact} AND {written}, false)"
    return f"CASE WHEN isfinite({value}) AND {short} THEN {written} ELSE {rest} END"


def is_type(kind: str, text: str) -> bool:
    """Whether `text` stands for a value of `kind` without loss; the plain meaning of `holds_sql`."""
    return _TESTS[kind](text)


def pointed(kind: str, text: str, decimal: str) -> str:
    """A number's text with a decimal point; a point that is no decimal mark makes the number unreadable."""
    if kind != "DOUBLE" or decimal == ".":
        return text
    return text.translate(str.maketrans(f"{decimal}.", f".{decimal}"))


def pointed_sql(kind: str, text: str, decimal: str) -> str:
    """SQL for what `pointed` gives."""
    return text if kind != "DOUBLE" or decimal == "." else f"translate({text}, '{decimal}.', '.{decimal}')"


def _is_bigint(text: str) -> bool:
    short = len(text) <= _INTEGER_LENGTH and _INTEGER.fullmatch(text)
    return bool(short) and int(text) in _BIGINT and text != "-0"


def _is_double(text: str) -> bool:
    if not _NUMBER.fullmatch(text) or (("e" in text or "E" in text) and not re.fullmatch(_EXPONENT, text)):
        return False
    digits = len(text) == _EXACT_LENGTH and text >= "0" and "." not in text
    short = len(text) <= _EXACT_LENGTH and not digits
    value = float(text)
    return abs(value) != float("inf") and (short or repr(value) == text)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_timestamp(text: str) -> bool:
    if not re.fullmatch(_STAMP, text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


_TESTS: dict[str, Callable[[str], bool]] = {
    "BOOLEAN": lambda text: text in _BOOLEANS,
    "BIGINT": _is_bigint,
    "DOUBLE": _is_double,
    "DATE": _is_date,
    "TIMESTAMP": _is_timestamp,
    "VARCHAR": lambda _text: True,
}
