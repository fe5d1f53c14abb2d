"""The calls that code really makes, and the permissions that AWS asks for them.

A hook of botocore hears every call of every client. What a call needs is AWS's service authorization reference, written
down for the operations that are used here; an operation that is not written down is an error, never ignored.

What cannot be seen from here: S3 calls the key on behalf of whoever calls S3, and so do SQS, SNS and DynamoDB. That is
added as AWS documents it; moto never asks for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from penstock import aws
from penstock.access.evaluate import Request
from penstock.deployed import Deployed
from tests.aws import cloud

T = TypeVar("T")
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """One call: whose it was, the service, the operation, and what it was asked with."""

    principal: str
    service: str
    operation: str
    params: Params


@dataclass
class Recorder:
    """Keeps the calls that are made while somebody is at work."""

    calls: list[Call] = field(default_factory=list)
    principal: str = ""

    def of(self, principal: str, work: Callable[..., T]) -> Callable[..., T]:
        """The same work, with its calls kept under a principal's name."""

        def recorded_work(*given: Any) -> T:
            self.principal = principal
            try:
                return work(*given)
            finally:
                self.principal = ""

        return recorded_work

    def hear(self, params: Params, model: Any, **_: Any) -> None:
        """Take a call."""
        if self.principal:
            service = model.service_model.endpoint_prefix.rpartition(".")[2]
            self.calls.append(Call(self.principal, service, model.name, dict(params)))


@contextlib.contextmanager
def recorded() -> Iterator[Recorder]:
    """Hear all calls of clients that are made from now on, until the block ends."""
    import boto3

    recorder = Recorder()
    cloud.start()
    aws.forget_clients()  # a new session, whose clients all get the hook
    boto3._get_default_session().events.register("provide-client-params", recorder.hear)
    try:
        yield recorder
    finally:
        aws.forget_clients()


# --- What a call needs ------------------------------------------------------------------------


def needed(call: Call, deployed: Deployed) -> list[Request]:
    """The requests that AWS judges for one call; all must be allowed."""
    return _SERVICES[call.service](call, deployed)


def _s3(call: Call, deployed: Deployed) -> list[Request]:
    name, params = call.operation, call.params
    bucket = f"arn:aws:s3:::{params['Bucket']}"
    ours = {"aws:ResourceAccount": deployed.account}
    if name in _BUCKETS:
        context = {**ours, "s3:prefix": params["Prefix"]} if params.get("Prefix") else ours
        return [Request(f"s3:{_BUCKETS[name]}", bucket, context)]
    if name == "DeleteObjects":
        return [Request("s3:DeleteObject", f"{bucket}/{each['Key']}", ours) for each in params["Delete"]["Objects"]]
    action, *key_actions = _OBJECTS[name]
    if "VersionId" in params:
        action += "Version"
    through = _through("s3", "aws:s3:arn", bucket, deployed)
    return [
        Request(f"s3:{action}", f"{bucket}/{params['Key']}", ours),
        *(Request(f"kms:{each}", deployed.key, through) for each in key_actions),
    ]


_BUCKETS = {
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "GetBucketLocation": "GetBucketLocation",
}
_OBJECTS = {
    "HeadObject": ("GetObject", "Decrypt"),
    "GetObject": ("GetObject", "Decrypt"),
    "PutObject": ("PutObject", "GenerateDataKey"),
    "CreateMultipartUpload": ("PutObject", "GenerateDataKey"),
    "UploadPart": ("PutObject", "GenerateDataKey", "Decrypt"),
    "CompleteMultipartUpload": ("PutObject", "Decrypt"),
    "AbortMultipartUpload": ("AbortMultipartUpload",),
    "DeleteObject": ("DeleteObject",),
}


