"""What generators of sample data share: chance that is the same everywhere, and files that appear when complete.

Every value follows from a row's number by integer arithmetic, so the same number of rows gives the same text with
every version of Python, on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_MASK = 0xFFFFFFFF


def draw(number: int, salt: int) -> int:
    """Give an evenly spread 32-bit integer, mixed from a number and the salt of what is drawn."""
    mixed = (number * 2654435761 + salt * 40503) & _MASK
    for _ in range(2):
        mixed = ((mixed ^ (mixed >> 16)) * 73244475) & _MASK
    return mixed ^ (mixed >> 16)


def pick(choices: Sequence[T], number: int, salt: int) -> T:
    """Choose one of several."""
    return choices[draw(number, salt) % len(choices)]


def line(cells: Iterable[str], delimiter: str) -> str:
    """Write a record as RFC 4180 does: in quotes only where a value holds a delimiter, a quote or a line break."""
    return delimiter.join(_field(cell, delimiter) for cell in cells)


def _field(text: str, delimiter: str) -> str:
    if any(mark in text for mark in (delimiter, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text


def write_together(contents: Mapping[Path, Iterable[bytes]]) -> list[Path]:
    """Write files that appear under their names only when all of them are complete; replaces files of these names."""
    unfinished = {target: target.with_name(f".{target.name}.part") for target in contents}
    try:
        for target, parts in contents.items():
            with unfinished[target].open("wb") as file:
                file.writelines(parts)
        return [path.rename(target) for target, path in unfinished.items()]
    finally:
        for path in unfinished.values():
            path.unlink(missing_ok=True)
