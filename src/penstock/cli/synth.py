"""`penstock synth`: the CloudFormation template of the lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from penstock.cli.deployable import prepared
from penstock.cli.output import say
from penstock.cli.session import Session
from penstock.cli.words import counted
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.deployment.synth import Synthesised


@click.command("synth")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="How it is written.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it into FILE.")
@click.pass_obj
def command(session: Session, layout: Literal["yaml", "json"], out: Path | None) -> None:
    """Print the CloudFormation template of the lake.

    Asks nothing of AWS. The same lake.yaml gives the same template, byte for byte.
    """
    _examined, _declaration, made = prepared(session)
    text = made.yaml if layout == "yaml" else f"{made.json}\n"
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        say(f"wrote {printable(str(out))}: {_counted(made)}")
    for note in made.notes:
        say(f"note: {printable(note)}", err=True)


def _counted(made: Synthesised) -> str:
    """How many resources are made, and which of the template only are where a parameter gets another value."""
    from penstock.deployment.resolving import resolved

    now = resolved(made.body)
    others = sorted(made.resources.keys() - now.keys())
    more = f"; not made with the parameters as they are: {', '.join(others)}" if others else ""
    return f"{counted(len(now), 'resource')}{more}"
