"""Copies of raw files for as long as they are worked on: each of one version, in a folder of this process.

A raw object may be replaced at any moment. A copy has a name of its own for every version, so what is read is the
version that was recorded, whatever happens to the object meanwhile. It is gone when the work on it ends, or with the
process; what a killed process left is removed by the next one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from penstock.storage.objects import Objects
from penstock.storage.owned import left_over, own_folder
from penstock.storage.seals import mark_of

KEEP = 128_000_000
"""Bytes of copies up to which a file that was read to be named is kept for the work that follows."""
NAMED = 10_000
"""Versions whose digests are remembered."""
STRIPES = 64


@dataclass(frozen=True)
class _Copy:
    """A copy, what the file system says of it since it was made, and its size."""

    digest: str
    mark: str | None
    bytes: int


class Copies:
    """Copies of the versions of one bucket's objects."""

    def __init__(self, root: Path, objects: Objects) -> None:
        """Keep them in a folder of this process below `root`, made when it is first needed."""
        self._root, self._objects = root, objects
        self._folder: Path | None = None
        self._there: dict[str, _Copy] = {}
        self._digests: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._guard = threading.Lock()
        self._locks = [threading.Lock() for _ in range(STRIPES)]

    def path(self, key: str, mark: str) -> str:
        """Where the copy of a version is, or would be."""
        name = hashlib.sha256(f"{mark}/{key}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return str(self._own_folder() / name)

    def fetch(self, key: str, mark: str) -> str:
        """Make sure that the copy of a version is there, and as it came; gives its path.

        Raises:
            FileNotFoundError: There is no such version any more.
            IntegrityError: The object's bytes are not those that were sent.
        """
        path = self.path(key, mark)
        with self._locks[hash(path) % STRIPES]:
            there = self._there.get(path)
            if there is None or there.mark is None or there.mark != mark_of(path):
                got = self._objects.get(key, Path(path), mark)
                self.note(key, mark, got.digest)
                self._there[path] = _Copy(got.digest, mark_of(path), os.path.getsize(path))  # noqa: PTH202
        return path

    def digest(self, key: str, mark: str) -> str:
        """The SHA-256 of a version's bytes, which are got once at most.

        Raises:
            FileNotFoundError: There is no such version any more.
            IntegrityError: The object's bytes are not those that were sent.
        """
        with self._guard:
            known = self._digests.get((key, mark))
        if known is not None:
            return known
        kept = sum(copy.bytes for copy in list(self._there.values()))
        if kept + int(mark.partition("-")[0]) <= KEEP:
            return self._there[self.fetch(key, mark)].digest
        digest = self._objects.digest(key, mark).digest
        self.note(key, mark, digest)
        return digest

    def note(self, key: str, mark: str, digest: str) -> None:
        """Remember what a version's bytes are."""
        with self._guard:
            self._digests[key, mark] = digest
            while len(self._digests) > NAMED:
                self._digests.popitem(last=False)

    def release(self, key: str, mark: str) -> None:
        """Remove the copy of a version; nothing happens where there is none."""
        if self._folder is None:
            return
        path = self.path(key, mark)
        self._there.pop(path, None)
        Path(path).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all copies."""
        for path in list(self._there):
            self._there.pop(path, None)
            Path(path).unlink(missing_ok=True)

    def _own_folder(self) -> Path:
        with self._guard:
            if self._folder is None:
                self._root.mkdir(parents=True, exist_ok=True)
                for left in left_over(self._root):
                    shutil.rmtree(left, ignore_errors=True)
                folder = own_folder(self._root)
                folder.mkdir()
                weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
                self._folder = folder
            return self._folder
