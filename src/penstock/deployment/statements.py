"""The statements about who may do what that a template holds, and how they differ from another's.

Pure. Resources are written as people read them: `${Key.Arn}` for what AWS names, names in full where they are known.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.deployment.resolving import Resources


@dataclass(frozen=True, order=True)
class Allowed:
    """One statement.

    Attributes:
        holder: The resource it stands in: whose right it is (a role), or about what (a bucket, a key).
        effect: `Allow` or `Deny`.
        who: Who is meant, where the holder does not say it.
        actions: Actions, in order.
        resources: What may be acted on.
        conditions: Under which conditions, as JSON; empty when there are none.
    """

    holder: str
    effect: str
    who: tuple[str, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: str


def statements(resources: Resources) -> Counter[Allowed]:
    """All statements of a template's resources."""
    found: Counter[Allowed] = Counter()
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        for document in _documents(properties):
            listed = document.get("Statement", [])
            found.update(_statement(name, part) for part in (listed if isinstance(listed, list) else [listed]))
        if resource["Type"] == "AWS::Lambda::Permission":
            found[_permission(name, properties)] += 1
    return found


def difference(old: Resources, new: Resources) -> tuple[tuple[Allowed, ...], tuple[Allowed, ...]]:
    """The statements that come, and those that go."""
    before, after = statements(old), statements(new)
    return tuple(sorted((after - before).elements())), tuple(sorted((before - after).elements()))


def _documents(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every policy document that stands anywhere in a value."""
    if isinstance(value, list):
        for part in value:
            yield from _documents(part)
    elif isinstance(value, Mapping):
        if "Statement" in value:
            yield value
        else:
            yield from _documents(list(value.values()))


def _statement(holder: str, part: Mapping[str, Any]) -> Allowed:
    who = part.get("Principal", ())
    named = (
        [f"{kind}: {text}" for kind, found in who.items() for text in _texts(found)]
        if isinstance(who, Mapping)
        else _texts(who)
    )
    actions = [*_texts(part.get("Action", ())), *(f"all but {text}" for text in _texts(part.get("NotAction", ())))]
    resources = [
        *_texts(part.get("Resource", ())),
        *(f"all but {text}" for text in _texts(part.get("NotResource", ()))),
    ]
    conditions = part.get("Condition")
    return Allowed(
        holder,
        str(part.get("Effect", "Allow")),
        tuple(sorted(named)),
        tuple(sorted(actions)),
        tuple(sorted(resources)),
        json.dumps(_readable(conditions), sort_keys=True) if conditions else "",
    )


def _readable(value: Any) -> Any:
    """A value with its references as texts."""
    if isinstance(value, list):
        return [_readable(part) for part in value]
    if not isinstance(value, Mapping):
        return value
    if len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::")):
        return text_of(value)
    return {key: _readable(part) for key, part in value.items()}


def _permission(name: str, properties: Mapping[str, Any]) -> Allowed:
    source = {key: text_of(properties[key]) for key in ("SourceArn", "SourceAccount") if key in properties}
    return Allowed(
        name,
        "Allow",
        tuple(_texts(properties.get("Principal", ()))),
        tuple(_texts(properties.get("Action", ()))),
        tuple(_texts(properties.get("FunctionName", ()))),
        json.dumps(source, sort_keys=True) if source else "",
    )


def _texts(value: Any) -> list[str]:
    return [text_of(part) for part in (value if isinstance(value, list | tuple) else [value])]


def text_of(value: Any) -> str:
    """A value of a template as people read it."""
    match value:
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": found}:
            return f"${{{found if isinstance(found, str) else '.'.join(found)}}}"
        case {"Fn::Join": [between, list(parts)]}:
            return str(between).join(map(text_of, parts))
        case str(text) | {"Fn::Sub": str(text)}:
            return text
    return json.dumps(value, sort_keys=True)
