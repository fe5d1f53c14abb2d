r"""Lines of a text file in any encoding, each with its byte offset and its length in the file's own bytes.

Lines that are not text in the encoding are given with what is wrong with them, never changed in silence: their bytes
are shown as `\xNN`. Memory is bounded: of a line without end only the start is kept.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import BinaryIO, NamedTuple

from penstock.errors import BadFileError

CHUNK_BYTES = 1 << 20
MAX_LINE_BYTES = 4_000_000
SHOWN_BYTES = 1_000
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNITS = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
_SURROGATE = re.compile("[\ud800-\udfff]")
_DOUBT = re.compile("[\ufeff\ufffd\r\x00]")


class Line(NamedTuple):
    """A line without its end.

    Attributes:
        text: What it says.
        offset: Byte at which it starts.
        length: Bytes it takes, without the line end.
        size: The same, with the line end.
        fault: Why it is no text; empty when it is.
    """

    text: str
    offset: int
    length: int
    size: int
    fault: str


def byte_order_mark(head: bytes) -> tuple[bytes, str]:
    """The mark that a file starts with, and the encoding it stands for; both empty where there is none."""
    return next(((mark, name) for mark, name in MARKS if head.startswith(mark)), (b"", ""))


def unit(encoding: str) -> int:
    """Bytes that a line feed takes."""
    return _UNITS.get(encoding, 1)


def read_lines(path: str, encoding: str, *, chunk: int = CHUNK_BYTES) -> Iterator[Line]:
    """The lines of a file, from the first byte behind its byte order mark.

    Lines end with a line feed, with or without a carriage return, or with a carriage return where the file's start has
    more of those alone than line feeds.
    """
    with Path(path).open("rb") as file:
        head = file.read(len(codecs.BOM_UTF32_LE))
        mark, name = byte_order_mark(head)
        start = len(mark) if name == encoding else 0
        file.seek(start)
        if unit(encoding) == 1:
            yield from _narrow_lines(file, encoding, start, chunk)
        else:
            yield from _wide_lines(file, encoding, start, chunk)


def _line_end(text: bytes, feed: bytes, back: bytes) -> bytes:
    alone = text.count(back) - text.count(back + feed)
    return back if alone > text.count(feed) else feed


def _narrow_lines(file: BinaryIO, encoding: str, offset: int, size: int) -> Iterator[Line]:
    """Lines in an encoding whose line feed is one byte."""
    chunk = file.read(size)
    end = _line_end(chunk, b"\n", b"\r")
    parts: list[bytes] = []
    waiting = 0
    while chunk:
        block, found, rest = chunk.rpartition(end)
        if found:
            block = b"".join([*parts, block])
            yield from _block_lines(block, encoding, end, offset)
            offset += len(block) + len(end)
            parts, waiting = [], 0
        parts.append(rest)
        waiting += len(rest)
        if waiting > MAX_LINE_BYTES:
            found_line, rest = _overlong(file, b"".join(parts), encoding, end, offset, size)
            yield found_line
            offset += found_line.size
            parts, waiting = [], 0
            chunk = rest or file.read(size)
            continue
        chunk = file.read(size)
    last = b"".join(parts)
    if last:
        yield from _block_lines(last, encoding, end, offset, ended=False)


def _overlong(file: BinaryIO, start: bytes, encoding: str, end: bytes, offset: int, size: int) -> tuple[Line, bytes]:
    """A line that is too long to be kept, and what was read behind its end."""
    length, rest = len(start), b""
    while chunk := file.read(size):
        head, found, rest = chunk.partition(end)
        length += len(head)
        if found:
            length += len(end)
            break
    text = start[:SHOWN_BYTES].decode(encoding, "backslashreplace") + "…"
    return Line(text, offset, length, length, f"longer than {MAX_LINE_BYTES:,} bytes"), rest


def _block_lines(block: bytes, encoding: str, end: bytes, offset: int, *, ended: bool = True) -> Iterator[Line]:
    raws = block.split(end)
    faults: Iterator[str] = repeat("")
    try:
        text = block.decode(encoding)
        texts = text.split(end.decode("ascii"))
    except UnicodeDecodeError:
        decoded = [_decode(raw, encoding) for raw in raws]
        texts, faults = [text for text, _ in decoded], iter([fault for _, fault in decoded])
    extra, last = len(end), len(raws) - 1
    other = "\r" if end == b"\n" else ""
    for at, (text, raw, fault) in enumerate(zip(texts, raws, faults, strict=False)):
        length = len(raw)
        size = length + (extra if ended or at < last else 0)
        if other and text.endswith(other) and (ended or at < last):
            yield Line(text[:-1], offset, length - 1, size, fault)
        else:
            yield Line(text, offset, length, size, fault)
        offset += size


def _decode(raw: bytes, encoding: str) -> tuple[str, str]:
    """The text of a line, and what is wrong with it."""
    try:
        return raw.decode(encoding), ""
    except UnicodeDecodeError as error:
        byte = f"0x{raw[error.start]:02X}"
        fault = f"not {encoding_words(encoding)}: byte {byte} at position {error.start + 1} of the line"
        return raw.decode(encoding, "backslashreplace"), fault


def encoding_words(encoding: str) -> str:
    """What people call an encoding."""
    known = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}
    return known.get(encoding, encoding.upper().replace("_", "-"))


def _wide_lines(file: BinaryIO, encoding: str, offset: int, size: int) -> Iterator[Line]:
    """Lines in an encoding whose characters take two or four bytes."""
    width = unit(encoding)
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    chunk = file.read(size)
    start = _decode_wide(decoder, chunk, encoding)
    end = _line_end(start.encode("utf-8", "surrogatepass"), b"\n", b"\r").decode()
    rest = ""
    while chunk:
        *texts, rest = (rest + start).split(end)
        for text in texts:
            line = _wide_line(text, encoding, offset, width)
            yield line
            offset += line.size
        if len(rest) > MAX_LINE_BYTES:
            raise BadFileError(f"a line is longer than {MAX_LINE_BYTES:,} characters", hint="check that this is CSV")
        chunk = file.read(size)
        start = _decode_wide(decoder, chunk, encoding)
    left = len(decoder.getstate()[0])
    if rest or left:
        line = _wide_line(rest, encoding, offset, 0)
        fault = f"not {encoding_words(encoding)}: the file ends within a character" if left else line.fault
        yield line._replace(length=line.length + left, size=line.size + left, fault=fault)


def _decode_wide(decoder: codecs.IncrementalDecoder, chunk: bytes, encoding: str) -> str:
    try:
        return decoder.decode(chunk)
    except UnicodeDecodeError as error:
        raise BadFileError(
            f"the file is not {encoding_words(encoding)}: {error.reason}",
            hint="declare its encoding, such as csv: {encoding: cp1252}, or deliver it as UTF-8",
        ) from None


def _wide_line(text: str, encoding: str, offset: int, end: int) -> Line:
    size = len(text.encode(encoding, "surrogatepass")) + end
    fault = ""
    if not text.isascii() and (found := _SURROGATE.search(text)):
        fault = f"not {encoding_words(encoding)}: half a character at position {found.start() + 1} of the line"
        text = text.encode("utf-8", "backslashreplace").decode()
    if end and text.endswith("\r"):
        return Line(text[:-1], offset, size - 2 * end, size, fault)
    return Line(text, offset, size - end, size, fault)
