"""`penstock check`: everything that can be known before a file is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.cli.output import emit, say
from penstock.cli.session import Session, json_option
from penstock.cli.words import counted
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.declaration import Declaration
    from penstock.errors import Problem

FOUND = 1


@click.command("check")
@json_option("Print {sound, tables, steps, problems: [{file, line, column, path, text}]}.")
@click.pass_obj
def command(session: Session) -> int:
    """Validate lake.yaml; all problems at once.

    Needs no data and changes nothing. Ends with 1 when there is a problem.
    """
    from penstock.declaration import examine, read_text
    from penstock.errors import DeclarationError
    from penstock.steps import problems_of

    examined = examine(read_text(session.folder))
    problems = sorted({*examined.problems, *problems_of(examined.document, examined.text)})
    if session.json:
        emit(_facts(examined.declaration, problems))
    for problem in problems:
        say(printable(str(problem)), err=session.json)
    closing = DeclarationError(problems).count_line if problems else _sound(examined.declaration)
    say(closing, err=session.json)
    return FOUND if problems else 0


def _sound(declaration: Declaration | None) -> str:
    tables, steps = _counts(declaration)
    return f"lake.yaml is sound: {counted(tables, 'table')}, {counted(steps, 'step')}"


def _counts(declaration: Declaration | None) -> tuple[int, int]:
    tables = declaration.tables if declaration else {}
    return len(tables), sum(len(table.steps) for table in tables.values())


def _facts(declaration: Declaration | None, problems: list[Problem]) -> dict[str, Any]:
    tables, steps = _counts(declaration)
    found = [vars(problem) for problem in problems]
    return {"sound": not problems, "tables": tables, "steps": steps, "problems": found}
