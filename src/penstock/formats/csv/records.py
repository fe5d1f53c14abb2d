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

from penstock.formats.csv.cells import TOTAL_STARTS, is_total
from penstock.formats.csv.dialect import Dialect
from penstock.formats.csv.fields import NOT_CLOSED, Cut, cut, quick_cutter, quotes
from penstock.formats.csv.lines import CHUNK_BYTES, Line, read_lines

MAX_QUOTED_LINES = 20_000
MAX_QUOTED_BYTES = 1_000_000
FEWEST_TELLING = 3
"""Narrowest table of which a line in quotes can be told to look like a record."""
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
    """What was met on the way, counted once per file.

    Attributes:
        comments: Lines passed over because they are comments.
        spaced: Records with spaces around quotes.
        ends: How many lines end in which way.
    """

    comments: int
    spaced: int
    ends: dict[str, int]


class Records:
    """The records of one file; iterate once."""

    def __init__(self, lines: Iterable[Line], dialect: Dialect, width: int | None, *, partial: bool = False) -> None:
        """Read the lines of a file.

        Args:
            lines: All lines, or the first ones if `partial`.
            dialect: How they are written.
            width: Number of columns; records of another width are damaged, unless it is None.
            partial: Whether a quoted field that the lines end in may go on behind them: it is then passed over.
        """
        self.seen = Seen(0, 0, {"\n": 0, "\r\n": 0, "\r": 0, "": 0})
        self._dialect, self._width, self._partial = dialect, width, partial
        self._lines = enumerate(lines, start=1)
        self._again: deque[tuple[int, Line]] = deque()
        self._quick = quick_cutter(dialect)
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
        if self._names and self._dialect.trailing and width == len(self._names) - 1:
            self._names = self._names[:-1]
        return found

    def __iter__(self) -> Iterator[Record]:
        """The records behind the header."""
        return self._read()

    def _next(self) -> tuple[int, Line] | None:
        return self._again.popleft() if self._again else next(self._lines, None)

    def _read(self) -> Iterator[Record]:
        width, quick, ends, again, lines = self._width, self._quick, self.seen.ends, self._again, self._lines
        wanted = None if width is None else width + self._dialect.trailing
        names, comment = self._names, self._comment
        first = names[0] if names else None
        while True:
            following = again.popleft() if again else next(lines, None)
            if following is None:
                return
            number, line = following
            text, offset, length, end, fault = line
            if not text and width != 1 and not fault:
                continue
            marked = comment and text.startswith(comment)
            if marked and self._is_comment(text):
                self.seen.comments += 1
                continue
            ends[end] += 1
            fields = None if fault or "\0" in text else quick(text)
            if (
                fields is None
                or len(fields) != wanted
                or marked
                or (fields[0] == first and fields == names)
                or (fields[0][:1] in TOTAL_STARTS and is_total(fields))
                or not (text.isascii() or (_MARK not in text and _REPLACEMENT not in text))
            ):
                record = self._with_care(number, line, fields)
                if record is not None:
                    yield record
            elif width != wanted and fields.pop():
                yield _damaged(number, line, width_words(wanted, wanted + 1))
            else:
                yield Record(fields, number, offset, length)

    def _is_comment(self, text: str) -> bool:
        """Whether a line that starts with the mark is none of the records; one that fits as a record is one."""
        return self._comments_sure or self._width is None or not self._fits(cut(text, self._dialect))

    def _with_care(self, number: int, line: Line, fields: list[str] | None) -> Record | None:
        """A record that is anything but ordinary; None for the last one of lines that are not all."""
        if line.fault:
            return _damaged(number, line, line.fault)
        if "\0" in line.text:
            return _damaged(number, line, f"a NUL byte at position {line.text.index(chr(0)) + 1}")
        found = cut(line.text, self._dialect) if fields is None else Cut(fields)
        if found.damage == NOT_CLOSED:
            return self._several(number, line)
        if line.end == "\r" and self._width is not None and not self._fits(found):
            return self._with_returns(number, line, found)
        return self._judged(number, line, found)

    def _fits(self, found: Cut) -> bool:
        return not found.damage and (self._width is None or len(found.fields) == self._width + self._dialect.trailing)

    def _judged(self, number: int, line: Line, found: Cut, warned: tuple[Warned, ...] = ()) -> Record:
        """The record that a cut gives."""
        fields = found.fields
        if found.damage:
            return _damaged(number, line, found.damage)
        if not self._fits(found):
            return _damaged(number, line, width_words((self._width or 0) + self._dialect.trailing, len(fields)))
        if self._dialect.trailing and self._width is not None:
            *fields, last = fields
            if last:
                return _damaged(number, line, width_words(self._width, self._width + 1))
        self.seen.spaced += found.spaced
        if self._names and [fields[0].removeprefix(_MARK), *fields[1:]] == self._names:
            if len(fields) > 1:
                return _damaged(number, line, REPEATED)
            warned = (*warned, Warned("repeated header", 0, REPEATED))
        if self._comment and line.text.startswith(self._comment):
            reason = f'it starts like a comment ("{self._comment}"), but is as wide as a row'
            warned = (*warned, Warned("comment", 0, reason))
        warned = (*warned, *_suspicions(fields, found, line.text))
        return Record(fields, number, line.offset, line.length, "", line.text if warned else "", warned)

    def _with_returns(self, number: int, line: Line, found: Cut) -> Record:
        """A record that a carriage return within a value cut in two, if the parts fit only together."""
        taken = [(number, line)]
        rare = self.seen.ends["\r"] < self.seen.ends["\n"] + self.seen.ends["\r\n"]
        while taken[-1][1].end == "\r" and len(taken) <= FEWEST_TELLING:
            following = self._next()
            if following is None:
                break
            taken.append(following)
            together = cut(self._whole(taken).text, self._dialect)
            if together.damage == NOT_CLOSED:
                taken += self._taken(*following)[0][1:]
                together = cut(self._whole(taken).text, self._dialect)
            if self._fits(together) and (rare or not self._fits(cut(following[1].text, self._dialect))):
                at = next(at for at, field in enumerate(together.fields) if "\r" in field)
                warned = Warned("carriage return", at, "a carriage return within a value without quotes")
                return self._judged(number, self._whole(taken), together, (warned,))
        self._again.extendleft(reversed(taken[1:]))
        return self._judged(number, line, found)

    def _whole(self, taken: list[tuple[int, Line]]) -> Line:
        """Several lines as one, with the line ends between them."""
        first, last = taken[0][1], taken[-1][1]
        text = "".join(line.text + line.end for _, line in taken[:-1]) + last.text
        return Line(text, first.offset, last.offset + last.length - first.offset, last.end, "")

    def _several(self, number: int, line: Line) -> Record | None:
        """A record whose quoted field goes on in the next lines, if that can be meant."""
        taken, closed = self._taken(number, line)
        if closed:
            whole = self._whole(taken)
            found = cut(whole.text, self._dialect)
            alone = [self._is_alone(one.text) for _, one in taken[1:]]
            if self._fits(found) or not (found.damage or any(alone)):
                return self._judged(number, whole, found, self._swallowed(alone, found))
        elif self._partial and not self._again and next(self._lines, None) is None:
            return None
        self._again.extendleft(reversed(taken[1:]))
        return _damaged(number, line, NOT_CLOSED)

    def _is_alone(self, text: str) -> bool:
        """Whether a line would be a record without any quote."""
        return self._dialect.quote not in text and self._fits(cut(text, self._dialect))

    def _taken(self, number: int, line: Line) -> tuple[list[tuple[int, Line]], bool]:
        """The lines up to the one that closes the quote, or all that were looked at for it; and whether one does."""
        taken = [(number, line)]
        count, length = 1, line.length
        while count % 2:
            following = self._next()
            if following is None:
                return taken, False
            taken.append(following)
            length += following[1].length
            if following[1].fault or len(taken) > MAX_QUOTED_LINES or length > MAX_QUOTED_BYTES:
                return taken, False
            count += quotes(following[1].text, self._dialect)
        return taken, True

    def _swallowed(self, alone: list[bool], found: Cut) -> tuple[Warned, ...]:
        """A warning for a quoted field of whole lines that would be records on their own."""
        inner = alone[:-1]
        if self._width is None or self._width < FEWEST_TELLING or not inner or not all(inner):
            return ()
        at = next(at for at in found.quoted if "\n" in found.fields[at] or "\r" in found.fields[at])
        return (Warned("lines in quotes", at, f"a quoted value holds {len(inner):,} lines that look like records"),)


def _damaged(number: int, line: Line, damage: str) -> Record:
    return Record([], number, line.offset, line.length, damage, line.text)


def width_words(wanted: int, found: int) -> str:
    """Why a record with `found` fields is none of a table with `wanted` columns."""
    return f"too {'few' if found < wanted else 'many'} fields: {wanted} expected, {found} found"


def _suspicions(fields: list[str], found: Cut, text: str) -> Iterator[Warned]:
    for at in found.stray:
        yield Warned("stray quote", at, "a quote within a value that has none around it")
    if is_total(fields):
        yield Warned("total", 0, "it reads like a line of totals, not like a row")
    if text.isascii():
        return
    for at, field in enumerate(fields):
        if _REPLACEMENT in field:
            yield Warned("replaced character", at, "U+FFFD: whoever wrote the file had lost a character")
        if _MARK in field:
            yield Warned("byte order mark", at, "a byte order mark within the file; two files may have been joined")
