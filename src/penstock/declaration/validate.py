"""From text to a declaration, or to every problem at once.

pydantic says what is wrong and where in the model; the parsed document knows where that is in the file. The words of
the messages are ours (see `explain`), because they are what a person reads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from penstock.declaration.access import access_problems
from penstock.declaration.alarms import alarm_problems
from penstock.declaration.aws import aws_problems
from penstock.declaration.chains import workflow_problems
from penstock.declaration.explain import explain
from penstock.declaration.model import Declaration, Table, Zones
from penstock.declaration.notices import notice_problems
from penstock.declaration.parse import Document, StandIn, parse
from penstock.declaration.queries import query_problems
from penstock.errors import DeclarationError, LakeNotFoundError, Problem
from penstock.naming import TABLE_NAME, TableName

Part = TypeVar("Part", bound=BaseModel)
FILE_NAME = "lake.yaml"
RESERVED_LAYERS = ("penstock", "information_schema", "pg_catalog", "system", "temp")


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

    @property
    def table_names(self) -> list[str]:
        """The tables that are declared, whether they hold or not."""
        parts = _part(self.document.value, "tables")
        return list(parts) if isinstance(parts, dict) else []

    @property
    def tables(self) -> dict[str, Table]:
        """The tables that hold, whatever else is wrong."""
        if self.declaration is not None:
            return self.declaration.tables
        found = {name: _holding(Table, self.document.value["tables"][name]) for name in self.table_names}
        return {name: table for name, table in found.items() if table is not None}

    @property
    def zones(self) -> Zones:
        """The zones, as declared where that holds."""
        if self.declaration is not None:
            return self.declaration.zones
        return _holding(Zones, _part(self.document.value, "zones")) or Zones()


def _part(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _holding(model: type[Part], value: Any) -> Part | None:
    try:
        return model.model_validate(value)
    except ValidationError:
        return None


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
        return decoded(file.read_bytes())
    except FileNotFoundError:
        raise LakeNotFoundError(
            f"no {FILE_NAME} in this folder",
            where=str(folder),
            hint="make a lake with `penstock init consultations DIR`, or name one with `penstock -C DIR`",
        ) from None
    except OSError as error:
        raise LakeNotFoundError(f"cannot be read: {error.strerror}", where=str(file)) from None


def decoded(content: bytes) -> str:
    """The text of a declaration.

    Raises:
        DeclarationError: It is no UTF-8 text.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = Problem(FILE_NAME, 1, 1, "", f"is not UTF-8 text (byte {error.start}); save it as UTF-8")
        raise DeclarationError([problem]) from None


def loads(text: str, file: str = FILE_NAME, environment: Mapping[str, str] | None = None) -> Declaration:
    """Read a declaration from text.

    Raises:
        DeclarationError: It has problems; all of them are named, in the order in which they stand in the file.
    """
    examined = examine(text, file, environment)
    if examined.problems or examined.declaration is None:
        raise DeclarationError(examined.problems)
    return examined.declaration


def examine(
    text: str,
    file: str = FILE_NAME,
    environment: Mapping[str, str] | None = None,
    stand_in: StandIn | None = None,
) -> Examined:
    """Read a declaration from text as far as that goes."""
    document = parse(text, file, os.environ if environment is None else environment, stand_in)
    if document.value is None and not document.problems:
        document.problems.append(Problem(file, 1, 1, "", 'is empty; a declaration starts with "lake: NAME"'))
    problems = list(document.problems)
    declaration = None
    if document.value is not None:
        try:
            declaration = Declaration.model_validate(document.value)
        except ValidationError as error:
            problems += explain(document, Declaration, error)
        problems += _name_problems(document)
        problems += alarm_problems(document)
        problems += access_problems(document)
        problems += notice_problems(document)
        problems += aws_problems(document)
        problems += query_problems(document)
    if declaration is not None:
        problems += workflow_problems(document, declaration)
    return Examined(text, document, declaration, list(dict.fromkeys(problems)))


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
