"""Bringing a lake to AWS: what is uploaded, which change set is made of it, and how it comes to its end.

Every step can be repeated, and none needs what an earlier call knew: artifacts are named by their content, change sets
by what they are made of, and an operation that is going on is followed, whoever began it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.aws import asking, client, code_of
from penstock.clock import Clock
from penstock.deployment.artifacts import Artifacts
from penstock.deployment.change_sets import ChangeSet, ChangeSets, creates
from penstock.deployment.failures import Failure, advice, failure_of, stuck
from penstock.deployment.follow import Ended, follow, last_event, operation
from penstock.deployment.resolving import Resources, resolved
from penstock.deployment.stacks import ABSENT, BUSY, REVIEW, STEADY, STUCK, UNBORN, Event, Stack, Stacks
from penstock.deployment.target import Target
from penstock.errors import DeploymentError, StackStuckError

ACTIONS = ("s3:ListBucket", "cloudformation:DeleteStack", "sns:ListSubscriptionsByTopic")
GOOD_ENDS = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
DIGEST = 12
"""How many letters of a digest make a name."""
Tell = Callable[[Event], None]


@dataclass(frozen=True)
class Package:
    """What is deployed.

    Attributes:
        template: The template.
        text: The template as CloudFormation is given it.
        declaration: The text of `lake.yaml`.
        tags: Tags of the stack as a whole.
        given: Values of parameters; the others get their defaults.
        keeping: Parameters that keep the values they have.
    """

    template: Mapping[str, Any]
    text: str
    declaration: str
    tags: Mapping[str, str]
    given: Mapping[str, str] = field(default_factory=dict)
    keeping: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of all that CloudFormation is given."""
        parts = json.dumps([self.text, dict(self.tags), dict(self.given), self.keeping], sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()


class Deployment:
    """One deployment.

    Attributes:
        target: Where to.
        under_way: Whether AWS is doing something to the stack that goes on without us.
    """

    def __init__(self, target: Target, clock: Clock, tell: Tell, begun: Callable[[str], None]) -> None:
        """Prepare it.

        Args:
            target: Where to.
            clock: What is waited by.
            tell: Is told what happens to the stack.
            begun: Is told, in a phrase, what is being done.
        """
        self.target, self._clock, self._tell, self._begun = target, clock, tell, begun
        self.under_way = False
        self.stacks = Stacks(target.region)
        self.artifacts = Artifacts(target)
        self._sets = ChangeSets(target.region, target.stack, clock)

    def standing(self) -> Stack | None:
        """The stack once nothing is done to it any more.

        Raises:
            StackStuckError: It waits for somebody; says for what.
            DeploymentError: It is not the lake's.
        """
        found = self.stacks.find(self.target.stack)
        if found is not None:
            self.assert_ours(found)
        stack = self.followed(found) if found is not None else None
        if stack is not None and (stack.standing == STUCK or _half_born(stack)):
            raise self.stuck(stack)
        return stack

    def assert_ours(self, stack: Stack) -> None:
        """Refuse a stack that only has the lake's stack's name: it is neither changed nor removed.

        Raises:
            DeploymentError: Its template was not made from a lake of this name.
        """
        if stack.standing in {ABSENT, REVIEW}:
            return
        template = self.stacks.template(stack.id)
        lake = template.get("Metadata", {}).get("Penstock", {}).get("Lake")
        if lake != self.target.lake and template.get("Resources"):
            whose = f'of the lake "{lake}"' if lake else "none of Penstock's"
            message = f'there is a stack of this name, which is {whose}, not of the lake "{self.target.lake}"'
            hint = "give this lake's stack another name, as aws.stack in lake.yaml; are account and region right?"
            raise DeploymentError(
                message, where=f"{stack.name}, {self.target.account}, {self.target.region}", hint=hint
            )

    def followed(self, stack: Stack) -> Stack | None:
        """What has become of a stack once nothing is done to it any more."""
        found: Stack | None = stack
        while found is not None and found.standing == BUSY:
            self._begun(
                f"something is being done to {found.name} already, by an earlier call or by somebody else "
                f"({found.status}): following that first"
            )
            self.under_way = True
            follow(self.stacks, found, self._clock, self._tell)
            self.under_way = False
            found = self.stacks.find(self.target.stack)
        return found

    def assert_buckets_free(self, template: Mapping[str, Any], stack: Stack | None) -> None:
        """Refuse bucket names that CloudFormation could not take.

        Raises:
            DeploymentError: A name belongs to somebody else, or to a bucket outside the stack.
        """
        steady = stack is not None and stack.standing == STEADY
        own = {part.physical for part in self.stacks.resources(self.target.stack)} if steady else set()
        for name, bucket in buckets(template, self.target).items():
            if bucket not in own and (wrong := self._taken(name, bucket)):
                message = f"the name of the bucket {bucket} is taken: {wrong.reason}"
                hint = advice(wrong, self.target.stack)
                raise DeploymentError(message, where=f"{name} ({wrong.type})", hint=hint)

    def upload(self, package: Package) -> str:
        """Upload the template and the declaration it came from; gives the template's address."""
        key = f"{self.target.prefix}templates/{hashlib.sha256(package.text.encode()).hexdigest()}.json"
        content = package.text.encode()
        if self.artifacts.get(key) != content:
            self.artifacts.put(key, content)
        if package.declaration:
            self.artifacts.put(declaration_key(self.target, package.template), package.declaration.encode())
        return self.artifacts.url(key)

    def upload_code(self, file: Path, key: str, sent: Callable[[int], None] | None = None) -> bool:
        """Upload the code, unless it is there; gives whether it was sent."""
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if self.artifacts.has(key, digest):
            return False
        self.artifacts.send(file, key, digest, sent)
        return True

    def change_set(self, package: Package, url: str, stack: Stack | None) -> ChangeSet | None:
        """Let CloudFormation say what it would do; None when that is nothing."""
        if stack is not None and stack.standing == UNBORN:
            self._begun("removing the empty stack of an earlier creation that failed")
            self.remove(stack)
            stack = None
        parameters: list[dict[str, Any]] = [
            {"ParameterKey": key, "ParameterValue": text} for key, text in sorted(package.given.items())
        ]
        parameters += [{"ParameterKey": key, "UsePreviousValue": True} for key in package.keeping]
        name = f"penstock-{package.digest[:DIGEST]}"
        return self._sets.make(name, url, create=creates(stack), tags=dict(package.tags), parameters=parameters)

    def drop(self, made: ChangeSet) -> bool:
        """Forget a change set that nobody agreed to, and the stack that was only there for it; gives whether it was.

        Nobody is told of that: nothing was ever in it.
        """
        self._sets.drop(made.id)
        stack = self.stacks.find(made.stack)
        if stack is None or stack.standing != REVIEW:
            return False
        self.remove(stack, lambda _event: None)
        return True

    def execute(self, made: ChangeSet) -> Ended | None:
        """Do what the change set says, to its end; None when somebody else did something to the stack meanwhile.

        Raises:
            DeploymentError: It failed, and was taken back; says what failed first, why, and what to do.
        """
        stack = self.stacks.find(made.stack) or Stack(made.stack, self.target.stack, "REVIEW_IN_PROGRESS")
        before = last_event(self.stacks, stack)
        self.under_way = True
        done = self._sets.execute(made)
        ended = follow(self.stacks, stack, self._clock, self._tell, before) if done else None
        self.under_way = False
        if ended is None:
            return None
        if ended.stack.status not in GOOD_ENDS:
            raise self.failed(ended)
        return ended

    def remove(self, stack: Stack, tell: Tell | None = None) -> Ended:
        """Delete a stack, to its end; `tell` is told of it in place of who is told of everything else."""
        before = last_event(self.stacks, stack)
        with asking("remove the stack", stack.name):
            client("cloudformation", self.target.region).delete_stack(StackName=stack.id)
        return follow(self.stacks, stack, self._clock, tell or self._tell, before)

    def failed(self, ended: Ended) -> DeploymentError:
        """What to say of an operation that did not come to a good end."""
        stack, failure = ended.stack, failure_of(ended.events)
        after = _AFTERWARDS.get(stack.status, f"the stack is now {stack.status}")
        if failure is None:
            message = f"the deployment failed: {stack.reason or 'CloudFormation gives no reason'}; {after}"
            failure = Failure(stack.name, "", "", stack.status, stack.reason)
            return DeploymentError(message, where=stack.name, hint=advice(failure, stack.name))
        where = f"{failure.name} ({failure.type.removeprefix('AWS::')})"
        hint = f"{advice(failure, stack.name)}\n{after}"
        return DeploymentError(failure.reason, where=where, hint=hint)

    def stuck(self, stack: Stack) -> StackStuckError:
        """What to say of a stack that waits for somebody."""
        failure = failure_of(operation(self.stacks.events(stack.id)))
        message, hint = stuck(stack.status, stack.name, failure)
        return StackStuckError(f"the stack is {stack.status}: {message}", where=stack.name, hint=hint)

    def _taken(self, name: str, bucket: str) -> Failure | None:
        """Why a bucket cannot be made, as CloudFormation would say it."""
        s3 = client("s3", self.target.region)
        with asking("look whether a bucket's name is free", bucket):
            try:
                s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=self.target.account)
            except s3.exceptions.ClientError as error:
                if code_of(error) in {"404", "NoSuchBucket"}:
                    return None
                if code_of(error) in {"403", "301", "AccessDenied", "PermanentRedirect"}:
                    reason = "BucketAlreadyExists: it belongs to another account, or to one you may not look into"
                    return Failure(name, "S3::Bucket", bucket, "CREATE_FAILED", reason)
                raise
        reason = "BucketAlreadyOwnedByYou: it is there, outside this stack"
        return Failure(name, "S3::Bucket", bucket, "CREATE_FAILED", reason)


