"""Small things that upkeep has to remember from one time to the next, under names.

Nothing is lost with them but time: what was seen is seen again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from penstock import faults


class Notes(Protocol):
    """Keeps small things under names."""

    def read(self, name: str) -> bytes | None:
        """What was written last under the name; None where nothing was, or it is lost."""

    def write(self, name: str, content: bytes) -> None:
        """Keep this under the name, whole or not at all."""


class FolderNotes:
    """Notes in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        """Keep them in `folder`, which is made when it is first written to."""
        self.folder = folder

    def read(self, name: str) -> bytes | None:
        """What was written last under the name."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Keep it, synchronised and then renamed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / name
        part = file.with_name(f".{name}.tmp")
        with part.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        faults.reach("storage.rename")
        part.replace(file)
