"""Dates and times: in layouts of strptime's letters, in several of them, and at places on Earth.

Every layout has a regular expression beside it, because the engine's own reading is more generous where four digits of
a year are meant, and slow about what it refuses.
"""

from __future__ import annotations

import re
from itertools import pairwise

from penstock.declaration import ParseRule
from penstock.declaration.parse_rule import ISO
from penstock.naming import literal
from penstock.steps.frame import Field, Frame
from penstock.steps.reading import (
    CLOCK,
    DATE,
    KINDS,
    TEXT,
    TIMESTAMPTZ,
    Reading,
    plain_reading,
    refusal,
    refuse,
    years_sql,
)
from penstock.steps.rows import OUTCOME

INSTANT = "__penstock_instant"
EARLIER = "__penstock_earlier"
OFFSET = "(?:Z|[-+](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_PIECES = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "b": f"(?i:{'|'.join(month[:3] for month in _MONTHS)})",
    "B": f"(?i:{'|'.join(_MONTHS)})",
    "p": "(?i:am|pm)",
    "f": "[0-9]{1,6}",
    "z": "[-+][0-9]{2}(?::?[0-9]{2})?",
    "%": "%",
}
_PIECE = re.compile(r"%-?(.)|(\s+)|(.)", re.DOTALL)
_NUMERIC = frozenset("dmYyHIMSf")
_CLOCK_LETTER = re.compile(r"(?<!%)(?:%%)*%-?[HIMSf]")
_RECENT = 1901
"""Earlier years are looked at closely: the engine takes `17` for the year 17, and `epoch` for 1900."""
_DAY = "86400000000"
_FIRST, _LAST = "-62135596800000000", "253402300799999999"
"""The first and last microsecond of the years 1 to 9999, in UTC, counted from 1970."""


def layout_pattern(layout: str) -> str:
    """Regular expression for the texts that a layout means."""
    found = ""
    pieces = _PIECE.findall(layout)
    for at, (letter, blanks, char) in enumerate(pieces):
        beside = {piece[0] for piece in (*pieces[max(at - 1, 0) : at], *pieces[at + 1 : at + 2])}
        short = "[0-9]{2}" if beside & _NUMERIC else "[0-9]{1,2}"  # side by side, only two digits tell where one ends
        found += _PIECES.get(letter, short) if letter else r"\s+" if blanks else re.escape(char)
    return found


def _is_quick(layout: str) -> bool:
    """Whether the engine's own reading is right for years that are not long ago."""
    letters = [letter for letter, _, _ in _PIECE.findall(layout)]
    adjoining = any(one in _NUMERIC and other in _NUMERIC for one, other in pairwise(letters))
    return "y" not in letters and not adjoining


def moment_reading(rule: ParseRule, kind: str) -> Reading:
    """How a column of dates, times or timestamps without a zone is read, whose trimmed text is there."""
    layouts = rule.layouts
    if layouts == (ISO,):
        return plain_reading(kind, TEXT)
    if len(layouts) == 1 and _is_quick(layouts[0]):
        return _one_layout(layouts[0], kind)
    value = f"coalesce({', '.join(_strictly(layout, kind) for layout in layouts)})"
    wrong = "false" if kind == "TIME" else f"NOT {years_sql(OUTCOME)}"
    return Reading(kind, value, refusal(TEXT, OUTCOME, wrong), _wanted(layouts, kind))


def _one_layout(layout: str, kind: str) -> Reading:
    """One layout with the year in four digits: quick tests decide for all but the oldest years."""
    parsed = f"TRY_STRPTIME({TEXT}, {literal(layout)})"
    written = f"regexp_full_match({TEXT}, {literal(layout_pattern(layout))})"
    if kind == "TIME":
        wrong = f"NOT {written}"
    else:
        recent = f"year({OUTCOME}) BETWEEN {_RECENT} AND 9999"
        old = f"{years_sql(OUTCOME)} AND {written}"
        wrong = f"CASE WHEN {recent} THEN false ELSE NOT ({old}) END"
    if kind == "DATE" and _CLOCK_LETTER.search(layout):
        wrong = f"({wrong} OR {parsed} <> {OUTCOME})"  # a time of day would be lost
    return Reading(kind, f"CAST({parsed} AS {kind})", refusal(TEXT, OUTCOME, wrong), _wanted((layout,), kind))


def _strictly(layout: str, kind: str) -> str:
    """SQL for the value of a text that a layout means; null for any other."""
    if layout == ISO:
        pattern = {"DATE": DATE, "TIME": CLOCK, "TIMESTAMP": f"{DATE}(?:[ T]{CLOCK})?"}[kind]
        return f"CASE WHEN regexp_full_match({TEXT}, {literal(pattern)}) THEN TRY_CAST({TEXT} AS {kind}) END"
    parsed = f"TRY_STRPTIME({TEXT}, {literal(layout)})"
    value = f"CAST({parsed} AS {kind})"
    if kind == "DATE" and _CLOCK_LETTER.search(layout):
        value = f"CASE WHEN {parsed} = {value} THEN {value} END"
    return f"CASE WHEN regexp_full_match({TEXT}, {literal(layout_pattern(layout))}) THEN {value} END"


