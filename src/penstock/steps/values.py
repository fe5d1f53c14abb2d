"""Steps that make values: typing of the file's columns, parse, cast, derive, bucket."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from penstock.declaration import Bucket, ParseRule
from penstock.engines import Rule, raw_column
from penstock.formats import holds_sql, value_sql
from penstock.formats.text_types import WORDS
from penstock.naming import identifier, literal
from penstock.steps.frame import Field, Frame
from penstock.steps.rows import BLANKS, OUTCOME, blank_sql, tried

TYPES = {
    "text": "VARCHAR",
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}
_INTEGER = "[-+]?[0-9]+"
_NUMBER = r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"
_DATE = "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_TIME = r"([ T](?:[01]?[0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?"
_NAMED_MOMENTS = "('epoch', 'infinity', '-infinity')"


def typed(frame: Frame, columns: list[tuple[str, str, int | None]]) -> Frame:
    """Give the file's columns their types: (name, type, position in the file, None where the file lacks it)."""
    fields = tuple(Field(name, kind, cell, name) for name, kind, cell in columns)
    changed = {
        name: f"CAST(NULL AS {kind})" if cell is None else value_sql(kind, raw_column(cell))
        for name, kind, cell in columns
    }
    refused = [
        (
            f"({raw_column(cell)} IS NOT NULL AND NOT {holds_sql(kind, raw_column(cell), identifier(name))})",
            Rule(f"type {name}", "quarantined", f'{name}: "{{value}}" is not {WORDS[kind]}', name, cell),
        )
        for name, kind, cell in columns
        if cell is not None and kind != "VARCHAR"
    ]
    return frame.layer(fields, changed).set_aside(refused)


def parse(frame: Frame, rules: dict[str, Any]) -> Frame:
    """Read the text of columns as dates, timestamps, numbers or booleans."""
    for name, rule in rules.items():
        wanted = rule if isinstance(rule, ParseRule) else ParseRule(type=rule)
        frame = _read(frame, name, TYPES[wanted.type], wanted.format, "parse")
    return frame


def cast(frame: Frame, types: dict[str, str]) -> Frame:
    """Change the type of columns, without loss."""
    for name, declared in types.items():
        kind = TYPES.get(declared, declared.upper().replace(" ", ""))
        field = frame.find(name)
        if frame.type_of(field) == "VARCHAR":
            frame = frame if kind == "VARCHAR" else _read(frame, name, kind, None, "cast")
        else:
            frame = _convert(frame, field, kind)
    return frame


def _read(frame: Frame, name: str, kind: str, layout: str | None, step: str) -> Frame:
    """Turn a text column into values of `kind`; text that cannot be read goes to quarantine."""
    field = frame.find(name)
    column = identifier(field.name)
    if frame.type_of(field) != "VARCHAR":
        frame = frame.with_field(replace(field, type="VARCHAR"), f"CAST({column} AS VARCHAR)")
    value, refused = reading_sql(kind, column, layout, OUTCOME)
    words = WORDS.get(kind, f"a {kind.lower()}") if layout is None else f"a {kind.lower()} written as {layout}"
    rule = Rule(f"{step} {name}", "quarantined", f"{_found(field)} is not {words}", field.origin, field.cell)
    computed = frame.with_field(Field(OUTCOME, kind), value).set_aside([(refused, rule)])
    return computed.with_field(replace(field, type=kind), OUTCOME).without(OUTCOME)


def reading_sql(kind: str, text: str, layout: str | None, value: str) -> tuple[str, str]:
    """SQL for the value that `text` stands for, and the condition that it stands for none.

    More generous than inference, because the type is declared: `007` is the integer 7, and white space around a value
    does not matter. Nothing is ever rounded or cut. `value` is the name under which the condition finds the value.
    """
    trimmed = f"trim({text}, {BLANKS})"
    as_it_stands = "false"
    if layout is not None:
        reading = f"CAST(TRY_STRPTIME({trimmed}, {literal(layout)}) AS {kind})"
        close = f"lower({trimmed}) NOT IN {_NAMED_MOMENTS}"
    elif kind == "BOOLEAN":
        reading = f"CASE lower({trimmed}) WHEN 'true' THEN true WHEN 'false' THEN false END"
        close = "true"
    else:
        reading = f"coalesce(TRY_CAST({text} AS {kind}), TRY_CAST({trimmed} AS {kind}))"
        close = f"regexp_full_match({trimmed}, {literal(_pattern(kind))})"
        as_it_stands = holds_sql(kind, text, value) if kind in WORDS else "false"
    if kind == "DOUBLE":
        close = f"isfinite({value}) AND {close}"
    elif kind in {"DATE", "TIMESTAMP"}:
        close = f"coalesce(year({value}) BETWEEN 1 AND 9999, false) AND {close}"
    refused = (
        f"CASE WHEN {text} IS NULL OR {as_it_stands} THEN false WHEN {value} IS NULL THEN NOT {blank_sql(text)} "
        f"ELSE NOT ({close}) END"
    )
    return reading, refused


