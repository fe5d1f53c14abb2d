"""From text to a declaration, or to every problem at once.

pydantic says what is wrong and where in the model; the parsed document knows where that is in the file. The words of
the messages are ours, because they are what a person reads.
"""

from __future__ import annotations

import os
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from penstock.declaration.model import Declaration
from penstock.declaration.parse import Document, Path, parse
from penstock.declaration.steps import Step
from penstock.errors import DeclarationError, LakeNotFoundError, Problem
from penstock.naming import TABLE_NAME, TableName, did_you_mean

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

FILE_NAME = "lake.yaml"
SHOWN_TEXT = 60
RESERVED_LAYERS = ("penstock", "information_schema", "pg_catalog", "system", "temp")

_WORDS = {
    "string_pattern_mismatch": "must start with a lower-case letter and hold only a-z, 0-9 and _; found {found}",
    "finite_number": "must be a finite number; found {found}",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "string_too_long": "must be one character, found {found}",
}
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


@dataclass(frozen=True)
class Examined:
    """What was found in a declaration's text.

    Attributes:
        text: The text.
        document: Its values with their places.
        declaration: What it declares; None when the model does not hold.
        problems: Everything that is wrong, in no order.
    """

    text: str
    document: Document
    declaration: Declaration | None
    problems: list[Problem]


def load(folder: FilePath, environment: Mapping[str, str] | None = None) -> Declaration:
    """Read the declaration in `folder`.

    Raises:
        LakeNotFoundError: There is no `lake.yaml`.
        DeclarationError: It has problems; all of them are named.
    """
    return loads(read_text(folder), environment=environment)


def read_text(folder: FilePath) -> str:
    """Read the text of the declaration in `folder`.

    Raises:
        LakeNotFoundError: There is no `lake.yaml`.
        DeclarationError: It is no UTF-8 text.
    """
    file = folder / FILE_NAME
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise LakeNotFoundError(
            f"no {FILE_NAME} in this folder",
            where=str(folder),
            hint="make a lake with `penstock init consultations DIR`, or name one with `penstock -C DIR`",
        ) from None
    except UnicodeDecodeError as error:
        problem = Problem(FILE_NAME, 1, 1, "", f"is not UTF-8 text (byte {error.start}); save it as UTF-8")
        raise DeclarationError([problem]) from None
    except OSError as error:
        raise LakeNotFoundError(f"cannot be read: {error.strerror}", where=str(file)) from None


def loads(text: str, file: str = FILE_NAME, environment: Mapping[str, str] | None = None) -> Declaration:
    """Read a declaration from text.

    Raises:
        DeclarationError: It has problems; all of them are named, in the order in which they stand in the file.
    """
    examined = examine(text, file, environment)
    if examined.problems or examined.declaration is None:
        raise DeclarationError(examined.problems)
    return examined.declaration


def examine(text: str, file: str = FILE_NAME, environment: Mapping[str, str] | None = None) -> Examined:
    """Read a declaration from text as far as that goes."""
    document = parse(text, file, os.environ if environment is None else environment)
    if document.value is None and not document.problems:
        document.problems.append(Problem(file, 1, 1, "", 'is empty; a declaration starts with "lake: NAME"'))
    problems = list(document.problems)
    declaration = None
    if document.value is not None:
        try:
            declaration = Declaration.model_validate(document.value)
        except ValidationError as error:
            problems += [_problem(document, details) for details in _without_union_noise(error.errors())]
        problems += _name_problems(document)
    return Examined(text, document, declaration, list(dict.fromkeys(problems)))


