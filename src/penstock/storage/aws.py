"""Zones that are buckets.

In the zones that Penstock writes to, a file never changes once it is there: `location` gives a copy in the mirror. In
the zone raw others write, and what is there may be replaced: `location` gives a copy of one version. An object appears
whole, so no file is ever found half-written, and S3 says by itself which version is the current one.

S3 counts times in seconds: files that landed within one second are listed by name.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from penstock import faults
from penstock.errors import IntegrityError
from penstock.storage.copies import Copies
from penstock.storage.keys import beginning_of, glob, is_listed, is_possible, parts_of
from penstock.storage.mirror import SCHEME, Mirror
from penstock.storage.objects import LISTS, READS, WRITES, Got, Objects
from penstock.storage.seals import Look, Seals, digest_of, mark_of, missing_file
from penstock.storage.together import together
from penstock.storage.zone import FileVersion, Wanted

log = logging.getLogger("penstock.storage")

RAW_ACTIONS = (*READS, *LISTS)
"""What is done to the zone raw."""
ACTIONS = (READS[0], LISTS[0], *WRITES)
"""What is done to the others."""
UNUSABLE = "its name has an empty part, or one that is . or .. ; give it another name"


class MirrorSeals(Seals):
    """Seals of a mirror's copies: what is missing is fetched, and a copy that is not as it came is fetched again."""

    def __init__(self, mirror: Mirror, noted: Callable[[list[str]], None] | None = None) -> None:
        """Keep seals beside the copies.

        `noted` is told the paths of files of which nobody had said, when they were written, what they are.
        """
        super().__init__(mirror.root, noted)
        self._mirror, self._told = mirror, noted

    def seal(self, paths: Iterable[str]) -> None:
        """Seal files that were just written; those that are sealed already keep their seals."""
        super().seal(self._mirror.path(path) for path in paths)

    def assert_whole(self, paths: Iterable[str], where: str, look: Look | None = None) -> None:
        """Make sure that copies are there and as the objects were written; see `Seals`."""
        wanted = list(dict.fromkeys(map(self._mirror.path, paths)))
        known = self._known(wanted)
        marks = {path: mark_of(path) for path in wanted}
        there = {path for path in wanted if path in known and marks[path] is not None}
        self._take([path for path in wanted if path not in there], where, look)
        same, touched = list[tuple[str, str, str]](), list[str]()
        for path in there:
            seal, mark = known[path], marks[path]
            if seal.mark == mark or mark is None:
                continue
            if seal.mark is not None and digest_of(path) == seal.digest:
                same.append((path, mark, seal.digest))
            else:
                log.warning("the copy %s is not as it was fetched; it is fetched again", path)
                touched.append(path)
        self._write(same)
        self._take(touched, where, look)

    def _take(self, paths: list[str], where: str, look: Look | None) -> None:
        """Fetch copies, and seal them."""
        try:
            fetched = self._mirror.fetch(paths, again=True) if paths else {}
        except FileNotFoundError as error:
            raise missing_file(str(error.filename), where) from error
        except IntegrityError as error:
            raise IntegrityError(error.what, where=f"{where}: {error.where}", hint=error.hint) from error
        strange = [path for path, got in fetched.items() if not got.vouched]
        if look is not None:
            for path in strange:
                look(path)
        self.seal_as({path: got.digest for path, got in fetched.items()})
        if strange and self._told is not None:
            self._told(strange)

    def seal_as(self, digests: dict[str, str]) -> None:
        """Seal copies whose bytes were hashed on their way, whatever they were before."""
        marks = {path: mark_of(path) for path in digests}
        self._write([(path, mark, digests[path]) for path, mark in marks.items() if mark is not None])


