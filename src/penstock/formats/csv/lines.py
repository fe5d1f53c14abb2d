r"""Lines of a text file in any encoding, each with its byte offset and its length in the file's own bytes.

Every line feed, carriage return, and pair of both ends a line; which of them it was stands with the line, so that a
carriage return within a value can be put back. Lines that are not text in the encoding are given with what is wrong
with them, never changed in silence: their bytes are shown as `\xNN`. Memory is bounded: of a line without end only the
start is kept.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import accumulate, chain, repeat
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
_END = re.compile("\r\n|\n|\r")
_END_BYTES = re.compile(b"\r\n|\n|\r")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Line(NamedTuple):
    """A line without its end.

    Attributes:
        text: What it says.
        offset: Byte at which it starts.
        length: Bytes it takes, without the line end.
        end: What ends it; empty at the end of the file.
        fault: Why it is no text; empty when it is.
    """

    text: str
    offset: int
    length: int
    end: str
    fault: str


def byte_order_mark(head: bytes) -> tuple[bytes, str]:
    """The mark that a file starts with, and the encoding it stands for; both empty where there is none."""
    return next(((mark, name) for mark, name in MARKS if head.startswith(mark)), (b"", ""))


def unit(encoding: str) -> int:
    """Bytes that a line feed takes."""
    return _UNITS.get(encoding, 1)


def read_lines(path: str, encoding: str, *, chunk: int = CHUNK_BYTES) -> Iterator[Line]:
    """The lines of a file, from the first byte behind its byte order mark."""
    with Path(path).open("rb") as file:
        mark, name = byte_order_mark(file.read(len(codecs.BOM_UTF32_LE)))
        start = len(mark) if name == encoding else 0
        file.seek(start)
        if unit(encoding) == 1:
            yield from _narrow_lines(file, encoding, start, chunk)
        else:
            yield from _wide_lines(file, encoding, start, chunk)


def _narrow_lines(file: BinaryIO, encoding: str, offset: int, size: int) -> Iterator[Line]:
    """Lines in an encoding whose line feed is one byte."""
    parts: list[bytes] = []
    waiting = 0
    while chunk := file.read(size):
        if parts and parts[-1].endswith(b"\r"):  # a pair of line ends may be cut in two
            chunk = parts.pop() + chunk
        end = _last_end(chunk)
        if end:
            block = b"".join([*parts, chunk[:end]])
            yield from block_lines(block, encoding, offset)
            offset += len(block)
            parts, waiting = [], 0
        parts.append(chunk[end:])
        waiting = sum(map(len, parts))
        if waiting > MAX_LINE_BYTES:
            line, rest = _overlong(file, b"".join(parts), encoding, offset, size)
            yield line
            offset += line.length + len(line.end)
            parts = [rest]
    if any(parts):
        yield from block_lines(b"".join(parts), encoding, offset)


def _last_end(chunk: bytes) -> int:
    """Position behind the last line end that the next chunk cannot change; 0 when there is none."""
    return max(chunk.rfind(b"\n"), chunk.rfind(b"\r", 0, -1)) + 1


def _overlong(file: BinaryIO, start: bytes, encoding: str, offset: int, size: int) -> tuple[Line, bytes]:
    """A line that is too long to be kept, and what was read behind its end."""
    length, rest, end = len(start), b"", ""
    while chunk := file.read(size):
        found = _END_BYTES.search(chunk)
        if found:
            length += found.start()
            end, rest = found.group().decode(), chunk[found.end() :]
            break
        length += len(chunk)
    text = start[:SHOWN_BYTES].decode(encoding, "backslashreplace") + "…"
    return Line(text, offset, length, end, f"longer than {MAX_LINE_BYTES:,} bytes"), rest


def block_lines(block: bytes, encoding: str, offset: int) -> Iterator[Line]:
    """The lines of a block that ends with a line end or with the file."""
    pairs, feeds, returns = block.count(b"\r\n"), block.count(b"\n"), block.count(b"\r")
    kinds = [(pairs, b"\r\n"), (feeds - pairs, b"\n"), (returns - pairs, b"\r")]
    ends = [end for count, end in kinds if count]
    if len(ends) > 1:
        return _mixed_lines(block, encoding, offset)
    end = ends[0] if ends else b"\n"
    raws = block.split(end)
    try:
        texts = block.decode(encoding).split(end.decode())
    except UnicodeDecodeError:
        return _mixed_lines(block, encoding, offset)
    last, last_raw = texts.pop(), raws.pop()
    lengths = list(map(len, raws))
    offsets = list(accumulate((length + len(end) for length in lengths), initial=offset))
    whole = map(Line._make, zip(texts, offsets, lengths, repeat(end.decode()), repeat(""), strict=False))
    return chain(whole, (Line(last, offsets[-1], len(last_raw), "", ""),) if last_raw else ())


def _mixed_lines(block: bytes, encoding: str, offset: int) -> Iterator[Line]:
    """The same, line by line: for lines that are no text, or that end in several ways."""
    at = 0
    while at < len(block):
        found = _END_BYTES.search(block, at)
        stop, behind = found.span() if found else (len(block), len(block))
        text, fault = _decode(block[at:stop], encoding)
        yield Line(text, offset + at, stop - at, found.group().decode() if found else "", fault)
        at = behind


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
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    rest = ""
    while chunk := file.read(size):
        text = rest + _decode_wide(decoder, chunk, encoding)
        end = max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1
        at = 0
        while at < end:
            found = _END.search(text, at)
            stop, behind = found.span() if found else (end, end)
            line = _wide_line(text[at:stop], encoding, offset, found.group() if found else "")
            yield line
            offset += line.length + len(line.end) * unit(encoding)
            at = behind
        rest = text[end:]
        if len(rest) > MAX_LINE_BYTES:
            raise BadFileError(f"a line is longer than {MAX_LINE_BYTES:,} characters", hint="check that this is CSV")
    left = len(decoder.getstate()[0])
    stop = len(rest.rstrip("\r"))
    if rest or left:
        line = _wide_line(rest[:stop], encoding, offset, rest[stop:])
        fault = f"not {encoding_words(encoding)}: the file ends within a character" if left else line.fault
        yield line._replace(length=line.length + left, fault=fault)


def _decode_wide(decoder: codecs.IncrementalDecoder, chunk: bytes, encoding: str) -> str:
    try:
        return decoder.decode(chunk)
    except UnicodeDecodeError as error:
        raise BadFileError(
            f"the file is not {encoding_words(encoding)}: {error.reason}",
            hint="declare its encoding, such as csv: {encoding: cp1252}, or deliver it as UTF-8",
        ) from None


def _wide_line(text: str, encoding: str, offset: int, end: str) -> Line:
    length = len(text.encode(encoding, "surrogatepass"))
    fault = ""
    if not text.isascii() and (found := _SURROGATE.search(text)):
        fault = f"not {encoding_words(encoding)}: half a character at position {found.start() + 1} of the line"
        text = text.encode("utf-8", "backslashreplace").decode()
    return Line(text, offset, length, end, fault)
