"""Change sets: what CloudFormation is going to do, made, looked at, executed.

A change set's name comes from what it is made of, so that a deployment that was broken off finds it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from penstock.aws import asking, client, code_of
from penstock.clock import Clock
from penstock.deployment.stacks import Stack
from penstock.errors import DeploymentError

ACTIONS = (
    "cloudformation:CreateChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:ExecuteChangeSet",
)
CAPABILITIES = ("CAPABILITY_NAMED_IAM",)
WAIT = 1.0
_NOTHING = ("didn't contain changes", "No updates are to be performed")
_PENDING = {"CREATE_PENDING", "CREATE_IN_PROGRESS"}
_GOING = {"DELETE_PENDING", "DELETE_IN_PROGRESS"}
_GONE = {"ChangeSetNotFound", "ChangeSetNotFoundException"}
_TAKEN = {"InvalidChangeSetStatus", "InvalidChangeSetStatusException", "OperationInProgressException"}


@dataclass(frozen=True)
class ChangeSet:
    """What CloudFormation is going to do.

    Attributes:
        id: Its ARN.
        stack: The stack's ARN.
        changes: What becomes of each resource, as CloudFormation says it; empty when there is nothing to do.
    """

    id: str
    stack: str
    changes: tuple[dict[str, Any], ...]


class ChangeSets:
    """The change sets of one stack."""

    def __init__(self, region: str, stack: str, clock: Clock) -> None:
        """Make them for the stack of that name."""
        self._cloud, self._stack, self._clock = client("cloudformation", region), stack, clock

    def make(
        self,
        name: str,
        template_url: str,
        *,
        create: bool,
        tags: dict[str, str],
        parameters: Sequence[dict[str, Any]] = (),
    ) -> ChangeSet | None:
        """Make a change set, or find the one that was made before; None when nothing would change.

        Args:
            name: Its name.
            template_url: Where the template is.
            create: Whether the stack is yet to be created.
            tags: Tags of the stack as a whole.
            parameters: Parameters that do not get their defaults, as CloudFormation is told them.

        Raises:
            DeploymentError: CloudFormation cannot make it; says why.
        """
        found = self._look(name)
        if found and not (found["Status"] == "CREATE_COMPLETE" and found.get("ExecutionStatus") == "AVAILABLE"):
            self.drop(found["ChangeSetId"])
            found = None
        if found is None:
            self._create(name, template_url, create=create, tags=tags, parameters=parameters)
            found = self._look(name)
        if found is None:
            raise DeploymentError("the change set that was just made is gone", where=self._stack)
        if found["Status"] == "FAILED":
            self._refuse_unless_empty(found)
            return None
        return ChangeSet(found["ChangeSetId"], found["StackId"], tuple(found["Changes"]))

    def execute(self, made: ChangeSet) -> bool:
        """Begin to do it; False when somebody else is doing something to the stack, has done it, or has dropped it."""
        with asking("execute the change set", self._stack):
            try:
                self._cloud.execute_change_set(ChangeSetName=made.id, StackName=self._stack)
            except self._cloud.exceptions.ClientError as error:
                if code_of(error) in _TAKEN | _GONE or "_IN_PROGRESS state" in str(error) or _absent(error):
                    return False
                raise
        return True

    def drop(self, change_set: str) -> None:
        """Remove a change set, unless somebody else is executing it, or has removed it."""
        with asking("remove a change set", self._stack):
            try:
                self._cloud.delete_change_set(ChangeSetName=change_set, StackName=self._stack)
            except self._cloud.exceptions.ClientError as error:
                if code_of(error) not in _TAKEN | _GONE and not _absent(error):
                    raise
                return
        while (found := self._seen(change_set)) is not None and found["Status"] in _GOING:
            self._clock.sleep(WAIT)

    def _create(
        self, name: str, template_url: str, *, create: bool, tags: dict[str, str], parameters: Sequence[dict[str, Any]]
    ) -> None:
        with asking("make a change set", self._stack), suppress(self._cloud.exceptions.AlreadyExistsException):
            self._cloud.create_change_set(  # of that name, somebody else has made the same one in the meantime
                StackName=self._stack,
                ChangeSetName=name,
                ChangeSetType="CREATE" if create else "UPDATE",
                TemplateURL=template_url,
                Parameters=list(parameters),
                Capabilities=list(CAPABILITIES),
                Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
            )

    def _look(self, name: str) -> dict[str, Any] | None:
        """A change set once it is made, all its pages; None when there is none of that name."""
        while (found := self._seen(name)) is not None and found["Status"] in _PENDING:
            self._clock.sleep(WAIT)
        if found is None:
            return None
        changes, page = list(found.get("Changes", [])), found
        while token := page.get("NextToken"):
            page = self._seen(name, token) or {}
            changes += page.get("Changes", [])
        return {**found, "Changes": changes}

    def _seen(self, name: str, token: str = "") -> dict[str, Any] | None:
        more = {"NextToken": token} if token else {}
        with asking("look at the change set", self._stack):
            try:
                found = self._cloud.describe_change_set(ChangeSetName=name, StackName=self._stack, **more)
            except self._cloud.exceptions.ClientError as error:
                if code_of(error) in _GONE or _absent(error):
                    return None
                raise
        return dict(found)

    def _refuse_unless_empty(self, found: dict[str, Any]) -> None:
        reason = str(found.get("StatusReason", ""))
        self.drop(found["ChangeSetId"])
        if not any(text in reason for text in _NOTHING):
            message = f"CloudFormation does not take the template: {reason}"
            raise DeploymentError(message, where=self._stack, hint="nothing was changed")


def _absent(error: BaseException) -> bool:
    return code_of(error) == "ValidationError" and ("does not exist" in str(error) or "not exist" in str(error))


def creates(stack: Stack | None) -> bool:
    """Whether the stack is yet to be created."""
    return stack is None or stack.standing in {"absent", "review", "unborn"}
