"""A window that slides over the text of a JSON file: decoding, places, and one value at a time."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from penstock.errors import BadFileError
from penstock.formats.json.values import TOO_DEEP, Parser

CHUNK = 1 << 18
LIMIT = 16 << 20
"""How many characters one record may have."""
NEAR_END = 16
"""How far before its end a fault in the window may come from the rest that is not there yet."""
TOO_MANY_DIGITS = "a number has more than 4,300 digits"
_BLANK = re.compile(r"[ \t\r\n]*")
_MARKS = (  # the longer ones first: that of UTF-32 starts like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Fault(NamedTuple):
    """Where text stops being JSON, in the window, and how."""

    at: int
    what: str


def faulty(error: json.JSONDecodeError) -> Fault:
    """What the parser says of faulty text."""
    return Fault(error.pos, error.msg[0].lower() + error.msg[1:].removesuffix(" at"))


class Window:
    """The text of a file around the present position, `at`."""

    def __init__(self, file: BinaryIO) -> None:
        """Read from the start of `file`."""
        self._file = file
        head = file.read(CHUNK)
        self._codec, start = _encoding(head)
        self._errors = "surrogateescape" if self._codec == "utf-8" else "strict"
        self._decoder = codecs.getincrementaldecoder(self._codec)(self._errors)
        self._mark, self._line, self._offset, self._before = 0, 1, start, 0
        self.text, self.at, self.ended = "", 0, False
        self.parser = Parser()
        self._feed(head[start:])
        if len(head) < CHUNK:
            self.more()  # it is known at once whether a small file is all there

    def more(self) -> bool:
        """Widen the window; False at the end of the file."""
        if self.ended:
            return False
        self._feed(self._file.read(min(max(CHUNK, len(self.text)), LIMIT)))
        return True

    def _feed(self, data: bytes) -> None:
        try:
            self.text += self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise BadFileError(
                f"the text after line {self._line} is not {self._codec.upper()}: {error.reason}",
                hint="save the file as UTF-8 and deliver it again",
            ) from None
        self.ended = not data

    def slide(self) -> None:
        """Let go of the text before the present position, now and then."""
        if self.at > CHUNK:
            self.forget(self.at)

    def forget(self, end: int) -> None:
        """Let go of the text before `end`, which becomes the present position."""
        self.place(end)
        line_start = self.text.rfind("\n", 0, end) + 1
        self._before = end - line_start + (0 if line_start else self._before)
        self.text, self.at, self._mark = self.text[end:], 0, 0

    def place(self, at: int) -> tuple[int, int]:
        """Line and byte offset of a position; positions are asked for in ascending order."""
        passed = self.text[self._mark : at]
        self._line += passed.count("\n")
        self._offset += self.size(passed)
        self._mark = at
        return self._line, self._offset

    def size(self, text: str) -> int:
        """How many bytes some text takes in the file."""
        if self._codec == "utf-8" and text.isascii():
            return len(text)
        return len(text.encode(self._codec, self._errors))

    def column(self, at: int) -> int:
        """Column, from 1, of a position on its line."""
        line_start = self.text.rfind("\n", 0, at) + 1
        return at - line_start + 1 + (0 if line_start else self._before)

    def where(self, at: int) -> str:
        """Line and column of a position, for people."""
        return f"line {self._line + self.text.count(chr(10), self._mark, at)}, column {self.column(at)}"

    def next_char(self) -> str:
        """Pass over blanks; the character there, or nothing at the end of the file."""
        while True:
            self.at = self.after_blanks(self.at)
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]

    def after_blanks(self, at: int) -> int:
        """The first position from `at` on, in the window, that is not blank."""
        blank = _BLANK.match(self.text, at)
        return blank.end() if blank else at

    def find(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Matches from the present position on; the window widens up to the size that one record may have."""
        at = self.at
        while True:
            for match in pattern.finditer(self.text, at):
                if match.end() >= len(self.text) - NEAR_END and not self.ended:
                    break
                at = match.end()
                yield match
            if len(self.text) - self.at > LIMIT or not self.more():
                return

    def value(self) -> tuple[Any, int] | Fault:
        """The value at the present position with its end, or where it stops being JSON.

        Raises BadFileError when it is too long.
        """
        while True:
            try:
                value, end = self.parser.parse(self.text, self.at)
            except json.JSONDecodeError as error:
                fault = faulty(error)
                cut = error.msg.startswith("Unterminated") or error.pos >= len(self.text) - NEAR_END
                if not cut or self.ended:
                    return fault
                self._assert_not_too_long(len(self.text))
                self.more()
                continue
            except RecursionError:
                return Fault(self.at, TOO_DEEP)
            except ValueError:
                return Fault(self.at, TOO_MANY_DIGITS)
            if end < len(self.text) or not self.more():  # a number may go on
                self._assert_not_too_long(end)
                return value, end

    def _assert_not_too_long(self, end: int) -> None:
        if end - self.at > LIMIT:
            raise BadFileError(
                f"{self.where(self.at)}: a record is longer than {LIMIT:,} characters",
                hint="declare where the records stand with `json: {records: KEY}`, or deliver smaller ones",
            )


def _encoding(head: bytes) -> tuple[str, int]:
    """The encoding, and how many bytes its mark takes."""
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return codec, len(mark)
    if b"\0\0" in {head[1:4:2], head[:4:2]}:
        raise BadFileError(
            "the file holds NUL bytes: it is no text, or UTF-16 without a byte order mark",
            hint="save it as UTF-8 and deliver it again",
        )
    return "utf-8", 0
