"""An AWS on this machine: moto's server in a thread, which every process can reach, mended where it is too kind.

Moto keeps what it is told and answers like AWS for S3, SQS, DynamoDB, Glue, SNS and others; it runs no functions. What
is mended here is what the product relies on and moto does not do:

- Glue: `UpdateTable` with the `VersionId` of an older version is refused, as AWS does.
- DynamoDB: calls come one after the other, so that nothing comes between a condition and its write; a transaction looks
  at all conditions before it writes anything (moto copies the whole table for every item, to take it back), and takes
  no more than 4 MB.
- Requests are counted by service, whichever process they come from: the session says at its end what each file of tests
  asked of which service.
- Policies of buckets, and change sets: see `moto_stacks`; properties that CloudFormation leaves out: `moto_properties`.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import threading
import uuid
from collections import Counter
from functools import cache
from typing import Any

from penstock import aws
from tests.aws import moto_properties, moto_stacks

REGION = "eu-west-3"
_ANSWERED: Counter[str] = Counter()
"""Requests that were answered since somebody asked, by service."""
_SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/[^/]+/([\w-]+)/")
ACCOUNT = "123456789012"


@cache
def start() -> str:
    """Start the server, once in a process, and point AWS's libraries at it; gives its address."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    _mend()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    atexit.register(server.stop)
    _, port = server.get_host_and_port()
    address = f"http://127.0.0.1:{port}"
    point_at(address)
    return address


def point_at(address: str) -> None:
    """Let this process, and those that it starts, use the server at an address, with credentials that are none."""
    os.environ.update(
        AWS_ENDPOINT_URL=address,
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",  # noqa: S106 - moto takes any
        AWS_DEFAULT_REGION=REGION,
        AWS_REGION=REGION,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )
    os.environ.pop("AWS_PROFILE", None)
    aws.forget_clients()


def answered() -> dict[str, int]:
    """How many requests were answered since this was asked last, by service."""
    found = dict(_ANSWERED)
    _ANSWERED.subtract(found)
    return {service: number for service, number in found.items() if number}


def reset() -> None:
    """Forget everything that was made on AWS."""
    import urllib.request

    request = urllib.request.Request(f"{start()}/moto-api/reset", method="POST")  # noqa: S310 - our own server
    urllib.request.urlopen(request).close()  # noqa: S310


def bucket(versioned: bool = True) -> str:  # noqa: FBT001, FBT002 - reads well where it is called
    """Make a bucket with a name of its own."""
    start()
    name = f"lake-{uuid.uuid4().hex[:12]}"
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@cache
def _mend() -> None:
    """Make moto refuse what AWS refuses."""
    _count()
    _mend_dynamodb()
    moto_stacks.mend()
    moto_properties.mend()
    from moto.glue.exceptions import GlueClientError
    from moto.glue.responses import GlueResponse

    original, alone = GlueResponse.update_table, threading.Lock()

    def update_table(self: Any) -> Any:
        wanted, name = self.parameters.get("VersionId"), self.parameters["TableInput"]["Name"]
        with alone:
            table = self.glue_backend.get_table(self.parameters["DatabaseName"], name)
            if wanted is not None and str(wanted) != table.as_dict()["VersionId"]:
                raise GlueClientError("ConcurrentModificationException", f"Update table failed: {name} has changed")
            return original(self)

    GlueResponse.update_table = update_table  # type: ignore[method-assign]


def _count() -> None:
    """Count what is answered."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

    original = DomainDispatcherApplication.__call__

    def call(self: Any, environ: dict[str, Any], start_response: Any) -> Any:
        if signed := _SIGNED_FOR.search(environ.get("HTTP_AUTHORIZATION", "")):
            _ANSWERED[signed[1]] += 1
        return original(self, environ, start_response)

    DomainDispatcherApplication.__call__ = call  # type: ignore[method-assign]


def _mend_dynamodb() -> None:
    """Let conditions hold, whoever else writes."""
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.responses import DynamoHandler

    original, alone = DynamoHandler.call_action, threading.RLock()

    def call_action(self: Any) -> Any:
        with alone:
            return original(self)

    DynamoHandler.call_action = call_action  # type: ignore[method-assign]
    DynamoDBBackend.transact_write_items = _transact  # type: ignore[method-assign]


def _transact(self: Any, transact_items: list[dict[str, Any]]) -> None:
    """Write items all or none: every condition is looked at first."""
    from moto.dynamodb import exceptions

    if len(transact_items) > 100:
        raise exceptions.TooManyTransactionsException
    if len(json.dumps(transact_items, default=str)) > 4_194_304:
        raise exceptions.MockValidationException("Transaction request cannot include more than 4 MB of data")
    parts = [next(iter(item.items())) for item in transact_items]
    reasons, keys = [_refusal(self, kind, part) for kind, part in parts], [_key_of(self, *part) for part in parts]
    if len({json.dumps(key, sort_keys=True) for key in keys}) < len(keys):
        raise exceptions.MultipleTransactionsException
    if any(code for code, _, _ in reasons):
        raise exceptions.TransactionCanceledException(reasons)
    names = {"ExpressionAttributeNames": "expression_attribute_names"}
    names |= {"ExpressionAttributeValues": "expression_attribute_values"}
    for (kind, part), key in zip(parts, keys, strict=True):
        given = {name: part.get(theirs) for theirs, name in names.items()}
        if kind == "Put":
            self.put_item(part["TableName"], part["Item"])
        elif kind == "Delete":
            self.delete_item(part["TableName"], key, None, None, None)
        elif kind == "Update":
            self.update_item(part["TableName"], key, part["UpdateExpression"], **given)


def _key_of(backend: Any, kind: str, part: dict[str, Any]) -> dict[str, Any]:
    if kind != "Put":
        return dict(part["Key"])
    table = backend.get_table(part["TableName"])
    return {name: part["Item"][name] for name in (table.hash_key_attr, table.range_key_attr) if name}


def _refusal(backend: Any, kind: str, part: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Why a part of a transaction does not hold: code, text, and the item as it is if that is wanted."""
    from moto.dynamodb.comparisons import get_filter_expression

    if "ConditionExpression" not in part:
        return None, None, None
    there = backend.get_item(part["TableName"], _key_of(backend, kind, part))
    names, values = part.get("ExpressionAttributeNames"), part.get("ExpressionAttributeValues")
    if get_filter_expression(part["ConditionExpression"], names, values).expr(there):
        return None, None, None
    shown = there.to_json()["Attributes"] if there and part.get("ReturnValuesOnConditionCheckFailure") else None
    return "ConditionalCheckFailed", "The conditional request failed", shown
