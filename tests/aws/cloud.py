"""An AWS on this machine: moto's server in a thread, which every process can reach, mended where it is too kind.

Moto keeps what it is told and answers like AWS for S3, SQS, DynamoDB, Glue, SNS and others; it runs no functions. What
is mended here is what the product relies on and moto does not do:

- Glue: `UpdateTable` with the `VersionId` of an older version is refused, as AWS does.
"""

from __future__ import annotations

import atexit
import os
import threading
import uuid
from functools import cache
from typing import Any

from penstock import aws

REGION = "eu-west-3"
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

    GlueResponse.update_table = update_table
