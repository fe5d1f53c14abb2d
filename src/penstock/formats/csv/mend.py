"""A file that is plain but for some records: those are read one by one, the engine reads a copy without them.

A large file often has a few records that the engine would misread, such as ones with empty fields too many. Reading all
of it record by record would take many times as long as the engine does. Where the quotes of the whole file are well
formed, it is certain where each record starts and ends, and so the damaged ones can be taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from penstock.formats.csv.careful import hand_on
from penstock.formats.csv.dialect import UTF8, Dialect
from penstock.formats.csv.gaps import Gaps
from penstock.formats.csv.lines import block_lines, byte_order_mark
from penstock.formats.csv.proof import Patterns, blocks, record_end, unsuited
from penstock.formats.csv.records import Records
from penstock.formats.csv.survey import Scan
from penstock.formats.spill import Fate, Place, SpillWriter

BLOCK_BYTES = 1 << 20
PIECE_BYTES = 1 << 12
MOST_DAMAGED = 64_000_000
WORTH_BYTES = 4_000_000
"""Smaller files are read record by record as a whole: that takes less than a second."""


@dataclass(frozen=True)
class Mended:
    """The copy, and what it leaves out."""

    path: str
    gaps: Gaps


def mend(
    path: str, scan: Scan, dialect: Dialect, copy: Path, writer: SpillWriter, names: tuple[str, ...]
) -> Mended | None:
    """Copy a file without its damaged records, and hand those to `writer`.

    Args:
        path: The file, not compressed.
        scan: What its bytes say.
        dialect: How it is written.
        copy: Where the copy is written.
        writer: Takes the damaged records one by one.
        names: The columns.

    Returns:
        None where that is not possible or not worth it: the file is small, its quotes are not well formed, or there is
        much damage. The writer then holds records that must not be used.
    """
    if scan.size < WORTH_BYTES or unsuited(scan, dialect, len(names)):
        return None
    patterns = Patterns(dialect, len(names), pairs=scan.pairs > 0)
    with Path(path).open("rb") as file, copy.open("wb") as out:
        return _Mender(dialect, names, patterns, writer).run(file, out, scan, str(copy))


class _Mender:
    """One pass over a file."""

    def __init__(self, dialect: Dialect, names: tuple[str, ...], patterns: Patterns, writer: SpillWriter) -> None:
        self._dialect, self._names, self._patterns, self._writer = dialect, names, patterns, writer
        self._quote = dialect.quote.encode()
        self._line, self._offset, self._kept, self._left_out = 1, 0, 0, 0
        self._starts: list[int] = []
        self._missing: list[int] = []

    def run(self, file: BinaryIO, out: BinaryIO, scan: Scan, copy: str) -> Mended | None:
        mark, _ = byte_order_mark(file.read(4))
        file.seek(0)
        before = file.read(len(mark)) + b"".join(file.readline() for _ in range(self._dialect.skip))
        header = file.readline() if self._dialect.header else b""
        if (self._quote and self._quote in before) or (header and not self._patterns.is_sound(header)):
            return None
        self._keep(before + header, out)
        self._patterns.take_header(header)
        for block in blocks(file, self._quote, scan, BLOCK_BYTES):
            if self._patterns.repeats_header(block) or not self._take(block, out) or self._left_out > MOST_DAMAGED:
                return None
        return Mended(copy, Gaps(tuple(self._starts), tuple(self._missing)))

    def _take(self, block: bytes, out: BinaryIO) -> bool:
        """Copy a block without its damaged parts; False where it cannot be told what is damaged."""
        whole = block if block.endswith(self._patterns.end) else block + self._patterns.end
        cuts = _cuts(whole, self._quote)
        readable = self._patterns.readable(whole, cuts)
        if all(readable):
            self._keep(block, out)
            return True
        for fine, (start, end) in zip(readable, pairwise(cuts), strict=True):
            if fine:
                self._keep(block[start:end], out)
            elif self._patterns.is_sound(whole[start:end]):
                self._leave_out(block[start:end])
            else:
                return False
        return True

    def _keep(self, block: bytes, out: BinaryIO) -> None:
        out.write(block)
        self._kept += len(block)
        self._move(block)

    def _leave_out(self, block: bytes) -> None:
        records = Records(block_lines(block, UTF8, self._offset), self._dialect, len(self._names))
        hand_on(records, self._dialect, _Moved(self._writer, self._line - 1), self._names)
        self._left_out += len(block)
        self._starts.append(self._kept)
        self._missing.append(self._left_out)
        self._move(block)

    def _move(self, block: bytes) -> None:
        self._offset += len(block)
        self._line += block.count(b"\n")


@dataclass(frozen=True)
class _Moved:
    """A writer for records that stand further down in the file than their lines say."""

    writer: SpillWriter
    lines: int

    def keep(self, cells: Sequence[Any], place: Place) -> None:
        self.writer.keep(cells, place._replace(line=place.line + self.lines))

    def remark(self, fate: Fate, place: Place, rule: str, reason: str, raw: str, column: str | None = None) -> None:
        self.writer.remark(fate, place._replace(line=place.line + self.lines), rule, reason, raw, column)


def _cuts(block: bytes, quote: bytes) -> list[int]:
    """Where a block can be cut into parts of whole records, its start and end included."""
    cuts, step = [0], PIECE_BYTES
    while cuts[-1] + step < len(block):
        end = record_end(block[cuts[-1] : cuts[-1] + step], quote)
        if end:
            cuts.append(cuts[-1] + end)
        step = PIECE_BYTES if end else step * 2
    return [*cuts, len(block)] if cuts[-1] < len(block) else cuts
