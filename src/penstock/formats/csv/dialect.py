"""The dialect of a CSV file: every choice that decides how its bytes become cells, with the reason for each.

A dialect is decided once per table, from its first file, and kept in the table's properties; later files are verified
against it. Each choice names the line and the value that decided it, so that people can ask why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

RESERVED = "__penstock_"
UTF8 = "utf-8"
WORDS = {
    ",": "comma",
    ";": "semicolon",
    "\t": "tab",
    "|": "vertical bar",
    ":": "colon",
    " ": "space",
    "^": "circumflex",
    "~": "tilde",
    '"': "double quote",
    "'": "single quote",
    "\\": "backslash",
    "\x01": "control character 1",
    "\x1f": "unit separator",
    "": "none",
}


def word(mark: str) -> str:
    """What people call a mark."""
    return WORDS.get(mark, f'"{mark}"')


SHOWN = 60


def shown(text: str, most: int = SHOWN) -> str:
    """A text of the file for people: shortened, with a dot for every character that would not be seen."""
    text = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(char if char.isprintable() else "·" for char in text)


@dataclass(frozen=True)
class Choice:
    """Why one choice was made.

    Attributes:
        what: `delimiter`, `quote`, `escape`, `encoding`, `comment`, `skip`, `header`, `trailing` or `decimal`.
        choice: What was chosen.
        reason: Why, for people.
        line: Line of the file that decided, from 1; None when it was no single one.
        value: What stands there; None when nothing is to be shown.
    """

    what: str
    choice: str
    reason: str
    line: int | None = None
    value: str | None = None


DECLARED = "declared"


@dataclass(frozen=True)
class Dialect:
    """How a table's CSV files are written.

    Attributes:
        delimiter: What stands between two fields.
        quote: The character around fields; empty when there is none.
        reason: Why the delimiter was chosen.
        escape: The character before a quote that is text; empty when such quotes are doubled.
        comment: What lines that are no records start with; empty when there are none.
        skip: Lines before the header.
        header: Records that make up the header: 0, 1, or more, whose names are joined with a space.
        decimal: The decimal mark of numbers, `.` or `,`.
        encoding: Python's name of the encoding.
        nulls: Texts that mean null, beside the empty one.
        names: Names of the columns where the file has no header.
        trailing: Whether every record ends in a delimiter with nothing behind it.
        evidence: Why each choice was made.
    """

    delimiter: str
    quote: str = '"'
    reason: str = ""
    escape: str = ""
    comment: str = ""
    skip: int = 0
    header: int = 1
    decimal: str = "."
    encoding: str = UTF8
    nulls: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    trailing: bool = False
    evidence: tuple[Choice, ...] = ()

    def __post_init__(self) -> None:
        """Take the lists of a stored dialect as tuples."""
        evidence = tuple(Choice(**found) if isinstance(found, Mapping) else found for found in self.evidence)
        for name, value in (("nulls", tuple(self.nulls)), ("names", tuple(self.names)), ("evidence", evidence)):
            object.__setattr__(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the table's properties."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Dialect:
        """Read what `as_dict` gave, of this version or another; keys that are not known are passed over."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in plain.items() if key in known})

    def why(self, what: str) -> Choice | None:
        """Why a choice was made; None for one that nobody had to make."""
        return next((found for found in self.evidence if found.what == what), None)

    def is_declared(self, what: str) -> bool:
        """Whether a choice was declared."""
        found = self.why(what)
        return found is not None and found.reason == DECLARED
