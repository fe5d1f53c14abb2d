"""From declared steps to one SELECT: each kind of step is a function from frame to frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from penstock.declaration import Check, Step
from penstock.engines import Rule
from penstock.errors import BadFileError
from penstock.steps.checks import apply_checks, needs_order
from penstock.steps.columns import drop, keep, rename
from penstock.steps.declared import clip, fill, map_values
from penstock.steps.frame import Field, Frame, TypesOf, source_frame
from penstock.steps.parsing import cast, parse, read_as_written
from penstock.steps.reshape import dedupe, explode, select
from penstock.steps.rows import filter_rows, require
from penstock.steps.source_types import SourceColumn, typed
from penstock.steps.texts import case, extract, hash_values, mask, replace_matches, split, trim
from penstock.steps.values import bucket, derive
from penstock.tables.others import Others, no_others

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
    "fill": fill,
    "trim": trim,
    "case": case,
    "map": map_values,
    "replace": replace_matches,
    "extract": extract,
    "split": split,
    "clip": clip,
    "hash": hash_values,
    "mask": mask,
    "dedupe": dedupe,
    "explode": explode,
    "sql": select,
}


@dataclass(frozen=True)
class Compiled:
    """One SELECT over the file's records, the fields it gives, and the rules that set rows aside."""

    select: str
    fields: tuple[Field, ...]
    rules: tuple[Rule, ...]
    ordered: bool = False


@dataclass(frozen=True)
class Part:
    """Which part of a table's steps is compiled, and the checks at its ends.

    Attributes:
        first: Number of the part's first step among all of the table's.
        before: Whether it starts at the file, so that columns get their types and checks look at them.
        after: Whether it ends at the table.
        checks: What is declared.
        others: Gives other tables, and the table itself beside the file at hand.
        unique: Whether `unique` after the steps is looked at in the SELECT.
    """

    first: int = 0
    before: bool = True
    after: bool = True
    checks: tuple[Check, ...] = ()
    others: Others = no_others
    unique: bool = True


WHOLE = Part()


def compile_steps(
    table: str,
    steps: list[Step],
    columns: list[SourceColumn],
    width: int,
    types_of: TypesOf,
    *,
    guarded: bool = False,
    kinds: tuple[str, ...] = (),
    part: Part = WHOLE,
) -> Compiled:
    """Compile a table's steps.

    Args:
        table: Name of the table, for errors.
        steps: What is declared, in order.
        columns: The files' columns.
        width: Number of columns of this file.
        types_of: Asks the engine for the types of a SELECT's columns.
        guarded: Whether a row for which an expression fails is set aside; otherwise the whole query fails.
        kinds: DuckDB types of the file's cells; empty where all are text.
        part: Which part of the table's steps these are, and its checks.

    Raises:
        BadFileError: A step or check needs a column that is not there.
    """
    checks = list(part.checks)
    source = source_frame(width, types_of, read_as_written(steps, columns), guarded=guarded)
    frame = typed(replace(source, kinds=kinds), columns)
    if part.before:
        frame = apply_checks(frame, table, checks, "before", part.others)
    for at, step in enumerate(steps, start=part.first):
        placed = replace(frame, place=f"tables.{table}.steps[{at}].{step.kind}")
        if step.kind not in STEPS:
            raise BadFileError(f"{placed.place}: this step cannot be done here", hint=f"steps are {', '.join(STEPS)}")
        frame = STEPS[step.kind](placed, step.body)
    if part.after:
        frame = apply_checks(frame, table, checks, "after", part.others, unique=part.unique)
    ordered = frame.ordered or needs_order(checks, unique=part.unique)
    return Compiled(frame.select, frame.fields, frame.rules, ordered)
