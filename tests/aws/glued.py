"""A catalog on the AWS of this machine: for each folder a bucket and a lake of its own, copies in that folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from penstock import aws
from penstock.naming import TableName
from penstock.state.store import Heads
from penstock.storage.aws import MirrorSeals
from penstock.storage.mirror import Mirror
from penstock.tables.aws import GlueCatalog
from tests.aws import cloud


def lake_of(folder: Path) -> str:
    """The lake whose tables' copies are beside `folder`."""
    return f"l{hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:12]}"


def mirror_of(folder: Path, copies: Path | None = None) -> Mirror:
    """The copies of that lake's bucket, beside `folder` or elsewhere; the bucket is made if need be."""
    from botocore.exceptions import ClientError

    if "AWS_ENDPOINT_URL" not in os.environ:  # a process that a test started uses the test's
        cloud.start()
    bucket = f"lake-{lake_of(folder)}"
    try:
        aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": cloud.REGION})
    except ClientError as error:
        if aws.code_of(error) not in {"BucketAlreadyOwnedByYou", "OperationAborted"}:
            raise
    return Mirror(copies or folder.parent, bucket)


def glue_catalog(folder: Path, heads: Heads, copies: Path | None = None) -> GlueCatalog:
    """Open the catalog of that lake, as one process with copies of its own would."""
    mirror = mirror_of(folder, copies)
    return GlueCatalog(lake_of(folder), mirror, heads, MirrorSeals(mirror))


class BucketPlace:
    """A bucket; keeps the contract of the tests' `Place`."""

    def __init__(self, folder: Path) -> None:
        """Copies are beside `folder`."""
        self.mirror = mirror_of(folder)

    def home(self, table: TableName) -> Path:
        """The folder of the copies."""
        return self.mirror.root / table.layer / table.name

    def send(self, path: str) -> None:
        """Put the object."""
        self.mirror.send(path)

    def stored(self, table: TableName) -> set[str]:
        """Names of the objects below the table's prefix."""
        return {key.rpartition("/")[2] for key in self._keys(table)}

    def take_away(self, table: TableName, name: str) -> None:
        """Remove the object and its copy."""
        self.mirror.remove(str(self.mirror.root / key) for key in self._keys(table) if key.endswith(f"/{name}"))

    def _keys(self, table: TableName) -> list[str]:
        prefix = f"{table.layer}/{table.name}/"
        pages = self.mirror.s3.get_paginator("list_objects_v2").paginate(Bucket=self.mirror.bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]
