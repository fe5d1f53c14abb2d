"""What CloudFormation knows of a lake: its stack, what stands in it, and what has happened to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from penstock.aws import asking, client, code_of

ACTIONS = (
    "cloudformation:DescribeStacks",
    "cloudformation:DescribeStackEvents",
    "cloudformation:GetTemplate",
    "cloudformation:ListStackResources",
    "cloudformation:ListStacks",
)
STACK_TYPE = "AWS::CloudFormation::Stack"
ABSENT, REVIEW, STEADY, BUSY, UNBORN, STUCK = "absent", "review", "steady", "busy", "unborn", "stuck"
_STANDINGS = {
    "DELETE_COMPLETE": ABSENT,
    "REVIEW_IN_PROGRESS": REVIEW,
    "CREATE_COMPLETE": STEADY,
    "UPDATE_COMPLETE": STEADY,
    "UPDATE_ROLLBACK_COMPLETE": STEADY,
    "IMPORT_COMPLETE": STEADY,
    "IMPORT_ROLLBACK_COMPLETE": STEADY,
    "ROLLBACK_COMPLETE": UNBORN,
    "CREATE_FAILED": UNBORN,
    "ROLLBACK_FAILED": UNBORN,
}


@dataclass(frozen=True)
class Event:
    """Something that happened to a resource, or to the stack as a whole."""

    id: str
    at: datetime
    name: str
    type: str
    physical: str
    status: str
    reason: str

    @property
    def of_stack(self) -> bool:
        """Whether it is about the stack as a whole."""
        return self.type == STACK_TYPE and self.physical.startswith("arn:") and f"stack/{self.name}/" in self.physical


@dataclass(frozen=True)
class Resource:
    """Something that stands in a stack: what the template and what AWS call it."""

    name: str
    type: str
    physical: str
    status: str


@dataclass(frozen=True)
class Stack:
    """A stack as it is now.

    Attributes:
        id: Its ARN; goes on meaning this stack when it is deleted and another gets its name.
        name: Its name.
        status: CloudFormation's word for how it is.
        reason: Why, where CloudFormation says so.
        outputs: What it says at its end.
        parameters: The values of its template's parameters.
        made: When it was created.
    """

    id: str
    name: str
    status: str
    reason: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    made: datetime | None = None

    @property
    def standing(self) -> str:
        """What can be done with it."""
        return standing(self.status)


def standing(status: str) -> str:
    """What can be done with a stack in a state.

    - `absent`: it can be created; it is not there.
    - `review`: it can be created: only a change set was made.
    - `steady`: it can be changed.
    - `busy`: something is being done to it.
    - `unborn`: its creation failed: it can only be deleted.
    - `stuck`: it waits for somebody.
    """
    if known := _STANDINGS.get(status):
        return known
    return BUSY if status.endswith("_IN_PROGRESS") else STUCK


class Stacks:
    """The stacks of an account in a region."""

    def __init__(self, region: str | None) -> None:
        """Ask in a region."""
        self._cloud = client("cloudformation", region)

    def find(self, name: str) -> Stack | None:
        """The stack of that name or ARN; None when there is none. A deleted one is only found by its ARN."""
        with asking("look at the stack", name):
            try:
                found = self._cloud.describe_stacks(StackName=name)["Stacks"]
            except self._cloud.exceptions.ClientError as error:
                if code_of(error) == "ValidationError" and "does not exist" in str(error):
                    return None
                raise
        return _stack(found[0]) if found else None

    def template(self, name: str) -> dict[str, Any]:
        """The template that a stack was made from."""
        with asking("read the template of the stack", name):
            body = self._cloud.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
        return _parsed(body) if isinstance(body, str) else json.loads(json.dumps(body))

    def resources(self, name: str) -> list[Resource]:
        """What stands in a stack; of a deleted one, what stood in it."""
        with asking("list what stands in the stack", name):
            pages = self._cloud.get_paginator("list_stack_resources").paginate(StackName=name)
            found = [part for page in pages for part in page["StackResourceSummaries"]]
        return [
            Resource(
                part["LogicalResourceId"],
                part["ResourceType"],
                part.get("PhysicalResourceId", ""),
                part["ResourceStatus"],
            )
            for part in found
        ]

    def events(self, name: str) -> Iterator[Event]:
        """What happened to a stack, the newest first."""
        with asking("read the events of the stack", name):
            for page in self._cloud.get_paginator("describe_stack_events").paginate(StackName=name):
                yield from map(_event, page["StackEvents"])

    def deleted(self, name: str) -> list[Stack]:
        """The deleted stacks of that name of the last 90 days, the newest first."""
        with asking("look for deleted stacks", name):
            pages = self._cloud.get_paginator("list_stacks").paginate(StackStatusFilter=["DELETE_COMPLETE"])
            found = [part for page in pages for part in page["StackSummaries"] if part["StackName"] == name]
        gone = [Stack(part["StackId"], name, part["StackStatus"], made=part["CreationTime"]) for part in found]
        return sorted(gone, key=lambda stack: stack.made or datetime.min, reverse=True)  # noqa: DTZ901 - made is there


def _stack(part: dict[str, Any]) -> Stack:
    return Stack(
        part["StackId"],
        part["StackName"],
        part["StackStatus"],
        part.get("StackStatusReason", ""),
        {output["OutputKey"]: output["OutputValue"] for output in part.get("Outputs", [])},
        {value["ParameterKey"]: value.get("ParameterValue", "") for value in part.get("Parameters", [])},
        part.get("CreationTime"),
    )


def _event(part: dict[str, Any]) -> Event:
    return Event(
        part["EventId"],
        part["Timestamp"],
        part["LogicalResourceId"],
        part.get("ResourceType", ""),
        part.get("PhysicalResourceId", ""),
        part.get("ResourceStatus", ""),
        part.get("ResourceStatusReason", ""),
    )


def _parsed(text: str) -> dict[str, Any]:
    """A template's text, JSON or YAML with CloudFormation's short forms."""
    import cfn_flip  # type: ignore[import-untyped]

    return dict(json.loads(cfn_flip.to_json(text)))
