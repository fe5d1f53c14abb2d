"""Where records stand in a CSV file: line, byte and raw text of the n-th record, and its fields.

Records end at line ends outside quotes, and a field is quoted when a quote is the first thing in it, as the engine
reads it; a quote later in a field is text. Records that are not well-formed are known by their byte offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from penstock.formats.csv.dialect import Dialect

_CHUNK = 1 << 20
_WINDOW = 1 << 16
_REMEMBERED = 10_000
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Located:
    """A record's place: its first line (from 1), byte offset (from 0), and text without the line end."""

    line: int
    offset: int
    raw: bytes


def locate_records(
    file: BinaryIO, dialect: Dialect, width: int, wanted: Iterator[int], refused: dict[int, int]
) -> Iterator[Located]:
    """Find the records with the ordinals `wanted` (ascending) in one pass over the file.

    Args:
        file: Open at the start.
        dialect: How the file is written.
        width: Number of columns; only where it is 1 is a blank line a record.
        wanted: Ordinals among the records that were read, header excluded, from 1.
        refused: Records that the reader refused, which have no ordinal: byte offset to length in bytes.
    """
    target = next(wanted, None)
    ordinal = 0  # of the header
    for found in _records(file, dialect, refused) if target is not None else ():
        if width > 1 and not found.raw:
            continue
        if ordinal == target:
            yield found
            target = next(wanted, None)
            if target is None:
                return
        ordinal += 1


def locate_texts(file: BinaryIO, texts: Iterable[bytes]) -> Iterator[Located]:
    """Find every place below the first line where one of these records fills whole lines, in file order.

    Windows of the file are compared as sets of lines, so nothing is done line by line. Only text is looked at: whether
    a place is a record of its own, or lines within a quoted field, is for the caller to tell.
    """
    first = file.read(_WINDOW)
    end = b"\r\n" if first.partition(b"\n")[0].endswith(b"\r") else _line_end(first)
    starts: dict[bytes, list[bytes]] = {}
    for text in set(texts):
        starts.setdefault(text.partition(end)[0], []).append(text)
    reach = max((len(text) for texts in starts.values() for text in texts), default=0) + len(end)
    line, offset = 1, 0
    for window, length in _windows(file, first, end, reach):
        lines = window[:length].split(end)
        for index, at in _hits(lines, starts, len(end)):
            for text in starts[lines[index]]:
                if offset + at and _fills_lines(window, at, text, end):
                    before = index if len(end) == 1 else window.count(b"\n", 0, at)
                    yield Located(line + before, offset + at, text)
        line += len(lines) - 1 if len(end) == 1 else window.count(b"\n", 0, length)
        offset += length


def locate_near(file: BinaryIO, wanted: Iterable[tuple[int, Sequence[bytes]]]) -> Iterator[Located | None]:
    """Find records that are written in one of several ways, each at an offset or shortly behind it, ascending.

    Equal records are found one behind the other. Gives None for the first that is not found, and ends there.
    """
    near = _Nearby(file)
    taken: dict[tuple[bytes, ...], int] = {}
    for offset, texts in wanted:
        key = tuple(texts)
        located = near.find(texts, offset, max(offset, taken.get(key, 0)))
        yield located
        if located is None:
            return
        if len(taken) >= _REMEMBERED:  # only what lies ahead can be taken for another record
            taken = {one: behind for one, behind in taken.items() if behind > offset}
        taken[key] = located.offset + 1


