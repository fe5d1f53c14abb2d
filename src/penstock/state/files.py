"""Data files, and whose rows they hold.

Most data files hold the rows of one arrival, and their name says which. A *pack* holds those of several, one after the
other; its footer says which and how many, so that a pack is as much part of the ledger as the names are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath

from penstock.naming import ArrivalName, arrival_of, part_of

MEMBERS = "penstock.members"
"""Key, in a pack's footer, of the text that names its members."""
_KEY = re.compile(r"([0-9a-f]{16})-[0-9a-f]{16}-g")
_MEMBER = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})-g(\d+)(?:-(\d+))?:(\d+)")


@dataclass(frozen=True)
class Member:
    """Rows of one arrival, or of one part of it, within a data file.

    Attributes:
        arrival: Whose rows.
        rows: How many.
        part: Number of what was added to the arrival's rows later; None for the rows of the arrival itself.
    """

    arrival: ArrivalName
    rows: int
    part: int | None = None

    def __str__(self) -> str:
        """Write the member as it stands in a pack's footer."""
        name = str(self.arrival) if self.part is None else f"{self.arrival}-{self.part}"
        return f"{name}:{self.rows}"


def packed_text(members: Iterable[Member]) -> str:
    """Write members as they stand in a pack's footer, in the order of their rows."""
    return ",".join(map(str, members))


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a table: live, or finished and about to be.

    Attributes:
        path: Absolute path or URL.
        rows: Rows that count: those in hidden ranges do not.
        bytes: Its size.
        packed: What the footer of a pack says of its members; empty for other files.
        partition: In which partition its rows are, as `Spec.partition` writes it; empty where the table has none.
        hidden: Ranges of rows, from the first to before the last, that are on their way out.
    """

    path: str
    rows: int
    bytes: int
    packed: str = ""
    partition: str = ""
    hidden: tuple[tuple[int, int], ...] = ()

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """Whose rows it holds, in order; none when another writer made it."""
        if self.packed:
            found = _MEMBER.findall(self.packed)
            return tuple(
                Member(ArrivalName(key, version, int(generation)), int(rows), int(part) if part else None)
                for key, version, generation, part, rows in found
            )
        arrival = arrival_of(self.path)
        return () if arrival is None else (Member(arrival, self.rows, part_of(self.path)),)

    @cached_property
    def _by_name(self) -> dict[tuple[ArrivalName, int | None], Member]:
        return {(member.arrival, member.part): member for member in self.members}

    def member(self, arrival: ArrivalName, part: int | None) -> Member | None:
        """The rows of an arrival, or of one of its parts; None when it holds none of them."""
        return self._by_name.get((arrival, part))

    @cached_property
    def _key_ids(self) -> frozenset[str]:
        return frozenset(_KEY.findall(self.packed or PurePosixPath(self.path).name))

    @property
    def keys(self) -> int:
        """Of how many keys it holds rows; 0 when another writer made it."""
        return len(self._key_ids)

    def may_hold(self, keys: Iterable[str]) -> bool:
        """Whether rows of one of these keys, by their `key_id`, may be in it; cheap, and never wrongly False."""
        return not self._key_ids.isdisjoint(keys)

    def hiding(self, gone: Iterable[Member]) -> DataFile:
        """The same file, rows of these members left out."""
        left_out = set(gone)
        ranges = [*self.hidden, *((first, end) for member, first, end in self.spans() if member in left_out)]
        return replace(self, rows=self.rows - sum(member.rows for member in left_out), hidden=tuple(sorted(ranges)))

    def spans(self) -> Iterator[tuple[Member, int, int]]:
        """Members with the row that each begins at, and the one behind its last."""
        end = 0
        for member in self.members:
            first, end = end, end + member.rows
            yield member, first, end

    @property
    def shown(self) -> tuple[tuple[Member, int], ...]:
        """Members whose rows are not hidden, each with the row behind its last."""
        hidden = {first for first, _ in self.hidden}
        return tuple((member, end) for member, first, end in self.spans() if first not in hidden)
