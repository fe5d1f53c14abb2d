"""Putting files into a bucket under keys that are not taken: small ones in one call, large ones in parts.

A key that is taken is refused by S3 itself, whoever comes second. Parts that were sent of an upload that failed are
taken away again; those of a process that was killed go by the bucket's lifecycle.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from penstock.aws import asking, code_of
from penstock.storage.objects import DIGEST, FIRST_WAIT, MISSING, TAKEN, TOKEN, Objects, Sent, stating

PART = 16_000_000
"""Bytes of a part: ten thousand are the most that an object can have."""
LARGE = 4 * PART
"""Bytes from which a file is sent in parts."""
AT_ONCE = 4
CONFLICT = frozenset({"ConditionalRequestConflict", "409"})
"""What S3 says while somebody else writes the same key."""
ATTEMPTS = 6


def send(
    objects: Objects, key: str, path: str, part: int = PART, large: int = LARGE, *, replacing: bool = False
) -> Sent:
    """Put the file at `path` into the bucket.

    Raises:
        FileExistsError: There is an object under that key, and it is not `replacing` it: what is published never
            changes.
    """
    from botocore.exceptions import ClientError

    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        size = file.tell()
    token = uuid.uuid4().hex
    facts = {DIGEST: digest.hexdigest(), TOKEN: token}
    unless: dict[str, str] = {} if replacing else {"IfNoneMatch": "*"}
    for attempt in range(1, ATTEMPTS + 1):
        with asking("write a file", objects.uri(key)):
            try:
                if size >= large:
                    _in_parts(objects, key, path, range(0, size, part), facts, unless)
                else:
                    _whole(objects, key, path, digest, facts, unless)
            except ClientError as error:
                code = code_of(error)
                if code not in TAKEN | MISSING:
                    raise
                ours = objects.is_put_by(key, token)
                if ours is False:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), objects.uri(key)) from error
                if ours is None and (code not in CONFLICT or attempt == ATTEMPTS):
                    raise
                if ours is None:
                    time.sleep(FIRST_WAIT * 2**attempt)
                    continue
        break
    return Sent(size, digest.hexdigest())


def _whole(objects: Objects, key: str, path: str, digest: Any, facts: dict[str, str], unless: dict[str, str]) -> None:
    with Path(path).open("rb") as file:
        objects.s3.put_object(Bucket=objects.bucket, Key=key, Body=file, Metadata=facts, **unless, **stating(digest))


def _in_parts(
    objects: Objects, key: str, path: str, starts: range, facts: dict[str, str], unless: dict[str, str]
) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    place = {"Bucket": objects.bucket, "Key": key}
    made = objects.s3.create_multipart_upload(**place, ChecksumAlgorithm="SHA256", Metadata=facts)
    upload = {**place, "UploadId": made["UploadId"]}
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            parts = list(pool.map(_sender(objects.s3, upload, path, starts), range(len(starts))))
        objects.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **unless)
    except BaseException:
        with suppress(ClientError, BotoCoreError):
            objects.s3.abort_multipart_upload(**upload)
        raise


def _sender(s3: Any, upload: dict[str, str], path: str, starts: range) -> Callable[[int], dict[str, Any]]:
    """What sends a part, given its place among the others."""

    def send_part(at: int) -> dict[str, Any]:
        with Path(path).open("rb") as file:
            file.seek(starts[at])
            content = file.read(starts.step)
        stated = stating(hashlib.sha256(content))
        answer = s3.upload_part(**upload, PartNumber=at + 1, Body=content, **stated)
        return {"PartNumber": at + 1, "ETag": answer["ETag"], **stated}

    return send_part
