"""The declaration: what `lake.yaml` may say, read strictly, with positions."""

from penstock.declaration.json_schema import json_schema
from penstock.declaration.model import (
    Bucket,
    Declaration,
    OnReupload,
    ParseRule,
    Step,
    Table,
    Zones,
)
from penstock.declaration.validate import FILE_NAME, load, loads

__all__ = [
    "FILE_NAME",
    "Bucket",
    "Declaration",
    "OnReupload",
    "ParseRule",
    "Step",
    "Table",
    "Zones",
    "json_schema",
    "load",
    "loads",
]
