"""The bucket of what stacks are made from: code, templates and the declarations they came from.

All lakes of an account share it in a region; each has its own prefix. Its name can be guessed, so that every call says
whose it must be: what somebody else has put there under that name is never used.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.aws import asking, client, code_of
from penstock.deployment.target import Target
from penstock.errors import AwsError

ACTIONS = (
    "s3:CreateBucket",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutEncryptionConfiguration",
    "s3:PutBucketVersioning",
    "s3:PutBucketPolicy",
    "s3:PutBucketTagging",
    "s3:PutLifecycleConfiguration",
    "s3:GetObject",
    "s3:PutObject",
)
KEPT_DAYS = 30
"""How long older versions of what was replaced are kept."""
_MISSING = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}
_FORBIDDEN = {"403", "AccessDenied"}


class Artifacts:
    """The artifacts of one lake."""

    def __init__(self, target: Target) -> None:
        """Keep them where `target` says."""
        self._target, self._s3 = target, client("s3", target.region)
        self._ours: dict[str, Any] = {"Bucket": target.artifacts, "ExpectedBucketOwner": target.account}

    def make(self) -> bool:
        """Make the bucket private, encrypted, versioned and for TLS only; gives whether it was not there."""
        name = self._target.artifacts
        new = not self.there()
        with asking("make the bucket of artifacts", name):
            if new:
                self._create()
            self._secure()
        return new

    def there(self) -> bool:
        """Whether the bucket is there.

        Raises:
            AwsError: Somebody else has taken its name, or one may not look at it.
        """
        name = self._target.artifacts
        with asking("look for the bucket of artifacts", name):
            try:
                self._s3.head_bucket(**self._ours)
            except self._s3.exceptions.ClientError as error:
                if code_of(error) in _MISSING:
                    return False
                if code_of(error) in _FORBIDDEN:
                    message = (
                        f"the bucket is there, but it is not account {self._target.account}'s, or you may not use it"
                    )
                    hint = "ask for s3:ListBucket, s3:GetObject and s3:PutObject on it"
                    raise AwsError(message, where=name, hint=hint) from error
                raise
        return True

    def any(self) -> bool:
        """Whether an artifact of this lake is there, be it an older version."""
        if not self.there():
            return False
        with asking("look for artifacts", self._target.artifacts):
            found = self._s3.list_object_versions(Prefix=self._target.prefix, MaxKeys=1, **self._ours)
        return bool(found.get("Versions") or found.get("DeleteMarkers"))

    def has(self, key: str, digest: str) -> bool:
        """Whether the bytes with this SHA-256 are there already."""
        with asking("look for an artifact", f"s3://{self._target.artifacts}/{key}"):
            try:
                found = self._s3.head_object(Key=key, **self._ours)
            except self._s3.exceptions.ClientError as error:
                if code_of(error) in _MISSING:
                    return False
                raise
        return bool(found.get("Metadata", {}).get("sha256") == digest)

    def send(self, file: Path, key: str, digest: str, sent: Callable[[int], None] | None = None) -> None:
        """Upload a file; `sent` is told how many bytes more have gone."""
        more = {"Metadata": {"sha256": digest}, "ExpectedBucketOwner": self._target.account}
        with asking("upload an artifact", f"s3://{self._target.artifacts}/{key}"):
            self._s3.upload_file(str(file), self._target.artifacts, key, ExtraArgs=more, Callback=sent)

    def put(self, key: str, content: bytes) -> None:
        """Upload a small text."""
        with asking("upload an artifact", f"s3://{self._target.artifacts}/{key}"):
            self._s3.put_object(Key=key, Body=content, **self._ours)

    def get(self, key: str) -> bytes | None:
        """The content of an artifact; None when it is not there."""
        with asking("read an artifact", f"s3://{self._target.artifacts}/{key}"):
            try:
                return bytes(self._s3.get_object(Key=key, **self._ours)["Body"].read())
            except self._s3.exceptions.ClientError as error:
                if code_of(error) in _MISSING:
                    return None
                raise

    def url(self, key: str) -> str:
        """Where CloudFormation reads an artifact."""
        suffix = "amazonaws.com.cn" if self._target.partition == "aws-cn" else "amazonaws.com"
        return f"https://s3.{self._target.region}.{suffix}/{self._target.artifacts}/{key}"

    def _create(self) -> None:
        place = {"LocationConstraint": self._target.region}
        more = {} if self._target.region == "us-east-1" else {"CreateBucketConfiguration": place}
        try:
            self._s3.create_bucket(Bucket=self._target.artifacts, **more)
        except self._s3.exceptions.BucketAlreadyOwnedByYou:
            return  # another deployment made it in the meantime
        except self._s3.exceptions.BucketAlreadyExists as error:
            message = "the bucket that what is deployed is uploaded to belongs to another account"
            hint = "nothing was uploaded; use another region, or report it to AWS: its name holds your account's number"
            raise AwsError(message, where=self._target.artifacts, hint=hint) from error

    def _secure(self) -> None:
        s3, ours = self._s3, self._ours
        blocked = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        s3.put_public_access_block(PublicAccessBlockConfiguration=dict.fromkeys(blocked, True), **ours)
        by = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        s3.put_bucket_encryption(ServerSideEncryptionConfiguration={"Rules": [by]}, **ours)
        s3.put_bucket_versioning(VersioningConfiguration={"Status": "Enabled"}, **ours)
        s3.put_bucket_policy(Policy=json.dumps(self._policy()), **ours)
        s3.put_bucket_tagging(Tagging={"TagSet": [{"Key": "penstock:artifacts", "Value": "true"}]}, **ours)
        s3.put_bucket_lifecycle_configuration(LifecycleConfiguration={"Rules": [_LIFECYCLE]}, **ours)

    def _policy(self) -> dict[str, Any]:
        arn = f"arn:{self._target.partition}:s3:::{self._target.artifacts}"
        only_tls = {
            "Sid": "OnlyOverTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        return {"Version": "2012-10-17", "Statement": [only_tls]}


_LIFECYCLE = {
    "ID": "older-versions",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "NoncurrentVersionExpiration": {"NoncurrentDays": KEPT_DAYS},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}
