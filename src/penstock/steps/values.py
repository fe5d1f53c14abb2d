"""Steps that compute values from others: derive, bucket."""

from __future__ import annotations

from penstock.declaration import Bucket
from penstock.engines import Rule
from penstock.naming import identifier, literal
from penstock.steps.frame import Field, Frame
from penstock.steps.reading import reading_sql
from penstock.steps.rows import OUTCOME, tried

_WHOLE = 10**15
"""Up to which a double is a whole number exactly."""


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
        value, refused = reading_sql("DOUBLE", column, OUTCOME)
        reason = f"{field.found} is not a number"
        rule = Rule(f"bucket {declared.into}", "quarantined", reason, field.origin, field.cell)
        frame, number = frame.with_field(Field(OUTCOME, "DOUBLE"), value).set_aside([(refused, rule)]), OUTCOME
    *_, last = declared.upto.values()
    if last is not None:
        reason = f"{field.found} is above every bound of {declared.into}"
        rule = Rule(f"bucket {declared.into}", "quarantined", reason, field.origin, field.cell)
        frame = frame.set_aside([(f"{number} > {last!r}", rule)])
    cases = " ".join(
        f"WHEN {number} IS NOT NULL THEN {literal(label)}"
        if upper is None
        else f"WHEN {number} <= {_bound(upper)} THEN {literal(label)}"
        for label, upper in declared.upto.items()
    )
    return frame.with_field(Field(declared.into, "VARCHAR"), f"CASE {cases} END").without(OUTCOME)


def _bound(upper: float) -> str:
    """A bound as SQL; a whole one without a point, so that integers need not be turned into decimals."""
    return str(int(upper)) if upper.is_integer() and abs(upper) < _WHOLE else repr(upper)
