"""What a right declaration gives, and the JSON Schema that says the same to editors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import penstock.templates
from penstock.declaration import Bucket, ParseRule, Step, examine, json_schema, loads
from penstock.declaration.model import Declaration

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
  every.key:
    files: every/*
    format: csv
    csv: {delimiter: "|", escape: "\\\\", comment: "#", skip: 2, header: 0, columns: [a, b], decimal: ",",
          encoding: utf-16, nulls: [NA]}
    json: {records: result.items, flatten: true}
    excel: {sheet: 2, skip: 1}
    contract: freeze
    columns: {a: {contract: evolve, description: first}}
    quarantine: {keep: 90d}
    steps:
      - parse: {a: {type: double, locale: fr, units: [EUR], nulls: ["-"], otherwise: "null"},
                b: {type: date, format: ["%d/%m/%Y", iso]}, c: {type: timestamptz, zone: Europe/Paris},
                d: {type: boolean, "true": [oui], "false": [non]}, e: {type: decimal, precision: 9, scale: 3}}
      - fill: {a: 0, b: none, c: true}
      - trim: [b]
      - case: {b: lower}
      - map: {b: {values: {x: y, z: null}, ignore_case: true, otherwise: quarantine}}
      - replace: {b: {pattern: "[0-9]", by: ""}}
      - extract: {column: b, pattern: "(.)(.)", into: [c, d], otherwise: "null"}
      - split: {column: b, on: ",", into: [c, d]}
      - split: {column: b, on: ",", into: parts}
      - explode: {column: parts, into: part}
      - dedupe: {key: [a], keep: newest, by: b}
      - clip: {a: [0, null]}
      - hash: [a]
      - hash: {columns: [a], salt: s}
      - mask: [a]
      - mask: {a: {keep_last: 4, char: x}}
      - sql: SELECT * FROM input
      - python: steps/clean.py:clean
    checks:
      - {not_null: a}
      - {unique: [a, b], on_breach: halt}
      - {in: {a: [x, 1, true]}, on_breach: quarantine, name: known}
      - {between: {a: [0, null], b: ["2024-01-01", "2024-12-31"]}}
      - {matches: {b: ".+"}}
      - {length: {b: 3, c: [1, 5]}}
      - {row_count: [1, null], when: before}
      - {fresh: {column: b, within: 36h}}
      - {references: {a: layer.other.id}}
      - {sql: a > 0}
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


KINDS: dict[str, Any] = {
    "string": str, "integer": int, "number": (int, float), "null": type(None), "array": list, "object": dict,
    "boolean": bool,
}  # fmt: skip
UNDERSTOOD = {
    "$ref", "anyOf", "oneOf", "enum", "const", "type", "items", "properties", "additionalProperties", "required",
    "minProperties", "maxProperties", "minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum", "pattern",
    "title", "description", "examples", "default", "$defs", "$schema", "propertyNames", "exclusiveMinimum",
}  # fmt: skip


def accepts(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    """Whether a schema accepts a value: as much of JSON Schema as the declaration's uses."""
    assert set(schema) <= UNDERSTOOD
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    kind = schema.get("type")
    choices = [accepts(choice, value, root) for choice in schema.get("anyOf", ())]
    single = [accepts(choice, value, root) for choice in schema.get("oneOf", ())]
    return (
        any(choices or [True])
        and sum(single or [True]) == 1
        and value in schema.get("enum", [value])
        and value == schema.get("const", value)
        and (not kind or (isinstance(value, KINDS[kind]) and (not isinstance(value, bool) or kind == "boolean")))
        and accepts_contents(schema, value, root)
    )


def accepts_contents(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    """Whether a schema accepts how long or how great a value is, and what is in it."""
    fits = True
    match value:
        case str():
            fits = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
            fits = fits and re.search(schema.get("pattern", ""), value) is not None
        case int() | float():
            fits = schema.get("minimum", value) <= value <= schema.get("maximum", value)
        case list():
            fits = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
            fits = fits and all(accepts(schema.get("items", {}), item, root) for item in value)
        case dict():
            fits = accepts_mapping(schema, value, root)
    return fits


def accepts_mapping(schema: dict[str, Any], value: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether a schema accepts the keys of a mapping, and what stands under them."""
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
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
    assert accepts(schema, examine(text, environment={}).document.value, schema)


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
        "{lake: x, tables: {t: {files: x, csv: {encodin: y}}}}",
        "{lake: x, zones: {rw: y}}",
        "{lake: x, tables: {t: {files: x, json_: {}}}}",
        "{lake: x, tables: {t: {files: x, contract: freez}}}",
        "{lake: x, tables: {t: {files: x, columns: {a: {contrct: freeze}}}}}",
        "{lake: x, tables: {t: {files: x, quarantine: {keep: for ever}}}}",
        "{lake: x, tables: {t: {files: x, csv: {header: -1}}}}",
        "{lake: x, tables: {t: {files: x, steps: [{parse: null}]}}}",
        "{lake: x, tables: {t: {files: x, steps: [{parse: {a: {type: double, locale: xx}}}]}}}",
        "{lake: x, tables: {t: {files: x, steps: [{map: {a: {values: {}}}}]}}}",
        "{lake: x, tables: {t: {files: x, steps: [{split: {column: a, into: b}}]}}}",
        "{lake: x, tables: {t: {files: x, steps: [{clip: {a: [1, 2, 3]}}]}}}",
        "{lake: x, tables: {t: {files: x, steps: [{mask: {a: {keep_last: -1}}}]}}}",
        "{lake: x, tables: {t: {files: x, steps: [{python: clean.py}]}}}",
        "{lake: x, tables: {t: {files: x, checks: [{unique: a, not_null: a}]}}}",
        "{lake: x, tables: {t: {files: x, checks: [{on_breach: warn}]}}}",
        "{lake: x, tables: {t: {files: x, checks: [{in_: {a: [b]}}]}}}",
        "{lake: x, tables: {t: {files: x, checks: [{in: {a: []}}]}}}",
        "{lake: x, tables: {t: {files: x, checks: [{unique: a, on_breach: stop}]}}}",
    ],
)
def test_the_schema_refuses_what_is_refused(text: str) -> None:
    """What the product refuses for its shape, an editor marks."""
    with pytest.raises(penstock.errors.DeclarationError):
        loads(text, environment={})
    schema = json_schema()
    assert not accepts(schema, examine(text, environment={}).document.value, schema)


def test_templates_are_found() -> None:
    """The test of the shipped declarations looks at some."""
    assert len(templates()) >= 2
