"""How the Iceberg library reads and writes a table's metadata on this machine, without leaving anything half done.

A metadata file is written under a hidden name, synced to disk and renamed; the table's own metadata, which is written
last and names all the others, also syncs the folder. So a commit that the catalog knows of survives a power cut. The
library imports this module by its name, `py-io-impl`; nothing of ours does, because it needs the library.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from penstock import faults
from penstock.storage.local import make_folder, sync_folder

SCHEME = "file://"
LAST = ".metadata.json"
"""End of the name of the file that is written last in a commit."""


class LocalFileIO(FileIO):
    """Files on this machine; keeps the library's contract."""

    def new_input(self, location: str) -> InputFile:
        """A file to read."""
        return _LocalFile(location)

    def new_output(self, location: str) -> OutputFile:
        """A file to write."""
        return _LocalFile(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Remove a file. Raises FileNotFoundError when there is none."""
        name = location if isinstance(location, str) else location.location
        faults.reach("metadata.delete")
        _path(name).unlink()


class _LocalFile(InputFile, OutputFile):
    """One file, to read or to write."""

    def __len__(self) -> int:
        return _path(self.location).stat().st_size

    def exists(self) -> bool:
        return _path(self.location).exists()

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002, FBT001, FBT002 - the library's signature
        return cast("InputStream", _path(self.location).open("rb"))

    def to_input_file(self) -> InputFile:
        return self

    def create(self, overwrite: bool = False) -> OutputStream:  # noqa: FBT001, FBT002 - the library's signature
        path = _path(self.location)
        if not overwrite and path.exists():
            raise FileExistsError(f"{path} is there already")
        return Output(path, _write)


class Output:
    """Bytes that become a file once they are all there."""

    def __init__(self, path: Path, write: Callable[[Path, bytes], None]) -> None:
        """Hold the bytes until they are all there; `write` then makes the file."""
        self._path, self._write = path, write
        self._bytes: bytearray | None = bytearray()

    def write(self, b: bytes) -> int:
        """Hold more bytes."""
        self._held().extend(b)
        return len(b)

    def tell(self) -> int:
        """How many bytes there are so far."""
        return len(self._held())

    def close(self) -> None:
        """Write the file; closing again does nothing."""
        if self._bytes is not None:
            data, self._bytes = bytes(self._bytes), None
            self._write(self._path, data)

    def _held(self) -> bytearray:
        if self._bytes is None:
            raise ValueError(f"{self._path.name} is closed")
        return self._bytes

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Make the file, unless something went wrong."""
        if kind is not None:
            self._bytes = None  # what is not whole must not look as if it were
        self.close()


def _write(path: Path, data: bytes) -> None:
    """Make a file appear with all of its bytes on disk, or not at all."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            faults.write(file, data, "metadata.write")
            file.flush()
            faults.reach("metadata.sync")
            os.fsync(file.fileno())
        faults.reach("metadata.rename")
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if path.name.endswith(LAST):
        sync_folder(path.parent, "metadata.sync")


def _path(location: str) -> Path:
    return Path(location.removeprefix(SCHEME))
