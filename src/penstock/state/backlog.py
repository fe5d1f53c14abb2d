"""What is asked of the queue all the time, and is answered without reading whole arrivals, however many wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from penstock.naming import TableName


@dataclass(frozen=True)
class Due:
    """What a table's queue has to offer.

    Attributes:
        ready: Sequence of the oldest arrival that could be claimed now; None when there is none.
        later: When the next one could be that waits for its next attempt, seconds since 1970.
        elsewhere: Whether others have some at hand.
    """

    ready: int | None = None
    later: float | None = None
    elsewhere: bool = False


class Backlog(Protocol):
    """Short answers about the queue."""

    def marks(self, table: TableName, keys: Sequence[str]) -> dict[str, str]:
        """The marks of the newest recorded versions of files; those that were never recorded are left out."""

    def count(self, table: TableName) -> int:
        """How many arrivals of a table wait or are worked on."""

    def keys(self, table: TableName) -> list[str]:
        """The files that wait, oldest first."""

    def undone(self, table: TableName, keys: Sequence[str]) -> dict[str, float]:
        """Those of the files of which a version waits or is worked on, and from when on it can be claimed.

        Seconds since 1970: the end of a rest, or that of the lease of whoever works on it.
        """

    def due(self, table: TableName) -> Due:
        """What could be claimed, now or later."""

    def is_ahead(self, table: TableName, sequence: int) -> bool:
        """Whether arrivals recorded before `sequence` are worked on, can be claimed, or rest for no fault of theirs.

        What waits for its next attempt after one that counted delays nobody.
        """

    def last(self) -> int:
        """Sequence of the arrival that was recorded last; 0 when there is none."""

    def has_rows(self, table: TableName) -> bool:
        """Whether any finished arrival gave rows."""
