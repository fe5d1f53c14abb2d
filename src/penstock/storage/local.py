"""A zone that is a folder on this machine."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import BufferedReader
from itertools import takewhile
from pathlib import Path

from penstock import faults
from penstock.storage.keys import glob, is_listed, is_unfinished, parts_of
from penstock.storage.seals import Seals
from penstock.storage.settled import TICK, is_being_written
from penstock.storage.zone import FileVersion, Wanted

_PRIVATE = 0xF700
"""Where keys have the bytes of names that are not UTF-8: 0x80 is U+F780, 0xFF is U+F7FF."""
_UNUSUAL = re.compile("[\udc80-\udcff\uf780-\uf7ff]")
_USUAL = re.compile("[\uf780-\uf7ff]+")


class LocalZone:
    """Bytes below one folder; keeps the contract of `Zone`."""

    def __init__(self, root: Path, seals: Seals | None = None) -> None:
        """Use the folder `root`; it is made when first written to. Files that are published are sealed in `seals`."""
        self.root = root.absolute()
        self.seals = seals
        self.unseen: dict[str, str] = {}
        self.lasting = False

    def list(self, pattern: str) -> Iterator[FileVersion]:
        """Files whose key matches, oldest first, then by key; `unseen` is about this listing then."""
        wanted = glob(pattern)
        self.unseen = {}
        found = [version for version in self._walk(self.root) if wanted.match(version.key)]
        return iter(sorted(found, key=lambda version: (version.modified_ns, version.key)))

    def _walk(self, top: Path) -> Iterator[FileVersion]:
        for folder, folders, files in os.walk(top, onerror=self._note_unseen):
            folders[:] = [name for name in folders if not name.startswith((".", "_"))]
            for name in files:
                if is_unfinished(name):
                    continue
                path = os.path.join(folder, name)  # noqa: PTH118 - a listing may be long
                version = self._look(_key(os.path.relpath(path, self.root)), path)
                if version is not None:
                    yield version

    def _note_unseen(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            path = os.path.relpath(os.fsdecode(error.filename), self.root)
            self.unseen[_key(path)] = f"cannot be looked into: {(error.strerror or str(error)).lower()}"

    def stat(self, key: str) -> FileVersion | None:
        """The current version; None when there is no such regular file inside the zone."""
        return self._look(key, str(self._path(key)))

    def _look(self, key: str, path: str) -> FileVersion | None:
        try:
            if os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root)):  # noqa: PTH114
                return None
            facts = os.stat(path)  # noqa: PTH116
        except PermissionError as error:
            self._note_unseen(error)
            return None
        except OSError:  # gone, a link to nowhere, or links in a circle
            return None
        if not stat.S_ISREG(facts.st_mode):
            return None
        mark = f"{facts.st_size}-{facts.st_mtime_ns}-{facts.st_ctime_ns}-{facts.st_ino}"
        return FileVersion(key, facts.st_size, facts.st_mtime_ns, mark, facts.st_ctime_ns)

    def written(self, key: str) -> bool | None:
        """Whether somebody has the file open for writing."""
        try:
            return is_being_written(self._path(key))
        except OSError:  # missing, or not ours to read
            return None

    def key_of(self, path: str) -> str | None:
        """The key of a path in the zone."""
        inside = os.path.relpath(path, self.root)
        return _key(inside) if inside != os.curdir and is_listed(inside) else None

    def below(self, key: str) -> Iterator[FileVersion]:
        """The file of that key, or all that are in the folder of that name."""
        path = self._path(key) if key else self.root
        if not key or (path.is_dir() and not path.is_symlink()):
            yield from self._walk(path)
        elif (version := self.stat(key)) is not None:
            yield version

    def everything(self, key: str) -> Iterator[FileVersion]:
        """Every file in the folder of that name, whatever it is called; links are not followed."""
        for place, folders, files in os.walk(self._path(key)):
            folders.sort()
            for name in sorted(files):
                path = os.path.join(place, name)  # noqa: PTH118 - a listing may be long
                with suppress(FileNotFoundError):
                    facts = os.lstat(path)
                    inside = _key(os.path.relpath(path, self.root))
                    yield FileVersion(inside, facts.st_size, facts.st_mtime_ns, "", facts.st_ctime_ns)

    def open(self, key: str, _mark: str | None = None) -> BufferedReader:
        """Open for reading; never waits, though a pipe may have taken the file's place."""
        handle = os.open(self._path(key), os.O_RDONLY | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        return os.fdopen(handle, "rb")

    def digest(self, key: str, _mark: str | None = None) -> str:
        """SHA-256 of the content, hexadecimal."""
        with self.open(key) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def staging(self, key: str) -> str:
        """A hidden name beside the final one: same file system, so that publishing is one link."""
        path = self._path(key)
        make_folder(path.parent)
        return str(path.with_name(f".{path.name}.tmp"))

    def publish(self, local: str, key: str) -> int:
        """Make a finished local file appear under `key`; refuses to replace a file."""
        return self._put(local, key, _move_without_replacing)

    def replace(self, local: str, key: str) -> int:
        """Make a finished local file appear under `key`, in place of what is there."""
        return self._put(local, key, os.replace)

    def _put(self, local: str, key: str, move: Callable[[str, Path], None]) -> int:
        path = self._path(key)
        make_folder(path.parent)
        with Path(local).open("rb") as file:
            faults.reach("storage.sync")
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        faults.reach("storage.rename")
        move(local, path)
        sync_folder(path.parent)
        if self.seals is not None:
            self.seals.seal([str(path)])
        return size

    def delete(self, key: str) -> None:
        """Remove the file; no error when it is missing."""
        faults.reach("storage.delete")
        path = self._path(key)
        path.unlink(missing_ok=True)
        if self.seals is not None:
            self.seals.forget([str(path)])

    def discard(self, paths: Iterable[str]) -> None:
        """Take away published files that no commit names."""
        for path in paths:
            remove_file(path)

    def location(self, key: str, _mark: str | None = None) -> str:
        """Absolute path."""
        return str(self._path(key))

    def bring(self, wanted: Iterable[Wanted]) -> None:
        """Do nothing: the files are here."""

    def release(self, wanted: Iterable[Wanted]) -> None:
        """Do nothing: there are no copies."""

    def _path(self, key: str) -> Path:
        return self.root.joinpath(*map(_name, parts_of(key)))


def _key(path: str) -> str:
    """The key of a path: text that can be stored, also where the name is not UTF-8; `_name` leads back."""
    if path.isascii() or not _UNUSUAL.search(path):
        return path
    return _UNUSUAL.sub(lambda found: "".join(chr(_PRIVATE + byte) for byte in os.fsencode(found[0])), path)


def _name(key: str) -> str:
    """The file name that a part of a key stands for."""
    return _USUAL.sub(lambda found: os.fsdecode(bytes(ord(char) - _PRIVATE for char in found[0])), key)


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
    faults.reach("storage.delete")
    Path(local).unlink()


def wait_until_settled(version: FileVersion, quiet: float = TICK) -> None:
    """Wait until the file's last change lies `quiet` seconds back; at once for almost every file.

    A file system's clock ticks in milliseconds: within one tick a file can change without its times changing. Once a
    tick has passed since the last change, the next change is sure to show. This is real time, never a held clock.
    """
    changed = version.changed_ns / 1e9
    time.sleep(min(max(changed + quiet - time.time(), 0.0), quiet))


def remove_file(path: str | Path) -> None:
    """Take away a file that no commit names; nothing happens where there is none."""
    faults.reach("storage.delete")
    Path(path).unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, in a way that survives a power cut; nothing happens where it is there."""
    if folder.is_dir():
        return
    missing = [folder, *takewhile(lambda above: not above.exists(), folder.parents)]
    faults.reach("storage.mkdir")
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync_folder(made.parent)


def sync_folder(folder: Path, place: str = "storage.sync") -> None:
    """Make a new name in a folder survive a power cut."""
    faults.reach(place)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
