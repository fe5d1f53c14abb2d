"""What a zone can do: the contract that every place for bytes keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from penstock.storage.seals import Seals


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One version of one file, as far as it can be told without reading it.

    Attributes:
        key: Path below the zone, with `/` between folders.
        size: Bytes.
        modified_ns: Time of the last change, nanoseconds since 1970.
        mark: Text that differs whenever the file was changed or replaced; equal marks mean equal bytes.
        changed_ns: When the file system noted a change last, nanoseconds since 1970: within a tick of its clock, a
            change need not show in the mark. 0 where every version shows at once.
    """

    key: str
    size: int
    modified_ns: int
    mark: str
    changed_ns: int = 0


Wanted = tuple[str, str | None]
"""A key, and the mark of the version that is wanted; None for the current one."""


class Zone(Protocol):
    """A place for bytes: a folder, or a bucket.

    Keys are relative, use `/`, and never leave the zone: a key that would is refused with `BadFileError`.

    Where a call takes a `mark`, the very version is meant that a listing or `stat` showed with it, or the current one
    when it is left out. A folder has but one version of a file, and does not look at marks: who needs to be sure asks
    `stat` before and after.

    Attributes:
        root: Folder of this machine below which engines find the files, once `location` was asked for them.
        unseen: Folders and files that the last listing could not look into, with the reason.
        seals: What published files were when they were published, where that is kept.
        lasting: Whether what is read by its mark is that version, whatever has become of the file: nobody needs to look
            afterwards whether it changed meanwhile.
    """

    root: Path
    unseen: dict[str, str]
    seals: Seals | None
    lasting: bool

    def list(self, pattern: str) -> Iterator[FileVersion]:
        """Files whose key matches the glob (`*` within a folder, `**` across), oldest first, then by key.

        Hidden files, files whose name ends in `.tmp` or `.part`, folders and links that lead out of the zone are left
        out.
        """

    def stat(self, key: str) -> FileVersion | None:
        """The current version; None when there is no such file."""

    def written(self, key: str) -> bool | None:
        """Whether somebody has the file open for writing; None where that cannot be told.

        Of a missing file it tells nothing.
        """

    def key_of(self, path: str) -> str | None:
        """The key of a path in the zone; None for one that listings leave out by its name, or that is not in it."""

    def below(self, key: str) -> Iterator[FileVersion]:
        """The file of that key, or all that are in the folder of that name, in no order."""

    def everything(self, key: str) -> Iterator[FileVersion]:
        """Every file in the folder of that name and below, whatever it is called, in no order; marks may be empty."""

    def open(self, key: str, mark: str | None = None, /) -> BinaryIO:
        """Open for reading. Raises FileNotFoundError when missing."""

    def digest(self, key: str, mark: str | None = None, /) -> str:
        """SHA-256 of the content, hexadecimal. Raises FileNotFoundError when missing."""

    def staging(self, key: str) -> str:
        """A local path where a file can be written that will be published as `key`; its folder exists."""

    def publish(self, local: str, key: str) -> int:
        """Make a finished local file appear under `key`, atomically and durably; gives its size in bytes.

        The local file is gone afterwards. Raises FileExistsError when the key is taken: a published file never changes.
        """

    def replace(self, local: str, key: str) -> int:
        """Make a finished local file appear under `key`, in place of what is there, atomically and durably.

        Whoever reads meanwhile has the old file or the new one, whole. The local file is gone afterwards; gives its
        size in bytes.
        """

    def delete(self, key: str) -> None:
        """Remove the file; no error when it is missing."""

    def discard(self, paths: Iterable[str]) -> None:
        """Remove published files that no commit names, given as `location` gave them; missing ones do not matter."""

    def location(self, key: str, mark: str | None = None, /) -> str:
        """The absolute path at which engines find the file, which is there if there is such a file."""

    def bring(self, wanted: Iterable[Wanted]) -> None:
        """Have many files ready, so that `open` and `location` of each need not wait; missing ones do not matter."""

    def release(self, wanted: Iterable[Wanted]) -> None:
        """Say that files are not worked on any more: what was copied for it can go."""
