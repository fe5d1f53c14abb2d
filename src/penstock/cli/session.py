"""What the commands of one call share: which lake, and whether a program reads the output."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.naming import printable

if TYPE_CHECKING:
    from penstock.lake import Lake
    from penstock.naming import TableName


@dataclass
class Session:
    """One call of the command line.

    Attributes:
        folder: The lake's folder.
        json: Whether standard output is JSON; messages for people then go to standard error.
        aws: Whether the deployed lake is meant, and not the one on this machine.
        bucket: Where files of the deployed lake land, once it is open.
    """

    folder: Path = field(default_factory=Path)
    json: bool = False
    aws: bool = False
    bucket: str = ""

    @property
    def here(self) -> str:
        """How the command line is called for the lake in this folder from where one stands."""
        return "penstock" if self.folder == Path() else f"penstock -C {printable(shlex.quote(str(self.folder)))}"

    @property
    def call(self) -> str:
        """The same for the lake that is meant."""
        return f"{self.here} --aws" if self.aws else self.here

    @property
    def fill(self) -> str:
        """What a person does so that tables get rows."""
        return f"aws s3 cp FILE s3://{self.bucket}/" if self.aws else f"put files into raw/, then: {self.call} run"

    @property
    def work(self) -> str:
        """What has waiting files worked on; on AWS functions take them by themselves, and that can be watched."""
        return f"{self.call} {'status' if self.aws else 'run'}"

    def first_query(self, table: object) -> str:
        """A command that shows the first rows of a table."""
        return self.query(f"SELECT * FROM {table} LIMIT 5")  # noqa: S608 - shown to a person, not run

    def query(self, sql: str) -> str:
        """A command that asks `sql`."""
        return f'{self.call} query "{sql}"'

    def count(self, table: object, at: str) -> str:
        """A command that counts a table's rows as of a moment."""
        return f'{self.call} query --at {at} "SELECT count(*) FROM {table}"'  # noqa: S608 - shown to a person, not run

    def open(self, text: bytes | None = None, *, makes_rows: bool = False) -> Lake:
        """Open the lake, as `text` declares it; as `lake.yaml` does, when left out.

        If it `makes_rows`, the secrets of a deployed lake are fetched.
        """
        if self.aws:
            from penstock.deployment.reach import reached

            lake = reached(self.folder, makes_rows=makes_rows)
            assert lake.site.deployed is not None  # noqa: S101 - for the type checker
            self.bucket = lake.site.deployed.raw_bucket
            return lake
        from penstock.lake import Lake

        return Lake(self.folder, text=text)


def _note_json(ctx: click.Context, _option: click.Parameter, value: bool) -> bool:  # noqa: FBT001 - click calls it so
    session: Session = ctx.ensure_object(Session)
    session.json = value
    return value


def json_option(text: str = "Print JSON.") -> Callable[[Any], Any]:
    """`--json`: read early, so that errors are JSON too."""
    return click.option(
        "--json", "as_json", is_flag=True, is_eager=True, expose_value=False, callback=_note_json, help=text
    )


def _note_aws(ctx: click.Context, _option: click.Parameter, value: bool) -> bool:  # noqa: FBT001 - click calls it so
    session: Session = ctx.ensure_object(Session)
    session.aws = session.aws or value
    return value


def aws_option() -> click.Option:
    """`--aws`: what is asked is asked of the deployed lake."""
    return click.Option(
        ["--aws"], is_flag=True, expose_value=False, callback=_note_aws, help="Ask the lake that was deployed to AWS."
    )


def role_option(text: str) -> Callable[[Any], Any]:
    """`--role`: for whom something is asked."""
    return click.option("--role", metavar="ROLE", help=text)


def table_named(lake: Lake, text: str, role: str | None = None) -> TableName:
    """The table that a person means.

    Raises:
        AccessError: The role may not query it, or is not declared.
        TableNotFoundError: It is neither declared nor in the catalog.
    """
    from penstock.errors import TableNotFoundError
    from penstock.naming import TableName, did_you_mean

    name = TableName.parse(text.lower())
    if role is not None:
        lake.grant(role).assert_covers(name)
    known = sorted({*lake.declared, *lake.catalog.tables()})
    if name in known:
        return name
    names = [str(there) for there in known]
    hint = f"tables: {', '.join(names)}" if names else "lake.yaml declares no table yet"
    raise TableNotFoundError(f'no table "{text}"{did_you_mean(text, names)}', hint=hint)
