"""The catalog on AWS: a Glue database per layer. Tables come with the first commit, which no template waits for."""

from __future__ import annotations

from troposphere import Ref, glue

from penstock.cloudformation import Stack, camel, sub
from penstock.declaration import Declaration
from penstock.deployed import database_name
from penstock.naming import TableName


def render(stack: Stack, declaration: Declaration) -> None:
    """Add a database for each layer that a table is in. Glue databases carry no tags; properties say the same."""
    for layer in sorted({TableName.parse(name).layer for name in declaration.tables}):
        database = glue.DatabaseInput(
            Name=database_name(declaration.lake, layer),
            Description=f"Tables of the layer {layer} of the lake {declaration.lake}",
            LocationUri=sub(f"s3://${{ProcessedBucket}}/{layer}"),
            Parameters=dict(sorted({**declaration.tags, "penstock:lake": declaration.lake}.items())),
        )
        stack.add(
            glue.Database(f"Database{camel(layer)}", CatalogId=Ref("AWS::AccountId"), DatabaseInput=database),
            kept=True,
        )
