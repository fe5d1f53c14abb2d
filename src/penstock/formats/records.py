"""Records of a CSV file, one by one, in any encoding and dialect, each with its place.

A record that cannot be cut into the right number of fields is given with what is wrong with it; the next line starts
the next record. That holds for a quote that is not closed, too: only the line that opens it is lost, when what follows
shows that the quoted field cannot be meant: text follows the closing quote, the file or a limit ends within it, or the
record has the wrong number of fields while the lines it swallowed have the right one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from penstock.formats.dialect import Dialect
from penstock.formats.fields import NOT_CLOSED, Cut, cut, quick_cutter, quotes
from penstock.formats.lines import CHUNK_BYTES, Line, read_lines, unit

MAX_QUOTED_LINES = 1_000
MAX_QUOTED_BYTES = 1_000_000
REPEATED = "the header again"
_MARK, _REPLACEMENT = "\ufeff", "\ufffd"


@dataclass(frozen=True)
class Warned:
    """What is suspicious about a record that can be read: the rule, the field's position from 0, and why."""

    rule: str
    at: int | None
    reason: str


class Record(NamedTuple):
    """One record.

    Attributes:
        fields: Its fields; empty when it is damaged.
        line: Its first line, from 1.
        offset: Byte at which it starts.
        length: Its bytes, without the line end.
        damage: Why it is no record of the table; empty when it is one.
        raw: Its text, where there is damage or a warning; empty elsewhere.
        warned: What is suspicious.
    """

    fields: list[str]
    line: int
    offset: int
    length: int
    damage: str = ""
    raw: str = ""
    warned: tuple[Warned, ...] = ()


@dataclass
class Seen:
    """What was met on the way, counted once per file."""

    comments: int = 0
    spaced: int = 0
    feeds: int = 0
    pairs: int = 0
    returns: int = 0