def _pattern(kind: str) -> str:
    """What the text of a value looks like; a decimal has no more digits after the point than its type keeps."""
    patterns = {"BIGINT": _INTEGER, "DOUBLE": _NUMBER, "DATE": _DATE, "TIMESTAMP": _DATE + _TIME}
    scale = kind.rstrip(")").rpartition(",")[2]
    return patterns.get(kind) or rf"[-+]?[0-9]*(\.[0-9]{{0,{scale}}}0*)?"


def _convert(frame: Frame, field: Field, kind: str) -> Frame:
    """Turn values of one type into another; what would be lost goes to quarantine."""
    column = identifier(field.name)
    if kind == "VARCHAR":
        return frame.with_field(Field(field.name, kind), f"CAST({column} AS VARCHAR)")
    value = f"TRY_CAST({column} AS {kind})"
    reason = f"{_found(field)} does not fit {kind} without loss"
    rule = Rule(f"cast {field.name}", "quarantined", reason, field.origin, field.cell)
    back = f"TRY_CAST({value} AS {frame.type_of(field)})"
    lost = f"({column} IS NOT NULL AND NOT coalesce({back} = {column}, false))"
    return frame.set_aside([(lost, rule)]).with_field(Field(field.name, kind), value)


def _found(field: Field) -> str:
    """Start of a reason: the column and, where it is still the file's, the value found."""
    return f"{field.name}: its value" if field.cell is None else f'{field.name}: "{{value}}"'


def derive(frame: Frame, expressions: dict[str, str]) -> Frame:
    """Compute columns, one after the other: an expression may use those derived before it."""
    for name, expression in expressions.items():
        frame.check_free(name)
        frame.check_columns(expression)
        if not frame.guarded:
            frame = frame.with_field(Field(name, None), f"({expression}\n)")
            continue
        rule = Rule(f"derive {name}", "quarantined", f"{name}: the expression {expression} cannot be computed")
        computed = frame.with_field(Field(OUTCOME, None), tried(expression)).set_aside([(f"{OUTCOME} IS NULL", rule)])
        frame = computed.with_field(Field(name, None), f"{OUTCOME}.v").without(OUTCOME)
    return frame


def bucket(frame: Frame, declared: Bucket) -> Frame:
    """Sort a number into named ranges."""
    frame.check_free(declared.into)
    field = frame.find(declared.column)
    column = identifier(field.name)
    number = column
    if frame.type_of(field) == "VARCHAR":
        value, refused = reading_sql("DOUBLE", column, None, OUTCOME)
        reason = f"{_found(field)} is not a number"
        rule = Rule(f"bucket {declared.into}", "quarantined", reason, field.origin, field.cell)
        frame, number = frame.with_field(Field(OUTCOME, "DOUBLE"), value).set_aside([(refused, rule)]), OUTCOME
    *_, last = declared.upto.values()
    if last is not None:
        reason = f"{_found(field)} is above every bound of {declared.into}"
        rule = Rule(f"bucket {declared.into}", "quarantined", reason, field.origin, field.cell)
        frame = frame.set_aside([(f"{number} > {last!r}", rule)])
    cases = " ".join(
        f"WHEN {number} IS NOT NULL THEN {literal(label)}"
        if upper is None
        else f"WHEN {number} <= {upper!r} THEN {literal(label)}"
        for label, upper in declared.upto.items()
    )
    return frame.with_field(Field(declared.into, "VARCHAR"), f"CASE {cases} END").without(OUTCOME)
