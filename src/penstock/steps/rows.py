"""Steps that choose rows: require, filter."""

from __future__ import annotations

from penstock.engines import Rule
from penstock.naming import identifier
from penstock.steps.frame import Field, Frame

BLANKS = "chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || ' ' || chr(160) || chr(8239) || chr(12288)"
OUTCOME = "__penstock_outcome"


def blank_sql(text: str) -> str:
    """SQL condition: the text is empty or all white space.

    Trimming is slow, and no text that starts with a printable ASCII character is blank. CASE is the one form that the
    engine does not compute beyond the first branch that answers: AND and OR it computes whole, for every row.
    """
    return f"CASE WHEN {text} >= '!' AND {text} < chr(160) THEN false ELSE trim({text}, {BLANKS}) = '' END"


def require(frame: Frame, names: list[str]) -> Frame:
    """Drop rows in which a column is null or, for text, blank."""
    conditions = []
    for name in names:
        field = frame.find(name)
        column = identifier(field.name)
        is_text = frame.type_of(field) == "VARCHAR"
        condition = (
            f"CASE WHEN {column} IS NULL THEN true ELSE {blank_sql(column)} END" if is_text else f"{column} IS NULL"
        )
        conditions.append((condition, Rule(f"require {name}", "dropped", f"{name} is null or blank", field.origin)))
    return frame.set_aside(conditions)


def filter_rows(frame: Frame, expression: str) -> Frame:
    """Drop rows for which the condition is not true; quarantine those for which it cannot be computed."""
    frame.check_columns(expression)
    dropped = Rule(f"filter {expression}", "dropped", f"{expression} is not true")
    if not frame.guarded:
        return frame.set_aside([(f"NOT coalesce(CAST(({expression}\n) AS BOOLEAN), false)", dropped)])
    failed = Rule(f"filter {expression}", "quarantined", f"the condition {expression} cannot be computed")
    outcome = frame.with_field(Field(OUTCOME, None), tried(f"CAST(({expression}\n) AS BOOLEAN)")).set_aside(
        [(f"{OUTCOME} IS NULL", failed), (f"NOT coalesce({OUTCOME}.v, false)", dropped)]
    )
    return outcome.without(OUTCOME)


def tried(expression: str) -> str:
    """SQL that gives `{v: value}`, or null where the expression fails, so that a failure differs from a null value."""
    return f"TRY({{'v': ({expression}\n)}})"  # the line end closes a comment at the expression's end
