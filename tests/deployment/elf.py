"""What a shared library needs of others, read from its bytes: so libraries of other machines can be looked at, too."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

DYNAMIC, STRING_TABLE, NEEDED, LOAD = 2, 5, 1, 1
MACHINES = {62: "x86_64", 183: "arm64"}


@dataclass(frozen=True)
class Library:
    """A shared library: whose machine it is for, and the names of those that it needs."""

    machine: str
    needs: tuple[str, ...]


def library_of(content: bytes) -> Library | None:
    """Read the head of a 64-bit little-endian ELF file; None for any other file."""
    if content[:6] != b"\x7fELF\x02\x01":
        return None
    machine = struct.unpack_from("<H", content, 18)[0]
    segments = list(_segments(content))
    start, size = next((offset, size) for kind, offset, _, size in segments if kind == DYNAMIC)
    entries = [struct.unpack_from("<QQ", content, start + at) for at in range(0, size, 16)]
    address = next(value for tag, value in entries if tag == STRING_TABLE)
    strings = next(
        offset + address - at for kind, offset, at, size in segments if kind == LOAD and at <= address < at + size
    )
    needs = tuple(_text(content, strings + value) for tag, value in entries if tag == NEEDED)
    return Library(MACHINES[machine], needs)


def _segments(content: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Kind, offset in the file, address and size in the file of each segment."""
    table, width, count = *struct.unpack_from("<Q", content, 32), *struct.unpack_from("<HH", content, 54)
    for at in range(table, table + width * count, width):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", content, at)
        yield kind, offset, address, size


def _text(content: bytes, start: int) -> str:
    return content[start : content.index(b"\0", start)].decode()
