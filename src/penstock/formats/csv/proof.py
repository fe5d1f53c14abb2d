"""The proof that the engine reads a file exactly: every record is matched by a regular expression in linear time.

The engine's reader is quick, and wrong in silence where a file is not plain: it takes a record with empty fields too
many, drops spaces around quotes, reads a header with text behind a quote as the whole file, and, when it reads with
several threads, loses or invents records at boundaries that it guesses, near ragged lines or line ends within quotes.
So a file is plain when its records are well formed, none has empty fields too many, and nothing in it is suspicious;
and only a file whose records all have the right width, without line ends in quotes, may be read with several threads.
What has too few fields, or too many that are not empty, is refused by the engine itself.

The matching is done by RE2 (through Arrow), whose automaton takes each byte once, whatever the pattern: about 0.5 GB a
second and thread.
"""

from __future__ import annotations

import os
import re
from array import array
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from penstock.formats.csv.cells import is_total
from penstock.formats.csv.dialect import UTF8, Dialect
from penstock.formats.csv.fields import cut
from penstock.formats.csv.lines import MAX_LINE_BYTES, byte_order_mark
from penstock.formats.csv.survey import LARGE_BYTES, Scan

TAIL_BYTES, TAIL_LINES = 8_000, 6
BLOCK_BYTES = 1 << 21
THREADS = 2
WIDEST_COUNTED = 400
"""Widest table whose fields the automaton counts; a wider one would need too many states."""


FEWEST_TELLING = 3
"""Narrowest table of which a line in quotes can be told to look like a record."""
WORTH_FEEDING = 100_000
"""Size from which a file with damaged records is fed to the engine before it is read record by record."""


@dataclass(frozen=True)
class Proof:
    """Whether the engine reads a file exactly.

    Attributes:
        plain: Whether it does.
        parallel: Whether it does even with several threads.
        why: Why the file is not plain; empty when it is.
        fed: Whether the proof is still to be made, block by block, while the file is fed to the engine.
    """

    plain: bool
    parallel: bool
    why: str = ""
    fed: bool = False


def prove(path: str, scan: Scan, dialect: Dialect, width: int) -> Proof:
    """Find out whether the engine reads a file exactly when it is told the dialect."""
    why = unsuited(scan, dialect, width)
    if why:
        return Proof(plain=False, parallel=False, why=why)
    with Path(path).open("rb") as file:
        mark, _ = byte_order_mark(file.read(4))
        file.seek(len(mark))
        for _ in range(dialect.skip):
            if dialect.quote.encode() in file.readline(MAX_LINE_BYTES) and dialect.quote:
                return Proof(plain=False, parallel=False, why="a line before the header holds a quote")
        if _ends_in_totals(file, dialect):
            return Proof(plain=False, parallel=False, why="its last lines read like totals")
        if scan.size >= LARGE_BYTES:
            return Proof(plain=True, parallel=False, fed=True)
        level = _level(blocks(file, dialect.quote.encode(), scan), Patterns(dialect, width, pairs=scan.pairs > 0))
    if level != DAMAGED:
        return Proof(plain=True, parallel=level == EXACT)
    fed = scan.size >= WORTH_FEEDING  # where it cannot be fed either, that shows soon
    why = "quotes, line ends or empty fields that the engine would misread, or a header that stands there again"
    return Proof(plain=fed, parallel=False, why="" if fed else why, fed=fed)


def unsuited(scan: Scan, dialect: Dialect, width: int) -> str:
    """Why a file cannot be plain, from what is known without looking at its records."""
    special = (
        (scan.mark not in {"", UTF8} or not scan.utf8, "it is not UTF-8 throughout"),
        (scan.nul_line is not None, f"line {scan.nul_line} holds a NUL byte"),
        (scan.doubtful, "it holds U+FFFD or a byte order mark within the text"),
        (scan.returns > 0 and not (dialect.quote and scan.feeds), "it holds carriage returns without line feeds"),
        (width > WIDEST_COUNTED and scan.size < LARGE_BYTES, f"it has {width:,} columns"),
    )
    return _unsuited_dialect(dialect) or next((why for found, why in special if found), "")


