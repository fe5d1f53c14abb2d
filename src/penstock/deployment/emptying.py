"""Emptying a bucket for good: all versions of all objects, the marks of removed ones, and unfinished uploads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from penstock.aws import asking, client, code_of
from penstock.errors import DeploymentError

ACTIONS = (
    "s3:ListBucketVersions",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:ListBucketMultipartUploads",
    "s3:AbortMultipartUpload",
    "s3:DeleteBucket",
)
ATTEMPTS = 5
"""How often a bucket is emptied while files go on landing in it."""
PAGE = 1000
"""How many versions are removed at a time, as many as one call may name."""
_GONE = {"NoSuchBucket", "404"}
_FULL = {"BucketNotEmpty"}


class Emptier:
    """Empties buckets of an account; others' are never touched."""

    def __init__(self, region: str, account: str, deleted: Callable[[str, int], None]) -> None:
        """Tell `deleted` of each bucket how many versions more are gone."""
        self._s3, self._account, self._deleted = client("s3", region), account, deleted

    def remove(self, bucket: str) -> bool:
        """Empty a bucket and remove it; False when it was not there.

        Raises:
            DeploymentError: Files go on landing in it.
        """
        for _ in range(ATTEMPTS):
            with asking("empty and remove the bucket", bucket):
                try:
                    self._empty(bucket, "")
                    self._s3.delete_bucket(**self._ours(bucket))
                except self._s3.exceptions.ClientError as error:
                    if code_of(error) in _GONE:
                        return False
                    if code_of(error) not in _FULL:
                        raise
                else:
                    return True
        message = "files go on landing in the bucket while it is emptied"
        raise DeploymentError(message, where=bucket, hint="stop what uploads them, then: penstock destroy")

    def empty(self, bucket: str, prefix: str) -> bool:
        """Remove everything below a prefix; False when the bucket is not there."""
        with asking("remove what is in the bucket", bucket):
            try:
                self._empty(bucket, prefix)
            except self._s3.exceptions.ClientError as error:
                if code_of(error) in _GONE:
                    return False
                raise
        return True

    def remove_if_empty(self, bucket: str) -> bool:
        """Remove a bucket in which nothing is left, not even an older version; gives whether it is gone."""
        with asking("remove the bucket if nothing is left in it", bucket):
            try:
                found = self._s3.list_object_versions(MaxKeys=1, **self._ours(bucket))
                if found.get("Versions") or found.get("DeleteMarkers"):
                    return False
                self._s3.delete_bucket(**self._ours(bucket))
            except self._s3.exceptions.ClientError as error:
                if code_of(error) in _FULL:
                    return False
                if code_of(error) not in _GONE:
                    raise
        return True

    def _empty(self, bucket: str, prefix: str) -> None:
        for batch in self._versions(bucket, prefix):
            found = self._s3.delete_objects(Delete={"Objects": batch, "Quiet": True}, **self._ours(bucket))
            if errors := found.get("Errors"):
                first = errors[0]
                message = (
                    f"{len(errors)} objects could not be removed; {first['Key']}: {first['Code']}: {first['Message']}"
                )
                raise DeploymentError(message, where=bucket)
            self._deleted(bucket, len(batch))
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Prefix=prefix, **self._ours(bucket))
        for upload in [part for page in pages for part in page.get("Uploads", [])]:
            self._s3.abort_multipart_upload(Key=upload["Key"], UploadId=upload["UploadId"], **self._ours(bucket))

    def _versions(self, bucket: str, prefix: str) -> Iterator[list[dict[str, str]]]:
        """Versions and marks, as many at a time as one call may remove."""
        size = {"PageSize": PAGE}
        listing = self._s3.get_paginator("list_object_versions")
        pages = listing.paginate(Prefix=prefix, PaginationConfig=size, **self._ours(bucket))
        for page in pages:
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if found:
                yield [{"Key": part["Key"], "VersionId": part["VersionId"]} for part in found]

    def _ours(self, bucket: str) -> dict[str, Any]:
        return {"Bucket": bucket, "ExpectedBucketOwner": self._account}
