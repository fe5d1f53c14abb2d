"""Removing a deployed lake, until nothing of it is left but what AWS itself keeps for a while.

The stack goes first, so that nothing writes any more; then what outlives it: buckets with all versions of all objects,
tables, the state store, logs, the key; last what it was made from. Each step looks at what is there and removes that,
so that it can be broken off anywhere and repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.aws import asking, client, code_of
from penstock.clock import Clock
from penstock.deployment import emptying
from penstock.deployment.apply import Deployment, Package
from penstock.deployment.emptying import Emptier
from penstock.deployment.failures import Failure, advice, failure_of
from penstock.deployment.follow import Ended, deleted
from penstock.deployment.reduced import keeping_data
from penstock.deployment.remains import Left, Remains, Thing
from penstock.deployment.stacks import ABSENT, STACK_TYPE, Stack
from penstock.deployment.target import Target
from penstock.errors import DeploymentError

ACTIONS = (
    *emptying.ACTIONS,
    "dynamodb:DeleteTable",
    "dynamodb:UpdateTable",
    "glue:GetTables",
    "glue:BatchDeleteTable",
    "glue:DeleteDatabase",
    "kms:ScheduleKeyDeletion",
    "kms:DeleteAlias",
    "kms:ListAliases",
    "logs:DeleteLogGroup",
    "sqs:GetQueueAttributes",
)
KEY_DAYS = 7
"""How long AWS keeps a key that is to be deleted; the fewest days that it takes."""
TABLES_AT_ONCE = 100
ORDER = (
    *("AWS::Glue::Database", "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::Logs::LogGroup"),
    *("AWS::KMS::Alias", "AWS::KMS::Key"),
)
_MISSING = {"ResourceNotFoundException", "EntityNotFoundException", "NotFoundException"}


@dataclass(frozen=True)
class Listener:
    """Who is told how it comes along.

    Attributes:
        begun: Is told, in a phrase, what is being done.
        emptied: Is told of a bucket how many versions more are gone.
    """

    begun: Callable[[str], None]
    emptied: Callable[[str, int], None]


class Destruction:
    """Removes one lake."""

    def __init__(self, deployment: Deployment, template: Mapping[str, Any], clock: Clock, listener: Listener) -> None:
        """Remove what `deployment` made, or would make of `template`."""
        self._deployment, self._clock, self._listener = deployment, clock, listener
        self.target: Target = deployment.target
        self._remains = Remains(self.target, template)
        self._emptier = Emptier(self.target.region, self.target.account, listener.emptied)

    def there(self) -> list[Left]:
        """What is there of the lake, by looking.

        Raises:
            DeploymentError: The stack of that name is not the lake's.
        """
        self._assert_ours()
        return self._remains.left(self._remains.candidates())

    def dead_letters(self) -> int:
        """How many messages are in the dead-letter queue, which goes with the stack."""
        queue = next((thing.name for thing in self._queues() if thing.name.endswith("-dead-letters")), None)
        if queue is None:
            return 0
        sqs = client("sqs", self.target.region)
        with asking("count the dead letters", queue):
            found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
        return int(found["Attributes"]["ApproximateNumberOfMessages"])

    def artifacts_left(self) -> bool:
        """Whether something that the lake was made from is still there."""
        return self._deployment.artifacts.any()

    def everything(self) -> list[Left]:
        """Remove the lake; gives what is left, and why.

        Raises:
            DeploymentError: Something could not be removed; what was removed stays so.
        """
        self._assert_ours()
        things = self._remains.candidates()
        self._remove_stack()
        for kind in ORDER:
            for thing in things:
                if thing.type == kind and self._remains.look(thing) == "":
                    self._remove(thing)
        self._remove_artifacts()
        return self._remains.left(sorted({*things, *self._remains.candidates()}))

    def all_but_data(self) -> list[Left]:
        """Reduce the stack to what keeps data; gives what is left.

        Raises:
            DeploymentError: There is no stack, or it could not be reduced.
        """
        stack = self._deployment.standing()
        if stack is None or stack.standing == ABSENT:
            message = "there is no stack, so that there is nothing to keep data in"
            raise DeploymentError(message, where=self.target.stack, hint="see what is left with: penstock destroy")
        whole = self._deployment.stacks.template(stack.id)
        before = {part.name: part for part in self._deployment.stacks.resources(stack.id)}
        reduced = keeping_data(whole)
        self._reduce(stack, reduced)
        for name, part in before.items():
            thing = Thing(part.type, part.physical)
            if name not in reduced["Resources"] and part.type in ORDER and self._remains.look(thing) is not None:
                self._remove(thing)
        return self._remains.left(self._remains.candidates())

    def _reduce(self, stack: Stack, reduced: dict[str, Any]) -> None:
        text = json.dumps(reduced, separators=(",", ":"))
        keeping = [name for name in reduced.get("Parameters", {}) if name in stack.parameters]
        self._listener.begun(f"reducing the stack {stack.name} to what keeps data")
        package = Package(reduced, text, "", {}, keeping=tuple(keeping))
        made = self._deployment.change_set(package, self._deployment.upload(package), stack)
        while made is not None and self._deployment.execute(made) is None:
            stack = self._deployment.standing() or stack
            made = self._deployment.change_set(package, self._deployment.upload(package), stack)

    def _queues(self) -> list[Thing]:
        return [left.thing for left in self.there() if left.thing.type == "AWS::SQS::Queue"]

    def _remove_stack(self) -> None:
        stack = self._settled()
        if stack is None or deleted(stack):
            return
        self._listener.begun(f"removing the stack {stack.name}")
        ended = self._deployment.remove(stack)
        if not deleted(ended.stack):  # what holds files must be empty before the stack can go
            for part in self._deployment.stacks.resources(stack.id):
                if part.type == "AWS::S3::Bucket" and part.status == "DELETE_FAILED":
                    self._remove(Thing(part.type, part.physical))
            ended = self._deployment.remove(stack)
        if not deleted(ended.stack):
            raise self._failed(ended)

    def _assert_ours(self) -> None:
        if (found := self._deployment.stacks.find(self.target.stack)) is not None:
            self._deployment.assert_ours(found)

    def _settled(self) -> Stack | None:
        """The stack once nothing is done to it; one that is stuck can still be deleted."""
        found = self._deployment.stacks.find(self.target.stack)
        return self._deployment.followed(found) if found is not None else None

    def _failed(self, ended: Ended) -> DeploymentError:
        failure = failure_of(ended.events) or Failure(
            self.target.stack,
            STACK_TYPE,
            "",
            ended.stack.status,
            ended.stack.reason or "CloudFormation gives no reason",
        )
        where = f"{failure.name} ({failure.type.removeprefix('AWS::')})"
        hint = f"{advice(failure, self.target.stack)}\nthe stack is {ended.stack.status}; go on with: penstock destroy"
        return DeploymentError(failure.reason, where=where, hint=hint)

    def _remove(self, thing: Thing) -> None:
        self._listener.begun(f"removing {thing.kind} {thing.name}")
        {
            "AWS::S3::Bucket": self._emptier.remove,
            "AWS::Glue::Database": self._remove_database,
            "AWS::DynamoDB::Table": self._remove_state,
            "AWS::Logs::LogGroup": self._remove_logs,
            "AWS::KMS::Alias": self._remove_alias,
            "AWS::KMS::Key": self._remove_key,
        }[thing.type](thing.name)

    def _remove_database(self, name: str) -> None:
        glue = client("glue", self.target.region)
        with asking("remove the tables of the database", name):
            pages = glue.get_paginator("get_tables").paginate(DatabaseName=name)
            tables = [part["Name"] for page in pages for part in page["TableList"]]
            for at in range(0, len(tables), TABLES_AT_ONCE):
                glue.batch_delete_table(DatabaseName=name, TablesToDelete=tables[at : at + TABLES_AT_ONCE])
            glue.delete_database(Name=name)

    def _remove_state(self, name: str) -> None:
        dynamo = client("dynamodb", self.target.region)
        with asking("remove the state store", name):
            found = dynamo.describe_table(TableName=name)["Table"]
            if found.get("DeletionProtectionEnabled"):
                dynamo.update_table(TableName=name, DeletionProtectionEnabled=False)
            if found["TableStatus"] != "DELETING":
                dynamo.delete_table(TableName=name)
            while self._state_there(dynamo, name):
                self._clock.sleep(1)

    def _state_there(self, dynamo: Any, name: str) -> bool:
        try:
            dynamo.describe_table(TableName=name)
        except dynamo.exceptions.ClientError as error:
            if code_of(error) in _MISSING:
                return False
            raise
        return True

    def _remove_logs(self, name: str) -> None:
        with asking("remove the log", name):
            client("logs", self.target.region).delete_log_group(logGroupName=name)

    def _remove_alias(self, name: str) -> None:
        with asking("remove the key's alias", name):
            client("kms", self.target.region).delete_alias(AliasName=name)

    def _remove_key(self, name: str) -> None:
        kms = client("kms", self.target.region)
        with asking("schedule the key's deletion", name):
            if kms.describe_key(KeyId=name)["KeyMetadata"]["KeyState"] != "PendingDeletion":
                kms.schedule_key_deletion(KeyId=name, PendingWindowInDays=KEY_DAYS)

    def _remove_artifacts(self) -> None:
        if not self._deployment.artifacts.there():
            return
        self._listener.begun(f"removing what it was made from: s3://{self.target.artifacts}/{self.target.prefix}")
        self._emptier.empty(self.target.artifacts, self.target.prefix)
        self._emptier.remove_if_empty(self.target.artifacts)