def _unsuited_dialect(dialect: Dialect) -> str:
    """Why no file of a dialect is plain; empty when it may be."""
    delimiter, quote = dialect.delimiter, dialect.quote
    special = (
        (dialect.encoding != UTF8, f"its encoding is {dialect.encoding}"),
        (bool(dialect.comment), "it has comments"),
        (bool(dialect.escape), "its quotes are escaped"),
        (dialect.header > 1, "its header is several records"),
        (dialect.trailing, "its records end in a delimiter"),
        (len(delimiter) > 1 or delimiter in " \r\n" or not delimiter.isascii(), "its delimiter is unusual"),
        (quote in {" ", delimiter} or not quote.isascii(), "its quote is unusual"),
    )
    return next((why for found, why in special if found), "")


def may_be_fed(content: bytes, dialect: Dialect) -> bool:
    """Whether a small file may be proven while it is fed to the engine, for all that can be told beforehand."""
    return not _unsuited_dialect(dialect) and not _ends_in_totals(BytesIO(content), dialect)


def _ends_in_totals(file: BinaryIO, dialect: Dialect) -> bool:
    """Whether one of the last lines reads like a line of totals."""
    start = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(max(start, size - TAIL_BYTES))
    lines = file.read().decode("utf-8", "replace").split("\n")[-TAIL_LINES:]
    file.seek(start)
    return any(is_total([cell.strip(dialect.quote) for cell in line.split(dialect.delimiter)]) for line in lines)


EXACT, SEVERAL, RAGGED, DAMAGED = range(4)
"""How well a block is matched: all records exact; line ends in quotes; records too short or too long; not at all."""


class Patterns:
    """Regular expressions over blocks of whole records."""

    def __init__(self, dialect: Dialect, width: int, *, pairs: bool) -> None:
        d, q = re.escape(dialect.delimiter), re.escape(dialect.quote)
        end = r"\r\n" if pairs else r"\n"
        self.end = b"\r\n" if pairs else b"\n"
        more = width - 1
        blank = "" if width == 1 else f"|{end}"
        bare = rf"[^{d}{q}\r\n]+"
        field = rf"(?:{bare}|{q}(?:[^{q}\r\n]|{q}{q})*{q})?" if q else f"(?:{bare})?"
        wide = rf"(?:{bare}|{q}(?:[^{q}]|{q}{q})*{q})?" if q else field
        filled, empty = (rf"(?:{bare}|{q}(?:[^{q}\r\n]|{q}{q})+{q})", f"(?:{q}{q})?") if q else (f"(?:{bare})", "")
        exact = rf"\A(?:{field}(?:{d}{field}){{{more}}}{end}{blank})*\z"
        several = rf"\A(?:{wide}(?:{d}{wide}){{{more}}}{end}{blank})*\z"
        few = rf"{field}(?:{d}{field}){{0,{more}}}"
        many = rf"{field}(?:{d}{field}){{{more}}}(?:{d}{empty})*{d}{filled}(?:{d}{field})*"
        right = rf"{wide}(?:{d}{wide}){{{more}}}"
        self._by_level = (exact, several, rf"\A(?:(?:{right}|{few}|{many}){end})*\z")
        self._sound = rf"\A(?:{wide}(?:{d}{wide})*{end})*\z"
        self._calm = _calm(d, q, width)
        self._dialect = dialect
        self._headers: tuple[bytes, ...] = ()

    def take_header(self, block: bytes) -> int:
        """Remember the header, which a block starts with, to know it when it stands there again; gives its length."""
        line, end, _ = block.partition(self.end)
        found = cut(line.decode(), self._dialect)
        if not self._dialect.header or found.damage:
            return 0
        d, q = self._dialect.delimiter, self._dialect.quote
        quoted = d.join(f"{q}{name.replace(q, q * 2)}{q}" if q else name for name in found.fields)
        self._headers = tuple({line + end, *(form.encode() + end for form in (d.join(found.fields), quoted))})
        return len(line + end)

    def repeats_header(self, block: bytes, at: int = 0) -> bool:
        """Whether the header stands in a block of whole records again, in one that starts at `at` or later.

        It is looked for as it is, with quotes around every name, and with none.
        """
        return any(block.startswith(form, at) or block.find(b"\n" + form, at) >= 0 for form in self._headers)

    def is_sound(self, block: bytes) -> bool:
        """Whether quotes are well formed in a block of records of any width, and no line in them looks like one."""
        return _matches(block, self._sound) and (not self._calm or _matches(block, self._calm))

    def level(self, block: bytes, least: int) -> int:
        """How well a block of whole records is matched; those from `least` on are tried."""
        if self.repeats_header(block):
            return DAMAGED
        for level in range(least, DAMAGED):
            if _matches(block, self._by_level[level]):
                calm = level == EXACT or not self._calm or _matches(block, self._calm)
                return level if calm else DAMAGED
        return DAMAGED


