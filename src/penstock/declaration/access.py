"""What a declaration says of roles: how to reach them, and what they may ask.

What a role may query is said by table, as a list of names and patterns. An entry of that list is text today; it can
grow into a mapping that names columns or rows as well, without another meaning for those that are written now.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from penstock.declaration.parse import Document
from penstock.declaration.patterns import pattern_problems
from penstock.declaration.strict import Strict
from penstock.errors import Problem

ROLE_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
ALL = "all"


def _all(text: str) -> str:
    if text != ALL:
        message = f'must be all, or a list of tables such as [annonces]; found "{text}"'
        raise ValueError(message)
    return text


Everything = Annotated[str, AfterValidator(_all), WithJsonSchema({"const": ALL})]


class Role(Strict):
    """Who somebody is to the lake."""

    contacts: list[str] = Field(default=[], examples=[["mailto:finance@example.org"]])
    """Where messages to the role go: URLs, as in `to` of a notice; the outbox, when there is none."""
    query: Everything | list[str] = Field(default=[], examples=[["annonces", "sales.*"]])
    """What the role may query: names of tables, or patterns with `*`; or `all`, which is every table, `penstock.*`,
    `quarantine.*` and raw files. Nothing, when left out."""


def access_problems(document: Document) -> Iterator[Problem]:
    """Check the names of roles, and that what they may query is there."""
    value = document.value
    roles = value.get("access") if isinstance(value, dict) else None
    for name, role in roles.items() if isinstance(roles, dict) else ():
        if not ROLE_NAME.match(str(name)):
            rule = "a role is called by lower-case letters, digits and _, starting with a letter"
            yield document.problem(("access", name), f'"{name}" cannot name a role; {rule}', at_key=True)
        query = role.get("query") if isinstance(role, dict) else None
        if isinstance(query, list):
            yield from _query_problems(document, ("access", name, "query"), query)


def _query_problems(document: Document, path: tuple[str | int, ...], query: list[object]) -> Iterator[Problem]:
    told = {problem.path for problem in document.problems}  # such as a variable that is not set
    for problem in pattern_problems(document, path, query):
        at = int(problem.path.rpartition("[")[2].rstrip("]"))
        if query[at] == ALL:
            text = 'stands in a list, where it names a table; "query: all", without the list, is everything'
            yield document.problem((*path, at), text)
        elif problem.path not in told:
            yield problem
