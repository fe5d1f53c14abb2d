"""Steps that change how many rows there are: dedupe, explode, sql."""

from __future__ import annotations

from dataclasses import replace

from penstock.declaration import Dedupe, Explode
from penstock.engines import FATE, ORDINAL, PLACE, ROW, Rule, flag_column, raw_column
from penstock.errors import BadFileError
from penstock.formats import RESERVED
from penstock.naming import identifier, literal
from penstock.steps.frame import Field, Frame, carried
from penstock.steps.rows import OUTCOME

ELEMENT = "__penstock_element"
INPUT = "input"
_ALL = "__penstock_all"


def dedupe(frame: Frame, declared: Dedupe) -> Frame:
    """Keep one row of those with equal keys; drop, and count, the others.

    Which row is kept follows from the file alone: of rows that are equally new, the first in the file.
    """
    keys = [identifier(frame.find(name).name) for name in declared.key]
    order = [f"{ORDINAL} DESC" if declared.keep == "last" else ORDINAL]
    if declared.by is not None:
        by = identifier(frame.find(declared.by).name)
        order = [f"{by} {'DESC' if declared.keep == 'newest' else 'ASC'} NULLS LAST", *order]
    known = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    number = (
        f"row_number() OVER (PARTITION BY {FATE} IS NULL AND {known}, {', '.join(keys)} ORDER BY {', '.join(order)})"
    )
    rule = Rule(f"dedupe {', '.join(declared.key)}", "dropped", "another row has the same key")
    return replace(frame.set_aside([(f"CASE WHEN {known} THEN {number} > 1 ELSE false END", rule)]), ordered=True)


def explode(frame: Frame, declared: Explode) -> Frame:
    """Make a row of each element of a list; a row whose list is null or empty stays one row, with null."""
    field = frame.find(declared.column)
    kind = frame.type_of(field)
    column = identifier(field.name)
    if kind == "VARCHAR" and declared.on is not None:
        elements, kind = f"string_split({column}, {literal(declared.on)})", "VARCHAR[]"
    elif kind.endswith("]") and declared.on is None:
        elements = column
    else:
        message = f'{frame.place}: "{field.name}" is {kind}; explode takes a list, or a text and `on`'
        raise BadFileError(message, hint="cut the text with on: SEPARATOR, or leave the step out")
    into = declared.into or field.name
    frame.check_free(into)
    listed = frame.with_field(Field(ELEMENT, kind), elements)
    rule = Rule(f"explode {declared.column}", "added", f"one row for each element of {declared.column}")
    return _renamed(_unnested(listed, rule, kind.removesuffix("[]")), ELEMENT, into)


def _unnested(frame: Frame, rule: Rule, kind: str) -> Frame:
    """A row for each element; all but the first are flagged as added."""
    live = f"CASE WHEN {FATE} IS NULL AND len({ELEMENT}) > 0 THEN {ELEMENT} ELSE [CAST(NULL AS {kind})] END"
    names = [*carried(frame.width), *frame.flags, FATE, *(identifier(field.name) for field in frame.fields[:-1])]
    unnested = (
        f"SELECT {', '.join(names)}, unnest({live}) AS {ELEMENT}, unnest(range(len({live}))) AS {OUTCOME} "
        f"FROM ({frame.select})"
    )
    flag = f"{OUTCOME} > 0 AS {flag_column(len(frame.rules))}"
    select = f"SELECT {', '.join([*names, ELEMENT, flag])} FROM ({unnested})"
    fields = (*frame.fields[:-1], Field(ELEMENT, kind))
    return replace(frame, select=select, fields=fields, rules=(*frame.rules, rule), certain=())


def _renamed(frame: Frame, old: str, new: str) -> Frame:
    """Give a field a name; one that has the name already gives way, in its place."""
    changed = replace(frame.find(old), name=new)
    rest = [field for field in frame.fields if field.name != old]
    at = next((at for at, field in enumerate(rest) if field.name.lower() == new.lower()), len(rest))
    return frame.layer((*rest[:at], changed, *rest[at + 1 :]), {new: old})


def select(frame: Frame, statement: str) -> Frame:
    """One SELECT over `input`, the rows so far.

    No row of the outcome stands for one record, so the account speaks of both sides: every row that went in is let go
    by the rule, every row that came out is added by it; `account` shows the difference.
    """
    first = len(frame.rules)
    name = f"sql steps{frame.place.partition('.steps')[2].partition('.')[0]}"
    consumed, made = Rule(name, "consumed", "read by the step"), Rule(name, "added", "made by the step")
    names = ", ".join(identifier(field.name) for field in frame.fields)
    ctes = (
        f"{_ALL} AS MATERIALIZED ({frame.select}), "
        f"{INPUT} AS (SELECT {names} FROM {_ALL} WHERE {FATE} IS NULL), "
        f"{ELEMENT} AS ({statement}\n)"
    )
    described = frame.types_of(f"SELECT * FROM (WITH {ctes} SELECT * FROM {ELEMENT})")
    if taken := next((name for name in described if name.lower().startswith(RESERVED)), None):
        raise BadFileError(f'{frame.place}: the name "{taken}" is taken by the system', hint="give it another name")
    fields = tuple(Field(name, kind) for name, kind in described.items())
    outcome = [
        *(f"CAST(NULL AS BIGINT) AS {name}" for name in (ORDINAL, *PLACE)),
        f"CAST(to_json({ELEMENT}) AS VARCHAR) AS {ROW}",
        *(f"CAST(NULL AS {_cell_type(frame, at)}) AS {raw_column(at)}" for at in range(frame.width)),
        *(f"false AS {flag}" for flag in frame.flags),
        f"true AS {flag_column(first + 1)}",
        f"CAST(NULL AS INTEGER) AS {FATE}",
        *(identifier(field.name) for field in fields),
    ]
    rest = [
        *carried(frame.width),
        *frame.flags,
        f"false AS {flag_column(first + 1)}",
        f"coalesce({FATE}, {first}) AS {FATE}",
        *(f"CAST(NULL AS {field.type}) AS {identifier(field.name)}" for field in fields),
    ]
    both = f"SELECT {', '.join(outcome)} FROM {ELEMENT} UNION ALL SELECT {', '.join(rest)} FROM {_ALL}"
    selected = f"SELECT * FROM (WITH {ctes} {both})"
    return replace(frame, select=selected, fields=fields, rules=(*frame.rules, consumed, made), certain=())


def _cell_type(frame: Frame, at: int) -> str:
    return frame.kinds[at] if frame.kinds else "VARCHAR"
