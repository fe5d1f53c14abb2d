"""Cutting the text of one record into its fields: what quotes, escapes, spaces and delimiters mean.

A field is quoted when a quote is the first thing in it, spaces aside; spaces around a quoted field are no part of it. A
quote later in a field is text, and worth a warning. Text behind a closing quote, and a quote that is never closed, are
damage: such a record is never guessed at.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass

from penstock.formats.csv.dialect import Dialect

NOT_CLOSED = "a quote that is not closed"
TEXT_AFTER = "text after a closing quote"

QuickCut = Callable[[str], list[str] | None]


@dataclass(frozen=True)
class Cut:
    """A record's fields.

    Attributes:
        fields: The fields; those before the damage where there is any.
        damage: What is wrong; empty when nothing is.
        stray: Positions of fields without quotes around them that hold one.
        quoted: Positions of fields with quotes around them.
        spaced: Whether spaces around a quoted field were passed over.
    """

    fields: list[str]
    damage: str = ""
    stray: tuple[int, ...] = ()
    quoted: tuple[int, ...] = ()
    spaced: bool = False


class _Slot:
    """An iterator over the one text that was put into it."""

    def __init__(self) -> None:
        self.text: str | None = None

    def __iter__(self) -> _Slot:
        return self

    def __next__(self) -> str:
        text, self.text = self.text, None
        if text is None:
            raise StopIteration
        return text


def quick_cutter(dialect: Dialect) -> QuickCut:
    """A function that cuts ordinary records, and gives None for those that `cut` must look at."""
    delimiter, quote = dialect.delimiter, dialect.quote
    if not quote:
        return lambda text: text.split(delimiter)
    if len(delimiter) > 1 or dialect.escape or delimiter == " ":
        return lambda text: None if quote in text else text.split(delimiter)
    slot = _Slot()
    reader = csv.reader(slot, delimiter=delimiter, quotechar=quote, strict=True)

    def quick(text: str) -> list[str] | None:
        if quote not in text:
            return text.split(delimiter)
        slot.text = text
        try:
            fields = next(reader)
        except csv.Error:
            return None
        return None if quote in "".join(fields) else fields

    return quick


def cut(text: str, dialect: Dialect) -> Cut:
    """Cut any record: a line, or several lines that a quoted field spans."""
    delimiter, quote = dialect.delimiter, dialect.quote
    if not quote:
        return Cut(text.split(delimiter))
    space = "" if delimiter == " " else " "
    fields: list[str] = []
    stray: list[int] = []
    quoted: list[int] = []
    spaced = False
    at = 0
    while True:
        start = _behind(text, at, space)
        damage = ""
        if text.startswith(quote, start):
            value, end, damage = _quoted(text, start, dialect, space)
            if not damage:
                spaced |= start > at or not text.startswith(quote, end - 1)
                quoted.append(len(fields))
        if damage and (damage == NOT_CLOSED or start == at):
            return Cut(fields, damage)
        if damage or not text.startswith(quote, start):
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            value = text[at:end]
            if quote in value:
                stray.append(len(fields))
        fields.append(value)
        if end >= len(text):
            return Cut(fields, "", tuple(stray), tuple(quoted), spaced)
        at = end + len(delimiter)


def _behind(text: str, at: int, space: str) -> int:
    """The first position from `at` on that holds no space."""
    while space and text.startswith(space, at):
        at += 1
    return at


def _quoted(text: str, start: int, dialect: Dialect, space: str) -> tuple[str, int, str]:
    """The quoted field that starts at `start`: its text, the position behind it and behind spaces, and the damage."""
    quote, escape = dialect.quote, dialect.escape
    found = _pattern(quote, escape).match(text, start)
    if found is None:
        return "", start, NOT_CLOSED
    end = _behind(text, found.end(), space)
    value = found.group(1)
    if escape and escape in value:
        value = re.sub(f"{re.escape(escape)}([{re.escape(escape)}{re.escape(quote)}])", r"\1", value)
    elif not escape and quote in value:
        value = value.replace(quote * 2, quote)
    closed = end == len(text) or text.startswith(dialect.delimiter, end)
    return value, end, "" if closed else TEXT_AFTER


def _pattern(quote: str, escape: str) -> re.Pattern[str]:
    mark = re.escape(quote)
    if escape:
        other = re.escape(escape)
        return re.compile(f"{mark}((?:[^{mark}{other}]++|{other}.)*+){mark}", re.DOTALL)
    return re.compile(f"{mark}((?:[^{mark}]++|{mark}{mark})*+){mark}", re.DOTALL)


def quotes(text: str, dialect: Dialect) -> int:
    """How many quotes open or close something, doubled ones counted twice, which leaves the count even."""
    if dialect.escape:
        text = text.replace(dialect.escape * 2, "").replace(dialect.escape + dialect.quote, "")
    return text.count(dialect.quote) if dialect.quote else 0
