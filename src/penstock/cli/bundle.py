"""`penstock bundle`: the code of the functions, as `penstock deploy` uploads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.layout import left, right, show
from penstock.cli.output import dim, emit, next_steps, say
from penstock.cli.session import Session, json_option
from penstock.cli.words import counted
from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.deployment.bundle import Bundle

ARCHITECTURES = ("arm64", "x86_64")
MEGABYTE = 1_000_000
SHOWN = 8
LIMIT = "Lambda takes 262 MB"


@click.command("bundle")
@click.option(
    "--architecture", type=click.Choice(ARCHITECTURES), help="The functions' processor; as lake.yaml says, if left out."
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where the zip is to be written."
)
@json_option("Print {path, name, digest, architecture, runtime, size, unzipped, contents, left, left_out}.")
@click.pass_obj
def command(session: Session, architecture: str | None, out: Path | None) -> None:
    """Build the zip that runs on AWS Lambda: Penstock, the packages its functions need, and the lake's folder.

    Packages come at the versions that are installed here. The same lake gives the same zip, byte for byte; packages are
    kept, so that a changed lake.yaml is bundled in seconds. `penstock deploy` does this by itself.
    """
    from penstock.declaration import load_deployed, read_text
    from penstock.deployment.bundle import build

    declaration = load_deployed(read_text(session.folder))
    bundle = build(session.folder, declaration, architecture, out=out, watch=lambda text: say(dim(text), err=True))
    if session.json:
        emit(facts_of(bundle))
        return
    _tell(bundle)
    next_steps([f"{session.call} deploy"])


def facts_of(bundle: Bundle) -> dict[str, Any]:
    """A bundle as `--json` shows it; these names are stable."""
    return {
        "path": str(bundle.path),
        "name": bundle.name,
        "digest": bundle.digest,
        "architecture": bundle.architecture,
        "runtime": bundle.runtime,
        "size": bundle.size,
        "unzipped": bundle.unzipped,
        "contents": [vars(content) for content in bundle.contents],
        "left": dict(bundle.left),
        "left_out": dict(bundle.left_out),
    }


def _tell(bundle: Bundle) -> None:
    largest, rest = bundle.contents[:SHOWN], bundle.contents[SHOWN:]
    rows: list[list[str | None]] = [[one.name, one.version, _megabytes(one.size)] for one in largest]
    if rest:
        rows.append([f"and {len(rest)} more", "", _megabytes(sum(one.size for one in rest))])
    show([*left("package", "version"), *right("MB unzipped")], rows)
    say()
    for name, reason in bundle.left.items():
        say(f"stays here: {printable(name)}, {reason}")
    spared = sum(bundle.left_out.values())
    say(
        f"{printable(str(bundle.path))}: {_megabytes(bundle.size)} MB; unzipped {_megabytes(bundle.unzipped)} MB of "
        f"what {LIMIT}; {_megabytes(spared)} MB of {counted(len(bundle.left_out), 'kind')} left out"
    )
    say(f"{bundle.runtime} on {bundle.architecture}")


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:,.1f}"
