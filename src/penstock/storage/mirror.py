"""A folder of this machine that stands for a bucket: `<root>/<key>` is a copy of `s3://<bucket>/<key>`.

Files of the tables never change once they are there, so a copy that was whole once stays so. Engines read and write
copies; what is made is sent before anybody is told of it. A copy is fetched under a hidden name and appears whole, so
any number of threads and processes may fetch the same.

Copies that were not used for long can be taken away between two pieces of work, when nobody else is at work here.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock import faults
from penstock.errors import BadFileError
from penstock.storage.keys import is_possible
from penstock.storage.objects import READS, WRITES, Got, Objects, Sent
from penstock.storage.sending import send
from penstock.storage.together import together

SCHEME = "s3://"
ACTIONS = (*READS[:1], *WRITES)
KEPT = ("seals.db", ".users")
"""Beginnings of the names of files in the root that are no copies."""
LEFT_SECONDS = 3600.0
"""Age from which an unfinished file is taken to be left by a process that was killed."""
STRIPES = 64


@dataclass(frozen=True)
class _Copy:
    path: str
    bytes: int
    used: float


class Mirror:
    """Copies of one bucket's objects."""

    def __init__(self, root: Path, bucket: str, region: str | None = None, limit: int | None = None) -> None:
        """Keep copies below `root`, which is made when it is first needed; `prune` leaves `limit` bytes of them."""
        self.root, self.bucket, self.limit = root.absolute(), bucket, limit
        self.objects = Objects(bucket, region)
        self._used: dict[str, float] = {}
        self._locks = [threading.Lock() for _ in range(STRIPES)]
        self._handle: int | None = None
        self._guard = threading.Lock()

    @property
    def s3(self) -> Any:
        """The client that objects are got and put with."""
        return self.objects.s3

    def uri(self, path: str) -> str:
        """The object that a path of this machine stands for, as `s3://bucket/key`; such a URI stays as it is."""
        return path if path.startswith(SCHEME) else self.objects.uri(self.key(path))

    def path(self, uri: str) -> str:
        """The path of this machine that stands for `s3://bucket/key`; a path stays as it is."""
        if not uri.startswith(SCHEME):
            return uri
        bucket, _, key = uri.removeprefix(SCHEME).partition("/")
        if bucket != self.bucket or not is_possible(key):
            message = "the object is not in the lake's bucket"
            raise BadFileError(message, where=uri)
        return str(self.root / key)

    def key(self, path: str) -> str:
        """The key of what a path of this machine, or a URI, stands for."""
        return Path(self.path(path)).relative_to(self.root).as_posix()

    def fetch(self, paths: Iterable[str], *, again: bool = False) -> dict[str, Got]:
        """Make sure that copies are there; gives those that were fetched now: all, if they are fetched `again`.

        Raises:
            FileNotFoundError: There is no such object.
            IntegrityError: An object's bytes are not those that were sent.
        """
        self.use()
        wanted, now = list(dict.fromkeys(map(self.path, paths))), time.time()
        self._used.update(dict.fromkeys(wanted, now))
        missing = [path for path in wanted if again or not os.path.exists(path)]  # noqa: PTH110 - there may be many
        fetched = dict[str, Got]()
        for path, got in together(lambda path: self._fetch(path, again=again), missing):
            if got is not None:
                fetched[path] = got
        return fetched

    def _fetch(self, path: str, *, again: bool) -> Got | None:
        with self._locks[hash(path) % STRIPES]:
            if not again and os.path.exists(path):  # noqa: PTH110 - another thread was faster
                return None
            return self.objects.get(self.key(path), Path(path))

    def send(self, path: str, source: str = "", *, replacing: bool = False) -> Sent:
        """Put the file at `path`, or what is to be there and is at `source` yet, into the bucket.

        Raises:
            FileExistsError: There is an object under that key, and it is not `replacing` it: what is published never
                changes.
        """
        self.use()
        faults.reach("storage.rename")
        sent = send(self.objects, self.key(path), source or path, replacing=replacing)
        self._used[path] = time.time()
        return sent

    def remove(self, paths: Iterable[str]) -> None:
        """Take objects and their copies away; what is not there does not matter."""
        gone = [self.path(path) for path in paths]
        if gone:
            faults.reach("storage.delete")
            self.objects.remove(map(self.key, gone))
        for path in gone:
            Path(path).unlink(missing_ok=True)
            self._used.pop(path, None)

    def prune(self, limit: int | None = None) -> int:
        """Take copies away that were not used for longest, until `limit` bytes are left; gives the bytes that went.

        To be called between two pieces of work: copies that were asked for before may be gone after it. While another
        process is at work on copies here, nothing is removed.
        """
        limit = self.limit if limit is None else limit
        if limit is None or not self.root.is_dir():
            return 0
        self.use()
        if not self._is_alone():
            return 0
        try:
            copies = sorted(self._copies(), key=lambda copy: copy.used)
            left, gone = sum(copy.bytes for copy in copies), 0
            for copy in copies:
                if left - gone <= limit:
                    break
                Path(copy.path).unlink(missing_ok=True)
                self._used.pop(copy.path, None)
                gone += copy.bytes
        finally:
            self._share()
        return gone

    def _copies(self) -> Iterator[_Copy]:
        """All copies; what killed processes left unfinished is removed."""
        old = time.time() - LEFT_SECONDS
        for folder, _, names in os.walk(self.root):
            for name in names:
                if folder == str(self.root) and name.startswith(KEPT):
                    continue
                path = os.path.join(folder, name)  # noqa: PTH118 - there may be many
                facts = os.lstat(path)
                if not (name.startswith(".") and name.endswith(".tmp")):
                    yield _Copy(path, facts.st_size, self._used.get(path, facts.st_atime))
                elif facts.st_mtime < old:
                    Path(path).unlink(missing_ok=True)

    def use(self) -> None:
        """Let other processes know that copies are in use here, for as long as this one lives."""
        with self._guard:
            if self._handle is None:
                self.root.mkdir(parents=True, exist_ok=True)
                self._handle = os.open(self.root / ".users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                weakref.finalize(self, os.close, self._handle)
                self._share()

    def _share(self) -> None:
        assert self._handle is not None  # noqa: S101 - for the type checker
        fcntl.flock(self._handle, fcntl.LOCK_SH)

    def _is_alone(self) -> bool:
        """Whether no other process, and no other mirror of this one, uses the copies; then nobody begins to."""
        assert self._handle is not None  # noqa: S101 - for the type checker
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._share()
            return False
        return True
