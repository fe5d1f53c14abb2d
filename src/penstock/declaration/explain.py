"""From pydantic's errors to problems that a person understands, each at its place in the file.

Where a model allows several forms of a value (a word or a mapping, a text or a list), pydantic tells what is wrong with
each of them, and puts labels of its own into the path. Here the model is followed from the top, so that it is known
which part of a path is a label, and only the form that was meant is spoken of: the one that looks like the value.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from penstock.declaration.checks import Check
from penstock.declaration.model import LAKE_NAME
from penstock.declaration.parse import Document, Path
from penstock.declaration.steps import Step
from penstock.errors import Problem
from penstock.naming import did_you_mean

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

SHOWN_TEXT = 60
_KIND = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "model_attributes_type": "a mapping of names to values",
}
_FORMS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a mapping of names to values",
}
_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("above", "gt"),
    "less_than": ("below", "lt"),
}


def explain(document: Document, model: Any, error: ValidationError, above: Path = ()) -> Iterator[Problem]:
    """Put every error of `model`, whose value stands at the path `above`, into words."""
    told: set[Path] = set()
    for details in error.errors():
        path, reached, union = _followed(model, details["loc"])
        if union is None or (details["type"] == "missing" and path == details["loc"]):
            yield _problem(document, (*above, *path), reached, details)
        elif path not in told:
            told.add(path)
            yield from _meant(document, union, (*above, *path))


def _followed(model: Any, loc: tuple[int | str, ...]) -> tuple[Path, Any, Any]:
    """Follow a path through a model: the path so far, the model that holds its last part, and the union met, if any."""
    path: Path = ()
    holder, here = None, _bare(model)
    for part in loc:
        if _is_union(here):
            return path, holder, here
        path, holder, here = (*path, part), here, _bare(_inner(here, part))
    return path, holder, here if _is_union(here) else None


def _bare(annotation: Any) -> Any:
    """Look through `Annotated[X]` and `X | None`."""
    while True:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
            continue
        choices = [choice for choice in typing.get_args(annotation) if choice is not type(None)]
        if typing.get_origin(annotation) not in {typing.Union, types.UnionType} or len(choices) != 1:
            return annotation
        annotation = choices[0]


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in {typing.Union, types.UnionType}


def _inner(annotation: Any, part: str | int) -> Any:
    """What the model allows below a key or in a list."""
    if _is_model(annotation):
        field = fields_of(annotation).get(str(part))
        return field.annotation if field else None
    arguments = typing.get_args(annotation)
    return arguments[-1] if arguments and typing.get_origin(annotation) in {dict, list} else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields by the key that stands for them in the document."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


# --- Which form of a value was meant ----------------------------------------------------------


def _meant(document: Document, union: Any, path: Path) -> Iterator[Problem]:
    """Say what is wrong with a value of which several forms are allowed."""
    value = _value_at(document.value, path)
    forms = [choice for choice in typing.get_args(union) if choice is not type(None)]
    attempts = [
        (not _resembles(form, value), len(problems), at, problems)
        for at, form in enumerate(forms)
        if _is_form(form, value) and (problems := _attempt(document, form, value, path))
    ]
    if attempts:
        yield from min(attempts)[-1]
    else:
        yield document.problem(path, f"must be {_forms_words(forms)}; found {_shown(value)}")


def _attempt(document: Document, form: Any, value: Any, path: Path) -> list[Problem]:
    try:
        TypeAdapter(form).validate_python(value, strict=True)
    except ValidationError as error:
        return list(explain(document, form, error, path))
    return []


def _value_at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _form(annotation: Any) -> type:
    """The plain kind of value that a form is written as."""
    annotation = _bare(annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return str
    if _is_model(annotation) or origin is dict:
        return dict
    return list if origin is list else typing.cast("type", annotation)


def _is_form(form: Any, value: Any) -> bool:
    kind = _form(form)
    return type(value) is kind or (kind is float and type(value) is int)


def _resembles(form: Any, value: Any) -> bool:
    """Whether the keys of a mapping are, or are nearly, those of a model."""
    form = _bare(form)
    if not _is_model(form) or not isinstance(value, dict):
        return False
    known = fields_of(form)
    return any(key in known or did_you_mean(key, known) for key in value)


def _forms_words(forms: list[Any]) -> str:
    kinds = [_form(form) for form in forms]
    words = []
    for form, kind in zip(forms, kinds, strict=True):
        if kind is int and float in kinds:
            continue
        allowed = typing.get_args(_bare(form)) if typing.get_origin(_bare(form)) is typing.Literal else ()
        words.append(f"one of {', '.join(allowed)}" if allowed else _FORMS[kind])
    *first, last = dict.fromkeys(words)
    return f"{', '.join(first)} or {last}" if first else last


# --- Words ------------------------------------------------------------------------------------


def _problem(document: Document, path: Path, holder: Any, error: ErrorDetails) -> Problem:
    if error["type"] == "extra_forbidden":
        return _unknown_key(document, path, holder)
    if error["type"] == "missing":
        return document.problem(path[:-1], f'the key "{path[-1]}" is missing', at_key=True)
    field = fields_of(holder).get(str(path[-1])) if _is_model(holder) else None
    return document.problem(path, _words(error, field))


def _unknown_key(document: Document, path: Path, holder: Any) -> Problem:
    known = list(fields_of(holder)) if _is_model(holder) else []
    key = str(path[-1])
    word = {Step: "step", Check: "check"}.get(holder, "key")
    suggestion = did_you_mean(key, known) or f"; known here: {', '.join(known)}"
    problem = document.problem(path, f'unknown {word} "{key}"{suggestion}', at_key=True)
    above = document.problem(path[:-1], "")
    return Problem(problem.file, problem.line, problem.column, above.path, problem.text)


def _words(error: ErrorDetails, field: FieldInfo | None) -> str:
    kind, found, context = error["type"], _shown(error["input"]), error.get("ctx", {})
    if kind in _KIND:
        return f"must be {_KIND[kind]}, found {found}"
    if kind in _LIMITS:
        words, limit = _LIMITS[kind]
        return f"must be {words} {context[limit]:g}; found {found}"
    match kind:
        case "value_error":
            text = str(context["error"])
        case "literal_error":
            text = _literal_words(error["input"], context)
        case "string_pattern_mismatch":
            text = f"{_pattern_words(context['pattern'], field)}; found {found}"
        case "finite_number":
            text = f"must be a finite number; found {found}"
        case _:
            length = _length_words(kind, context, found)
            text = length or f"{error['msg'][0].lower()}{error['msg'][1:]}, found {found}"
    return text


def _literal_words(value: Any, context: dict[str, Any]) -> str:
    allowed = re.findall("'([^']*)'", str(context["expected"]))
    words = ", ".join(word if word.isidentifier() else f'"{word}"' for word in allowed)
    suggestion = did_you_mean(value, allowed) if isinstance(value, str) else ""
    return f"must be one of {words}; found {_shown(value)}{suggestion}"


def _length_words(kind: str, context: dict[str, Any], found: str) -> str | None:
    least, most = context.get("min_length"), context.get("max_length")
    match kind, least, most:
        case ("string_too_short", _, _) | ("too_short", 1, _):
            return "must not be empty"
        case "string_too_long", _, 1:
            return f"must be one character, found {found}"
        case "string_too_long", _, _:
            return f"must be at most {most} characters, found {found}"
        case (("too_short" | "too_long"), _, _):
            bound = f"at least {least}" if kind == "too_short" else f"at most {most}"
            return f"must have {bound} entries; found {context['actual_length']}"
    return None


def _pattern_words(pattern: str, field: FieldInfo | None) -> str:
    if pattern == LAKE_NAME:
        return "must start with a lower-case letter and hold only a-z, 0-9 and _"
    return f"must be written like {field.examples[0]}" if field and field.examples else f"must match {pattern}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'the text "{value if len(value) <= SHOWN_TEXT else value[: SHOWN_TEXT - 1] + "…"}"'
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"the number {value}"
