"""Where a copy of a file leaves bytes of the original out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from penstock.formats.csv.locate import Located

BLOCK_BYTES = 1 << 18


@dataclass(frozen=True)
class Gaps:
    """Where a copy leaves bytes of the original out.

    Attributes:
        starts: Offsets in the copy, ascending, before which something is missing.
        missing: Bytes that are missing in all up to there.
    """

    starts: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()

    def original(self, offset: int) -> int:
        """Offset in the original of a byte of the copy."""
        at = bisect_right(self.starts, offset)
        return offset + (self.missing[at - 1] if at else 0)

    def relocated(self, found: Iterable[Located], original: BinaryIO) -> Iterator[Located]:
        """Records found in the copy, ascending, as they stand in the original."""
        line, at = 1, 0
        for located in found:
            offset = self.original(located.offset)
            while at < offset:
                chunk = original.read(min(BLOCK_BYTES, offset - at))
                line, at = line + chunk.count(b"\n"), at + len(chunk)
            yield Located(line, offset, located.raw)


NO_GAPS = Gaps()
