"""A CloudFormation template that grows: capabilities add resources to it, and it sees to what all of them share.

Everything that can carry tags carries the declaration's, whose values are parameters of the template, and one that
says of which lake it is. Nothing here asks AWS, looks at a clock or at chance: the same declaration gives the same
template, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from troposphere import AWSObject, Equals, Not, Output, Parameter, Ref, Tags, encode_to_dict

LAKE_TAG = "penstock:lake"
KEPT = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
"""What holds data outlives its stack, unless the stack never came to be; `penstock destroy` removes it."""
GONE = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
STATEFUL = ("AWS::Logs::LogGroup", "AWS::SQS::Queue")
"""What holds something that the stack's end takes with it, said so that nobody has to guess."""
SECTIONS = ("Parameters", "Conditions", "Resources", "Outputs")
_FIRST = ("Type", "Condition", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy", "Metadata", "Properties")
_WORD = re.compile(r"[^A-Za-z0-9]+")


def camel(text: str) -> str:
    """A name as CloudFormation calls things: `top_customers` becomes `TopCustomers`, `supnum:Lab` `SupnumLab`."""
    return "".join(word[:1].upper() + word[1:] for word in _WORD.split(text))


class Stack:
    """The template of one lake.

    Attributes:
        lake: The lake's name.
        notes: What people should know of the template: what the declaration says that has no meaning on AWS.
    """

    def __init__(self, lake: str, description: str, tags: Mapping[str, str]) -> None:
        """Begin a template whose resources will carry `tags`."""
        self.lake = lake
        self.notes: list[str] = []
        self._part = ""
        self._description = description
        self._sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        self._tags: dict[str, Any] = {
            key: self.parameter(f"Tag{camel(key)}", value, f"The tag {key} of everything", MaxLength=256)
            for key, value in sorted(tags.items())
        }
        self._tags[LAKE_TAG] = lake

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Mark what is added meanwhile as this capability's."""
        self._part, before = name, self._part
        try:
            yield
        finally:
            self._part = before

    def parameter(self, name: str, default: str | int | None, description: str, **rules: Any) -> Ref:
        """Add a parameter; numbers are numbers, everything else is text. Without a default it must be given."""
        kind = "Number" if isinstance(default, int) else "String"
        given = {} if default is None else {"Default": default}
        self._put("Parameters", name, Parameter(name, Type=kind, Description=description, **given, **rules))
        return Ref(name)

    def condition(self, name: str, parameter: str) -> str:
        """Add the condition that a parameter is not empty, and give its name."""
        self._sections["Conditions"][name] = Not(Equals(Ref(parameter), ""))
        return name

    def add(self, resource: AWSObject, *, kept: bool = False) -> AWSObject:
        """Add a resource, with the tags where its type carries any.

        Args:
            resource: What to add; its title is its logical id.
            kept: Whether it holds data that outlives the stack.
        """
        if "Tags" in resource.props:
            resource.Tags = Tags(**self._tags)
        resource.Metadata = {"Penstock": {"Part": self._part}}
        for name, policy in (KEPT if kept else GONE if resource.resource_type in STATEFUL else {}).items():
            setattr(resource, name, policy)
        return self._put("Resources", resource.title, resource)

    def output(self, name: str, value: Any, description: str) -> None:
        """Add an output of the stack."""
        self._put("Outputs", name, Output(name, Value=value, Description=description))

    def note(self, text: str) -> None:
        """Keep something that people should know."""
        self.notes.append(text)

    @property
    def body(self) -> dict[str, Any]:
        """The template as plain values, sorted by name within each section.

        Raises:
            ValueError: A resource lacks something that its type needs.
        """
        found = {name: encode_to_dict(dict(sorted(one.items()))) for name, one in self._sections.items() if one}
        found["Resources"] = {name: _in_order(one) for name, one in found["Resources"].items()}
        return {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": self._description,
            "Metadata": {"Penstock": {"Lake": self.lake, "Notes": list(self.notes)}},
            **found,
        }

    def _put(self, section: str, name: str, what: Any) -> Any:
        if name in self._sections[section]:
            message = f"{name} stands twice in {section}"
            raise ValueError(message)
        self._sections[section][name] = what
        return what


def _in_order(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource with its type first, and whatever else troposphere knows last."""
    known = {name: resource[name] for name in _FIRST if name in resource}
    return {**known, **resource}
