"""One quick pass over all bytes of a file: what they say about its encoding and its line ends.

Nothing here looks at single bytes in Python: chunks are searched, counted and decoded by C code, at memory speed.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from pathlib import Path

from penstock.formats.csv.dialect import UTF8
from penstock.formats.csv.lines import byte_order_mark

CHUNK_BYTES = 1 << 21
LARGE_BYTES = 4_000_000
"""From this size on a file is not looked at beforehand, but proven while the engine reads it."""
_MARK, _REPLACEMENT = "\ufeff", "\ufffd"


@dataclass(frozen=True)
class Scan:
    """What a file's bytes say.

    Attributes:
        size: Number of bytes.
        mark: The encoding that the byte order mark stands for; empty without one.
        blank: Whether there is nothing but white space.
        ascii: Whether every byte is below 128.
        utf8: Whether all is valid UTF-8.
        bad_line: Line of the first byte that is not UTF-8, from 1; None when there is none.
        bad_byte: That byte.
        nul_line: Line of the first NUL byte; None when there is none.
        feeds: Line feeds, those behind a carriage return included.
        pairs: Line feeds behind a carriage return.
        returns: Carriage returns without a line feed behind them.
        quotes: Which of `"` and `'` occur.
        doubtful: Whether a byte order mark within the text, or U+FFFD, occurs.
        whole: Whether all of the file was looked at; else nothing unusual stands in its first part.
    """

    size: int
    mark: str = ""
    blank: bool = True
    ascii: bool = True
    utf8: bool = True
    bad_line: int | None = None
    bad_byte: int | None = None
    nul_line: int | None = None
    feeds: int = 0
    pairs: int = 0
    returns: int = 0
    quotes: str = ""
    doubtful: bool = False
    whole: bool = True


@dataclass
class _Counts:
    size: int = 0
    blank: bool = True
    ascii: bool = True
    bad: tuple[int, int] | None = None
    nul_line: int | None = None
    feeds: int = 0
    pairs: int = 0
    back: int = 0
    quotes: set[str] = field(default_factory=set)
    doubtful: bool = False
    ends_in_return: bool = False


def glance(path: str) -> Scan:
    """Look at the first part of a large file, or at all of one that is small or has anything unusual there."""
    size = Path(path).stat().st_size
    return _scan(path, size) if size >= LARGE_BYTES else scan(path)


def scan(path: str) -> Scan:
    """Look at all bytes of a file once."""
    return _scan(path)


def _scan(path: str, size: int | None = None) -> Scan:
    """Look at all bytes of a file, or, where its size is given, at the first ones unless they are unusual."""
    counts = _Counts()
    decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    mark = b""
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            if not counts.size:
                mark, _ = byte_order_mark(chunk)
                chunk = chunk[len(mark) :]
                counts.size = len(mark)
            decoder = _decoded(counts, chunk, decoder)
            _count(counts, chunk)
            if size is not None and _is_usual(counts, mark):
                quotes = "".join(sorted(counts.quotes))
                return Scan(size, UTF8 if mark else "", blank=False, ascii=False, quotes=quotes, whole=False)
        if decoder is not None and decoder.getstate()[0]:
            counts.bad = (counts.feeds + 1, decoder.getstate()[0][0])
    _, encoding = byte_order_mark(mark)
    bad_line, bad_byte = counts.bad or (None, None)
    return Scan(
        counts.size,
        encoding,
        counts.blank,
        counts.ascii,
        counts.bad is None,
        bad_line,
        bad_byte,
        counts.nul_line,
        counts.feeds,
        counts.pairs,
        counts.back - counts.pairs,
        "".join(sorted(counts.quotes)),
        counts.doubtful,
    )


def _is_usual(counts: _Counts, mark: bytes) -> bool:
    """Whether what was seen of a file is text in UTF-8 with line feeds, or with pairs, and nothing odd in it."""
    lone = counts.back - counts.pairs - counts.ends_in_return
    odd = counts.bad or counts.nul_line or counts.doubtful or counts.blank or lone or not counts.feeds
    return not odd and mark in {b"", codecs.BOM_UTF8}


def _decoded(
    counts: _Counts, chunk: bytes, decoder: codecs.IncrementalDecoder | None
) -> codecs.IncrementalDecoder | None:
    """Try a chunk as UTF-8; gives no decoder once that has failed."""
    waiting = decoder.getstate()[0] if decoder else b""
    if chunk.isascii() and not waiting:
        return decoder
    counts.ascii = False
    if decoder is None:
        return None
    try:
        text = decoder.decode(chunk)
    except UnicodeDecodeError as error:
        at = error.start - len(waiting)
        counts.bad = (counts.feeds + chunk.count(b"\n", 0, max(at, 0)) + 1, error.object[error.start])
        return None
    counts.doubtful |= _MARK in text or _REPLACEMENT in text
    return decoder


def _count(counts: _Counts, chunk: bytes) -> None:
    if counts.nul_line is None and b"\0" in chunk:
        counts.nul_line = counts.feeds + chunk.count(b"\n", 0, chunk.index(b"\0")) + 1
    counts.blank = counts.blank and not chunk.strip(b" \t\r\n\0")
    if counts.ends_in_return and chunk.startswith(b"\n"):
        counts.pairs += 1
    counts.feeds += chunk.count(b"\n")
    if b"\r" in chunk:
        counts.back += chunk.count(b"\r")
        counts.pairs += chunk.count(b"\r\n")
    counts.ends_in_return = chunk.endswith(b"\r")
    for quote in ('"', "'"):
        if quote not in counts.quotes and quote.encode() in chunk:
            counts.quotes.add(quote)
    counts.size += len(chunk)
