"""A folder of this machine that stands for a bucket: `<root>/<key>` is a copy of `s3://<bucket>/<key>`.

Files of the tables never change once they are there, so a copy that was whole once stays so. Engines read and write
copies; what is made is sent before anybody is told of it. A copy is fetched under a hidden name and appears whole.
"""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from penstock.aws import asking, client, code_of
from penstock.errors import BadFileError, IntegrityError

SCHEME = "s3://"
ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
TAKEN = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})


class Mirror:
    """Copies of one bucket's objects."""

    def __init__(self, root: Path, bucket: str, region: str | None = None) -> None:
        """Keep copies below `root`, which is made when it is first needed."""
        self.root, self.bucket = root.absolute(), bucket
        self._region = region

    @property
    def s3(self) -> Any:
        """The client that objects are got and put with."""
        return client("s3", self._region)

    def uri(self, path: str) -> str:
        """The object that a path of this machine stands for, as `s3://bucket/key`; such a URI stays as it is."""
        return path if path.startswith(SCHEME) else f"{SCHEME}{self.bucket}/{self.key(path)}"

    def path(self, uri: str) -> str:
        """The path of this machine that stands for `s3://bucket/key`; a path stays as it is."""
        if not uri.startswith(SCHEME):
            return uri
        bucket, _, key = uri.removeprefix(SCHEME).partition("/")
        if bucket != self.bucket or not key or ".." in key.split("/"):
            message = "the object is not in the lake's bucket"
            raise BadFileError(message, where=uri)
        return str(self.root / key)

    def key(self, path: str) -> str:
        """The key of what a path of this machine, or a URI, stands for."""
        return Path(self.path(path)).relative_to(self.root).as_posix()

    def fetch(self, paths: Iterable[str]) -> list[str]:
        """Make sure that copies are there; gives those that were fetched now.

        Raises:
            FileNotFoundError: There is no such object.
            IntegrityError: An object's bytes are not those that were sent.
        """
        wanted = [path for path in dict.fromkeys(map(self.path, paths)) if not os.path.exists(path)]  # noqa: PTH110
        for path in wanted:
            self._fetch(path)
        return wanted

    def _fetch(self, path: str) -> None:
        from botocore.exceptions import ClientError

        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        found = hashlib.sha256()
        with asking("read a file", self.uri(path)):
            try:
                answer = self.s3.get_object(Bucket=self.bucket, Key=self.key(path), ChecksumMode="ENABLED")
            except ClientError as error:
                if code_of(error) in MISSING:
                    raise FileNotFoundError(path) from error
                raise
            try:
                with temporary.open("wb") as file:
                    for part in answer["Body"].iter_chunks(1 << 20):
                        found.update(part)
                        file.write(part)
                sent = answer.get("ChecksumSHA256", "")
                if sent and "-" not in sent and base64.b64decode(sent) != found.digest():
                    raise IntegrityError("the object's bytes are not those that were sent", where=self.uri(path))
                temporary.rename(target)
            finally:
                temporary.unlink(missing_ok=True)

    def send(self, path: str) -> int:
        """Put the file at `path` into the bucket; gives its size.

        Raises:
            FileExistsError: There is an object under that key: what is published never changes.
        """
        from botocore.exceptions import ClientError

        with Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            size = file.tell()
            file.seek(0)
            with asking("write a file", self.uri(path)):
                try:
                    self.s3.put_object(
                        Bucket=self.bucket,
                        Key=self.key(path),
                        Body=file,
                        ChecksumSHA256=base64.b64encode(digest).decode(),
                        IfNoneMatch="*",
                    )
                except ClientError as error:
                    if code_of(error) in TAKEN:
                        raise FileExistsError(path) from error
                    raise
        return size

    def remove(self, paths: Iterable[str]) -> None:
        """Take objects and their copies away; what is not there does not matter."""
        for path in map(self.path, paths):
            with asking("remove a file", self.uri(path)):
                self.s3.delete_object(Bucket=self.bucket, Key=self.key(path))
            Path(path).unlink(missing_ok=True)
