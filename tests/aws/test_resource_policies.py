"""What stands at the resources of a template: who may reach buckets, queues, topics and the key, beside the roles.

The templates are those of synthesis; what CloudFormation puts in is put in here. A request is judged by the policy at
the resource alone, as that of somebody whom no other policy allows anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import pytest

from penstock.access.evaluate import Request, evaluate
from penstock.access.policy import document, filled, stack_values
from penstock.declaration import examine
from penstock.deployment.permissions import principals
from tests.aws.deployed_lakes import ACCOUNT, KEY, REGION, deployed_as
from tests.aws.permission_questions import STRANGER
from tests.aws.synthesised import template_of, text_of
from tests.told import say

LAKE = "immobilier"
AT = f"{REGION}:{ACCOUNT}"
STACK = f"penstock-{LAKE}"
RULE = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": f"arn:aws:events:{AT}:rule/{STACK}-annonces"}
THEIR_RULE = {"aws:SourceAccount": STRANGER, "aws:SourceArn": f"arn:aws:events:{REGION}:{STRANGER}:rule/{STACK}-x"}
OTHER_RULE = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": f"arn:aws:events:{AT}:rule/other"}
ALARM = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": f"arn:aws:cloudwatch:{AT}:alarm:{STACK}-dead_letters"}
THEIR_ALARM = {
    "aws:SourceAccount": STRANGER,
    "aws:SourceArn": f"arn:aws:cloudwatch:{REGION}:{STRANGER}:alarm:{STACK}-x",
}
LOGS = {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{AT}:log-group:/aws/lambda/{STACK}-intake"}
OTHER_LOGS = {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{AT}:log-group:/aws/lambda/other"}
EVENTS, CLOUDWATCH, LOGGING = "events.amazonaws.com", "cloudwatch.amazonaws.com", f"logs.{REGION}.amazonaws.com"
SOMEBODY, STRANGERS = f"arn:aws:iam::{ACCOUNT}:user/a", f"arn:aws:iam::{STRANGER}:user/a"


class Row(NamedTuple):
    """At a resource, somebody asks something under some circumstances, and may, may not, or is denied it for good."""

    at: str
    who: str
    action: str
    resource: str
    context: Mapping[str, str]
    answer: str
    why: str


INTAKE, DEAD = f"arn:aws:sqs:{AT}:{STACK}-intake", f"arn:aws:sqs:{AT}:{STACK}-dead-letters"
TOPIC = f"arn:aws:sns:{AT}:{STACK}-notice-uploads"
OBJECT = f"arn:aws:s3:::{STACK}-raw/a.csv"
OPEN = {"aws:SecureTransport": "false"}
ROWS = [
    Row("IntakeQueuePolicy", EVENTS, "sqs:SendMessage", INTAKE, RULE, "yes", "the lake's rules say what landed"),
    Row("IntakeQueuePolicy", EVENTS, "sqs:SendMessage", INTAKE, OTHER_RULE, "no", "another rule of the account"),
    Row("IntakeQueuePolicy", EVENTS, "sqs:SendMessage", INTAKE, THEIR_RULE, "no", "another account's rule"),
    Row("IntakeQueuePolicy", EVENTS, "sqs:SendMessage", INTAKE, {}, "no", "a service that does not say for whom"),
    Row("IntakeQueuePolicy", EVENTS, "sqs:ReceiveMessage", INTAKE, RULE, "no", "rules write and do not read"),
    Row("IntakeQueuePolicy", "s3.amazonaws.com", "sqs:SendMessage", INTAKE, RULE, "no", "another service"),
    Row("IntakeQueuePolicy", SOMEBODY, "sqs:SendMessage", INTAKE, {}, "no", "people need a policy of their own"),
    Row("IntakeQueuePolicy", STRANGERS, "sqs:SendMessage", INTAKE, {}, "no", "people of another account"),
    Row("IntakeQueuePolicy", EVENTS, "sqs:SendMessage", INTAKE, {**RULE, **OPEN}, "never", "nothing unencrypted"),
    Row("DeadLetterQueuePolicy", EVENTS, "sqs:SendMessage", DEAD, RULE, "yes", "what could not be delivered"),
    Row("DeadLetterQueuePolicy", EVENTS, "sqs:SendMessage", DEAD, THEIR_RULE, "no", "another account's rule"),
    Row("DeadLetterQueuePolicy", SOMEBODY, "sqs:ReceiveMessage", DEAD, OPEN, "never", "nothing unencrypted"),
    Row("NoticeUploadsPolicy", SOMEBODY, "sns:Publish", TOPIC, {}, "no", "people need a policy of their own"),
    Row("NoticeUploadsPolicy", STRANGERS, "sns:Publish", TOPIC, {}, "no", "people of another account"),
    Row("NoticeUploadsPolicy", SOMEBODY, "sns:Publish", TOPIC, OPEN, "never", "nothing unencrypted"),
    Row("AlarmTopicPolicy", CLOUDWATCH, "sns:Publish", f"arn:aws:sns:{AT}:{STACK}-alarms", ALARM, "yes", "alarms tell"),
    Row("AlarmTopicPolicy", CLOUDWATCH, "sns:Publish", f"arn:aws:sns:{AT}:{STACK}-alarms", THEIR_ALARM, "no", "theirs"),
    Row("AlarmTopicPolicy", EVENTS, "sns:Publish", f"arn:aws:sns:{AT}:{STACK}-alarms", ALARM, "no", "another service"),
    Row("Key", SOMEBODY, "kms:Decrypt", KEY, {}, "yes", "the account's own policies decide, as for every key"),
    Row("Key", STRANGERS, "kms:Decrypt", KEY, {}, "no", "people of another account"),
    Row("Key", EVENTS, "kms:GenerateDataKey", KEY, RULE, "yes", "messages of rules are encrypted"),
    Row("Key", EVENTS, "kms:GenerateDataKey", KEY, THEIR_RULE, "no", "another account's rule"),
    Row("Key", EVENTS, "kms:ScheduleKeyDeletion", KEY, RULE, "no", "the key is the owner's"),
    Row("Key", CLOUDWATCH, "kms:GenerateDataKey", KEY, ALARM, "yes", "messages of alarms are encrypted"),
    Row("Key", CLOUDWATCH, "kms:GenerateDataKey", KEY, THEIR_ALARM, "no", "another account's alarm"),
    Row("Key", LOGGING, "kms:Encrypt", KEY, LOGS, "yes", "logs of the functions are encrypted"),
    Row("Key", LOGGING, "kms:Decrypt", KEY, OTHER_LOGS, "no", "another log with the same key"),
    Row("Key", "logs.us-east-1.amazonaws.com", "kms:Decrypt", KEY, LOGS, "no", "another region"),
    Row("Key", "s3.amazonaws.com", "kms:Decrypt", KEY, {}, "no", "S3 asks as whoever asks S3"),
    Row("RawBucketPolicy", SOMEBODY, "s3:GetObject", OBJECT, {}, "no", "people need a policy of their own"),
    Row("RawBucketPolicy", STRANGERS, "s3:GetObject", OBJECT, {}, "no", "people of another account"),
    Row("RawBucketPolicy", SOMEBODY, "s3:GetObject", OBJECT, OPEN, "never", "nothing unencrypted"),
    Row("RawBucketPolicy", SOMEBODY, "s3:GetObject", OBJECT, {"s3:TlsVersion": "1.1"}, "never", "nothing outdated"),
]
"""Reviewed: the policy, who asks what, the answer, and why."""


@cache
def policies() -> dict[str, dict[str, Any]]:
    """The policies at resources of the template, by the name of what holds them, and those of roles, by the role."""
    found: dict[str, dict[str, Any]] = {}
    for name, resource in template_of(LAKE).resources.items():
        facts = resource["Properties"]
        policy = facts.get("KeyPolicy") or facts.get("PolicyDocument")
        if policy is not None:
            found[name] = put_in(policy)
        for inline in facts.get("Policies", ()):
            found[name] = put_in(inline["PolicyDocument"])
    return found


def put_in(value: Any) -> Any:
    """A part of the template with what CloudFormation puts in."""
    if isinstance(value, list):
        return [put_in(part) for part in value]
    if isinstance(value, dict):
        if set(value) == {"Fn::Sub"}:
            return filled(value["Fn::Sub"], names())
        return {key: put_in(part) for key, part in value.items()}
    return value


def names() -> dict[str, str]:
    """What the parts of the stack are called."""
    return {
        **stack_values(deployed_as(LAKE)),
        "IntakeQueue.Arn": INTAKE,
        "DeadLetterQueue.Arn": DEAD,
        "UpkeepDeadLetterQueue.Arn": f"arn:aws:sqs:{AT}:{STACK}-upkeep-dead-letters",
        "AlarmTopic": f"arn:aws:sns:{AT}:{STACK}-alarms",
        "NoticeUploads": TOPIC,
        "NoticeFailures": f"arn:aws:sns:{AT}:{STACK}-notice-failures",
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.at} {row.action} {row.why}")
def test_who_reaches_what(row: Row) -> None:
    """A resource lets in those whom its policy names, and nobody else; some things it denies to everybody."""
    decision = evaluate([policies()[row.at]], Request(row.action, row.resource, row.context, row.who))
    found = "yes" if decision.allowed else "never" if decision.denied else "no"
    assert found == row.answer


def test_roles_of_the_template_are_the_principals() -> None:
    """Each statement of each principal stands in the template, word for word, and no other does."""
    declaration = examine(text_of(LAKE), environment={}).declaration
    assert declaration is not None
    values = names()
    wanted = {
        (who.name, str(part))
        for who in principals(declaration)
        for part in document(who.statements, lambda text: filled(text, values))["Statement"]
    }
    whose = {"IntakeRole": "intake", "UpkeepRole": "upkeep", "ScheduleRole": "schedule"}
    whose |= {"OperatorRole": "operator", "ReadmitterRole": "readmitter"}
    whose |= {"RoleFinance": "role:finance", "RoleAdmin": "role:admin"}
    found = {
        (whose[holder], str(part))
        for name, policy in policies().items()
        if (holder := name.partition("Policy")[0]) in whose
        for part in policy["Statement"]
    }
    assert found == wanted
    say("permissions", f"{len(ROWS)} questions at resources; {len(wanted)} statements of roles are in the template")
