"""What is left of a lake on AWS, found by looking: not by what ought to be there.

Three sources tell where to look: the stack, or the deleted ones that had its name; the names that the template gives;
and the tag that everything carries. Then each thing is asked for, and only what answers is left. A name alone is no
proof: buckets, databases and state stores that do not carry the lake's mark are somebody else's, and not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.aws import asking, client, code_of
from penstock.cloudformation.stack import LAKE_TAG
from penstock.deployment.apply import pseudo_parameters
from penstock.deployment.resolving import resolved
from penstock.deployment.stacks import ABSENT, STACK_TYPE, Stacks
from penstock.deployment.target import Target

ACTIONS = (
    "athena:GetWorkGroup",
    "cloudwatch:DescribeAlarms",
    "dynamodb:DescribeTable",
    "dynamodb:ListTagsOfResource",
    "events:DescribeRule",
    "glue:GetDatabase",
    "iam:GetPolicy",
    "iam:GetRole",
    "kms:DescribeKey",
    "lambda:GetEventSourceMapping",
    "lambda:GetFunction",
    "logs:DescribeLogGroups",
    "s3:GetBucketLocation",
    "s3:GetBucketTagging",
    "s3:ListBucket",
    "scheduler:GetScheduleGroup",
    "sns:GetTopicAttributes",
    "sqs:GetQueueUrl",
    "tag:GetResources",
)
OLDER = 5
"""How many deleted stacks of the same name are looked at."""
_STACK_TAG = "aws:cloudformation:stack-name"
_MISSING = frozenset(
    {
        *("404", "NoSuchBucket", "NotFound", "NotFoundException", "NoSuchEntity", "NoSuchEntityException"),
        *("ResourceNotFoundException", "ResourceNotFound", "EntityNotFoundException", "InvalidRequestException"),
        *("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "TopicNotFound", "WorkGroupNotFound"),
    }
)

_OTHERS = frozenset({"403", "AccessDenied", "NoSuchTagSet", "PermanentRedirect", "301"})
"""What S3 says of a bucket that is another account's or stands elsewhere, or that carries no tags."""


@dataclass(frozen=True, order=True)
class Thing:
    """Something that may be on AWS: its type, and what AWS calls it."""

    type: str
    name: str

    @property
    def kind(self) -> str:
        """Its type as people read it: `S3 Bucket`."""
        return self.type.removeprefix("AWS::").replace("::", " ")

    @property
    def called(self) -> str:
        """Its name as people know it: that of a stack is a part of its ARN."""
        return self.name.split("/")[1] if self.type == STACK_TYPE and "/" in self.name else self.name


@dataclass(frozen=True)
class Left:
    """Something that is on AWS, and why it is still there."""

    thing: Thing
    why: str

    @property
    def going(self) -> bool:
        """Whether AWS removes it by itself: nothing is left to be done."""
        return self.thing.type == "AWS::KMS::Key" and bool(self.why)


