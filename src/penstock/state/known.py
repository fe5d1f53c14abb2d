"""Which text of `lake.yaml` was found sound, so that a query need not examine the same text again.

Examining takes longer than a query may. What is kept here counts only for the very same bytes, looked at by the same
version of Penstock; anything else is as if nothing were kept. A text with `${NAME}` is never kept: what it means
depends on the environment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock import faults
from penstock.naming import TableName

if TYPE_CHECKING:
    from penstock.declaration import Table

VARIABLE = b"${"


@dataclass(frozen=True)
class Declared:
    """What a query needs of a declaration.

    Attributes:
        lake: The lake's name.
        raw: The zone of files as delivered.
        processed: The zone of tables.
        enriched: The zone of results.
        tables: Names of the tables, as the declaration spells them.
    """

    lake: str
    raw: str
    processed: str
    enriched: str
    tables: tuple[str, ...]


class LazyTables(Mapping[TableName, "Table"]):
    """The declared tables of a lake: their names are known, the rest is looked up when one is taken."""

    def __init__(self, names: Iterable[str], look_up: Callable[[], Mapping[str, Table]]) -> None:
        self._spelled = {TableName.parse(name): name for name in names}
        self._look_up = look_up

    def __getitem__(self, name: TableName) -> Table:
        spelled = self._spelled[name]
        return self._look_up()[spelled]

    def __contains__(self, name: object) -> bool:
        return name in self._spelled

    def __iter__(self) -> Iterator[TableName]:
        return iter(self._spelled)

    def __len__(self) -> int:
        return len(self._spelled)


class KnownText:
    """The text that was found sound last, in a file of the lake's `.penstock/`."""

    def __init__(self, folder: Path, version: str) -> None:
        """Keep it in `folder`, once that is there; it counts for the version of Penstock that examined it."""
        self._file = folder / "declared.json"
        self._version = version

    def recall(self, text: bytes) -> Declared | None:
        """What `text` declares; None when it is not the text that is kept, or what is kept is damaged."""
        try:
            kept = json.loads(self._file.read_bytes())
            declared = Declared(**{**kept["declared"], "tables": tuple(kept["declared"]["tables"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return declared if VARIABLE not in text and kept.get("seal") == self._seal(text, declared) else None

    def remember(self, text: bytes, declared: Declared) -> None:
        """Keep what the sound `text` declares; where that cannot be written, it is examined again next time."""
        if VARIABLE in text:
            return
        content = json.dumps({"declared": asdict(declared), "seal": self._seal(text, declared)})
        # a folder may not be there yet, or a lake may only be read
        with suppress(OSError), self._file.open("wb") as file:
            faults.write(file, f"{content}\n".encode(), "state.known")

    def _seal(self, text: bytes, declared: Declared) -> str:
        """A digest of everything that must be the same, so that a torn or damaged file counts as none."""
        parts = [self._version.encode(), text, repr(declared).encode()]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()