_AFTERWARDS = {
    "ROLLBACK_COMPLETE": "what had been made was removed again; nothing is deployed",
    "UPDATE_ROLLBACK_COMPLETE": "everything is again as it was before; the lake goes on as it did",
    "DELETE_COMPLETE": "what had been made was removed again; nothing is deployed",
    "ROLLBACK_FAILED": "not all of what had been made could be removed: penstock destroy",
    "UPDATE_ROLLBACK_FAILED": "taking it back failed, too: penstock deploy says how to go on",
}


def _half_born(stack: Stack) -> bool:
    """Whether a creation failed and left resources behind."""
    return stack.standing == UNBORN and stack.status != "ROLLBACK_COMPLETE"


def buckets(template: Mapping[str, Any], target: Target) -> dict[str, str]:
    """The buckets of a template that have a name before they are made, by logical id."""
    found: Resources = resolved(template, pseudo_parameters(target))
    named = {
        name: resource.get("Properties", {}).get("BucketName")
        for name, resource in found.items()
        if resource["Type"] == "AWS::S3::Bucket"
    }
    return {name: text for name, text in named.items() if isinstance(text, str)}


def pseudo_parameters(target: Target) -> dict[str, str]:
    """What CloudFormation's own parameters are for a lake."""
    return {
        "AWS::AccountId": target.account,
        "AWS::Partition": target.partition,
        "AWS::Region": target.region,
        "AWS::StackName": target.stack,
    }


def declaration_key(target: Target, template: Mapping[str, Any]) -> str:
    """Where the `lake.yaml` is that a template came from."""
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    return f"{target.prefix}declarations/{hashlib.sha256(text.encode()).hexdigest()}.yaml"


def deployed_declaration(artifacts: Artifacts, target: Target, template: Mapping[str, Any]) -> str | None:
    """The text of the `lake.yaml` that a deployed template came from; None when it is not known."""
    found = artifacts.get(declaration_key(target, template)) if artifacts.there() else None
    return found.decode() if found else None
