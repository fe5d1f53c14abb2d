"""What several capabilities' resources are made of: texts with references, policies, encrypted queues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from troposphere import GetAtt, Sub, sqs

from penstock.cloudformation.stack import Stack

STACK = "${AWS::StackName}"
ACCOUNT = "${AWS::AccountId}"
KEY_ARN = "${Key.Arn}"
LONGEST_RETENTION = 14 * 86_400


def sub(text: str) -> Any:
    """A text in which `${...}` is filled in by CloudFormation; one without is left as it is."""
    return Sub(text) if "${" in text else text


def policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """A policy document of these statements; references in their texts are filled in."""
    return {"Version": "2012-10-17", "Statement": [_filled(statement) for statement in statements]}


def only_for(source: str | Sequence[str]) -> dict[str, Any]:
    """Conditions that hold a service to what it does for this account, and for these resources of it."""
    return {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": source}}


def tls_only(actions: str | Sequence[str], resource: Any) -> dict[str, Any]:
    """The statement that refuses everybody who does not come encrypted."""
    return {
        "Sid": "OnlyEncryptedConnections",
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def encrypted_queue(
    stack: Stack, title: str, name: str, statements: Sequence[Mapping[str, Any]] = (), **properties: Any
) -> sqs.Queue:
    """Add a queue that is encrypted with the lake's key, keeps messages for 14 days and refuses what is not encrypted.

    Args:
        stack: What to add it to.
        title: Its logical id.
        name: The end of its name, after the stack's.
        statements: Who may do what to it, beside those whose own policies say so.
        properties: Whatever else a queue has.
    """
    queue = sqs.Queue(
        title,
        QueueName=sub(f"{STACK}-{name}"),
        KmsMasterKeyId=GetAtt("Key", "Arn"),
        KmsDataKeyReusePeriodSeconds=3600,
        MessageRetentionPeriod=LONGEST_RETENTION,
        **properties,
    )
    stack.add(queue)
    arn = f"${{{title}.Arn}}"
    document = policy(tls_only("sqs:*", arn), *statements)
    stack.add(sqs.QueuePolicy(f"{title}Policy", Queues=[queue.ref()], PolicyDocument=document))
    return queue


def _filled(value: Any) -> Any:
    if isinstance(value, str):
        return sub(value)
    if isinstance(value, Mapping):
        return {key: _filled(inner) for key, inner in value.items()}
    return [_filled(inner) for inner in value] if isinstance(value, list | tuple) else value
