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
from penstock.declaration.parse import Document
from penstock.declaration.validate import FILE_NAME, Examined, examine, load, loads, read_text

__all__ = [
    "FILE_NAME",
    "Bucket",
    "Declaration",
    "Document",
    "Examined",
    "OnReupload",
    "ParseRule",
    "Step",
    "Table",
    "Zones",
    "examine",
    "json_schema",
    "load",
    "loads",
    "read_text",
]
