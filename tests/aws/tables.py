"""The state store's table on the AWS of this machine."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

from penstock import aws
from penstock.clock import Clock
from penstock.state.aws import DynamoState
from penstock.state.aws.layout import EXPIRES, definition
from tests.aws import cloud


def state_table(name: str = "") -> str:
    """Make a table for a state store, as CloudFormation would; gives its name. One that is there is used."""
    if "127.0.0.1" not in os.environ.get("AWS_ENDPOINT_URL", ""):  # a process that a test started has its parent's AWS
        cloud.start()
    name = name or f"state-{uuid.uuid4().hex[:12]}"
    database = aws.client("dynamodb")
    try:
        database.create_table(**definition(name))
    except database.exceptions.ResourceInUseException:
        return name
    expiry = {"Enabled": True, "AttributeName": EXPIRES}
    database.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)
    return name


def dynamo_state(folder: Path, clock: Clock) -> DynamoState:
    """The store that stands for a folder: the same folder, the same table."""
    return DynamoState(state_table(f"state-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"), clock)
