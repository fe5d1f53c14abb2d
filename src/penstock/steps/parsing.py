"""Steps that read text as values of a type, and turn values of one type into another: parse, cast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from penstock.declaration import ParseRule, Step
from penstock.engines import Rule
from penstock.errors import BadFileError
from penstock.formats.csv.certain import CERTAIN, certain_column
from penstock.naming import identifier
from penstock.steps.check_values import NUMBERS, family
from penstock.steps.frame import Field, Frame
from penstock.steps.moments import EARLIER, INSTANT, moment_reading, read_instants
from penstock.steps.numbers import BODY, number_reading
from penstock.steps.reading import (
    TEXT,
    TIMESTAMPTZ,
    TYPES,
    Reading,
    exact_text,
    plain_reading,
    read,
    refusal,
    trimmed_sql,
    word_list,
)
from penstock.steps.rows import OUTCOME
from penstock.steps.source_types import SourceColumn

_SCRATCH = (OUTCOME, TEXT, BODY, INSTANT, EARLIER)


def parse(frame: Frame, rules: dict[str, Any]) -> Frame:
    """Read the text of columns as dates, times, numbers or booleans."""
    for name, rule in rules.items():
        wanted = rule if isinstance(rule, ParseRule) else ParseRule(type=rule)
        frame = _parse(frame, name, wanted)
    return frame


def _parse(frame: Frame, name: str, rule: ParseRule) -> Frame:
    kind, field = _kind(rule), frame.find(name)
    if _is_there(frame.type_of(field), kind):
        return _convert(frame, field, kind, f"parse {name}")
    frame, rule_name = _as_text(frame, field), f"parse {name}"
    if rule == ParseRule(type=rule.type) and kind != TIMESTAMPTZ:
        return read(frame, field, _as_written(frame, field, kind), rule_name)
    return _typed(_trimmed(frame, field, rule.nulls), field, rule, rule_name).without(*_SCRATCH)


def read_as_written(steps: Sequence[Step], columns: Sequence[SourceColumn]) -> tuple[str, ...]:
    """Columns with certain values that such steps can do with: of texts that they read in the plainest way."""
    cells = {column.name.lower(): column.cell for column in columns if column.type == column.kind == "VARCHAR"}
    found: dict[str, None] = {}
    for step in steps:
        if step.kind == "rename":
            cells |= {new.lower(): cells.get(old.lower()) for old, new in step.body.items()}
        elif step.kind in {"parse", "cast"}:
            for name, rule in step.body.items():
                cell, kind = cells.get(name.lower()), TYPES.get(rule if isinstance(rule, str) else rule.type)
                if cell is not None and kind in CERTAIN:
                    found[certain_column(cell, kind)] = None
    return tuple(found)


def _as_written(frame: Frame, field: Field, kind: str) -> Reading:
    return plain_reading(kind, identifier(field.name), frame.certain_of(field, kind))


def _trimmed(frame: Frame, field: Field, nulls: list[str] | None) -> Frame:
    """Put the trimmed text into a column of its own: null where it is blank or stands for no value.

    A layer of its own keeps the SQL from growing with every place that needs the text.
    """
    frame = frame.with_field(Field(TEXT, "VARCHAR"), f"nullif({trimmed_sql(identifier(field.name))}, '')")
    if nulls:
        none = f"CASE WHEN lower({TEXT}) IN {word_list(nulls)} THEN NULL ELSE {TEXT} END"
        frame = frame.with_field(Field(TEXT, "VARCHAR"), none)
    return frame


def _kind(rule: ParseRule) -> str:
    return "DECIMAL({},{})".format(*rule.digits) if rule.type == "decimal" else TYPES[rule.type]


def _typed(frame: Frame, field: Field, rule: ParseRule, name: str) -> Frame:
    kind = _kind(rule)
    if kind == TIMESTAMPTZ:
        frame, instant = read_instants(frame, field, rule, name)
        return frame.with_field(replace(field, type=kind), instant)
    if family(kind) in NUMBERS:
        frame, reading = number_reading(frame, rule, kind)
    elif kind == "BOOLEAN":
        reading = _boolean_reading(rule)
    else:
        reading = moment_reading(rule, kind)
    return read(frame, field, reading, name, rule.otherwise)


def _boolean_reading(rule: ParseRule) -> Reading:
    if rule.true is None or rule.false is None:
        return plain_reading("BOOLEAN", TEXT)
    word = f"lower({TEXT})"
    value = (
        f"CASE WHEN {word} IN {word_list(rule.true)} THEN true WHEN {word} IN {word_list(rule.false)} THEN false END"
    )
    words = f"one of {', '.join(rule.true)} (true) or {', '.join(rule.false)} (false)"
    return Reading("BOOLEAN", value, refusal(TEXT, OUTCOME, "false"), words)


def _is_there(now: str, wanted: str) -> bool:
    """Whether values are what a text was to be read as, so that no text need be made of them."""
    both = {family(now), family(wanted)}
    return now == wanted or both <= set(NUMBERS) or both <= {"date", "timestamp"}


def _as_text(frame: Frame, field: Field) -> Frame:
    """Write the values of any other type as text, one for each value."""
    kind = frame.type_of(field)
    if kind == "VARCHAR":
        return frame
    text = exact_text(kind, identifier(field.name))
    if text is None:
        message = f'{frame.place}: the column "{field.name}" holds {kind}, which cannot be read as a text'
        raise BadFileError(message, hint="derive the part that is meant before")
    return frame.with_field(replace(field, type="VARCHAR"), text)


def cast(frame: Frame, types: dict[str, str]) -> Frame:
    """Change the type of columns, without loss."""
    for name, declared in types.items():
        kind = TYPES.get(declared, declared.upper().replace(" ", ""))
        field = frame.find(name)
        rule = f"cast {name}"
        if frame.type_of(field) != "VARCHAR":
            frame = _convert(frame, field, kind, rule)
        elif kind == TIMESTAMPTZ:
            frame, instant = read_instants(_trimmed(frame, field, None), field, ParseRule(type="timestamptz"), rule)
            frame = frame.with_field(replace(field, type=kind), instant).without(*_SCRATCH)
        elif kind != "VARCHAR":
            frame = read(frame, field, _as_written(frame, field, kind), rule)
    return frame


def _convert(frame: Frame, field: Field, kind: str, name: str) -> Frame:
    """Turn values of one type into another; what would be lost goes to quarantine."""
    now, column = frame.type_of(field), identifier(field.name)
    if now == kind:
        return frame
    if kind == "VARCHAR":
        text = exact_text(now, column) or f"CAST({column} AS VARCHAR)"
        return frame.with_field(replace(field, type=kind), text)
    if kind == TIMESTAMPTZ:
        message = f'{frame.place}: the column "{field.name}" holds {now}, whose time zone is not known'
        raise BadFileError(message, hint="say it with parse: {COLUMN: {type: timestamptz, zone: Europe/Paris}}")
    if now == TIMESTAMPTZ:  # the engine's own conversion goes by the machine's time zone
        now, column = "TIMESTAMP", f"timezone('UTC', {column})"
    value = f"TRY_CAST({column} AS {kind})"
    rule = Rule(name, "quarantined", f"{field.found} does not fit {kind} without loss", field.origin, field.cell)
    back = f"TRY_CAST({value} AS {now})"
    lost = f"({column} IS NOT NULL AND NOT coalesce({back} = {column}, false))"
    return frame.set_aside([(lost, rule)]).with_field(replace(field, type=kind), value)
