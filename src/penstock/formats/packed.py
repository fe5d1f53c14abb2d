"""Files that arrive compressed: told by their first bytes, never by their names, and unpacked with a limit.

A small file that grows beyond all measure is a decompression bomb; one that breaks off is refused with the place where
it does, because what was unpacked up to there may end within a record.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from penstock import faults
from penstock.errors import BadFileError

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
CHUNK_BYTES = 1 << 20
MOST_GROWTH = 200
FREE_BYTES = 100_000_000
_GZIP_BITS = 31
"""What makes zlib read the header and the check sum of gzip."""


def decompress(path: str, folder: Path, *, growth: int = MOST_GROWTH, free: int = FREE_BYTES) -> str:
    """Unpack a file that is compressed with gzip or zstd.

    Args:
        path: The file as it arrived.
        folder: Where the unpacked file is written; it belongs to the caller.
        growth: How many times its size a file may become.
        free: Bytes that it may become in any case.

    Returns:
        Path of the plain bytes: `path` itself when it is not compressed.

    Raises:
        BadFileError: The file is damaged or breaks off, or it grows beyond the limit.
    """
    with Path(path).open("rb") as file:
        magic = file.read(len(ZSTD))
        file.seek(0)
        if magic.startswith(GZIP):
            unpacked = _gunzip(file)
        elif magic == ZSTD:
            unpacked = _unzstd(path)
        else:
            return path
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{Path(path).name}.plain"
        _write(unpacked, target, Path(path).stat().st_size, growth, free)
        return str(target)


def _write(unpacked: Iterator[bytes], target: Path, size: int, growth: int, free: int) -> None:
    """Write what comes, within the limit; nothing is left where it fails."""
    count, lines = 0, 1
    try:
        with target.open("wb") as out:
            for chunk in unpacked:
                count += len(chunk)
                _refuse_bomb(count, size, max(free, growth * size))
                lines += chunk.count(b"\n")
                faults.write(out, chunk, "scratch.write")
    except _DamageError as error:
        target.unlink(missing_ok=True)
        place = f": at byte {count:,} of the unpacked text, in line {lines:,}" if count else ""
        raise BadFileError(
            f"the compressed file {error}{place}",
            hint="it did not arrive whole, or was damaged; deliver it again",
        ) from None
    except BadFileError:
        target.unlink(missing_ok=True)
        raise


def _refuse_bomb(count: int, size: int, most: int) -> None:
    if count > most:
        raise BadFileError(
            f"the file of {size:,} bytes unpacks to more than {most:,}: that is a decompression bomb",
            hint="check who sent it; if it is meant, deliver it unpacked or in parts",
        )


class _DamageError(Exception):
    """What is wrong with compressed bytes; never leaves this module."""


def _gunzip(file: BinaryIO) -> Iterator[bytes]:
    """The content of all members of a gzip file, check sums verified; zeros behind the last member are padding."""
    decoder = zlib.decompressobj(_GZIP_BITS)
    waiting = file.read(CHUNK_BYTES)
    begun, members = True, 0
    while waiting:
        try:
            text = decoder.decompress(waiting, CHUNK_BYTES)
        except zlib.error as error:
            raise _DamageError(_damage(str(error).rpartition(": ")[2], members)) from None
        if text:
            yield text
        if decoder.eof:
            members += 1
            waiting = decoder.unused_data or file.read(CHUNK_BYTES)
            while waiting and not waiting.strip(b"\0"):
                waiting = file.read(CHUNK_BYTES)
            decoder = zlib.decompressobj(_GZIP_BITS)
            begun = bool(waiting)
        else:
            waiting = decoder.unconsumed_tail or file.read(CHUNK_BYTES)
    if begun:
        if text := decoder.flush():
            yield text
        raise _DamageError("breaks off")


def _damage(words: str, members: int) -> str:
    """What is wrong, for people."""
    if words in {"incorrect data check", "incorrect length check"}:
        return "is damaged: its check sum does not match what it unpacks to"
    if members and words == "incorrect header check":
        return "is followed by bytes that are not compressed"
    return f"is damaged ({words})"


def _unzstd(path: str) -> Iterator[bytes]:
    """The content of all frames of a zstd file."""
    import pyarrow as pa

    try:
        with pa.OSFile(path) as file, pa.CompressedInputStream(file, "zstd") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        words = "breaks off" if "truncated" in str(error).lower() or "end of" in str(error).lower() else "is damaged"
        raise _DamageError(words) from None
