"""Where records stand in a CSV file: line, byte and raw text of the n-th record.

Records end at line ends outside quotes. With doubled quotes inside quoted fields that is where an even number of
quotes has been seen, which holds for every well-formed record; records that are not well-formed are known by their
byte offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Located:
    """A record's place: its first line (from 1), byte offset (from 0), and text without the line end."""

    line: int
    offset: int
    raw: bytes


def locate_records(file: BinaryIO, quote: str, wanted: Iterator[int], refused: dict[int, int]) -> Iterator[Located]:
    """Find the records with the ordinals `wanted` (ascending) in one pass over the file.

    Args:
        file: Open at the start.
        quote: The quote character.
        wanted: Ordinals among the records that were read, header excluded, from 1.
        refused: Records that the reader refused, which have no ordinal: byte offset to length in bytes.
    """
    target = next(wanted, None)
    mark = quote.encode()
    ordinal, line, offset = -1, 1, 0
    record, first_line, start = b"", 1, 0
    inside = 0  # 1 between an opening quote and its closing one
    while target is not None and (text := file.readline()):
        if not record and offset in refused:
            text += _rest(file, refused[offset] - len(text))
            line, offset = line + text.count(b"\n"), offset + len(text)
            first_line, start = line, offset
            continue
        record += text
        line += 1
        offset += len(text)
        inside ^= text.count(mark) & 1
        if inside:
            continue
        if record.strip(b"\r\n"):
            ordinal += 1
            if ordinal == target:
                yield Located(first_line, start, record.rstrip(b"\r\n"))
                target = next(wanted, None)
        record, first_line, start = b"", line, offset


def _rest(file: BinaryIO, missing: int) -> bytes:
    """Read on to the end of the line in which a refused record ends."""
    return file.read(missing) + file.readline() if missing > 0 else b""


def locate_offsets(file: BinaryIO, offsets: list[tuple[int, int]]) -> Iterator[Located]:
    """Find the line and the bytes of records by (offset, length), ascending, in one pass over the file."""
    line, at = 1, 0
    for offset, length in offsets:
        while at < offset:
            chunk = file.read(min(_CHUNK, offset - at))
            if not chunk:
                return
            line += chunk.count(b"\n")
            at += len(chunk)
        raw = file.read(length)
        yield Located(line, offset, raw)
        line += raw.count(b"\n")
        at += len(raw)
