"""Numbers as people write them: with marks between groups of three digits, a decimal mark, a unit or a currency sign.

`1 234,5 €` is 1234.5 in French. What only looks like it, such as `1 23,5` or `1,234.5`, is refused and never guessed.
"""

from __future__ import annotations

import re

from penstock.declaration import ParseRule
from penstock.naming import literal
from penstock.steps.frame import Field, Frame
from penstock.steps.reading import TEXT, Reading, plain_reading, refusal, trimmed_sql
from penstock.steps.rows import BLANKS, OUTCOME

BODY = "__penstock_body"
LOCALES = {"en": (".", ","), "fr": (",", " "), "de": (",", "."), "ch": (".", "'")}
ALIKE = {" ": " \u00a0\u202f", "'": "'\u2019"}
"""Marks between groups that look alike and are meant alike: spaces that do not break a line, and the apostrophe."""


def marks_of(rule: ParseRule) -> tuple[str, str]:
    """The decimal mark, and every character that may stand between groups."""
    decimal, thousands = LOCALES[rule.locale] if rule.locale else (rule.decimal or ".", rule.thousands or "")
    return decimal, ALIKE.get(thousands, thousands)


def number_reading(frame: Frame, rule: ParseRule, kind: str) -> tuple[Frame, Reading]:
    """How a column of numbers is read, whose trimmed text is there; the frame gets columns on the way to the number."""
    if not (rule.locale or rule.decimal or rule.thousands or rule.units):
        return frame, plain_reading(kind, TEXT)
    decimal, groups = marks_of(rule)
    body = TEXT
    if rule.units:
        frame = frame.with_field(Field(BODY, "VARCHAR"), _without_units(rule.units))
        frame, body = frame.with_field(Field(BODY, "VARCHAR"), trimmed_sql(BODY)), BODY
    value = f"TRY_CAST({_with_point(body, decimal, groups)} AS {kind})"
    looks_right = f"regexp_full_match({body}, {literal(_pattern(kind, decimal, groups))})"
    if kind == "DOUBLE":
        looks_right = f"isfinite({OUTCOME}) AND {looks_right}"
    return frame, Reading(kind, value, refusal(TEXT, OUTCOME, f"NOT ({looks_right})"), _wanted(rule, kind))


def _without_units(units: list[str]) -> str:
    """SQL for the text without the unit after or before it; a sign may stand before a unit."""
    cases = ""
    for unit in sorted(units, key=len, reverse=True):
        cases += f" WHEN suffix({TEXT}, {literal(unit)}) THEN left({TEXT}, -{len(unit)})"
    for unit in sorted((unit for unit in units if not unit[-1].isdigit()), key=len, reverse=True):
        cases += f" WHEN prefix({TEXT}, {literal(unit)}) THEN right({TEXT}, -{len(unit)})"
        for sign in "-+":
            rest = f"ltrim(right({TEXT}, -{len(unit) + 1}), {BLANKS})"
            cases += f" WHEN prefix({TEXT}, {literal(sign + unit)}) THEN '{sign}' || {rest}"
    return f"CASE{cases} ELSE {TEXT} END"


def _with_point(text: str, decimal: str, groups: str) -> str:
    for mark in groups:
        text = f"replace({text}, {literal(mark)}, '')"
    return text if decimal == "." else f"replace({text}, {literal(decimal)}, '.')"


def _pattern(kind: str, decimal: str, groups: str) -> str:
    """What the text of a number looks like: marks stand between groups of three, and nowhere else."""
    point = re.escape(decimal)
    whole = "[0-9]+"
    if groups:
        marks = "".join(f"\\x{{{ord(mark):x}}}" for mark in groups)
        whole = f"(?:[0-9]+|[0-9]{{1,3}}(?:[{marks}][0-9]{{3}})+)"
    if kind == "BIGINT":
        return f"[-+]?{whole}"
    if kind == "DOUBLE":
        return f"[-+]?(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][-+]?[0-9]+)?"
    scale = kind.rstrip(")").rpartition(",")[2]
    return f"[-+]?(?:{whole})?(?:{point}[0-9]{{0,{scale}}}0*)?"


def _wanted(rule: ParseRule, kind: str) -> str:
    decimal, groups = marks_of(rule)
    words = {"BIGINT": "an integer", "DOUBLE": "a number"}.get(kind, f"a {kind.lower()}")
    example = f"1{groups[:1]}234" + ("" if kind == "BIGINT" else f"{decimal}5")
    units = f", alone or with {' or '.join(rule.units)}" if rule.units else ""
    return f"{words} written as {example}{units}"
