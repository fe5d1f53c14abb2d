"""Where the files of a catalog's tables are kept, for tests that look at them or take some away."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from penstock.naming import TableName


class Place(Protocol):
    """What a test does with a catalog's files, wherever they are kept."""

    def home(self, table: TableName) -> Path:
        """The folder of this machine that stands for a table's place."""

    def send(self, path: str) -> None:
        """Make sure that a file which was written on this machine is kept with the others."""

    def stored(self, table: TableName) -> set[str]:
        """Names of the files that are kept of a table."""

    def take_away(self, table: TableName, name: str) -> None:
        """Lose a file of a table."""


class LocalPlace:
    """A folder; keeps the contract of `Place`."""

    def __init__(self, folder: Path) -> None:
        """Tables are below `folder`."""
        self._folder = folder

    def home(self, table: TableName) -> Path:
        """The table's folder."""
        return self._folder / table.layer / table.name

    def send(self, path: str) -> None:
        """It is there already."""
        assert Path(path).exists()

    def stored(self, table: TableName) -> set[str]:
        """Names of the files in the folder."""
        return {path.name for path in self.home(table).rglob("*") if path.is_file()}

    def take_away(self, table: TableName, name: str) -> None:
        """Remove the file."""
        next(self.home(table).rglob(name)).unlink()