def _calm(d: str, q: str, width: int) -> str:
    """Pattern for blocks in whose quotes no line has as many fields as a record; empty where that says little."""
    if not q or width < FEWEST_TELLING:
        return ""
    part = rf"(?:[^{q}\n]|{q}{q})*"
    bit = rf"(?:[^{q}{d}\n]|{q}{q})*"
    other = rf"(?:{bit}(?:{d}{bit}){{0,{width - 2}}}|{bit}(?:{d}{bit}){{{width},}})"
    return rf"\A(?:[^{q}]+|{q}{part}(?:(?:\n{other})*\n{part})?{q}(?:[^{q}]|\z))*\z"


def _matches(block: bytes, pattern: str) -> bool:
    """Whether a pattern matches; RE2 takes bytes as they are, and none of them is copied."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = pa.py_buffer(array("q", (0, len(block))))
    whole = pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, pa.py_buffer(block)])
    return bool(pc.match_substring_regex(whole, pattern=pattern)[0].as_py())


def _level(blocks: Iterator[bytes], patterns: Patterns) -> int:
    """How well all blocks are matched, several at a time; ends early when one is not."""
    least = EXACT
    waiting: deque[Future[int]] = deque()
    first = next(blocks, b"")
    if not first.endswith(patterns.end):
        first += patterns.end
    least = patterns.level(first, least)
    if least != DAMAGED and patterns.repeats_header(first, patterns.take_header(first)):
        return DAMAGED
    with ThreadPoolExecutor(THREADS) as pool:
        for block in blocks:
            if least == DAMAGED or not block:
                break
            whole = block if block.endswith(patterns.end) else block + patterns.end
            waiting.append(pool.submit(patterns.level, whole, least))
            if len(waiting) > THREADS:
                least = max(least, waiting.popleft().result())
        return max([least, *(found.result() for found in waiting)])


def blocks(file: BinaryIO, quote: bytes, scan: Scan, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Parts of a file that end where records end, if quotes are well formed; one that is too long is not cut."""
    rest = b""
    while chunk := file.read(size):
        rest += chunk
        end = record_end(rest, quote if '"' in scan.quotes or "'" in scan.quotes or quote not in b"\"'" else b"")
        if end:
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > MAX_LINE_BYTES:
            yield rest + b"\r"  # no pattern matches a carriage return alone
            return
    if rest:
        yield rest


def record_end(text: bytes, quote: bytes) -> int:
    """Position behind the last line end with an even number of quotes before it; 0 when there is none."""
    end = text.rfind(b"\n") + 1
    count = text.count(quote, 0, end) if quote else 0
    while end and count % 2:
        earlier = text.rfind(b"\n", 0, text.rfind(quote, 0, end)) + 1
        count -= text.count(quote, earlier, end)
        end = earlier
    return end
