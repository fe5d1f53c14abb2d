"""`penstock check`: everything that can be known before a file is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.cli.output import dim, emit, next_steps, say
from penstock.cli.session import Session, json_option
from penstock.cli.words import counted
from penstock.errors import DeclarationError
from penstock.naming import printable

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.declaration import Examined
    from penstock.errors import Problem

FOUND = 1


@click.command("check")
@json_option("Print {sound, tables, steps, checks, columns, problems: [{file, line, column, path, text}], notes}.")
@click.pass_obj
def command(session: Session) -> int:
    """Validate lake.yaml; all problems at once.

    Needs no data and changes nothing. Columns are compared with those of the table, or, before there is one, with the
    header of a file in raw/. Ends with 1 when there is a problem.
    """
    from penstock.declaration import examine, read_text
    from penstock.wiring.soundness import looked_at

    examined = examine(read_text(session.folder))
    found, columns, coming = looked_at(session.folder, examined)
    notes = [*coming, *_deployable(examined, session.folder)]
    if session.json:
        emit({**_facts(examined, columns, found), "notes": notes})
    for note in notes:
        say(printable(note), err=session.json)
    _tell(session, examined, columns, found)
    return FOUND if found else 0


def _deployable(examined: Examined, folder: Path) -> list[str]:
    """Where `aws` is declared, whether the lake can be deployed; what keeps it from that."""
    declaration = examined.declaration
    if declaration is None or "aws" not in declaration.model_fields_set:
        return []
    from penstock.cli.deployable import assert_installed
    from penstock.errors import AwsError

    try:
        assert_installed()
    except AwsError as error:
        return [f"whether it can be deployed is not known: {error.what}"]
    from penstock.deployment.deployable import refusals

    found = sorted(refusals(examined, folder))
    return [f"cannot be deployed: {problem}" for problem in found] or [
        "can be deployed: penstock plan shows what is made"
    ]


def _tell(session: Session, examined: Examined, columns: dict[str, str | None], problems: list[Problem]) -> None:
    err = session.json
    for problem in problems:
        say(printable(str(problem)), err=err)
    blamed = [(name, source) for name, source in columns.items() if source and _names_columns(problems, name)]
    for name, source in blamed:
        say(dim(f"columns of {name} are those of {printable(source)}"), err=err)
    if problems:
        say(DeclarationError(problems).count_line, err=err)
        next_steps([f"correct lake.yaml, then: {session.call} check"], err=err)
        return
    unseen = [name for name, source in columns.items() if source is None]
    if unseen and len(unseen) < len(columns):
        say(dim(f"no file yet to compare columns with: {', '.join(unseen)}"), err=err)
    say(_sound(examined), err=err)
    next_steps(_steps(session, columns), err=err)


def _names_columns(problems: list[Problem], table: str) -> bool:
    place = f"tables.{table}."
    return any(problem.path.startswith(place) and problem.text.startswith("no column") for problem in problems)


def _steps(session: Session, columns: dict[str, str | None]) -> list[str]:
    if not columns:
        return [f"declare a table in lake.yaml, then: {session.call} check"]
    return [f"{session.call} run" if any(columns.values()) else f"put files into raw/, then: {session.call} run"]


def _sound(examined: Examined) -> str:
    tables, steps, checks = _counts(examined)
    parts = [counted(tables, "table"), counted(steps, "step"), *([counted(checks, "check")] if checks else [])]
    return f"lake.yaml is sound: {', '.join(parts)}"


def _counts(examined: Examined) -> tuple[int, int, int]:
    tables = list(examined.declaration.tables.values()) if examined.declaration else []
    return len(tables), sum(len(table.steps) for table in tables), sum(len(table.checks) for table in tables)


def _facts(examined: Examined, columns: dict[str, str | None], problems: list[Problem]) -> dict[str, Any]:
    tables, steps, checks = _counts(examined)
    return {
        "sound": not problems,
        "tables": tables,
        "steps": steps,
        "checks": checks,
        "columns": [{"table": table, "source": source} for table, source in columns.items()],
        "problems": [vars(problem) for problem in problems],
    }
