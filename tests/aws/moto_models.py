"""The resources that moto's CloudFormation leaves out, made as AWS's would make them: through the services' own calls.

Moto says CREATE_COMPLETE of a stack whose workgroups, alarms, databases and policies it has skipped. Here each such
type becomes a model of moto's CloudFormation, made and removed by boto3 against the same server, so that the properties
in a template are checked against what the service takes, and what was made can be looked at.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from penstock import aws

Properties = Mapping[str, Any]
Make = Callable[[str, Properties], str]
Remove = Callable[[str, Properties], None]


def _tags(properties: Properties) -> list[dict[str, str]]:
    return [dict(tag) for tag in properties.get("Tags", [])]


def _only(properties: Properties, *without: str) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key not in without}


def _database(_name: str, properties: Properties) -> str:
    aws.client("glue").create_database(DatabaseInput=properties["DatabaseInput"])
    return str(properties["DatabaseInput"]["Name"])


def _workgroup(_name: str, properties: Properties) -> str:
    facts = _only(properties, "WorkGroupConfiguration", "State", "RecursiveDeleteOption", "Tags")
    configuration = properties["WorkGroupConfiguration"]
    aws.client("athena").create_work_group(**facts, Configuration=configuration, Tags=_tags(properties))
    return str(properties["Name"])


def _named_query(_name: str, properties: Properties) -> str:
    return str(aws.client("athena").create_named_query(**properties)["NamedQueryId"])


def _alarm(_name: str, properties: Properties) -> str:
    aws.client("cloudwatch").put_metric_alarm(**properties)
    return str(properties["AlarmName"])


def _subscription(_name: str, properties: Properties) -> str:
    facts = _only(properties, "FilterPolicy", "RawMessageDelivery")
    return str(aws.client("sns").subscribe(**facts, ReturnSubscriptionArn=True)["SubscriptionArn"])


def _topic_policy(name: str, properties: Properties) -> str:
    text = json.dumps(properties["PolicyDocument"])
    for topic in properties["Topics"]:
        aws.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=text)
    return name


def _queue_policy(name: str, properties: Properties) -> str:
    for queue in properties["Queues"]:
        attributes = {"Policy": json.dumps(properties["PolicyDocument"])}
        aws.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes=attributes)
    return name


def _bucket_policy(_name: str, properties: Properties) -> str:
    aws.client("s3").put_bucket_policy(Bucket=properties["Bucket"], Policy=json.dumps(properties["PolicyDocument"]))
    return str(properties["Bucket"])


def _alias(_name: str, properties: Properties) -> str:
    return str(aws.client("lambda").create_alias(**properties)["AliasArn"])


def _schedule(_name: str, properties: Properties) -> str:
    aws.client("scheduler").create_schedule(**properties)
    return str(properties["Name"])


def _schedule_group(_name: str, properties: Properties) -> str:
    aws.client("scheduler").create_schedule_group(Name=properties["Name"], Tags=_tags(properties))
    return str(properties["Name"])


def _ungroup(name: str, _properties: Properties) -> None:
    scheduler = aws.client("scheduler")
    if any(group["Name"] == name for group in scheduler.list_schedule_groups()["ScheduleGroups"]):
        scheduler.delete_schedule_group(Name=name)


def _keep(_name: str, _properties: Properties) -> None:
    """What goes with the resource it is about."""


MODELS: dict[str, tuple[Make, Remove]] = {
    "AWS::Glue::Database": (_database, lambda name, _facts: aws.client("glue").delete_database(Name=name)),
    "AWS::Athena::WorkGroup": (
        _workgroup,
        lambda name, _facts: aws.client("athena").delete_work_group(WorkGroup=name, RecursiveDeleteOption=True),
    ),
    "AWS::Athena::NamedQuery": (_named_query, _keep),  # moto removes no named query; its workgroup takes it along
    "AWS::CloudWatch::Alarm": (_alarm, lambda name, _facts: aws.client("cloudwatch").delete_alarms(AlarmNames=[name])),
    "AWS::SNS::Subscription": (_subscription, lambda name, _facts: aws.client("sns").unsubscribe(SubscriptionArn=name)),
    "AWS::SNS::TopicPolicy": (_topic_policy, _keep),
    "AWS::SQS::QueuePolicy": (_queue_policy, _keep),
    "AWS::S3::BucketPolicy": (_bucket_policy, lambda name, _facts: aws.client("s3").delete_bucket_policy(Bucket=name)),
    "AWS::Lambda::Alias": (
        _alias,
        lambda _name, facts: aws.client("lambda").delete_alias(FunctionName=facts["FunctionName"], Name=facts["Name"]),
    ),
    "AWS::Scheduler::Schedule": (
        _schedule,
        lambda name, facts: aws.client("scheduler").delete_schedule(GroupName=facts["GroupName"], Name=name),
    ),
    "AWS::Scheduler::ScheduleGroup": (_schedule_group, _ungroup),
}
"""How each type is made, which gives what a reference to it stands for, and how it is removed."""
_CLASSES: list[type] = []


@contextmanager
def suppress_missing() -> Iterator[None]:
    """Moto removes in any order: what a resource was about may be gone before it, and it with that."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if not any(word in aws.code_of(error) for word in ("NotFound", "NoSuch", "DoesNotExist")):
            raise


@cache
def add() -> None:
    """Let moto's CloudFormation know these types, once in a process."""
    from moto.cloudformation import parsing

    _CLASSES.extend(_model(kind, make, remove) for kind, (make, remove) in MODELS.items())
    for known in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        known.cache_clear()


def _model(kind: str, make: Make, remove: Remove) -> type:
    base: Any = importlib.import_module("moto.core.common_models").CloudFormationModel

    class Model(base):  # type: ignore[misc]
        """A resource of this type."""

        def __init__(self, name: str, properties: Properties) -> None:
            self.physical_resource_id, self.properties = name, properties

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return kind

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return attr == "Arn"

        @classmethod
        def create_from_cloudformation_json(
            cls, name: str, facts: Mapping[str, Any], *_where: str, **_more: Any
        ) -> Model:
            properties = facts["Properties"]
            return cls(make(name, properties), properties)

        @classmethod
        def update_from_cloudformation_json(
            cls, original_resource: Any, new_resource_name: str, cloudformation_json: Any, **_where: str
        ) -> Model:
            properties = cloudformation_json["Properties"]
            if kind in {
                "AWS::Lambda::Alias",
                "AWS::Scheduler::Schedule",
                "AWS::Athena::WorkGroup",
                "AWS::Glue::Database",
            }:
                remove(original_resource.physical_resource_id, original_resource.properties)
            return cls(make(new_resource_name, properties), properties)

        def delete(self, _account: str, _region: str) -> None:
            with suppress_missing():
                remove(self.physical_resource_id, self.properties)

    return Model
