"""Tables of text: columns aligned, numbers to the right, cut only where a terminal is too narrow."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from penstock.cli.output import dim, say
from penstock.naming import printable

GAP = "  "
NARROWEST = 12
WIDTH, WIDEST = 80, 120
"""How long lines of text are where there is no terminal, and on the widest one."""
NULL = "NULL"


@dataclass(frozen=True)
class Column:
    """How a column looks.

    Attributes:
        title: Its title.
        right: Whether values stand to the right, as numbers do.
        faint: Whether values stand back.
        shortens: Whether values may be cut where a terminal is too narrow.
    """

    title: str
    right: bool = False
    faint: bool = False
    shortens: bool = False


Cells = list[str | None]


def left(*titles: str, faint: bool = False) -> list[Column]:
    """Columns of text; faint ones may be cut."""
    return [Column(title, faint=faint, shortens=faint) for title in titles]


def right(*titles: str) -> list[Column]:
    """Columns of numbers."""
    return [Column(title, right=True) for title in titles]


def show(columns: list[Column], rows: list[Cells]) -> None:
    """Print a table; where the terminal is too narrow, the last columns go and are named below."""
    layout = Layout(columns, rows, terminal_width())
    for line in [*layout.head(), *layout.lines(rows)]:
        say(line)
    if layout.hidden:
        say(dim(f"a wider terminal or --json also shows: {', '.join(layout.hidden)}"))


def terminal_width() -> int | None:
    """Columns of the terminal that standard output is; None when it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def wrapped(text: str, indent: str = "") -> list[str]:
    """Lines that fit a terminal, or 80 columns; words that are too long, such as ARNs, stay whole."""
    found = textwrap.wrap(
        printable(text),
        min(terminal_width() or WIDTH, WIDEST),
        initial_indent=indent,
        subsequent_indent=indent or "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return found or [indent]


def text_width(text: str) -> int:
    """Terminal cells that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


class Layout:
    """Widths of a table's columns, from its first rows.

    Attributes:
        hidden: Titles of columns that the terminal has no room for.
        cut: Whether a value was cut short.
    """

    def __init__(self, columns: list[Column], sample: Iterable[Cells], room: int | None) -> None:
        """Give every column what its widest value needs; where there is less `room`, text is cut, then columns go."""
        self._columns = columns
        self._widths = [text_width(column.title) for column in columns]
        for row in sample:
            for at, cell in enumerate(row):
                self._widths[at] = max(self._widths[at], text_width(NULL if cell is None else cell))
        self._room = room
        self.cut = False
        self.hidden: list[str] = []
        if room is not None:
            self._squeeze(room)

    def head(self) -> Iterator[str]:
        """The titles and the line below them."""
        titles: Cells = [column.title for column in self._columns]
        plain = [Column(column.title, column.right) for column in self._columns]
        yield self._line(titles, plain).rstrip()
        yield dim(GAP.join("─" * width for width in self._widths))

    def lines(self, rows: Iterable[Cells]) -> Iterator[str]:
        """The rows."""
        for row in rows:
            yield self._line(row, self._columns).rstrip()

    def _squeeze(self, room: int) -> None:
        able = [at for at, column in enumerate(self._columns) if column.shortens]
        while self._total() > room and able:
            widest = max(able, key=lambda at: self._widths[at])
            if self._widths[widest] <= NARROWEST:
                break
            self._widths[widest] -= 1
        while self._total() > room and len(self._widths) > 1:
            self._widths.pop()
            self.hidden.insert(0, self._columns[len(self._widths)].title)
        self._widths[0] = min(self._widths[0], room)

    def _total(self) -> int:
        return sum(self._widths) + len(GAP) * (len(self._widths) - 1)

    def _line(self, cells: Cells, columns: list[Column]) -> str:
        shown = zip(columns, self._widths, cells, strict=False)
        return GAP.join(self._cell(column, width, cell) for column, width, cell in shown)

    def _cell(self, column: Column, width: int, cell: str | None) -> str:
        text = NULL if cell is None else cell
        fitting = self._fit(text, width)
        blank = " " * (width - text_width(fitting))
        styled = dim(fitting) if fitting and (cell is None or column.faint) else fitting
        return blank + styled if column.right else styled + blank

    def _fit(self, text: str, width: int) -> str:
        if self._room is None or text_width(text) <= width:
            return text
        self.cut = True
        while text and text_width(text) > width - 1:
            text = text[: min(len(text) - 1, width - 1)]
        return f"{text}…"
