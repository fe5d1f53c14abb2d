"""`penstock schema`: what editors need to complete and check `lake.yaml` while one types."""

from __future__ import annotations

import click

from penstock.cli.output import emit


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of lake.yaml, for editors.

    Save it beside lake.yaml and start lake.yaml with the line
    `# yaml-language-server: $schema=lake.schema.json`.
    """
    from penstock.declaration import json_schema

    emit(json_schema())