class _Nearby:
    """A window that moves through a file and counts lines."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._window, self._base = file, b"", 0
        self._line, self._at = 1, 0

    def find(self, texts: Sequence[bytes], offset: int, start: int) -> Located | None:
        """The first record with one of the texts from `start` on; no later record is near a byte before `offset`."""
        self._go_to(offset)
        for reach in (_WINDOW, 2 * _CHUNK):
            self._read_to(start + reach)
            for text in texts:
                at = self._whole_lines(text, start - self._base, start + reach - self._base)
                if at >= 0:
                    line = self._line + self._window.count(b"\n", self._at, at)
                    return Located(line, self._base + at, text)
        return None

    def _go_to(self, offset: int) -> None:
        while offset > self._base + len(self._window) and (more := self._file.read(_CHUNK)):
            self._line += self._window.count(b"\n", self._at)
            last = self._window[-1:]
            self._base += len(self._window) - len(last)
            self._window, self._at = last + more, len(last)
        self._line += self._window.count(b"\n", self._at, offset - self._base)
        self._at = offset - self._base

    def _read_to(self, stop: int) -> None:
        while self._base + len(self._window) < stop and (more := self._file.read(_CHUNK)):
            done = max(0, self._at - 1)
            self._window = self._window[done:] + more
            self._base, self._at = self._base + done, self._at - done

    def _whole_lines(self, text: bytes, start: int, stop: int) -> int:
        """Where a text fills whole lines of the window; -1 where it does not."""
        window, at = self._window, start
        while (at := window.find(text, at, stop)) >= 0:
            after = at + len(text)
            starts = window[at - 1 : at] == b"\n" if at else not self._base
            if starts and (after == len(window) or window.startswith((b"\n", b"\r\n"), after)):
                return at
            at += 1
        return -1


def _windows(file: BinaryIO, first: bytes, end: bytes, reach: int) -> Iterator[tuple[bytes, int]]:
    """Parts of a file, and how much of each is whole lines with `reach` bytes or the end of the file after them."""
    window = first
    while window:
        more = file.read(_WINDOW)
        last = window.rfind(end, 0, max(0, len(window) - reach)) if more else len(window)
        if last >= 0:
            length = last + len(end) if more else last
            yield window, length
            window = window[length:]
        window += more


def _hits(lines: list[bytes], starts: dict[bytes, list[bytes]], end: int) -> list[tuple[int, int]]:
    """Indexes of the lines that are among `starts`, and where these lines begin."""
    hits = []
    for start in starts.keys() & lines:
        index = -1
        for _ in range(lines.count(start)):
            index = lines.index(start, index + 1)
            hits.append((index, sum(map(len, lines[:index])) + index * end))
    return sorted(hits)


def _fills_lines(window: bytes, at: int, text: bytes, end: bytes) -> bool:
    after = at + len(text)
    return window.startswith(text, at) and (after == len(window) or window.startswith(end, after))


def _records(file: BinaryIO, dialect: Dialect, refused: dict[int, int]) -> Iterator[Located]:
    """Every record, the header and blank lines included, without those that were refused."""
    delimiter, quote = dialect.delimiter.encode(), dialect.quote.encode()
    line, offset = 1, 0
    parts: list[bytes] = []
    first_line, start, skipped_to = 1, 0, 0
    inside = False
    for text in _lines(file):
        if not parts:
            first_line, start = line, offset
            skipped_to = max(skipped_to, offset + refused.get(offset, 0))
        line, offset = line + 1, offset + len(text)
        if start < skipped_to:
            continue
        parts.append(text)
        if inside or (quote and quote in text):
            inside = _ends_inside(text.removeprefix(_MARK) if start == 0 else text, inside, delimiter, quote)
        if not inside:
            yield Located(first_line, start, b"".join(parts).rstrip(b"\r\n"))
            parts = []


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines with their ends, as the file ends them: line feed, with or without carriage return, or that one alone."""
    chunk = file.read(_CHUNK)
    end = _line_end(chunk)
    rest = b""
    while chunk:
        *lines, rest = (rest + chunk).split(end)
        for line in lines:
            yield line + end
        chunk = file.read(_CHUNK)
    if rest:
        yield rest


def _line_end(text: bytes) -> bytes:
    return b"\n" if b"\n" in text or b"\r" not in text else b"\r"


def _ends_inside(text: bytes, inside: bool, delimiter: bytes, quote: bytes) -> bool:  # noqa: FBT001 - a state
    """Whether quotes are open at the end of a line that starts `inside` them or at the start of a field."""
    at = 0
    while True:
        if not inside:
            at = _after_spaces(text, at)
            inside = text.startswith(quote, at)
            at += len(quote) * inside
        if inside:
            at = _closing(text, at, quote)
            if at < 0:
                return True
            inside = False
        at = text.find(delimiter, at)
        if at < 0:
            return False
        at += len(delimiter)


def _after_spaces(text: bytes, at: int) -> int:
    while text.startswith(b" ", at):
        at += 1
    return at


def _closing(text: bytes, at: int, quote: bytes) -> int:
    """Position after the quote that closes the field; -1 when it stays open. Two quotes are one, as text."""
    while (at := text.find(quote, at)) >= 0:
        at += len(quote)
        if not text.startswith(quote, at):
            return at
        at += len(quote)
    return -1


def cut(record: bytes, dialect: Dialect) -> list[str]:
    """Cut a well-formed record into its fields."""
    delimiter, quote = dialect.delimiter.encode(), dialect.quote.encode()
    record = record.removeprefix(_MARK)
    if not quote or quote not in record:
        return record.decode("utf-8", "backslashreplace").split(dialect.delimiter)
    fields: list[str] = []
    at = 0
    while True:
        start = _after_spaces(record, at)
        if record.startswith(quote, start):
            start += len(quote)
            at = _closing(record, start, quote)
            field = record[start : at - len(quote)] if at >= 0 else record[start:]
            field = field.replace(quote + quote, quote)
            at = record.find(delimiter, at) if at >= 0 else -1
        else:
            start, at = at, record.find(delimiter, at)
            field = record[start:at] if at >= 0 else record[start:]
        fields.append(field.decode("utf-8", "backslashreplace"))
        if at < 0:
            return fields
        at += len(delimiter)


def locate_offsets(file: BinaryIO, offsets: list[tuple[int, int]]) -> Iterator[Located]:
    """Find the line and the bytes of records by (offset, length), ascending, in one pass over the file."""
    line, at = 1, 0
    end = b""
    for offset, length in offsets:
        while at < offset:
            chunk = file.read(min(_CHUNK, offset - at))
            if not chunk:
                return
            end = end or _line_end(chunk)
            line += chunk.count(end)
            at += len(chunk)
        raw = file.read(length)
        yield Located(line, offset, raw)
        line += raw.count(end or b"\n")
        at += len(raw)
