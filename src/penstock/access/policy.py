"""A permission on AWS: one statement of a policy, as plain values.

Texts name what only the stack knows in CloudFormation's way, `${RawBucket}`, so that one value serves twice: synthesis
puts each text into `Fn::Sub`, and the evaluator is given the same text filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.deployed import Deployed
from penstock.errors import AccessError

VERSION = "2012-10-17"
_NAMED = re.compile(r"\$\{(?!!)([^}]+)\}")
Conditions = Mapping[str, Mapping[str, str | tuple[str, ...]]]
"""By operator, such as `StringEquals`, and key, such as `aws:SourceAccount`: a value, or several of which one fits."""


@dataclass(frozen=True)
class Statement:
    """One statement of a policy.

    Attributes:
        sid: What it is called; letters and digits.
        actions: What may be done, such as `s3:GetObject`.
        resources: ARNs of what it may be done to; none in a trust policy, where it is the role itself.
        why: What it is for, for people.
        conditions: Under which conditions.
        principal: Who may, in policies that stand at a resource or a role; `AWS` or `Service`, and whom.
        effect: `Allow` or `Deny`.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why: str
    conditions: Conditions = field(default_factory=dict)
    principal: Mapping[str, str | tuple[str, ...]] | None = None
    effect: str = "Allow"

    def rendered(self, put: Callable[[str], Any] = str) -> dict[str, Any]:
        """The statement as policies write it.

        Args:
            put: What becomes of each text that may name something of the stack.
        """
        found: dict[str, Any] = {"Sid": self.sid, "Effect": self.effect}
        if self.principal is not None:
            found["Principal"] = {kind: _each(who, put) for kind, who in self.principal.items()}
        found["Action"] = list(self.actions)
        if self.resources:
            found["Resource"] = [put(text) for text in self.resources]
        if self.conditions:
            found["Condition"] = {
                operator: {key: _each(value, put) for key, value in keys.items()}
                for operator, keys in self.conditions.items()
            }
        return found


def document(statements: Iterable[Statement], put: Callable[[str], Any] = str) -> dict[str, Any]:
    """A policy of these statements."""
    return {"Version": VERSION, "Statement": [statement.rendered(put) for statement in statements]}


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with what it names put in.

    Raises:
        AccessError: It names something that is not known.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            message = f'"{text}" names ${{{found[1]}}}, which nothing in the stack is called'
            raise AccessError(message, hint=f"known: {', '.join(sorted(values))}")
        return values[found[1]]

    return _NAMED.sub(value, text).replace("${!", "${")


def stack_values(deployed: Deployed) -> dict[str, str]:
    """What the texts of statements name, in a stack that is there."""
    return {
        "AWS::Partition": "aws",
        "AWS::Region": deployed.region,
        "AWS::AccountId": deployed.account,
        "AWS::StackName": deployed.stack,
        "RawBucket": deployed.raw_bucket,
        "ProcessedBucket": deployed.processed_bucket,
        "EnrichedBucket": deployed.enriched_bucket,
        "Key.Arn": deployed.key,
    }


def _each(value: str | tuple[str, ...], put: Callable[[str], Any]) -> Any:
    return put(value) if isinstance(value, str) else [put(text) for text in value]
