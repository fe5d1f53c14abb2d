"""Names: of tables, of arrivals and of the data files that carry an arrival's rows.

A data file's name holds the identity of the arrival whose rows it carries. The list of a table's live files is thereby
the ledger of what was committed, which survives the loss of everything else (see `docs/how-it-works/exactly-once.md`).
"""

from __future__ import annotations

import difflib
import hashlib
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from functools import total_ordering
from pathlib import PurePosixPath
from typing import Literal

EventName = Literal[
    "arrived",
    "committed",
    "failed",
    "dead",
    "breached",
    "recovered",
    "replayed",
    "discarded",
    "scheduled",
    "workflow",
    "alarm",
    "ok",
]
"""What is told of a lake; see the page on events."""
DEFAULT_LAYER = "main"
TABLE_NAME = re.compile(r"^(?:[a-z][a-z0-9_]*\.)?[a-z][a-z0-9_]*$")
_DATA_FILE = re.compile(
    r"^(?P<key>[0-9a-f]{16})-(?P<version>[0-9a-f]{16})-g(?P<generation>\d+)-(?P<attempt>[0-9a-f]{8})"
    r"(?:-(?P<part>\d+))?(?:-x\d+)?\.parquet$"
)

_NUMBER = re.compile(r"[0-9]+")
_DIGITS = 20
_PACK = re.compile(r"^pack-[0-9a-f]{32}\.parquet$")
_PLAIN = re.compile(r'^[^"(),\s](?:[^"(),]*[^"(),\s])?$')
IDENTITY = "identity"
"""The transform that takes a column's value as it is."""


def natural(text: str) -> tuple[str, str]:
    """What texts are sorted by so that the numbers in them count as numbers."""
    return _NUMBER.sub(lambda found: found[0].zfill(_DIGITS), text), text


@total_ordering
@dataclass(frozen=True)
class TableName:
    """A table's layer and name; `str()` leaves the default layer out, as the declaration may.

    Names are ordered as people do: `t7` comes before `t59`.
    """

    layer: str
    name: str

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Read `layer.name` or `name`."""
        layer, _, name = text.rpartition(".")
        return cls(layer or DEFAULT_LAYER, name)

    def __lt__(self, other: object) -> bool:
        """Whether it is listed before another: by layer, then by name."""
        if not isinstance(other, TableName):
            return NotImplemented
        return (natural(self.layer), natural(self.name)) < (natural(other.layer), natural(other.name))

    def __str__(self) -> str:
        """Write the name as the declaration does."""
        return self.name if self.layer == DEFAULT_LAYER else f"{self.layer}.{self.name}"

    def data_key(self, file: str) -> str:
        """Where, below the processed zone, a data file of that name stands."""
        return f"{self.layer}/{self.name}/data/{file}"


@dataclass(frozen=True)
class ArrivalName:
    """Identity of one version of one file as far as a table's data files carry it.

    Attributes:
        key_id: First 64 bits of SHA-256 of the key, hexadecimal.
        version_id: First 64 bits of the content's SHA-256, hexadecimal.
        generation: How often the same version was processed again on request; 0 at first.
    """

    key_id: str
    version_id: str
    generation: int = 0

    @classmethod
    def of(cls, key: str, version: str, generation: int = 0) -> ArrivalName:
        """Name the arrival of `key` (path below the zone) with `version` (hexadecimal SHA-256 of the content)."""
        key_id = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return cls(key_id, version[:16], generation)

    def __str__(self) -> str:
        """Write the identity as it stands in file names and snapshot summaries."""
        return f"{self.key_id}-{self.version_id}-g{self.generation}"

    def stem(self, attempt: str, part: int | None = None, piece: int | None = None) -> str:
        """Name, without its ending, of the files written by one attempt (8 hexadecimal digits).

        `part` numbers what was added to the arrival's rows later: rows that came back from quarantine. `piece` numbers
        the files where the rows fall into several partitions.
        """
        parts = [str(self), attempt, *([] if part is None else [str(part)]), *([] if piece is None else [f"x{piece}"])]
        return "-".join(parts)


def arrival_of(path: str) -> ArrivalName | None:
    """Read the arrival out of a data file's path; None for a file that another writer made."""
    match = _DATA_FILE.match(PurePosixPath(path).name)
    if match is None:
        return None
    return ArrivalName(match["key"], match["version"], int(match["generation"]))


def part_of(path: str) -> int | None:
    """Read the part out of a data file's path; None for a file that holds the rows of a whole arrival."""
    match = _DATA_FILE.match(PurePosixPath(path).name)
    return int(match["part"]) if match and match["part"] else None


def pack_name() -> str:
    """A new name for a data file that holds rows of several arrivals."""
    return f"pack-{uuid.uuid4().hex}.parquet"


def is_pack(path: str) -> bool:
    """Whether a data file holds rows of several arrivals."""
    return _PACK.match(PurePosixPath(path).name) is not None


def identifier(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Quote a text value for SQL; the parser takes a NUL for the end of the statement, so it is spelled out."""
    parts = ["'" + part.replace("'", "''") + "'" for part in value.split("\0")]
    return parts[0] if len(parts) == 1 else f"({' || chr(0) || '.join(parts)})"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give `; did you mean "x"?` when a known name is close, else nothing."""
    lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), list(lower), n=1, cutoff=0.6)
    return f'; did you mean "{lower[close[0]]}"?' if close else ""


def counted(count: int, word: str) -> str:
    """A count with its word: `1 file`, `2,000 files`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def printable(text: str) -> str:
    """Make text harmless on a terminal: control and direction marks become visible escapes."""
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if char.isprintable() and not "\u202a" <= char <= "\u202e" and not "\u2066" <= char <= "\u2069":
        return char
    return char.encode("unicode_escape").decode("ascii") if char != "\t" else "\\t"


@dataclass(frozen=True)
class Transform:
    """What of a column decides in which data file a row stands.

    Attributes:
        kind: `identity`, `year`, `month`, `day`, `hour`, `bucket` or `truncate`.
        column: The column, as it is declared.
        size: Number of buckets, or width to cut at.
    """

    kind: str
    column: str
    size: int | None = None

    def __str__(self) -> str:
        """Write it as the declaration does."""
        column = self.column if _PLAIN.match(self.column) else '"' + self.column.replace('"', '""') + '"'
        if self.kind == IDENTITY:
            return column
        return f"{self.kind}({column})" if self.size is None else f"{self.kind}({self.size}, {column})"

    @property
    def iceberg(self) -> str:
        """Iceberg's name of it, without the column."""
        return self.kind if self.size is None else f"{self.kind}[{self.size}]"
