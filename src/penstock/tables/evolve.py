"""How a table's columns change: what a commit of them is, and by which rules a column takes another type.

Iceberg lets a column grow in place only where old files need not change. Where they must, the column is replaced: a new
one of the same name, with a new id, takes its place, and the table's live files are written anew in the same snapshot.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from penstock.formats.nested import Scalar, parse_type
from penstock.naming import identifier
from penstock.state.store import Column
from penstock.tables.types import digits_of_type, merged_types, planned_columns, widened_type

HISTORY = "penstock.history"
MOST_CHANGES = 200
MOST_DIGITS = 38
INTEGERS = ("INTEGER", "BIGINT")


def with_history(text: str | None, changes: Iterable[Mapping[str, Any]], schema: int) -> str:
    """The property that keeps a table's latest changes, with some more of the schema with that id."""
    known = json.loads(text) if text else []
    new = [{**change, "schema": schema} for change in changes]
    return json.dumps([*known, *new][-MOST_CHANGES:], ensure_ascii=False)


def rewritten_type(there: str, wanted: str) -> str | None:
    """What a column becomes when its values are written anew so that values of the type `wanted` fit too.

    None where no rule leads there. Only `BIGINT` to `DOUBLE` may lose something: see `inexact_sql`.
    """
    merged = merged_types(parse_type(there), parse_type(wanted), _scalars)
    return None if merged is None else str(merged)


def _scalars(there: Scalar, wanted: Scalar) -> Scalar | None:
    if there == wanted or (grown := widened_type(there.name, wanted.name)) is not None:
        return there if there == wanted else Scalar(str(grown))
    if there.name in INTEGERS and wanted.name in {"DOUBLE", "FLOAT"}:
        return Scalar("DOUBLE")
    if (there.name, wanted.name) == ("DATE", "TIMESTAMP"):
        return wanted
    one, other = digits_of_type(there.name), digits_of_type(wanted.name)
    if one is None or other is None:
        return None
    whole, scale = max(one[0], other[0]), max(one[1], other[1])
    return Scalar(f"DECIMAL({whole + scale},{scale})") if whole + scale <= MOST_DIGITS else None


def inexact_sql(name: str, there: str, kind: str) -> str:
    """SQL condition: the column's value has no equal of the type `kind`."""
    value = identifier(name)
    back = f"TRY_CAST(TRY_CAST({value} AS {kind}) AS {there})"
    return f"({value} IS NOT NULL AND {back} IS DISTINCT FROM {value})"


def evolved_columns(
    wanted: list[tuple[str, str]], there: tuple[Column, ...], replaced: Iterable[str], last: int = 0
) -> tuple[Column, ...]:
    """The columns that rows of some names and types are written with; those in `replaced` get new ids.

    `last` is the highest id that the table ever gave.
    """
    gone = {name.lower() for name in replaced}
    kept = tuple(
        replace(column, name=f"\0{column.name}") if column.name.lower() in gone else column for column in there
    )
    return planned_columns(wanted, kept, last)