class Remains:
    """Finds what is left of a lake."""

    def __init__(self, target: Target, template: Mapping[str, Any]) -> None:
        """Look for what `template` makes, or an earlier one of the same stack made."""
        self._target, self._template, self._stacks = target, template, Stacks(target.region)

    def candidates(self) -> list[Thing]:
        """Everything that may be there and is the lake's, in order."""
        found = {*self._of_stacks(), *self._of_template(), *self.tagged(), *self._log_groups()}
        return sorted(thing for thing in found if self._ours(thing))

    def _ours(self, thing: Thing) -> bool:
        """Whether a thing is not somebody else's, as far as that can be told; what holds data must say so itself."""
        asked = {
            "AWS::S3::Bucket": ("s3", self._bucket_is_ours),
            "AWS::Glue::Database": ("glue", self._database_is_ours),
            "AWS::DynamoDB::Table": ("dynamodb", self._state_is_ours),
        }
        if thing.type not in asked:
            return True
        service, ask = asked[thing.type]
        cloud = client(service, self._target.region)
        with asking("look whether something is the lake's", f"{thing.type} {thing.name}"):
            try:
                return ask(cloud, thing.name)
            except cloud.exceptions.ClientError as error:
                if code_of(error) in _MISSING | _OTHERS:
                    return False
                raise

    def _bucket_is_ours(self, cloud: Any, name: str) -> bool:
        whose = {"Bucket": name, "ExpectedBucketOwner": self._target.account}
        place = cloud.get_bucket_location(**whose).get("LocationConstraint") or "us-east-1"
        return place == self._target.region and self._marked(cloud.get_bucket_tagging(**whose)["TagSet"])

    def _database_is_ours(self, cloud: Any, name: str) -> bool:
        marks = cloud.get_database(Name=name)["Database"].get("Parameters", {})
        return bool(marks.get(LAKE_TAG) == self._target.lake)

    def _state_is_ours(self, cloud: Any, name: str) -> bool:
        at = self._target
        arn = f"arn:{at.partition}:dynamodb:{at.region}:{at.account}:table/{name}"
        return self._marked(cloud.list_tags_of_resource(ResourceArn=arn).get("Tags", []))

    def _marked(self, tags: list[dict[str, str]]) -> bool:
        ours = {"Key": LAKE_TAG, "Value": self._target.lake} in tags
        return ours and self._of_this_stack(tags)

    def left(self, things: Iterable[Thing]) -> list[Left]:
        """What of these is there, and why."""
        found = [(thing, self.look(thing)) for thing in things]
        return [Left(thing, why) for thing, why in found if why is not None]

    def look(self, thing: Thing) -> str | None:
        """Why something is there, empty when no reason is known; None when it is not there."""
        looker = LOOKERS.get(thing.type)
        if looker is None:
            return None
        service, look = looker
        cloud = client(service, self._target.region)
        with asking("look whether something is left", f"{thing.type} {thing.name}"):
            try:
                return look(cloud, thing.name)
            except cloud.exceptions.ClientError as error:
                if code_of(error) in _MISSING:
                    return None
                raise

    def tagged(self) -> list[Thing]:
        """What carries the lake's tag, as far as AWS lists it."""
        tagging = client("resourcegroupstaggingapi", self._target.region)
        wanted = [{"Key": LAKE_TAG, "Values": [self._target.lake]}]
        with asking("look for what carries the lake's tag", LAKE_TAG):
            pages = tagging.get_paginator("get_resources").paginate(TagFilters=wanted)
            found = [part for page in pages for part in page["ResourceTagMappingList"]]
        return [thing_of(part["ResourceARN"]) for part in found if self._of_this_stack(part["Tags"])]

    def _of_this_stack(self, tags: list[dict[str, str]]) -> bool:
        named = {tag["Key"]: tag["Value"] for tag in tags}
        return named.get(_STACK_TAG, self._target.stack) == self._target.stack

    def _of_stacks(self) -> list[Thing]:
        there = self._stacks.find(self._target.stack)
        stacks = [*([there] if there else []), *self._stacks.deleted(self._target.stack)[:OLDER]]
        found = [part for stack in stacks for part in self._stacks.resources(stack.id) if part.physical]
        alive = [Thing(STACK_TYPE, there.id)] if there and there.standing != ABSENT else []
        return [*alive, *(Thing(part.type, part.physical) for part in found)]

    def _of_template(self) -> list[Thing]:
        """What the template names itself; what AWS names is told by the others."""
        made = resolved(self._template, pseudo_parameters(self._target))
        found = [
            (part["Type"], _name(part.get("Properties", {}).get(_NAMES.get(part["Type"], ""))))
            for part in made.values()
        ]
        return [Thing(kind, name) for kind, name in found if name]

    def _log_groups(self) -> list[Thing]:
        """Log groups of the functions; a function's last word makes its group anew."""
        logs = client("logs", self._target.region)
        with asking("look for log groups", self._target.stack):
            pages = logs.get_paginator("describe_log_groups").paginate(
                logGroupNamePrefix=f"/aws/lambda/{self._target.stack}-"
            )
            groups = [part["logGroupName"] for page in pages for part in page["logGroups"]]
        functions = {f"/aws/lambda/{self._target.stack}-{name}" for name in ("intake", "upkeep")}
        return [Thing("AWS::Logs::LogGroup", name) for name in groups if name in functions]


def _name(value: Any) -> str:
    return value if isinstance(value, str) else str(value.get("Name", "")) if isinstance(value, dict) else ""


_NAMES = {
    "AWS::S3::Bucket": "BucketName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Glue::Database": "DatabaseInput",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Athena::WorkGroup": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::Scheduler::ScheduleGroup": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Events::Rule": "Name",
}


def thing_of(arn: str) -> Thing:
    """What an ARN names, as CloudFormation would call it."""
    service, _, _, rest = arn.split(":", 5)[2:]
    kind = f"{service}/{rest.partition('/')[0]}" if service not in _PLAIN else service
    if service == "logs":
        return Thing("AWS::Logs::LogGroup", rest.removeprefix("log-group:").removesuffix(":*"))
    if service == "lambda":
        return Thing("AWS::Lambda::Function", rest.removeprefix("function:"))
    if service == "sns":
        return Thing("AWS::SNS::Topic", arn)
    if service == "cloudwatch":
        return Thing("AWS::CloudWatch::Alarm", rest.removeprefix("alarm:"))
    if service == "cloudformation":
        return Thing(STACK_TYPE, arn)
    return Thing(_KINDS[kind], rest.partition("/")[2] or rest) if kind in _KINDS else Thing("ARN", arn)


