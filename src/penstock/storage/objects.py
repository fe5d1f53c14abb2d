"""The objects of one bucket: got, put, listed and removed, so that nothing is half there and nothing wrong is served.

An object appears whole or not at all. What is put carries the SHA-256 of its bytes, which S3 compares as it takes them
and which is compared again when they come back. It also carries a token of the call that put it: S3 may have taken a
call whose answer was lost, and then refuses its repetition because the key is taken. The token says by whom.

A version has two names: S3's own, in a bucket that keeps versions, and the entity tag, in one that does not.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from penstock.aws import asking, client, code_of
from penstock.errors import ArchivedFileError, AwsDeniedError, AwsError, IntegrityError
from penstock.storage.zone import FileVersion

READS = ("s3:GetObject", "s3:GetObjectVersion")
LISTS = ("s3:ListBucket", "s3:ListBucketVersions")
WRITES = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject")

MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "NotFound", "404", "MethodNotAllowed", "405"})
"""How S3 says that there is no such object, or not that version of it; 405 is a version that is a deletion."""
TAKEN = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
ARCHIVED = "InvalidObjectState"
ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
RESTORED = 'ongoing-request="false"'
"""How S3 says that an archived object can be read for a while."""
DIGEST, TOKEN = "sha256", "penstock-put"
CHUNK = 1 << 20
MOST_REMOVED = 1000
"""Objects that one call removes at most, says S3."""
ATTEMPTS = 4
FIRST_WAIT = 0.05


class _BrokenOffError(AwsError):
    """The answer of AWS broke off."""


@dataclass(frozen=True)
class Got:
    """What came of getting an object.

    Attributes:
        digest: SHA-256 of its bytes, hexadecimal.
        mark: Its version.
        vouched: Whether the object itself says that this is its digest.
    """

    digest: str
    mark: str
    vouched: bool


@dataclass(frozen=True)
class Sent:
    """What was put: its size in bytes, and SHA-256 in hexadecimal."""

    size: int
    digest: str


@dataclass(frozen=True)
class Objects:
    """The objects of one bucket.

    Attributes:
        bucket: Its name.
        region: Where it is; as AWS's own tools say, when left out.
        versioned: Whether versions are told apart by S3's own names for them.
    """

    bucket: str
    region: str | None = None
    versioned: bool = False

    @property
    def s3(self) -> Any:
        """The client."""
        return client("s3", self.region)

    def uri(self, key: str) -> str:
        """The object as people and Iceberg name it."""
        return f"s3://{self.bucket}/{key}"

    def look(self, key: str) -> tuple[FileVersion, str] | None:
        """The current version, and the SHA-256 of its bytes where S3 knows it; None where there is no such object."""
        from botocore.exceptions import ClientError

        with asking("look at a file", self.uri(key)):
            try:
                answer = self.s3.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                raise
        return self._version(key, answer, answer["ContentLength"]), _checksum(answer)

    def is_archived(self, key: str) -> bool:
        """Whether the object is in an archive, and was not restored from it; False where there is none."""
        from botocore.exceptions import ClientError

        with asking("look at a file", self.uri(key)):
            try:
                answer = self.s3.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if code_of(error) in MISSING:
                    return False
                raise
        away = answer.get("StorageClass") in ARCHIVES or "ArchiveStatus" in answer
        return away and RESTORED not in answer.get("Restore", "")

    def list(self, prefix: str, after: str = "") -> Iterator[FileVersion]:
        """Current versions of all objects whose keys begin with a prefix, page by page, in the order of their keys.

        Those up to the key `after` are passed by; where S3 begins with it, it comes once more.
        """
        with asking("list files", self.uri(prefix)):
            if self.versioned:
                from_there = {"KeyMarker": after} if after else {}
                for page in self._pages("list_object_versions", prefix, from_there):
                    for found in page.get("Versions", ()):
                        if found["IsLatest"]:
                            yield self._version(found["Key"], found, found["Size"])
                return
            for page in self._pages("list_objects_v2", prefix, {"StartAfter": after} if after else {}):
                for found in page.get("Contents", ()):
                    yield self._version(found["Key"], found, found["Size"])

    def _pages(self, operation: str, prefix: str, from_there: dict[str, str]) -> Iterator[Mapping[str, Any]]:
        yield from self.s3.get_paginator(operation).paginate(Bucket=self.bucket, Prefix=prefix, **from_there)

    def _version(self, key: str, answer: Mapping[str, Any], size: int) -> FileVersion:
        modified = int(answer["LastModified"].timestamp()) * 1_000_000_000  # S3 counts in seconds
        return FileVersion(key, size, modified, f"{size}-{modified}-{self._name(answer)}")

    def _name(self, answer: Mapping[str, Any]) -> str:
        name = answer.get("VersionId", "null") if self.versioned else "null"
        return "etag:" + str(answer["ETag"]).strip('"') if name == "null" else str(name)

    def get(self, key: str, target: Path, mark: str | None = None) -> Got:
        """Write an object's bytes to a file, which appears whole; what stood there is replaced.

        Args:
            key: The object.
            target: The file; folders are made.
            mark: The version; the current one, when left out.

        Raises:
            FileNotFoundError: There is no such object, or not that version of it.
            ArchivedFileError: It is in an archive.
            IntegrityError: The bytes are not those that were put.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("wb") as file:
                got = self._streamed(key, mark, file)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return got

    def digest(self, key: str, mark: str | None = None) -> Got:
        """The same without keeping the bytes."""
        return self._streamed(key, mark, None)

    def _streamed(self, key: str, mark: str | None, file: BinaryIO | None) -> Got:
        """Get; where the answer breaks off, or arrives damaged, again from its start."""
        for attempt in range(1, ATTEMPTS):
            with suppress(_BrokenOffError, IntegrityError):
                return self._taken(key, self._answer(key, mark), file)
            time.sleep(FIRST_WAIT * 2**attempt)
            if file is not None:
                file.seek(0)
                file.truncate()
        return self._taken(key, self._answer(key, mark), file)

    def _answer(self, key: str, mark: str | None) -> Mapping[str, Any]:
        """S3's answer, with the bytes still to come."""
        from botocore.exceptions import ClientError

        with asking("read a file", self.uri(key)):
            try:
                answer: Mapping[str, Any] = self.s3.get_object(
                    Bucket=self.bucket, Key=key, ChecksumMode="ENABLED", **_wanted(mark)
                )
            except ClientError as error:
                if code_of(error) in MISSING | TAKEN:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.uri(key)) from error
                if code_of(error) == ARCHIVED:
                    raise _archived(self.uri(key)) from error
                raise
        return answer

    def _taken(self, key: str, answer: Mapping[str, Any], file: BinaryIO | None) -> Got:
        """Take the bytes of an answer, and compare them with what the object says of them."""
        from botocore.exceptions import BotoCoreError, FlexibleChecksumError

        found, size = hashlib.sha256(), 0
        try:
            for part in answer["Body"].iter_chunks(CHUNK):
                found.update(part)
                size += len(part)
                if file is not None:
                    file.write(part)
        except FlexibleChecksumError as error:
            raise _damaged(self.uri(key)) from error
        except BotoCoreError as error:
            message = f"AWS's answer broke off while a file was read: {error}"
            raise _BrokenOffError(message, where=self.uri(key)) from error
        stated = {_checksum(answer), answer.get("Metadata", {}).get(DIGEST, "")} - {""}
        if size != answer["ContentLength"] or stated - {found.hexdigest()}:
            raise _damaged(self.uri(key))
        return Got(found.hexdigest(), self._version(key, answer, size).mark, vouched=bool(stated))

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects; missing ones do not matter."""
        wanted = list(keys)
        for at in range(0, len(wanted), MOST_REMOVED):
            some = wanted[at : at + MOST_REMOVED]
            with asking("remove files", self.uri(some[0])):
                if len(some) == 1:
                    self.s3.delete_object(Bucket=self.bucket, Key=some[0])
                    continue
                named = {"Objects": [{"Key": key} for key in some], "Quiet": True}
                answer = self.s3.delete_objects(Bucket=self.bucket, Delete=named)
            for failed in answer.get("Errors", ()):
                raise _refused(failed, self.uri(failed.get("Key", some[0])))

    def read(self, key: str) -> bytes | None:
        """The bytes of a small object; None where there is none."""
        from botocore.exceptions import ClientError

        with asking("read a file", self.uri(key)):
            try:
                content: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                raise
        return content

    def write(self, key: str, content: bytes) -> None:
        """Put a small object, in place of what is there."""
        with asking("write a file", self.uri(key)):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=content, **stating(hashlib.sha256(content)))

    def is_put_by(self, key: str, token: str) -> bool | None:
        """Whether the object that is there was put by the call of this token; None where there is none."""
        from botocore.exceptions import ClientError

        with suppress(ClientError):
            there = self.s3.head_object(Bucket=self.bucket, Key=key)
            return bool(there.get("Metadata", {}).get(TOKEN) == token)
        return None


def stating(digest: Any) -> dict[str, str]:
    """What makes S3 compare the bytes with their SHA-256 as it takes them, and keep it."""
    return {"ChecksumSHA256": base64.b64encode(digest.digest()).decode()}


def _wanted(mark: str | None) -> dict[str, str]:
    """How a version is asked for."""
    if mark is None:
        return {}
    name = mark.split("-", 2)[2]
    return {"IfMatch": f'"{name.removeprefix("etag:")}"'} if name.startswith("etag:") else {"VersionId": name}


def _checksum(answer: Mapping[str, Any]) -> str:
    """The SHA-256 that S3 keeps of an object's bytes, hexadecimal; empty where it has none, or one of parts only."""
    kept = answer.get("ChecksumSHA256", "")
    if not kept or "-" in kept or answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
        return ""
    return base64.b64decode(kept).hex()


def _archived(where: str) -> ArchivedFileError:
    return ArchivedFileError(
        "the object is in an archive (S3 Glacier), from which nothing can be read at once",
        where=where,
        hint="restore it, or copy it back into another storage class: aws s3 cp; within a day it is looked at again",
    )


def _damaged(where: str) -> IntegrityError:
    return IntegrityError(
        "the object's bytes are not those that were sent",
        where=where,
        hint="nothing is served of it; put the object back from an earlier version or a copy",
    )


def _refused(failed: Mapping[str, str], where: str) -> AwsError:
    code, text = failed.get("Code", ""), failed.get("Message", "")
    if code == "AccessDenied":
        message = f"AWS does not allow these credentials to remove files: {text or code}"
        hint = "ask for the permission s3:DeleteObject, or use other credentials"
        return AwsDeniedError(message, where=where, hint=hint)
    return AwsError(f"AWS could not remove files: {code}: {text}", where=where)