def _without_union_noise(errors: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Keep, of the errors of a union's alternatives, those of the alternative that was meant."""
    by_value: dict[Path, list[ErrorDetails]] = {}
    for error in errors:
        by_value.setdefault(_document_path(error["loc"]), []).append(error)
    nested = {path[:end] for path in by_value for end in range(len(path))}
    for path, alternatives in by_value.items():
        is_mapping = isinstance(alternatives[0]["input"], dict)
        if is_mapping and path in nested and all(error["type"] == "literal_error" for error in alternatives):
            continue
        wanted = [error for error in alternatives if (error["type"] == "literal_error") != is_mapping]
        yield (wanted or alternatives)[0]


def _document_path(loc: tuple[int | str, ...]) -> Path:
    """Drop the labels that pydantic adds for alternatives of a union: they are no part of the document."""
    return tuple(part for part in loc if not (isinstance(part, str) and _is_union_label(part)))


def _is_union_label(part: str) -> bool:
    return part in {"ParseRule", "[key]"} or part.startswith(("literal[", "constrained-", "function-"))


def _problem(document: Document, error: ErrorDetails) -> Problem:
    path = _document_path(error["loc"])
    if error["type"] == "extra_forbidden":
        return _unknown_key(document, path)
    if error["type"] == "missing":
        return document.problem(path[:-1], f'the key "{path[-1]}" is missing', at_key=True)
    return document.problem(path, _words(error))


def _unknown_key(document: Document, path: Path) -> Problem:
    known = _keys_at(path[:-1])
    key = str(path[-1])
    word = "step" if known == list(Step.model_fields) else "key"
    suggestion = did_you_mean(key, known) or f"; known here: {', '.join(known)}"
    problem = document.problem(path, f'unknown {word} "{key}"{suggestion}', at_key=True)
    above = document.problem(path[:-1], "")
    return Problem(problem.file, problem.line, problem.column, above.path, problem.text)


def _keys_at(path: Path) -> list[str]:
    """Names of the keys that the model at `path` knows."""
    model: Any = Declaration
    for part in path:
        model = _inner(model, part)
    return list(_fields(model)) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields by the key that stands for them in the document."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _inner(annotation: Any, part: str | int) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = _fields(annotation).get(str(part))
        return _unwrapped(field.annotation) if field else None
    arguments = typing.get_args(annotation)
    return _unwrapped(arguments[-1]) if arguments else None


def _unwrapped(annotation: Any) -> Any:
    """Look through `X | None` and `Literal | Model` to the part that has keys."""
    if typing.get_origin(annotation) in {dict, list}:
        return annotation
    for candidate in typing.get_args(annotation):
        if typing.get_origin(candidate) in {dict, list}:
            return candidate
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return annotation


def _words(error: ErrorDetails) -> str:
    kind, found, context = error["type"], _shown(error["input"]), error.get("ctx", {})
    if kind in _KIND:
        return f"must be {_KIND[kind]}, found {found}"
    if kind == "literal_error":
        allowed = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        suggestion = did_you_mean(str(error["input"]), allowed) if isinstance(error["input"], str) else ""
        return f"must be one of {', '.join(allowed)}; found {found}{suggestion}"
    if kind in _WORDS:
        return _WORDS[kind].format(found=found)
    if kind == "value_error":
        return str(context["error"])
    return f"{error['msg'][0].lower()}{error['msg'][1:]}, found {found}"


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


def _name_problems(document: Document) -> Iterator[Problem]:
    """Check what no single model sees: names of tables, and that no two of them are the same."""
    tables = document.value.get("tables") if isinstance(document.value, dict) else None
    if not isinstance(tables, dict):
        return
    seen: dict[TableName, str] = {}
    for text in tables:
        path = ("tables", text)
        if not TABLE_NAME.match(text):
            rule = "a table is called name or layer.name, in lower-case letters, digits and _, starting with a letter"
            yield document.problem(path, f'"{text}" cannot name a table; {rule}', at_key=True)
            continue
        name = TableName.parse(text)
        if name.layer in RESERVED_LAYERS:
            yield document.problem(path, f'the layer "{name.layer}" is taken by the system', at_key=True)
        if name in seen:
            yield document.problem(path, f'is the same table as "{seen[name]}"', at_key=True)
        seen[name] = text