_PLAIN = ("s3", "sqs")
_KINDS = {
    "s3": "AWS::S3::Bucket",
    "sqs": "AWS::SQS::Queue",
    "kms/key": "AWS::KMS::Key",
    "dynamodb/table": "AWS::DynamoDB::Table",
    "glue/database": "AWS::Glue::Database",
    "athena/workgroup": "AWS::Athena::WorkGroup",
    "events/rule": "AWS::Events::Rule",
}


def _answered(call: Callable[..., Any], **named: str) -> str:
    call(**named)
    return ""


def _stack(cloud: Any, name: str) -> str | None:
    try:
        found = cloud.describe_stacks(StackName=name)["Stacks"][0]
    except cloud.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    if found["StackStatus"] == "DELETE_COMPLETE":
        return None
    return f"{found['StackStatus']} {found.get('StackStatusReason', '')}".strip()


def _key(cloud: Any, name: str) -> str:
    found = cloud.describe_key(KeyId=name)["KeyMetadata"]
    if found["KeyState"] != "PendingDeletion":
        return ""
    return f"will be deleted on {found['DeletionDate']:%Y-%m-%d}"


def _alias(cloud: Any, name: str) -> str | None:
    pages = cloud.get_paginator("list_aliases").paginate()
    return "" if any(part["AliasName"] == name for page in pages for part in page["Aliases"]) else None


def _log_group(cloud: Any, name: str) -> str | None:
    pages = cloud.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    return "" if any(part["logGroupName"] == name for page in pages for part in page["logGroups"]) else None


def _alarm(cloud: Any, name: str) -> str | None:
    return "" if cloud.describe_alarms(AlarmNames=[name])["MetricAlarms"] else None


def _workgroup(cloud: Any, name: str) -> str | None:
    return "" if cloud.get_work_group(WorkGroup=name).get("WorkGroup") else None


def _queue(cloud: Any, name: str) -> str:
    return _answered(cloud.get_queue_url, QueueName=name.rpartition("/")[2])


Looker = Callable[[Any, str], str | None]
LOOKERS: dict[str, tuple[str, Looker]] = {
    STACK_TYPE: ("cloudformation", _stack),
    "AWS::S3::Bucket": ("s3", lambda cloud, name: _answered(cloud.head_bucket, Bucket=name)),
    "AWS::KMS::Key": ("kms", _key),
    "AWS::KMS::Alias": ("kms", _alias),
    "AWS::Glue::Database": ("glue", lambda cloud, name: _answered(cloud.get_database, Name=name)),
    "AWS::DynamoDB::Table": ("dynamodb", lambda cloud, name: _answered(cloud.describe_table, TableName=name)),
    "AWS::Logs::LogGroup": ("logs", _log_group),
    "AWS::SQS::Queue": ("sqs", _queue),
    "AWS::SNS::Topic": ("sns", lambda cloud, name: _answered(cloud.get_topic_attributes, TopicArn=name)),
    "AWS::Lambda::Function": ("lambda", lambda cloud, name: _answered(cloud.get_function, FunctionName=name)),
    "AWS::IAM::Role": ("iam", lambda cloud, name: _answered(cloud.get_role, RoleName=name)),
    "AWS::IAM::ManagedPolicy": ("iam", lambda cloud, name: _answered(cloud.get_policy, PolicyArn=name)),
    "AWS::Lambda::EventSourceMapping": (
        "lambda",
        lambda cloud, name: _answered(cloud.get_event_source_mapping, UUID=name),
    ),
    "AWS::Scheduler::ScheduleGroup": (
        "scheduler",
        lambda cloud, name: _answered(cloud.get_schedule_group, Name=name),
    ),
    "AWS::Athena::WorkGroup": ("athena", _workgroup),
    "AWS::Events::Rule": ("events", lambda cloud, name: _answered(cloud.describe_rule, Name=name.rpartition("|")[2])),
    "AWS::CloudWatch::Alarm": ("cloudwatch", _alarm),
    "ARN": ("resourcegroupstaggingapi", lambda _cloud, _name: "AWS lists it under the lake's tag"),
}
OF_OTHERS = frozenset(
    {
        *("AWS::Lambda::Alias", "AWS::Lambda::Version", "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"),
        *("AWS::SNS::Subscription", "AWS::SNS::TopicPolicy", "AWS::Scheduler::Schedule", "AWS::Athena::NamedQuery"),
    }
)
"""Types that are parts of others, and are gone with them."""
