"""How the Iceberg library reads and writes a table's metadata in a bucket, through copies on this machine.

A metadata file is sent, and only then there as a copy; a commit names it only after that. What is
read is fetched once: these files never change. The library imports this module by its name, `py-io-impl`; nothing of
ours does, because it needs the library.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, cast

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.typedef import EMPTY_DICT, Properties

from penstock import faults
from penstock.errors import PenstockError
from penstock.storage.mirror import Mirror
from penstock.tables.file_io import Output

MIRROR = "penstock.mirror"
"""Property of the library's catalog that holds the mirror itself."""


class MirrorFileIO(FileIO):
    """Objects of one bucket; keeps the library's contract."""

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        """Use the mirror that the catalog was opened with; a table's own properties may say nothing of it."""
        super().__init__({name: value for name, value in properties.items() if name != MIRROR})
        self._mirror: Mirror = cast("Any", properties)[MIRROR]

    def new_input(self, location: str) -> InputFile:
        """An object to read."""
        return _Mirrored(location, self._mirror)

    def new_output(self, location: str) -> OutputFile:
        """An object to write."""
        return _Mirrored(location, self._mirror)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Remove an object; where that fails, it is left to upkeep."""
        name = location if isinstance(location, str) else location.location
        faults.reach("metadata.delete")
        try:
            self._mirror.remove([name])
        except PenstockError as error:
            raise OSError(str(error)) from error  # what the library takes for no reason to fail a commit that landed


class _Mirrored(InputFile, OutputFile):
    """One object, to read or to write."""

    def __init__(self, location: str, mirror: Mirror) -> None:
        super().__init__(location)
        self._mirror = mirror
        self._path = Path(mirror.path(location))

    def __len__(self) -> int:
        self._mirror.fetch([str(self._path)])
        return self._path.stat().st_size

    def exists(self) -> bool:
        try:
            self._mirror.fetch([str(self._path)])
        except FileNotFoundError:
            return False
        return True

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002, FBT001, FBT002 - the library's signature
        self._mirror.fetch([str(self._path)])
        return cast("InputStream", self._path.open("rb"))

    def to_input_file(self) -> InputFile:
        return self

    def create(self, overwrite: bool = False) -> OutputStream:  # noqa: ARG002, FBT001, FBT002 - never: names are new
        return Output(self._path, self._send)

    def _send(self, path: Path, data: bytes) -> None:
        """Put the object, then let the copy appear: a copy is never there without its object."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            with temporary.open("wb") as file:
                faults.write(file, data, "metadata.write")
            faults.reach("metadata.sync")
            self._mirror.send(str(path), source=str(temporary))
            faults.reach("metadata.rename")
            temporary.rename(path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
