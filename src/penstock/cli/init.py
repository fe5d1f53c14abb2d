"""`penstock init`: make a lake from a template."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from penstock.cli.complete import TEMPLATE
from penstock.cli.output import bold, next_steps, say
from penstock.cli.session import Session
from penstock.cli.words import counted, size
from penstock.naming import printable


@click.command("init")
@click.argument("template", type=TEMPLATE, required=False)
@click.argument("directory", metavar="DIR", required=False)
@click.option("--sample-data", is_flag=True, help="Put realistic sample files into raw/.")
@click.option("--rows", type=int, metavar="N", help="How many rows the sample files have in all.")
@click.pass_context
def command(
    ctx: click.Context, template: str | None, directory: str | None, *, sample_data: bool, rows: int | None
) -> None:
    """Make a lake in the folder DIR from a TEMPLATE.

    Without arguments, list the templates.
    """
    if template is None:
        _list()
        return
    if directory is None:
        message = f"missing argument DIR: penstock init {template} DIR"
        raise click.UsageError(message, ctx)
    from penstock.templates import create

    session: Session = ctx.obj
    folder = session.folder / directory
    files = create(template, folder, sample_data=sample_data, rows=rows)
    say(f"made a lake in {bold(printable(str(folder)))}")
    for file in files:
        say(f"  {printable(str(file.relative_to(folder))):<32}  {size(file.stat().st_size):>12}")
    next_steps([f"cd {printable(shlex.quote(str(folder)))}", *_steps(folder, sampled=sample_data)])


def _steps(folder: Path, *, sampled: bool) -> list[str]:
    from penstock.declaration import load

    table = next(iter(load(folder).tables), None)
    if table is None:
        return ["declare a table in lake.yaml, then: penstock check", "put files into raw/, then: penstock run"]
    if not sampled:
        return ["put files into raw/, then: penstock run", Session().first_query(table)]
    return ["penstock run", Session().first_query(table)]


def _list() -> None:
    from penstock.templates import TEMPLATES

    width = max(map(len, TEMPLATES))
    say(f"{counted(len(TEMPLATES), 'template')}:")
    for name, text in TEMPLATES.items():
        say(f"  {bold(name.ljust(width))}  {text}")
    next_steps(["penstock init consultations DIR --sample-data"])