class S3Zone:
    """A bucket of files that never change; keeps the contract of `Zone`."""

    def __init__(self, mirror: Mirror, seals: MirrorSeals | None = None) -> None:
        """Stand for the bucket of `mirror`, where copies are. Files that are published are sealed in `seals`."""
        self.root = mirror.root
        self.seals: Seals | None = seals
        self._sealing = seals
        self.mirror = mirror
        self.objects: Objects = mirror.objects
        self.unseen: dict[str, str] = {}
        self.lasting = True
        self._marks: dict[str, str] = {}

    def list(self, pattern: str) -> Iterator[FileVersion]:
        """Files whose key matches, oldest first, then by key; `unseen` is about this listing then."""
        wanted = glob(pattern)
        self.unseen = {}
        found = [version for version in self._listed(beginning_of(pattern)) if wanted.match(version.key)]
        return iter(sorted(found, key=lambda version: (version.modified_ns, version.key)))

    def _listed(self, prefix: str) -> Iterator[FileVersion]:
        for version in self.objects.list(prefix):
            if version.key.endswith("/") and not version.size:
                continue  # how S3's console makes a folder
            if not is_possible(version.key):
                self.unseen[version.key] = UNUSABLE
            elif is_listed(version.key):
                yield version

    def stat(self, key: str) -> FileVersion | None:
        """The current version; None when there is no such object."""
        parts_of(key)
        found = self.objects.look(key)
        return None if found is None else found[0]

    def written(self, _key: str) -> bool | None:
        """Nobody is ever at an object: it appears whole."""
        return False

    def key_of(self, path: str) -> str | None:
        """The key of a URI, or of a path in the mirror."""
        key = path.removeprefix(f"{SCHEME}{self.objects.bucket}/")
        if key == path and Path(path).is_relative_to(self.root):
            key = Path(path).relative_to(self.root).as_posix()
        return key if is_possible(key) and is_listed(key) else None

    def below(self, key: str) -> Iterator[FileVersion]:
        """The file of that key, or all that are in the folder of that name."""
        there = self.stat(key) if key else None
        if there is not None:
            yield there
        yield from self._listed(f"{key}/" if key else "")

    def everything(self, key: str) -> Iterator[FileVersion]:
        """Every object in the folder of that name, whatever it is called."""
        parts_of(key)
        yield from self.objects.list(f"{key}/")

    def open(self, key: str, mark: str | None = None) -> BinaryIO:
        """Open the copy for reading."""
        return Path(self.location(key, mark)).open("rb")

    def digest(self, key: str, mark: str | None = None) -> str:
        """SHA-256 of the content, hexadecimal."""
        return digest_of(self.location(key, mark))

    def staging(self, key: str) -> str:
        """A hidden name beside the copy that is to be."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(path.with_name(f".{path.name}.tmp"))

    def publish(self, local: str, key: str) -> int:
        """Send a finished local file, which becomes the copy; refuses to replace an object."""
        return self._put(local, key, replacing=False)

    def replace(self, local: str, key: str) -> int:
        """Send a finished local file in place of the object that is there; whoever reads has one of them, whole."""
        return self._put(local, key, replacing=True)

    def _put(self, local: str, key: str, *, replacing: bool) -> int:
        path = self._path(key)
        faults.reach("storage.sync")
        sent = self.mirror.send(str(path), local, replacing=replacing)
        faults.reach("storage.delete")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(local, path)
        self._marks.pop(str(path), None)
        if self._sealing is not None:
            self._sealing.seal_as({str(path): sent.digest})
        return sent.size

    def delete(self, key: str) -> None:
        """Remove the object and its copy; no error when they are missing."""
        self.discard([str(self._path(key))])

    def discard(self, paths: Iterable[str]) -> None:
        """Take away published files that no commit names, and their copies and seals."""
        gone = list(paths)
        self.mirror.remove(gone)
        for path in gone:
            self._marks.pop(path, None)
        if self.seals is not None:
            self.seals.forget(gone)

    def location(self, key: str, mark: str | None = None) -> str:
        """The path of the copy, which is fetched where it is missing, or not of the version wanted."""
        path = str(self._path(key))
        self._bring([path], again=mark is not None and self._marks.get(path) != mark)
        return path

    def bring(self, wanted: Iterable[Wanted]) -> None:
        """Fetch the copies that are missing, many at once."""
        self._bring([str(self._path(key)) for key, _ in wanted], again=False)

    def _bring(self, paths: Iterable[str], *, again: bool) -> None:
        def bring_one(path: str) -> dict[str, Got]:
            try:
                return self.mirror.fetch([path], again=again)
            except FileNotFoundError:
                if again:
                    Path(path).unlink(missing_ok=True)
                return {}

        missing = [path for path in dict.fromkeys(paths) if again or mark_of(path) is None]
        for _, fetched in together(bring_one, missing):
            self._marks.update((path, got.mark) for path, got in fetched.items())
            if self._sealing is not None and fetched:
                self._sealing.seal_as({path: got.digest for path, got in fetched.items()})

    def release(self, wanted: Iterable[Wanted]) -> None:
        """Do nothing: copies of files that never change are of use later."""

    def _path(self, key: str) -> Path:
        return self.root.joinpath(*parts_of(key))


class S3RawZone(S3Zone):
    """The bucket where others put files; keeps the contract of `Zone`."""

    def __init__(self, mirror: Mirror) -> None:
        """Stand for the bucket of `mirror`; copies of versions are below its root."""
        super().__init__(mirror)
        self.objects = Objects(mirror.bucket, mirror.objects.region, versioned=True)
        self._copies = Copies(mirror.root, self.objects)

    def location(self, key: str, mark: str | None = None) -> str:
        """The path of the copy of a version, which is fetched where it is missing."""
        parts_of(key)
        self.mirror.use()
        wanted = mark or self._current(key)
        if wanted is None:
            return self._copies.path(key, "")
        with suppress(FileNotFoundError):
            return self._copies.fetch(key, wanted)
        return self._copies.path(key, wanted)

    def digest(self, key: str, mark: str | None = None) -> str:
        """SHA-256 of the content: what S3 vouches for, or read once for each version."""
        parts_of(key)
        wanted = mark or self._current(key)
        if wanted is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.objects.uri(key))
        return self._copies.digest(key, wanted)

    def stat(self, key: str) -> FileVersion | None:
        """The current version; what S3 says of its content is remembered for `digest`."""
        parts_of(key)
        found = self.objects.look(key)
        if found is None:
            return None
        version, digest = found
        if digest:
            self._copies.note(key, version.mark, digest)
        return version

    def part(self, after: str, most: int) -> tuple[list[FileVersion], str | None]:
        """Up to so many files whose keys come after one, and the last key there was; None in its place at the end.

        Files are left out whose names nobody can use, as in any listing.
        """
        found = list[FileVersion]()
        for version in self.objects.list("", after):
            if version.key == after:
                continue
            if len(found) == most:
                return self._usable(found), found[-1].key
            found.append(version)
        return self._usable(found), None

    def _usable(self, versions: list[FileVersion]) -> list[FileVersion]:
        return [version for version in versions if is_possible(version.key) and is_listed(version.key)]

    def is_archived(self, key: str) -> bool:
        """Whether the object is in an archive, and was not restored from it."""
        return self.objects.is_archived(key)

    def _current(self, key: str) -> str | None:
        there = self.stat(key)
        return None if there is None else there.mark

    def _put(self, local: str, key: str, *, replacing: bool) -> int:
        """Send a finished local file; no copy is kept."""
        parts_of(key)
        sent = self.mirror.send(str(self._path(key)), local, replacing=replacing)
        Path(local).unlink()
        return sent.size

    def bring(self, wanted: Iterable[Wanted]) -> None:
        """Fetch the copies that are missing, many at once."""
        for _ in together(lambda one: self.location(*one), list(wanted)):
            pass

    def release(self, wanted: Iterable[Wanted]) -> None:
        """Remove copies."""
        for key, mark in wanted:
            if mark is not None:
                self._copies.release(key, mark)

    def tidy(self) -> None:
        """Remove all copies: nothing is worked on."""
        self._copies.clear()


class BucketNotes:
    """Notes in a bucket, which outlive the machine that wrote them; keeps the contract of `Notes`."""

    def __init__(self, mirror: Mirror, prefix: str) -> None:
        """Keep them as objects whose keys begin with `prefix`."""
        self._objects, self._prefix = mirror.objects, prefix

    def read(self, name: str) -> bytes | None:
        """What was written last under the name."""
        return self._objects.read(self._prefix + name)

    def write(self, name: str, content: bytes) -> None:
        """Keep it."""
        self._objects.write(self._prefix + name, content)