class Records:
    """The records of one file; iterate once."""

    def __init__(self, lines: Iterable[Line], dialect: Dialect, width: int | None) -> None:
        """Read the lines of a file; records of another width than `width` are damaged, unless it is None."""
        self.seen = Seen()
        self._dialect, self._width = dialect, width
        self._lines = enumerate(lines, start=1)
        self._again: deque[tuple[int, Line]] = deque()
        self._quick = quick_cutter(dialect)
        self._pair = 2 * unit(dialect.encoding)
        self._comment = dialect.comment
        self._comments_sure = dialect.is_declared("comment")
        self._names: list[str] | None = None

    @classmethod
    def of(cls, path: str, dialect: Dialect, width: int | None, *, chunk: int = CHUNK_BYTES) -> Records:
        """The records of the file at `path`."""
        return cls(read_lines(path, dialect.encoding, chunk=chunk), dialect, width)

    def header(self) -> list[Record]:
        """The records that make up the header; call before iterating."""
        for _ in range(self._dialect.skip):
            next(self._lines, None)
        width, self._width = self._width, None
        found: list[Record] = []
        for _ in range(self._dialect.header):
            record = next(self._read(), None)
            if record is not None:
                found.append(record)
        self._width = width
        self._names = found[0].fields if self._dialect.header == 1 and found else None
        return found

    def __iter__(self) -> Iterator[Record]:
        """The records behind the header."""
        return self._read()

    def _read(self) -> Iterator[Record]:
        width, quick, seen, again, lines = self._width, self._quick, self.seen, self._again, self._lines
        wanted = None if width is None else width + self._dialect.trailing
        names, comment, pair = self._names, self._comment, self._pair
        while True:
            number, line = again.popleft() if again else next(lines, (0, None))
            if line is None:
                return
            text, offset, length, size, fault = line
            if not text and width != 1:
                continue
            if comment and text.startswith(comment) and self._is_comment(text):
                seen.comments += 1
                continue
            if size - length == pair:
                seen.pairs += 1
            else:
                seen.feeds += 1
            fields = None if fault or "\r" in text or "\0" in text else quick(text)
            if fields is None or len(fields) != wanted or fields == names or self._is_doubtful(text):
                yield from self._with_care(number, line, fields)
            elif width != wanted and fields.pop():
                yield self._damaged(number, line, _width_words(wanted, wanted + 1))
            else:
                yield Record(fields, number, offset, length)

    def _is_comment(self, text: str) -> bool:
        """Whether a line that starts with the mark is none of the records; one that fits as a record is one."""
        if self._comments_sure or self._width is None:
            return True
        found = cut(text, self._dialect)
        return bool(found.damage) or len(found.fields) != self._width + self._dialect.trailing

    def _is_doubtful(self, text: str) -> bool:
        if self._comment and text.startswith(self._comment):
            return True
        return not text.isascii() and (_MARK in text or _REPLACEMENT in text)

    def _damaged(self, number: int, line: Line, damage: str, raw: str | None = None) -> Record:
        return Record([], number, line.offset, line.length, damage, line.text if raw is None else raw)

    def _with_care(self, number: int, line: Line, fields: list[str] | None) -> Iterator[Record]:
        """A record that is anything but ordinary."""
        if line.fault:
            yield self._damaged(number, line, line.fault)
            return
        if "\0" in line.text:
            yield self._damaged(number, line, f"a NUL byte at position {line.text.index(chr(0)) + 1}")
            return
        found = cut(line.text, self._dialect) if fields is None else Cut(fields)
        if "\r" in line.text and not self._fits(found):
            pieces = self._pieces(line)
            if pieces:
                self.seen.returns += len(pieces) - 1
                for piece in pieces:
                    yield self._judged(number, piece, cut(piece.text, self._dialect))
                return
        if found.damage == NOT_CLOSED:
            yield self._several(number, line)
        else:
            yield self._judged(number, line, found)

    def _fits(self, found: Cut) -> bool:
        return not found.damage and (self._width is None or len(found.fields) == self._width + self._dialect.trailing)

    def _judged(self, number: int, line: Line, found: Cut, warned: tuple[Warned, ...] = ()) -> Record:
        """The record that a cut gives."""
        fields = found.fields
        if found.damage:
            return self._damaged(number, line, found.damage)
        if not self._fits(found):
            wanted = (self._width or 0) + self._dialect.trailing
            return self._damaged(number, line, _width_words(wanted, len(fields)))
        if self._dialect.trailing and self._width is not None:
            *fields, last = fields
            if last:
                return self._damaged(number, line, _width_words(self._width, self._width + 1))
        self.seen.spaced += found.spaced
        if fields == self._names:
            if len(fields) > 1:
                return self._damaged(number, line, REPEATED)
            warned = (*warned, Warned("repeated header", 0, REPEATED))
        if self._comment and line.text.startswith(self._comment):
            warned = (
                *warned,
                Warned("comment", 0, f'it starts like a comment ("{self._comment}"), but is as wide as a row'),
            )
        warned = (*warned, *_suspicions(fields, found, line.text))
        return Record(fields, number, line.offset, line.length, "", line.text if warned else "", warned)

    def _pieces(self, line: Line) -> list[Line]:
        """The records of a line within which carriage returns end records; none when they do not."""
        if self._width is None or self._width == 1:
            return []
        pieces, offset = [], line.offset
        step = self._pair // 2
        for text in line.text.split("\r"):
            length = len(text.encode(self._dialect.encoding, "surrogatepass" if step > 1 else "strict"))
            if text:
                pieces.append(Line(text, offset, length, length + step, ""))
            offset += length + step
        return pieces if all(self._fits(cut(piece.text, self._dialect)) for piece in pieces) else []

    def _several(self, number: int, line: Line) -> Record:
        """A record whose quoted field goes on in the next lines, if that can be meant."""
        taken = self._taken(number, line)
        texts = [(taken_line.text, taken_line) for _, taken_line in taken]
        if len(taken) > 1:
            raw = "".join(text + ("\r\n" if one.size - one.length == self._pair else "\n") for text, one in texts[:-1])
            raw += texts[-1][0]
            last = taken[-1][1]
            whole = Line(raw, line.offset, last.offset + last.length - line.offset, 0, "")
            found = cut(raw, self._dialect)
            alone = [self._fits(cut(one.text, self._dialect)) for _, one in taken[1:]]
            if self._fits(found) or not (found.damage or any(alone)):
                return self._judged(number, whole, found, _swallowed(alone, found))
        self._again.extendleft(reversed(taken[1:]))
        return self._damaged(number, line, NOT_CLOSED)

    def _taken(self, number: int, line: Line) -> list[tuple[int, Line]]:
        """The lines up to the one that closes the quote; when none does, all that were looked at for it."""
        taken = [(number, line)]
        count, length = 1, line.size
        while count % 2:
            following = self._again.popleft() if self._again else next(self._lines, None)
            if following is None:
                break
            taken.append(following)
            length += following[1].size
            if following[1].fault or len(taken) > MAX_QUOTED_LINES or length > MAX_QUOTED_BYTES:
                break
            count += quotes(following[1].text, self._dialect)
        return taken


def _width_words(wanted: int, found: int) -> str:
    return f"too {'few' if found < wanted else 'many'} fields: {wanted} expected, {found} found"


def _swallowed(alone: list[bool], found: Cut) -> tuple[Warned, ...]:
    """A warning for a quoted field of whole lines that would be records on their own."""
    inner = alone[:-1]
    if not inner or not all(inner):
        return ()
    at = next(at for at in found.quoted if "\n" in found.fields[at])
    return (Warned("lines in quotes", at, f"a quoted value holds {len(inner):,} lines that look like records"),)


def _suspicions(fields: list[str], found: Cut, text: str) -> Iterator[Warned]:
    for at in found.stray:
        yield Warned("stray quote", at, "a quote within a value that has none around it")
    if "\r" in text:
        for at, field in enumerate(fields):
            if "\r" in field and at not in found.quoted:
                yield Warned("carriage return", at, "a carriage return within a value without quotes")
    if text.isascii():
        return
    for at, field in enumerate(fields):
        if _REPLACEMENT in field:
            yield Warned("replaced character", at, "U+FFFD: whoever wrote the file had lost a character")
        if _MARK in field:
            yield Warned("byte order mark", at, "a byte order mark within the file; two files may have been joined")
