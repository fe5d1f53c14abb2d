"""What a template comes to with given parameters: the resources that are made, and their properties.

Enough of CloudFormation's language is understood for comparing two templates: references to parameters, `Fn::If`,
`Fn::Sub` over parameters, and conditions. What only AWS knows, such as the ARN of a queue, stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Resources = dict[str, dict[str, Any]]
_NAMED = re.compile(r"\$\{([^!}][^}]*)\}")
_SILENT = object()


def defaults(template: Mapping[str, Any]) -> dict[str, str]:
    """The values of the parameters where none is given."""
    declared = template.get("Parameters", {})
    return {name: str(parameter["Default"]) for name, parameter in declared.items() if "Default" in parameter}


def resolved(template: Mapping[str, Any], given: Mapping[str, str] | None = None) -> Resources:
    """The resources that are made, with `given` and default values of the parameters put in.

    `given` may also say what pseudo parameters such as `AWS::Region` are.
    """
    values = {**defaults(template), **(given or {})}
    names = template.get("Parameters", {})
    known = {name: text for name, text in values.items() if name in names or name.startswith("AWS::")}
    seen = _Resolver(known, template.get("Conditions", {}))
    made = {
        name: resource
        for name, resource in template.get("Resources", {}).items()
        if "Condition" not in resource or seen.holds(resource["Condition"])
    }
    return {
        name: seen.put({key: part for key, part in found.items() if key != "Condition"}) for name, found in made.items()
    }


def references(value: Any) -> Iterator[str]:
    """The logical ids that a value refers to, pseudo parameters such as `AWS::Region` left out."""
    if isinstance(value, list):
        for part in value:
            yield from references(part)
    elif isinstance(value, Mapping):
        match dict(value):
            case {"Ref": str(name), **rest} if not rest:
                yield from _own(name)
            case {"Fn::GetAtt": found, **rest} if not rest:
                yield found.split(".")[0] if isinstance(found, str) else str(found[0])
            case {"Fn::Sub": found, **rest} if not rest:
                text, names = (found, {}) if isinstance(found, str) else found
                for name in _NAMED.findall(text):
                    yield from () if name in names else _own(name.split(".")[0])
                yield from references(list(names.values()))
            case parts:
                yield from references(list(parts.values()))


def _own(name: str) -> Iterator[str]:
    if not name.startswith("AWS::"):
        yield name


class _Resolver:
    """Puts values in."""

    def __init__(self, values: Mapping[str, str], conditions: Mapping[str, Any]) -> None:
        self._values, self._conditions = values, conditions

    def holds(self, name: str) -> bool:
        """Whether a condition holds; one that cannot be told does."""
        return self._true(self._conditions.get(name, _SILENT)) is not False

    def put(self, value: Any) -> Any:
        """The value with everything put in that is known."""
        if isinstance(value, list):
            return [part for part in map(self.put, value) if part is not _SILENT]
        return self._part(dict(value)) if isinstance(value, Mapping) else value

    def _part(self, value: dict[str, Any]) -> Any:
        match value:
            case {"Ref": "AWS::NoValue"}:
                return _SILENT
            case {"Ref": str(name)} if name in self._values:
                return self._values[name]
            case {"Fn::If": [str(name), yes, no]}:
                return self.put(yes if self.holds(name) else no)
            case {"Fn::Sub": str(text)}:
                return self._substituted(text)
            case {"Fn::Sub": [str(text), dict(names)]}:
                inner = _NAMED.sub(lambda found: found[0] if found[1] in names else self._named(found), text)
                return {"Fn::Sub": [inner, self.put(names)]}
        found = {key: self.put(part) for key, part in value.items()}
        return {key: part for key, part in found.items() if part is not _SILENT}

    def _substituted(self, text: str) -> Any:
        done = _NAMED.sub(self._named, text)
        return {"Fn::Sub": done} if _NAMED.search(done) else done

    def _named(self, found: re.Match[str]) -> str:
        return self._values.get(found[1], found[0])

    def _true(self, value: Any) -> bool | None:
        """Whether a condition's expression holds; None where it cannot be told."""
        match value:
            case {"Condition": str(name)}:
                return self._true(self._conditions.get(name, _SILENT))
            case {"Fn::Equals": [left, right]}:
                sides = self.put(left), self.put(right)
                return None if any(isinstance(side, dict) for side in sides) else str(sides[0]) == str(sides[1])
            case {"Fn::Not": [part]}:
                found = self._true(part)
                return None if found is None else not found
            case {"Fn::And": parts}:
                return _all([self._true(part) for part in parts])
            case {"Fn::Or": parts}:
                none = _all([None if found is None else not found for found in map(self._true, parts)])
                return None if none is None else not none
        return None


def _all(found: list[bool | None]) -> bool | None:
    if False in found:
        return False
    return None if None in found else True
