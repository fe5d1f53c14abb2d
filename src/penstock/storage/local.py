"""A zone that is a folder on this machine."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from functools import lru_cache
from io import BufferedReader
from pathlib import Path

from penstock import faults
from penstock.errors import BadFileError
from penstock.storage.zone import FileVersion

UNFINISHED = (".tmp", ".part", ".crdownload", ".swp", "~")


class LocalZone:
    """Bytes below one folder; keeps the contract of `Zone`."""

    def __init__(self, root: Path) -> None:
        """Use the folder `root`; it is made when first written to."""
        self.root = root.absolute()

    def list(self, pattern: str) -> Iterator[FileVersion]:
        """Files whose key matches, oldest first, then by key."""
        matches = _glob(pattern)
        found = [version for version in self._walk() if matches.match(version.key)]
        return iter(sorted(found, key=lambda version: (version.modified_ns, version.key)))

    def _walk(self) -> Iterator[FileVersion]:
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if not name.startswith((".", "_"))]
            for name in files:
                if name.startswith((".", "_")) or name.lower().endswith(UNFINISHED):
                    continue
                key = (Path(folder) / name).relative_to(self.root).as_posix()
                version = self.stat(key)
                if version is not None:
                    yield version

    def stat(self, key: str) -> FileVersion | None:
        """The current version; None when there is no such regular file inside the zone."""
        path = self._path(key)
        try:
            if path.is_symlink() and not path.resolve().is_relative_to(self.root.resolve()):
                return None
            facts = path.stat()
        except OSError:
            return None
        if not path.is_file():
            return None
        mark = f"{facts.st_size}-{facts.st_mtime_ns}-{facts.st_ctime_ns}-{facts.st_ino}"
        return FileVersion(key, facts.st_size, facts.st_mtime_ns, mark)

    def open(self, key: str) -> BufferedReader:
        """Open for reading."""
        return self._path(key).open("rb")

    def digest(self, key: str) -> str:
        """SHA-256 of the content, hexadecimal."""
        with self.open(key) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def staging(self, key: str) -> str:
        """A hidden name beside the final one: same file system, so that publishing is one link."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(path.with_name(f".{path.name}.tmp"))

    def publish(self, local: str, key: str) -> int:
        """Make a finished local file appear under `key`; refuses to replace a file."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with Path(local).open("rb") as file:
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        faults.reach("storage.rename")
        _move_without_replacing(local, path)
        _sync_folder(path.parent)
        return size

    def delete(self, key: str) -> None:
        """Remove the file; no error when it is missing."""
        faults.reach("storage.delete")
        self._path(key).unlink(missing_ok=True)

    def location(self, key: str) -> str:
        """Absolute path."""
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if not key or key.startswith("/") or "\0" in key or any(part in {"", ".", ".."} for part in parts):
            message = "the name leads out of its zone"
            raise BadFileError(message, where=repr(key))
        return self.root.joinpath(*parts)


def _move_without_replacing(local: str, path: Path) -> None:
    """Give a file its final name; a link, unlike a rename, never replaces a file that is there."""
    try:
        os.link(local, path)
    except FileExistsError:
        raise
    except OSError as error:  # another file system, or one without links: a copy under a hidden name, then a rename
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        shutil.copyfile(local, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.rename(path)
    Path(local).unlink()


def wait_until_settled(version: FileVersion, quiet: float = 0.05) -> None:
    """Wait until the file's last change lies `quiet` seconds back; at once for almost every file.

    A file system's clock ticks in milliseconds: within one tick a file can change without its times changing. Once a
    tick has passed since the last change, the next change is sure to show. This is real time, never a held clock.
    """
    changed = int(version.mark.split("-")[2]) / 1e9
    time.sleep(min(max(changed + quiet - time.time(), 0.0), quiet))


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob: `*` and `?` stay within a folder, `**/` crosses any number of folders, `[...]` is a class."""
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**/", at):
            out, at = out + "(?:[^/]+/)*", at + 3
        elif pattern.startswith("**", at):
            out, at = out + ".*", at + 2
        elif char == "*":
            out, at = out + "[^/]*", at + 1
        elif char == "?":
            out, at = out + "[^/]", at + 1
        elif char == "[" and (end := pattern.find("]", at + 2)) > 0:
            body = pattern[at + 1 : end].replace("\\", "\\\\")
            body = f"^{body[1:]}" if body.startswith("!") else body
            out, at = f"{out}[{body}]", end + 1
        else:
            out, at = out + re.escape(char), at + 1
    return re.compile(rf"(?s:{out})\Z")