def _wanted(layouts: tuple[str, ...], kind: str) -> str:
    words = {"DATE": "a date", "TIME": "a time", "TIMESTAMP": "a timestamp", TIMESTAMPTZ: "a timestamp"}[kind]
    iso = KINDS[kind].partition("(")[2].rstrip(")")
    *others, last = [iso if layout == ISO else layout for layout in layouts]
    return f"{words} written as {', '.join(others)} or {last}" if others else f"{words} written as {last}"


def read_instants(frame: Frame, field: Field, rule: ParseRule, name: str) -> tuple[Frame, str]:
    """Read a column of moments, whose trimmed text is there; gives the frame and SQL for the value.

    A text with an offset is a moment by itself. One without is a time on the clocks of the rule's zone, which may have
    been skipped when they were put forward, and may have come twice when they were put back.
    """
    instants = [_instant(layout) for layout in rule.layouts if layout == ISO or _names_offset(layout)]
    frame = frame.with_field(Field(INSTANT, TIMESTAMPTZ), _first_of(instants, TIMESTAMPTZ))
    local = [_strictly(layout, "TIMESTAMP") for layout in rule.layouts if not _names_offset(layout)]
    clocks = f"CASE WHEN {INSTANT} IS NULL THEN {_first_of(local if rule.zone else [], 'TIMESTAMP')} END"
    frame = frame.with_field(Field(OUTCOME, "TIMESTAMP"), clocks)
    either = f"coalesce(epoch_us({INSTANT}), epoch_us({OUTCOME}))"
    unread = refusal(TEXT, either, f"{either} NOT BETWEEN {_FIRST} AND {_LAST}")
    what = f"is not {KINDS[TIMESTAMPTZ]}" if rule.format is None else f"is not {_wanted(rule.layouts, TIMESTAMPTZ)}"
    if rule.format is None and rule.zone:
        what = f"is not {KINDS['TIMESTAMP']}, with or without an offset"
    frame, instant = refuse(frame, field, unread, INSTANT, name, what, rule.otherwise)
    return _placed(frame, field, instant, rule, name) if rule.zone else (frame, instant)


def _first_of(values: list[str], kind: str) -> str:
    return f"coalesce({', '.join([*values, f'CAST(NULL AS {kind})'])})"


def _names_offset(layout: str) -> bool:
    return "%z" in layout.replace("%%", "")


def _instant(layout: str) -> str:
    """SQL for the moment of a text that names its offset; null for any other."""
    if layout != ISO:
        parsed = f"TRY_STRPTIME({TEXT}, {literal(layout)})"
        return f"CASE WHEN regexp_full_match({TEXT}, {literal(layout_pattern(layout))}) THEN {parsed} END"
    close = f"regexp_replace({TEXT}, ' ([Z+-])', '\\1')"
    full = f"regexp_replace({close}, '([ T][0-9]{{1,2}}:[0-9]{{2}})([Z+-])', '\\1:00\\2')"
    read = f"coalesce(TRY_CAST({TEXT} AS {TIMESTAMPTZ}), TRY_CAST({full} AS {TIMESTAMPTZ}))"
    perhaps = f"suffix({TEXT}, 'Z') OR contains({TEXT}, '+') OR contains({TEXT}[11:], '-')"
    written = f"regexp_full_match({TEXT}, {literal(f'{DATE}[ T]{CLOCK} ?{OFFSET}')})"
    return f"CASE WHEN {perhaps} THEN CASE WHEN {written} THEN {read} END END"


def _placed(frame: Frame, field: Field, instant: str, rule: ParseRule, name: str) -> tuple[Frame, str]:
    """Find the moments of times on a zone's clocks: none for those skipped, the earlier of two for those doubled."""
    zone = literal(str(rule.zone))
    frame = frame.with_field(
        Field(INSTANT, TIMESTAMPTZ), f"CASE WHEN {OUTCOME} IS NULL THEN {instant} ELSE timezone({zone}, {OUTCOME}) END"
    )
    skipped = (
        f"CASE WHEN {OUTCOME} IS NULL THEN false WHEN epoch_us({INSTANT}) NOT BETWEEN {_FIRST} AND {_LAST} THEN true "
        f"ELSE timezone({zone}, {INSTANT}) <> {OUTCOME} END"
    )
    what = f"does not exist in {rule.zone}: the clocks were put forward over it"
    frame, instant = refuse(frame, field, skipped, INSTANT, name, what, rule.otherwise)
    before = (
        f"epoch_us(timezone({zone}, make_timestamptz(epoch_us({INSTANT}) - {_DAY}))) - (epoch_us({INSTANT}) - {_DAY})"
    )
    earlier = f"CASE WHEN {OUTCOME} IS NOT NULL THEN make_timestamptz(epoch_us({OUTCOME}) - ({before})) END"
    frame = frame.with_field(Field(EARLIER, TIMESTAMPTZ), earlier)
    twice = (
        f"CASE WHEN {EARLIER} IS NULL OR {EARLIER} >= {INSTANT} THEN false "
        f"ELSE timezone({zone}, {EARLIER}) = {OUTCOME} END"
    )
    what = f"came twice in {rule.zone}, where the clocks were put back"
    frame, _ = refuse(frame, field, twice, EARLIER, name, what, "null", became="the earlier moment is taken")
    doubled = frame.flags[-1]
    return frame, f"CASE WHEN {doubled} THEN {EARLIER} ELSE {instant} END"
