"""What becomes of the resources when one template follows another.

Pure: two templates in, changes out. What CloudFormation itself says of a change set is joined to it, and wins, because
it knows what a resource's service makes of a change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from penstock.deployment.resolving import Resources, references

ADD, CHANGE, REPLACE, REMOVE = "add", "change", "replace", "remove"
POLICIES = ("DeletionPolicy", "UpdateReplacePolicy")
PARTS = {
    "S3": "files",
    "SQS": "intake",
    "Events": "intake",
    "Scheduler": "upkeep",
    "Lambda": "functions",
    "Logs": "logs",
    "Glue": "tables",
    "LakeFormation": "tables",
    "DynamoDB": "state",
    "Athena": "queries",
    "SNS": "notices",
    "CloudWatch": "alarms",
    "IAM": "permissions",
    "KMS": "encryption",
}
HOLDS_DATA = frozenset({"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::Glue::Database", "AWS::KMS::Key"})
_KEPT = ("Retain", "RetainExceptOnCreate")


@dataclass(frozen=True)
class Change:
    """What becomes of a resource.

    Attributes:
        action: `add`, `change`, `replace` (a new one is made, then the old one goes) or `remove`.
        name: Its logical id.
        type: Its type, such as `AWS::S3::Bucket`.
        because: The properties that differ, as paths.
        kept: Whether the old one stays on AWS, outside the stack.
        physical: What it is called on AWS, where it is there.
    """

    action: str
    name: str
    type: str
    because: tuple[str, ...] = ()
    kept: bool = False
    physical: str = ""

    @property
    def part(self) -> str:
        """The part of the lake it belongs to."""
        return part_of(self.type)

    @property
    def loses_data(self) -> bool:
        """Whether what holds data is replaced by an empty one, or goes for good."""
        return self.type in HOLDS_DATA and (self.action == REPLACE or (self.action == REMOVE and not self.kept))


def part_of(kind: str) -> str:
    """The part of a lake that a type of resource belongs to."""
    service = kind.split("::")[1] if kind.count("::") > 1 else kind
    return PARTS.get(service, service.lower())


def changes(old: Resources, new: Resources, physical: Mapping[str, str] | None = None) -> tuple[Change, ...]:
    """What becomes of each resource, in the order of the parts of a lake."""
    there = physical or {}
    found = {**_removed(old, new), **_added(old, new)}
    while more := dict(_differing(old, new, found)):
        found.update(more)
    named = [replace(change, physical=there.get(change.name, "")) for change in found.values()]
    return tuple(sorted(named, key=lambda change: (_place(change.part), change.type, change.name)))


def confirmed(found: Sequence[Change], said: Sequence[Mapping[str, Any]]) -> tuple[Change, ...]:
    """The changes as CloudFormation says that they will be: `said` are a change set's, page after page joined."""
    known = {change.name: change for change in found}
    told = [_told(change["ResourceChange"], known) for change in said if "ResourceChange" in change]
    return tuple(sorted(told, key=lambda change: (_place(change.part), change.type, change.name)))


def _told(said: Mapping[str, Any], known: Mapping[str, Change]) -> Change:
    name, kind = said["LogicalResourceId"], said["ResourceType"]
    ours = known.get(name, Change(CHANGE, name, kind))
    action = {"Add": ADD, "Remove": REMOVE, "Import": ADD}.get(said["Action"], CHANGE)
    replaced = said.get("Replacement")
    if action == CHANGE and (replaced == "True" or (replaced != "False" and ours.action == REPLACE)):
        action = REPLACE
    targets = [detail.get("Target", {}) for detail in said.get("Details", [])]
    because = {str(target.get("Name") or target.get("Attribute") or "") for target in targets} - {""}
    physical = said.get("PhysicalResourceId") or ours.physical
    return replace(ours, action=action, physical=physical, because=ours.because or tuple(sorted(because)))


def _place(part: str) -> int:
    order = list(dict.fromkeys(PARTS.values()))
    return order.index(part) if part in order else len(order)


def _removed(old: Resources, new: Resources) -> dict[str, Change]:
    gone = {name: resource for name, resource in old.items() if name not in new}
    return {
        name: Change(REMOVE, name, resource["Type"], kept=resource.get("DeletionPolicy") in _KEPT)
        for name, resource in gone.items()
    }


def _added(old: Resources, new: Resources) -> dict[str, Change]:
    return {name: Change(ADD, name, resource["Type"]) for name, resource in new.items() if name not in old}


def _differing(old: Resources, new: Resources, known: Mapping[str, Change]) -> Iterator[tuple[str, Change]]:
    """Resources that differ, or point to one that is replaced, as far as that is not known yet."""
    anew = {name for name, change in known.items() if change.action == REPLACE}
    for name in new.keys() & old.keys():
        before, after = old[name], new[name]
        paths = [*_paths(before.get("Properties", {}), after.get("Properties", {})), *_moved(after, anew)]
        paths += [policy for policy in POLICIES if before.get(policy) != after.get(policy)]
        if not paths and before["Type"] == after["Type"]:
            continue
        action = REPLACE if before["Type"] != after["Type"] or _fixed(after["Type"], paths) else CHANGE
        kept = action == REPLACE and before.get("UpdateReplacePolicy") == "Retain"
        change = Change(action, name, after["Type"], tuple(sorted(set(paths))), kept=kept)
        if known.get(name) != change:
            yield name, change


def _paths(before: Any, after: Any, place: str = "") -> list[str]:
    """Where two values differ: paths of names, lists as wholes."""
    if not (isinstance(before, dict) and isinstance(after, dict)) or _intrinsic(before) or _intrinsic(after):
        return [] if before == after else [place]
    found: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        inner = f"{place}/{name}" if place else name
        found += _paths(before.get(name), after.get(name), inner) if before.get(name) != after.get(name) else []
    return found


def _intrinsic(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))


def _moved(resource: Mapping[str, Any], anew: set[str]) -> list[str]:
    """The properties that point to resources that are made anew."""
    return [name for name, value in resource.get("Properties", {}).items() if anew & set(references(value))]


def _fixed(kind: str, paths: Sequence[str]) -> bool:
    """Whether a property that cannot be changed in place is among the paths."""
    return any(f"{path}/".startswith(f"{fixed}/") for fixed in _replacing().get(kind, ()) for path in paths)


@cache
def _replacing() -> dict[str, list[str]]:
    text = (files("penstock.deployment") / "replacing.json").read_text(encoding="utf-8")
    found: dict[str, list[str]] = json.loads(text)
    return found
