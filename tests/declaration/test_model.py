"""What a right declaration gives, and the JSON Schema that says the same to editors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import penstock.templates
from penstock.declaration import Bucket, ParseRule, json_schema, loads
from penstock.declaration.model import Declaration, Step

WHOLE = """
lake: consultations
description: Consultations of all centres
tags: {"supnum:Lab": PROJET-5}
zones: {raw: /data/raw}
tables:
  consultations:
    files: "**/*.csv"
    steps:
      - parse: {date: date, at: {type: timestamp, format: "%d/%m/%Y %H:%M"}}
      - derive: {year: year(date)}
      - bucket: {column: age, into: group, upto: {child: 12, teen: 17.5, old: null}}
      - require: [diagnostic]
      - rename: {sexe: gender}
      - keep: [id, group]
      - drop: [id]
      - filter: group <> 'old'
      - cast: {group: text, price: "decimal(12, 2)"}
    csv: {delimiter: ";", quote: "'"}
    on_reupload: append
  layer.other: {files: other/*.csv}
"""


def test_a_whole_declaration() -> None:
    """Everything that can be said is read as it was said, and what is left out has its default."""
    declaration = loads(WHOLE, environment={})
    table = declaration.tables["consultations"]
    assert [step.kind for step in table.steps] == [
        "parse", "derive", "bucket", "require", "rename", "keep", "drop", "filter", "cast",
    ]  # fmt: skip
    assert table.steps[0].body == {"date": "date", "at": ParseRule(type="timestamp", format="%d/%m/%Y %H:%M")}
    assert table.steps[2].body == Bucket(column="age", into="group", upto={"child": 12, "teen": 17.5, "old": None})
    assert (table.csv.delimiter, table.csv.quote, table.on_reupload) == (";", "'", "append")
    other = declaration.tables["layer.other"]
    assert (other.steps, other.csv.delimiter, other.csv.quote, other.on_reupload) == ([], None, None, "replace")
    assert (declaration.zones.raw, declaration.zones.processed) == ("/data/raw", "processed")


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object that a JSON Schema describes by its properties."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def test_the_schema_forbids_unknown_keys() -> None:
    """At every depth, a key that is not known is an error in the editor too."""
    found = list(objects(json_schema()))
    assert {schema["title"] for schema in found} >= {"Penstock lake", "Table", "Step", "Bucket", "ParseRule", "Csv"}
    assert all(schema["additionalProperties"] is False for schema in found)


def test_the_schema_has_every_key() -> None:
    """Keys, what is required, and the words for people are those of the model."""
    schema = json_schema()
    assert set(schema["properties"]) == set(Declaration.model_fields)
    assert schema["required"] == ["lake"]
    step = schema["$defs"]["Step"]
    assert set(step["properties"]) == set(Step.model_fields)
    assert (step["minProperties"], step["maxProperties"]) == (1, 1)
    assert all("default" not in field for field in step["properties"].values())
    described = [field for made in objects(schema) for field in made["properties"].values()]
    assert all(field.get("description") or "$ref" in field for field in described)


def accepts(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    """Whether a schema accepts a value: as much of JSON Schema as the declaration's uses."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        return any(accepts(choice, value, root) for choice in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    kinds: dict[str, Any] = {"string": str, "number": (int, float), "null": type(None), "array": list, "object": dict}
    if not isinstance(value, kinds[schema["type"]]) or isinstance(value, bool):
        return False
    if isinstance(value, list):
        return all(accepts(schema["items"], item, root) for item in value)
    if not isinstance(value, dict):
        return True
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", {})
    return (
        set(schema.get("required", ())) <= set(value)
        and schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value))
        and all(
            accepts(known[key], part, root) if key in known else others is not False and accepts(others, part, root)
            for key, part in value.items()
        )
    )


def templates() -> list[Path]:
    """The declarations that are shipped."""
    return sorted(Path(penstock.templates.__file__).parent.rglob("lake.yaml"))


@pytest.mark.parametrize("text", [WHOLE, *(path.read_text(encoding="utf-8") for path in templates())])
def test_the_schema_accepts_what_is_read(text: str) -> None:
    """What the product reads, an editor does not complain about."""
    text = text.replace("lake: NAME", "lake: name")
    loads(text, environment={})
    schema = json_schema()
    assert accepts(schema, yaml.safe_load(text), schema)


@pytest.mark.parametrize(
    "text",
    [
        "lake: 5",
        "{lake: x, lak: y}",
        "{lake: x, tables: {t: {}}}",
        "{lake: x, tables: {t: {files: x, fiels: y}}}",
        "{lake: x, tables: {t: {files: x, steps: [{keep: [a], drop: [b]}]}}}",
        "{lake: x, tables: {t: {files: x, steps: [{parse: {a: dat}}]}}}",
        "{lake: x, tables: {t: {files: x, steps: [{bucket: {column: a, into: b, upto: {x: y}}}]}}}",
        "{lake: x, tables: {t: {files: x, csv: {encoding: y}}}}",
        "{lake: x, zones: {rw: y}}",
    ],
)
def test_the_schema_refuses_what_is_refused(text: str) -> None:
    """What the product refuses for its shape, an editor marks."""
    with pytest.raises(penstock.errors.DeclarationError):
        loads(text, environment={})
    schema = json_schema()
    assert not accepts(schema, yaml.safe_load(text), schema)


def test_templates_are_found() -> None:
    """The test of the shipped declarations looks at some."""
    assert len(templates()) >= 2
