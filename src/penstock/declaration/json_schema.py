"""The JSON Schema of `lake.yaml`, for editors that complete and check while one types."""

from __future__ import annotations

from typing import Any

from penstock.declaration.model import Declaration


def json_schema() -> dict[str, Any]:
    """Give the schema (JSON Schema 2020-12), generated from the same models that read the declaration."""
    schema = Declaration.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Penstock lake"
    step = schema["$defs"]["Step"]
    step["minProperties"] = step["maxProperties"] = 1
    for field in step["properties"].values():
        field.pop("default", None)
    return schema
