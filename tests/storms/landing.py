"""What lands in a storm, and what a lake must make of it, told by plain Python that shares nothing with the product."""

from __future__ import annotations

import csv
import hashlib
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from tests.road import lakes

DECLARATION = """
lake: storm
retry: {attempts: 1000}  # who is killed again and again is not to blame
upkeep: {min_input_files: 4, max_snapshots: 6, min_snapshots: 2}  # often, so that kills strike upkeep, too
tables:
  events:
    files: "events/**/*.csv"
    steps:
      - parse: {at: date}
      - derive: {twice: amount * 2}
      - require: [name]
  curated.codes:
    files: "codes/*.csv"
"""
FIRST = "events/first.csv"
NAMES = ["Zoë", "", "O'Hara", '"a, b"', "x"]
DATES = {"2024-01-05": date(2024, 1, 5), "2023-12-31": date(2023, 12, 31), "2024-02-29": date(2024, 2, 29)}
REFUSED = {b"": "the file is empty", b"\x89PNG\r\n\x1a\n": "the file is not CSV, it is a PNG picture"}
"""Files that cannot become rows, and how the reasons begin that their dead letters give."""


@dataclass(frozen=True)
class Delivery:
    """One file that lands: a key, its bytes, and why they are delivered."""

    key: str
    content: bytes
    kind: str

    def land(self, lake: Path) -> None:
        """Land in a lake."""
        lakes.land(lake, self.key, self.content)


def make_lake(folder: Path) -> Path:
    """Make a lake without files."""
    return lakes.make_lake(folder, DECLARATION)


def deliveries(chance: random.Random, files: int) -> list[Delivery]:
    """So many files, in the order in which they land, with repeated, copied, overwritten, bad and returning ones."""
    made = _Deliveries(chance)
    made.add(FIRST, made.events(faults=False), "new")
    made.add("codes/first.csv", made.codes(), "new")
    while len(made.newest) < files:
        made.one()
    return made.all


@dataclass
class _Deliveries:
    """Deliveries so far, and what each key holds."""

    chance: random.Random
    all: list[Delivery] = field(default_factory=list)
    newest: dict[str, bytes] = field(default_factory=dict)
    clean: dict[str, list[bytes]] = field(default_factory=dict)
    ids: int = 0

    def add(self, key: str, content: bytes, kind: str) -> None:
        """Deliver."""
        self.all.append(Delivery(key, content, kind))
        self.newest[key] = content

    def one(self) -> None:
        """Deliver something."""
        key = f"events/{len(self.newest) % 7}/{len(self.newest):04d}.csv"
        draw = self.chance.random()
        if draw < 0.08:  # the same bytes under another name are another file
            self.add(key, self.newest[self._any_key("events/")], "copy")
        elif draw < 0.12:
            old = self._any_key("")
            self.add(old, self.newest[old], "again")
        elif draw < 0.24:
            self._overwrite()
        elif draw < 0.26:
            self.add(key, self.chance.choice(list(REFUSED)), "refused")
        elif draw < 0.36:
            self.add(f"codes/{len(self.newest):04d}.csv", self.codes(), "new")
        elif draw < 0.42:
            self.add(key, self.events(faults=True), "faulty")
        else:
            self._add_clean(key)

    def _add_clean(self, key: str) -> None:
        content = self.events(faults=False)
        self.clean.setdefault(key, []).append(content)
        self.add(key, content, "new")

    def _any_key(self, start: str) -> str:
        return self.chance.choice([key for key in self.newest if key.startswith(start)])

    def _overwrite(self) -> None:
        """A new version of a key; or an earlier one that comes back.

        What was good stays good, since a version that is refused leaves the rows of the one before it where they are:
        then the order of events would count.
        """
        key = self._any_key("events/")
        if len(self.clean.get(key, ())) > 1 and self.chance.random() < 0.5:
            self.add(key, self.clean[key][-2], "returned")
            return
        content = self.events(faults=False)
        self.clean.setdefault(key, []).append(content)
        self.add(key, content, "overwritten")

    def events(self, *, faults: bool) -> bytes:
        """A file of events; with `faults`, some rows are damaged or hold what is no date."""
        lines = ["id,name,amount,at"]
        for at in range(self.chance.randint(3, 9)):
            self.ids += 1
            day = self.chance.choice(list(DATES))
            fault = self.chance.randint(0, 3) if faults and at else 3
            cells = [str(self.ids), self.chance.choice(NAMES), str(self.chance.randint(0, 99)), day]
            if fault == 0:
                cells[3] = "2024-02-30"
            elif fault == 1:
                cells.append("too many")
            lines.append(",".join(cells))
        return ("\n".join(lines) + "\n").encode()

    def codes(self) -> bytes:
        """A file of codes."""
        self.ids += 1
        return f"code,label\n{self.ids},a\n{self.ids},b\n".encode()


@dataclass
class Truth:
    """What a lake must hold.

    Attributes:
        rows: Rows of each table.
        quarantine: Table, file, line, column, rule and raw text of each row set aside.
        accounts: Table, file, version and rows in, out, dropped and quarantined of each file.
        refused: Table, file and version of each dead letter, and how its reason begins.
    """

    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {"events": [], "curated.codes": []})
    quarantine: list[tuple[Any, ...]] = field(default_factory=list)
    accounts: list[tuple[Any, ...]] = field(default_factory=list)
    refused: list[tuple[str, str, str, str]] = field(default_factory=list)


def truth(lake: Path) -> Truth:
    """Work out from raw/ what a lake must hold."""
    found, raw = Truth(), lake / "raw"
    for file in sorted(raw.rglob("*.csv")):
        key, content = str(file.relative_to(raw)), file.read_bytes()
        table = "events" if key.startswith("events/") else "curated.codes"
        version = hashlib.sha256(content).hexdigest()
        if content in REFUSED:
            found.refused.append((table, key, version, REFUSED[content]))
            continue
        lines = list(_lines(content))
        read = _event if table == "events" else _code
        outcomes = [(line, raw_text, *read(cells)) for line, raw_text, cells in lines]
        kept = [row for _, _, row, _ in outcomes if row is not None]
        aside = [(table, key, line, *fault, raw_text) for line, raw_text, _, fault in outcomes if fault is not None]
        found.rows[table] += kept
        found.quarantine += aside
        dropped = len(lines) - len(kept) - len(aside)
        found.accounts.append((table, key, version, len(lines), len(kept), dropped, len(aside)))
    return found


def _lines(content: bytes) -> Iterator[tuple[int, str, list[str]]]:
    """Line number, text and cells of each record."""
    texts = content.decode().splitlines()
    for line, cells in enumerate(csv.reader(io.StringIO(content.decode())), start=1):
        if line > 1:
            yield line, texts[line - 1], cells


Fault = tuple[str | None, str]


def _event(cells: list[str]) -> tuple[tuple[Any, ...] | None, Fault | None]:
    """The row of an event, or what is wrong with it; neither when it has no name."""
    if len(cells) > 4:
        return None, (None, "malformed")
    ident, name, amount, day = cells
    if day not in DATES:
        return None, ("at", "parse at")
    if not name:
        return None, None
    return (int(ident), name, int(amount), DATES[day], 2 * int(amount)), None


def _code(cells: list[str]) -> tuple[tuple[Any, ...] | None, Fault | None]:
    code, label = cells
    return (int(code), label), None