def _dynamodb(call: Call, deployed: Deployed) -> list[Request]:
    params, found = call.params, []
    match call.operation:
        case "TransactWriteItems":
            for part in params["TransactItems"]:
                ((kind, facts),) = part.items()
                found.append((_PARTS[kind], facts["TableName"]))
        case "BatchGetItem":
            found += [("BatchGetItem", table) for table in params["RequestItems"]]
        case "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "Query":
            assert "IndexName" not in params
            found.append((call.operation, params["TableName"]))
        case other:
            raise KeyError(other)
    at = f"arn:aws:dynamodb:{deployed.region}:{deployed.account}:table/"
    return [
        *(Request(f"dynamodb:{action}", at + table) for action, table in found),
        *(
            Request("kms:Decrypt", deployed.key, _through("dynamodb", "aws:dynamodb:tableName", table, deployed))
            for table in {table for _, table in found}
        ),
    ]


_PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}


def _sqs(call: Call, deployed: Deployed) -> list[Request]:
    action = call.operation.removesuffix("Batch")
    queue = f"arn:aws:sqs:{deployed.region}:{deployed.account}:{call.params['QueueUrl'].rpartition('/')[2]}"
    keys = {"SendMessage": ("GenerateDataKey", "Decrypt"), "ReceiveMessage": ("Decrypt",)}.get(action, ())
    through = _through("sqs", "aws:sqs:arn", queue, deployed)
    return [Request(f"sqs:{action}", queue), *(Request(f"kms:{each}", deployed.key, through) for each in keys)]


def _sns(call: Call, deployed: Deployed) -> list[Request]:
    topic = call.params["TopicArn"]
    if call.operation == "ListSubscriptionsByTopic":
        return [Request("sns:ListSubscriptionsByTopic", topic)]
    through = _through("sns", "aws:sns:topicArn", topic, deployed)
    return [
        Request(f"sns:{call.operation.removesuffix('Batch')}", topic),
        *(Request(f"kms:{each}", deployed.key, through) for each in ("GenerateDataKey", "Decrypt")),
    ]


def _glue(call: Call, deployed: Deployed) -> list[Request]:
    """The catalog stands above databases, and these above tables: an action needs all that stand above it."""
    at, params = f"arn:aws:glue:{deployed.region}:{deployed.account}:", call.params
    places = ["catalog"]
    if database := params.get("DatabaseName"):
        table = params.get("Name") or params.get("TableInput", {}).get("Name") or "*"
        places += [f"database/{database}", f"table/{database}/{table}"]
    return [Request(f"glue:{call.operation}", at + place) for place in places]


def _logs(call: Call, deployed: Deployed) -> list[Request]:
    group = f"arn:aws:logs:{deployed.region}:{deployed.account}:log-group:{call.params['logGroupName']}:log-stream:"
    return [Request(f"logs:{call.operation}", group)]


def _monitoring(call: Call, deployed: Deployed) -> list[Request]:
    """AWS judges a listing of alarms as one of all, whatever their names are to begin with."""
    return [Request(f"cloudwatch:{call.operation}", f"arn:aws:cloudwatch:{deployed.region}:{deployed.account}:alarm:*")]


def _cloudformation(call: Call, deployed: Deployed) -> list[Request]:
    stack = f"stack/{call.params['StackName']}/0a1b"
    return [
        Request(
            f"cloudformation:{call.operation}", f"arn:aws:cloudformation:{deployed.region}:{deployed.account}:{stack}"
        )
    ]


def _secretsmanager(call: Call, deployed: Deployed) -> list[Request]:
    """A secret by name is judged by its ARN, which ends with six letters that AWS added."""
    name = call.params["SecretId"]
    at = f"arn:aws:secretsmanager:{deployed.region}:{deployed.account}:secret:"
    return [Request(f"secretsmanager:{call.operation}", name if name.startswith("arn:") else f"{at}{name}-a1B2c3")]


def _through(service: str, name: str, what: str, deployed: Deployed) -> dict[str, str]:
    return {f"kms:EncryptionContext:{name}": what, "kms:ViaService": f"{service}.{deployed.region}.amazonaws.com"}


_SERVICES: Mapping[str, Callable[[Call, Deployed], list[Request]]] = {
    "s3": _s3,
    "dynamodb": _dynamodb,
    "sqs": _sqs,
    "sns": _sns,
    "glue": _glue,
    "logs": _logs,
    "monitoring": _monitoring,
    "cloudformation": _cloudformation,
    "secretsmanager": _secretsmanager,
}
