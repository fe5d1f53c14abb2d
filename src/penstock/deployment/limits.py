"""CloudFormation's limits: what a template may hold at most, said before AWS says it."""

from __future__ import annotations

import json
from typing import Any

from penstock.declaration import Document
from penstock.deployment.permissions.principals import filled_length
from penstock.errors import DeclarationError

MOST = {"Resources": 500, "Parameters": 200, "Outputs": 200}
LARGEST_TEMPLATE = 1_000_000
LONGEST_NAME = 255
"""Of a logical id."""
LONGEST_DESCRIPTION = 1_024
LARGEST_POLICY = {"AWS::IAM::Role": 10_240, "AWS::IAM::ManagedPolicy": 6_144, "AWS::S3::BucketPolicy": 20_480}
MOST_ATTACHED = 10
"""Policies that one role can have beside its own."""


def assert_within_limits(body: dict[str, Any], text: str, document: Document) -> None:
    """Refuse a template that CloudFormation would refuse for its size.

    Raises:
        DeclarationError: It is too large; every limit that is passed is named.
    """
    if problems := [document.problem(path, found) for path, found in _passed(body, text)]:
        raise DeclarationError(list(dict.fromkeys(problems)))


def _passed(body: dict[str, Any], text: str) -> list[tuple[tuple[str, ...], str]]:
    found: list[tuple[tuple[str, ...], str]] = []
    for section, most in MOST.items():
        if (count := len(body.get(section, {}))) > most:
            hint = "declare fewer tables, or several lakes"
            found.append((("tables",), f"{count} {section.lower()} are needed, CloudFormation takes {most}; {hint}"))
    if (size := len(text.encode())) > LARGEST_TEMPLATE:
        found.append((("tables",), f"the template has {size} bytes, CloudFormation takes {LARGEST_TEMPLATE}"))
    if len(body.get("Description", "")) > LONGEST_DESCRIPTION:
        found.append((("lake",), f"the description is longer than {LONGEST_DESCRIPTION} letters"))
    for name, resource in body["Resources"].items():
        if len(name) > LONGEST_NAME:
            found.append(((), f'the logical id "{name}" is longer than {LONGEST_NAME} letters'))
        most = LARGEST_POLICY.get(resource["Type"], 0)
        if most and (length := policy_length(resource)) > most:
            found.append((("access",), f"the policy of {name} has about {length} letters, AWS takes {most}"))
        if (attached := len(resource["Properties"].get("ManagedPolicyArns", []))) > MOST_ATTACHED:
            text = f"what {name} may do takes {attached} policies, AWS attaches {MOST_ATTACHED} to a role"
            found.append((("tables",), f"{text}; declare fewer tables, or several lakes"))
    return found


def policy_length(resource: dict[str, Any]) -> int:
    """About how many letters the policies of a resource have once references are filled in."""
    properties = resource["Properties"]
    documents = [each["PolicyDocument"] for each in properties.get("Policies", [])]
    documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    return sum(filled_length(json.dumps(_plain(each), separators=(",", ":"))) for each in documents)


def _plain(value: Any) -> Any:
    """A policy with its texts in place of what fills them in."""
    if isinstance(value, dict):
        return value["Fn::Sub"] if set(value) == {"Fn::Sub"} else {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
