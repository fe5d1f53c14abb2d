"""JSON cells: the type of each place in the records, and how its values become cells of that type.

Where the table has a column already, its type is kept if every value fits. What does not fit a column without parts
becomes text, so that the rows with such values can be told apart later; a record with a misfit inside a struct or list
is set aside as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from penstock.formats.intake import Evidence
from penstock.formats.json.types import INTEGERS, Seen, digits, is_double
from penstock.formats.json.values import Literal, compact, shown
from penstock.formats.nested import DECIMAL, List, Map, Scalar, Struct, Type

Convert = Callable[[Any], Any]
DIGITS = 38
NO_VALUE = "no value in the file"
_NUMBERS = frozenset({"an integer", "a number"})
_VARCHAR, _BOOLEAN, _BIGINT, _DOUBLE = (Scalar(name) for name in ("VARCHAR", "BOOLEAN", "BIGINT", "DOUBLE"))
_HOLDS = {"BOOLEAN": "true or false", "INTEGER": "a 32-bit integer", "BIGINT": "an integer", "DOUBLE": "a number"}


class Shape(NamedTuple):
    """The type of one place, how a value becomes a cell (None: it is one), and why the type is this one."""

    kind: Type
    convert: Convert | None
    why: Evidence


def natural(seen: Seen) -> Shape:
    """The shape that the values alone ask for."""
    kinds = [kind for kind in seen.kinds if kind != "null"]
    if not kinds:
        return Shape(_VARCHAR, None, Evidence(NO_VALUE))
    if set(kinds) <= _NUMBERS:
        return _numeric(seen)
    if len(kinds) > 1:
        (one, first), (two, second) = ((kind, seen.kinds[kind]) for kind in kinds[:2])
        reason = f"line {first[0]} holds {one} ({first[1]}), line {second[0]} {two} ({second[1]}): kept as text"
        return Shape(_VARCHAR, as_text, Evidence(reason, *second))
    kind, first = kinds[0], seen.kinds[kinds[0]]
    if kind == "an object":
        return _struct(seen, None, first)
    if kind == "a list":
        return _list(seen, None, first)
    return Shape(_BOOLEAN if kind == "true or false" else _VARCHAR, None, Evidence(f"every value is {kind}", *first))


def fitted(seen: Seen, known: Type | None) -> Shape:
    """The shape that a column of the type `known` keeps, or that the values ask for when there is none."""
    match known:
        case None:
            return natural(seen)
        case Struct() if seen.without_value or seen.only("an object"):
            return _struct(seen, known, next(iter(seen.kinds.values()), (None, None)))
        case List() if seen.without_value or seen.only("a list"):
            return _list(seen, known, next(iter(seen.kinds.values()), (None, None)))
        case Scalar() if _all_fit(seen, known):
            convert = _scalar_cell(known, seen)
            return Shape(known, convert, Evidence(f"the table's column is {known}, and every value fits"))
        case _:
            line, value = _first_misfit(seen, known)
            reason = f"the table's column is {known}, but line {line} holds {value}: kept as text"
            return Shape(_VARCHAR, _text_cell(known), Evidence(reason, line, value))


def _numeric(seen: Seen) -> Shape:
    first = seen.kinds.get("a number") or seen.kinds["an integer"]
    if "a number" not in seen.kinds:
        if seen.big is None:
            return Shape(_BIGINT, None, Evidence("every value is an integer", *first))
        reason, example = f"line {seen.big[0]} holds an integer of more than 64 bits ({seen.big[1]})", seen.big
    elif example_of := seen.inexact or seen.inexact_integer:
        example = example_of
        reason = f"line {example[0]} holds {example[1]}, which has more digits than a double keeps"
    else:
        return Shape(_DOUBLE, _as_double, Evidence("every value is a number", *first))
    whole = max(seen.whole, digits(seen.low)[0], digits(seen.high)[0])
    if whole + seen.scale <= DIGITS:
        return Shape(Scalar(f"DECIMAL({DIGITS},{seen.scale})"), _as_decimal, Evidence(reason, *example))
    return Shape(_VARCHAR, as_text, Evidence(f"{reason}: kept as text", *example))


def _struct(seen: Seen, known: Struct | None, first: tuple[int | None, str | None]) -> Shape:
    fields: list[tuple[str, str, Shape]] = []
    left = dict(seen.fields)
    for name, kind in known.fields if known else ():
        source = seen.spelled.get(name.lower(), name)
        fields.append((source, name, fitted(left.pop(source, Seen()), kind)))
    fields += [(source, source, natural(below)) for source, below in left.items()]
    if not fields:
        return Shape(_VARCHAR, as_text, Evidence("every value is an empty object: kept as text", *first))
    kind = Struct(tuple((name, shape.kind) for _, name, shape in fields))
    plain = all(shape.convert is None and source == name for source, name, shape in fields)
    why = Evidence(f"the table's column is {known}" if known else "every value is an object", *first)
    return Shape(kind, None if plain else _struct_cell(fields), why)


def _list(seen: Seen, known: List | None, first: tuple[int | None, str | None]) -> Shape:
    element = fitted(seen.element or Seen(), known.element if known else None)
    reason = f"the table's column is {known}" if known else "every value is a list"
    if element.why.reason == NO_VALUE:
        reason += " without values"
    elif "line " in element.why.reason:
        reason += f"; {element.why.reason}"
    convert = None if element.convert is None else _list_cell(element.convert)
    return Shape(List(element.kind), convert, Evidence(reason, *first))


def _all_fit(seen: Seen, known: Scalar) -> bool:
    kinds = seen.kinds.keys() - {"null"}
    if not kinds or known == _VARCHAR:
        return True
    if known == _BOOLEAN:
        return kinds == {"true or false"}
    if known.name in INTEGERS:
        span = INTEGERS[known.name]
        return kinds == {"an integer"} and seen.low in span and seen.high in span
    return kinds <= _NUMBERS and _numbers_fit(seen, known)


def _numbers_fit(seen: Seen, known: Scalar) -> bool:
    if known == _DOUBLE:
        return seen.inexact is None and seen.inexact_integer is None
    decimal = DECIMAL.fullmatch(known.name)
    whole = max(seen.whole, digits(seen.low)[0], digits(seen.high)[0])
    return decimal is not None and seen.scale <= int(decimal[2]) and whole <= int(decimal[1]) - int(decimal[2])


def _first_misfit(seen: Seen, known: Type) -> tuple[int | None, str | None]:
    """A line with a value that is not of the known type, and that value."""
    allowed = {"INTEGER": {"an integer"}, "BIGINT": {"an integer"}, "BOOLEAN": {"true or false"}}.get(
        str(known), set(_NUMBERS) if str(known).startswith(("DOUBLE", "DECIMAL")) else set()
    )
    odd = [first for kind, first in seen.kinds.items() if kind not in {*allowed, "null"}]
    if odd:
        return min(odd)
    return seen.big or seen.inexact or seen.inexact_integer or next(iter(seen.kinds.values()))


def misfit(value: Any, known: Type, path: str) -> str | None:
    """Why a value is none of the known type with its parts; None when it is, fields that are new left out."""
    if value is None:
        return None
    match known:
        case Struct() if type(value) is not dict:
            return f"{path}: {shown(value)} is not an object"
        case List() if type(value) is not list:
            return f"{path}: {shown(value)} is not a list"
        case Struct():
            kinds = {name.lower(): kind for name, kind in known.fields}
            inside = ((below, kinds.get(key.lower()), f"{path}.{key}") for key, below in value.items())
        case Map():
            return f"{path}: {shown(value)} is not of the type {known}"
        case List():
            inside = ((below, known.element, f"{path}[{at}]") for at, below in enumerate(value))
        case Scalar():
            what = _HOLDS.get(known.name, f"of the type {known}")
            return None if _fits(value, known) else f"{path}: {shown(value)} is not {what}"
    found = (misfit(below, kind, name) for below, kind, name in inside if kind is not None)
    return next((problem for problem in found if problem), None)


def _fits(value: Any, known: Scalar) -> bool:
    if known == _BOOLEAN:
        return type(value) is bool
    if known.name in INTEGERS:
        return type(value) is int and value in INTEGERS[known.name]
    if known == _DOUBLE:
        return type(value) in {int, Literal} and is_double(value)
    decimal = DECIMAL.fullmatch(known.name)
    if decimal and type(value) in {int, Literal}:
        whole, scale = digits(value)
        return scale <= int(decimal[2]) and whole <= int(decimal[1]) - int(decimal[2])
    return known == _VARCHAR


# --- From values to cells


def as_text(value: Any) -> str | None:
    """A value as text: a text as it is, anything else as JSON."""
    return value if value is None or type(value) is str else compact(value)


def _text_cell(known: Type) -> Convert:
    """As text that the rules for texts of the known type read as the same number."""
    if known == _DOUBLE:
        return lambda value: repr(float(value)) if type(value) is Literal and is_double(value) else as_text(value)
    if isinstance(known, Scalar) and DECIMAL.fullmatch(known.name):
        return lambda value: (
            format(Decimal(value), "f") if type(value) is Literal and max(digits(value)) <= DIGITS else as_text(value)
        )
    return as_text


def _as_double(value: Any) -> float | None:
    return None if value is None else float(value)


def _as_decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _scalar_cell(known: Scalar, seen: Seen) -> Convert | None:
    if known == _VARCHAR:
        return None if seen.without_value or seen.only("text") else as_text
    if known == _DOUBLE:
        return _as_double
    return _as_decimal if DECIMAL.fullmatch(known.name) else None


def _struct_cell(fields: list[tuple[str, str, Shape]]) -> Convert:
    plan = [(source, name, shape.convert) for source, name, shape in fields]

    def convert(value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is None:
            return None
        get = value.get
        return {name: get(source) if to is None else to(get(source)) for source, name, to in plan}

    return convert


def _list_cell(element: Convert) -> Convert:
    return lambda value: None if value is None else [element(below) for below in value]
