"""From declared steps to one SELECT: each kind of step is a function from frame to frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from penstock.declaration import Step
from penstock.engines import Rule
from penstock.steps.columns import drop, keep, rename
from penstock.steps.frame import Field, Frame, TypesOf, source_frame
from penstock.steps.rows import filter_rows, require
from penstock.steps.values import bucket, cast, derive, parse, typed

STEPS: dict[str, Callable[[Frame, Any], Frame]] = {
    "parse": parse,
    "derive": derive,
    "bucket": bucket,
    "require": require,
    "rename": rename,
    "keep": keep,
    "drop": drop,
    "filter": filter_rows,
    "cast": cast,
}


@dataclass(frozen=True)
class Compiled:
    """One SELECT over the file's records, the fields it gives, and the rules that set rows aside."""

    select: str
    fields: tuple[Field, ...]
    rules: tuple[Rule, ...]


def compile_steps(
    table: str,
    steps: list[Step],
    columns: list[tuple[str, str, int | None]],
    width: int,
    types_of: TypesOf,
    *,
    guarded: bool = False,
) -> Compiled:
    """Compile a table's steps.

    Args:
        table: Name of the table, for errors.
        steps: What is declared, in order.
        columns: The files' columns: name, type, position in this file (None where it lacks the column).
        width: Number of columns of this file.
        types_of: Asks the engine for the types of a SELECT's columns.
        guarded: Whether a row for which an expression fails is set aside; otherwise the whole query fails.

    Raises:
        BadFileError: A step needs a column that is not there.
    """
    frame = typed(source_frame(width, types_of, guarded=guarded), columns)
    for at, step in enumerate(steps):
        placed = replace(frame, place=f"tables.{table}.steps[{at}].{step.kind}")
        frame = STEPS[step.kind](placed, step.body)
    return Compiled(frame.select, frame.fields, frame.rules)


def text_columns(steps: list[Step]) -> set[str]:
    """Columns, in lower case, whose text a step reads itself: their type is declared and need not be inferred."""
    found: set[str] = set()
    names: dict[str, str] = {}
    touched: set[str] = set()
    for step in steps:
        if step.kind == "rename":
            names |= {new.lower(): names.get(old.lower(), old.lower()) for old, new in step.body.items()}
        elif step.kind in {"parse", "cast"}:
            found |= {names.get(name.lower(), name.lower()) for name in step.body} - touched
        elif step.kind == "derive":
            touched |= {name.lower() for name in step.body}
        elif step.kind == "bucket":
            touched.add(step.body.into.lower())
    return found
