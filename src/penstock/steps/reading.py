"""What a text stands for: SQL that reads it as a value of a type, and SQL that says when it is none.

More generous than inference, because the type is declared: `007` is the integer 7, and white space around a value does
not matter. Nothing is ever rounded or cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from penstock.engines import Rule, flag_column
from penstock.formats import holds_sql
from penstock.formats.text_types import WORDS
from penstock.naming import literal
from penstock.steps.check_values import NUMBERS, family
from penstock.steps.frame import Field, Frame
from penstock.steps.rows import BLANKS, OUTCOME, blank_sql

TIMESTAMPTZ = "TIMESTAMP WITH TIME ZONE"
TYPES = {
    "text": "VARCHAR",
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": TIMESTAMPTZ,
}
KINDS = WORDS | {"TIME": "a time (HH:MM:SS)", TIMESTAMPTZ: "a timestamp with its offset (YYYY-MM-DD HH:MM:SS+HH:MM)"}
TEXT = "__penstock_text"
BECAME = "it became null"
DATE = "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
CLOCK = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
_INTEGER = "[-+]?[0-9]+"
_NUMBER = r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"
_TIME = r"([ T](?:[01]?[0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?"


@dataclass(frozen=True)
class Reading:
    """How a column's text is read.

    Attributes:
        kind: DuckDB type of the value.
        value: SQL for the value, null where the text stands for none.
        refused: SQL condition: the text stands for no value; finds the value under the name `OUTCOME`.
        wanted: What the text should have been, for people.
    """

    kind: str
    value: str
    refused: str
    wanted: str


def trimmed_sql(text: str) -> str:
    """SQL for the text without white space at its ends; trimming is slow, and most texts need none."""
    plain = f"{text} BETWEEN '!' AND '~' AND NOT contains({BLANKS}, {text}[-1])"
    ends = f"contains({BLANKS}, {text}[1]) OR contains({BLANKS}, {text}[-1])"
    return f"(CASE WHEN {plain} THEN {text} WHEN {ends} THEN trim({text}, {BLANKS}) ELSE {text} END)"


def word_list(words: Iterable[str]) -> str:
    """Quote words for `IN`, in lower case as the engine writes it."""
    return f"({', '.join(f'lower({literal(word)})' for word in words)})"


def plain_reading(kind: str, text: str, certain: str | None = None) -> Reading:
    """Read the text as SQL, JSON and ISO 8601 write values of the type; there may be a column of `certain` values."""
    value, refused = reading_sql(kind, text, OUTCOME)
    if certain is not None:
        value, refused = f"coalesce({certain}, {value})", f"CASE WHEN {certain} IS NULL THEN {refused} ELSE false END"
    return Reading(kind, value, refused, KINDS.get(kind, f"a {kind.lower()}"))


def reading_sql(kind: str, text: str, value: str) -> tuple[str, str]:
    """SQL for the value that `text` stands for, and the condition that it stands for none.

    `value` is the name under which the condition finds the value.
    """
    trimmed = f"trim({text}, {BLANKS})"
    as_it_stands = "false"
    if kind == "BOOLEAN":
        reading = f"CASE lower({trimmed}) WHEN 'true' THEN true WHEN 'false' THEN false END"
        close = "true"
    else:
        reading = f"coalesce(TRY_CAST({text} AS {kind}), TRY_CAST({trimmed} AS {kind}))"
        close = f"regexp_full_match({trimmed}, {literal(_pattern(kind))})"
        as_it_stands = holds_sql(kind, text, value) if kind in WORDS else "false"
    if kind == "DOUBLE":
        close = f"isfinite({value}) AND {close}"
    elif kind in {"DATE", "TIMESTAMP"}:
        close = f"{years_sql(value)} AND {close}"
    return reading, refusal(text, value, f"NOT ({close})", as_it_stands)


def refusal(text: str, value: str, wrong: str, right: str = "false") -> str:
    """SQL condition: `text` is neither null nor blank and has no value, or its value is wrong."""
    return (
        f"CASE WHEN {text} IS NULL OR {right} THEN false WHEN {value} IS NULL THEN NOT {blank_sql(text)} "
        f"ELSE {wrong} END"
    )


def years_sql(value: str) -> str:
    """SQL condition: a moment in the years that tables can hold."""
    return f"coalesce(year({value}) BETWEEN 1 AND 9999, false)"


def _pattern(kind: str) -> str:
    """What the text of a value looks like; a decimal has no more digits after the point than its type keeps."""
    patterns = {"BIGINT": _INTEGER, "DOUBLE": _NUMBER, "DATE": DATE, "TIMESTAMP": DATE + _TIME, "TIME": CLOCK}
    scale = kind.rstrip(")").rpartition(",")[2]
    return patterns.get(kind) or rf"[-+]?[0-9]*(\.[0-9]{{0,{scale}}}0*)?"


def read(frame: Frame, field: Field, reading: Reading, rule: str, otherwise: str = "quarantine") -> Frame:
    """Put the value in the text's place; what stands for none sends its row to quarantine, or becomes null."""
    computed = frame.with_field(Field(OUTCOME, reading.kind), reading.value)
    computed, value = refuse(computed, field, reading.refused, OUTCOME, rule, f"is not {reading.wanted}", otherwise)
    return computed.with_field(replace(field, type=reading.kind), value).without(OUTCOME, TEXT)


def refuse(
    frame: Frame,
    field: Field,
    condition: str,
    value: str,
    rule: str,
    what: str,
    otherwise: str,
    *,
    became: str = BECAME,
) -> tuple[Frame, str]:
    """Deal with rows for which the condition is true; gives the frame and SQL for the value that is left.

    Args:
        frame: The rows.
        field: The column that is to blame.
        condition: SQL.
        value: SQL for the value of the other rows.
        rule: Name of the rule.
        what: What is wrong, behind the column and its value.
        otherwise: `quarantine`, or `null` to keep the row without the value.
        became: What is said of a row that is kept.
    """
    reason = f"{field.found} {what}"
    if otherwise == "quarantine":
        return frame.set_aside([(condition, Rule(rule, "quarantined", reason, field.origin, field.cell))]), value
    flag = flag_column(len(frame.rules))
    warned = Rule(rule, "warned", f"{reason}; {became}", field.origin, field.cell)
    return frame.warn([(condition, warned)]), f"CASE WHEN {flag} THEN NULL ELSE {value} END"


def exact_text(kind: str, value: str) -> str | None:
    """SQL for the one text that a value of the type has, wherever it is computed; None for types that have none."""
    if kind == "VARCHAR":
        return value
    if kind == TIMESTAMPTZ:
        return f"CAST(timezone('UTC', {value}) AS VARCHAR) || '+00'"
    plain = {"BOOLEAN", "DATE", "TIME", "TIMESTAMP", "UUID"}
    return f"CAST({value} AS VARCHAR)" if kind in plain or family(kind) in NUMBERS else None
