"""The JSON Schema of `lake.yaml`, for editors that complete and check while one types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.declaration.alarms import KINDS
from penstock.declaration.model import Declaration

BESIDE = ("on_breach", "when", "name")
"""Keys of a check that say nothing of rows."""


def json_schema() -> dict[str, Any]:
    """Give the schema (JSON Schema 2020-12), generated from the same models that read the declaration."""
    schema = Declaration.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Penstock lake"
    step, check = schema["$defs"]["Step"], schema["$defs"]["Check"]
    step["minProperties"] = step["maxProperties"] = 1
    _must_hold_something(step["properties"].values())
    kinds = {key: field for key, field in check["properties"].items() if key not in BESIDE}
    check["oneOf"] = [{"required": [kind]} for kind in kinds]
    _must_hold_something(kinds.values())
    alarm = schema["$defs"]["Alarm"]
    alarm["oneOf"] = [{"required": [kind]} for kind in KINDS]
    _must_hold_something(alarm["properties"][kind] for kind in KINDS)
    return schema


def _must_hold_something(fields: Iterable[dict[str, Any]]) -> None:
    """Leave out null, which models give to what is not there."""
    for field in fields:
        field.pop("default", None)
        forms = [form for form in field.pop("anyOf", ()) if form != {"type": "null"}]
        field.update({"anyOf": forms} if len(forms) > 1 else dict(*forms))
