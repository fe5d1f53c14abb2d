"""What happens in a soak, worked out beforehand from a seed alone: what lands when, and what else befalls the lake.

A plan is the same for the same seed and length, whatever the machine makes of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tests.storms.landing import FIRST, NAMES

Manner = Literal["rename", "part", "copy", "slow", "folder"]
"""How a file lands: renamed from a hidden name, or from one that no table wants, copied in pieces, written slowly under
its own name, or moved in with its folder."""
Deed = Literal[
    "kill first",
    "kill steady",
    "stop first",
    "start second",
    "stop second",
    "mail down",
    "mail up",
    "run",
    "replay",
    "discard",
]
DATES = ("2024-01-05", "2023-12-31", "2024-02-29")
REFUSED = {
    b"": "the file is empty",
    b"\x89PNG\r\n\x1a\n\x00\x00": "the file is not CSV, it is a PNG picture",
    b"\xff\xfei\x00d\x00,": "line 1: the header cannot be read: not UTF-16-LE",
    b"a;b;c\n1;2;3\n": "line 1 has none of the table's columns",
}
"""Files that cannot become rows, and how the reasons begin that their dead letters give."""
HIGHEST = 99
FAULTS = ("date", "cells", "bytes", "high")
LARGE, LARGER = 2_000, 20_000
FREE = 5.0
"""Seconds for which a file is left alone that has been delivered."""


@dataclass(frozen=True)
class Landing:
    """Files that land together.

    Attributes:
        kind: Why they land, for the report.
        files: Key and bytes of each.
        pieces: In how many pieces each is written, where it is written in pieces.
        seconds: How long writing one takes, where it is written slowly.
    """

    kind: str
    manner: Manner
    files: tuple[tuple[str, bytes], ...]
    pieces: int = 1
    seconds: float = 0.0


@dataclass(frozen=True)
class Moment:
    """Something that happens, so many seconds after the start."""

    at: float
    what: Landing | Deed


@dataclass
class Plan:
    """A soak: what happens, in order."""

    seed: int
    seconds: float
    moments: list[Moment] = field(default_factory=list)

    @property
    def landings(self) -> list[Landing]:
        """What lands."""
        return [moment.what for moment in self.moments if isinstance(moment.what, Landing)]


def make_plan(seed: int, seconds: float, rate: float) -> Plan:
    """Plan a soak of so many seconds, in which files land about `rate` times a second."""
    landings = _Landings(random.Random(f"landings {seed}"))
    pace = random.Random(f"pace {seed}")
    plan = Plan(seed, seconds, [Moment(0.0, landings.first())])
    at = 0.5
    while at < seconds:
        plan.moments.append(Moment(at, landings.next(at)))
        at += pace.expovariate(rate)
    plan.moments += _deeds(random.Random(f"deeds {seed}"), seconds)
    plan.moments.sort(key=lambda moment: moment.at)
    return plan


# --- What befalls the lake ----------------------------------------------------------------------


def _deeds(chance: random.Random, seconds: float) -> Iterator[Moment]:
    """Kills, outages, and what people do; in the first fifth both processes are killed, later only the first one."""
    beat = max(min(seconds / 8, 30.0), 6.0)
    for at in _times(chance, seconds, beat, spread=0.6):
        yield Moment(at, "kill first" if chance.random() < 0.8 else "stop first")
    for at in _times(chance, seconds / 5, beat, spread=0.5):
        yield Moment(at, "kill steady")
    for at in _times(chance, seconds - 2 * beat, 4 * beat, spread=0.5):
        yield Moment(at, "start second")
        yield Moment(at + beat * chance.uniform(0.3, 1.2), "stop second")
    for at in _times(chance, seconds - beat, 3 * beat, spread=0.5):
        yield Moment(at, "mail down")
        yield Moment(at + beat * chance.uniform(0.3, 1.5), "mail up")
    for at in _times(chance, seconds, 2 * beat, spread=0.7):
        yield Moment(at, chance.choice(["run", "replay", "replay", "discard"]))


def _times(chance: random.Random, until: float, beat: float, spread: float) -> Iterator[float]:
    at = beat * chance.uniform(0.5, 1.0)
    while at < until:
        yield at
        at += beat * chance.uniform(1 - spread, 1 + spread)


# --- What lands ---------------------------------------------------------------------------------


@dataclass
class _Landings:
    """Files so far, what each key holds, and until when it is left alone.

    What was good stays good: a version that is refused leaves the rows of the one before it where they are, so that
    what the lake holds could not be told from `raw/` any more.
    """

    chance: random.Random
    newest: dict[str, bytes] = field(default_factory=dict)
    earlier: dict[str, bytes] = field(default_factory=dict)
    free: dict[str, float] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)
    ids: int = 0
    names: int = 0

    def first(self) -> Landing:
        """What makes the tables."""
        return Landing("new", "rename", (self._put(FIRST, self._events()), self._put("codes/first.csv", self._codes())))

    def next(self, at: float) -> Landing:
        """Something lands."""
        kinds = {
            self._new: 40,
            self._codes_too: 8,
            self._faulty: 12,
            self._overwritten: 10,
            self._refused: 5,
            self._corrected: 4,
            self._burst: 3,
            self._large: 2,
            self._copied: 4,
            self._returned: 3,
        }
        (make,) = self.chance.choices(list(kinds), list(kinds.values()))
        landing = make(at) or self._new(at)
        self.free.update({key: at + landing.seconds + FREE for key, _ in landing.files})
        return landing

    def _new(self, _at: float) -> Landing:
        return self._one("new", self._put(self._name(), self._events()))

    def _codes_too(self, _at: float) -> Landing:
        return self._one("new", self._put(self._name("codes"), self._codes()))

    def _faulty(self, _at: float) -> Landing:
        return self._one("faulty rows", self._put(self._name(), self._events(faults=True)))

    def _refused(self, _at: float) -> Landing:
        key = self._name()
        self.bad.append(key)
        return self._one("bad", self._put(key, self.chance.choice(list(REFUSED))))

    def _corrected(self, at: float) -> Landing | None:
        free = [key for key in self.bad if self.free[key] < at]
        if not free:
            return None
        key = self.chance.choice(free)
        self.bad.remove(key)
        return self._one("corrected", self._put(key, self._events()))

    def _overwritten(self, at: float) -> Landing | None:
        key = self._good(at)
        return (
            self._one("overwritten", self._put(key, self._events(faults=self.chance.random() < 0.3))) if key else None
        )

    def _returned(self, at: float) -> Landing | None:
        """An earlier version comes back."""
        key = self._good(at)
        return self._one("returned", self._put(key, self.earlier[key])) if key in self.earlier and key else None

    def _copied(self, at: float) -> Landing | None:
        """The same bytes under another name are another file."""
        key = self._good(at)
        return self._one("copied", self._put(self._name(), self.newest[key])) if key else None

    def _burst(self, _at: float) -> Landing:
        """Many files at once, in a folder that is moved in, or copied one after the other."""
        folder = f"events/burst-{self.names:05d}"
        self.names += 1
        files = tuple(self._put(f"{folder}/{at:03d}.csv", self._events()) for at in range(self.chance.randint(8, 60)))
        return Landing("burst", self.chance.choice(["folder", "copy"]), files)

    def _large(self, _at: float) -> Landing:
        rows = self.chance.randint(LARGE, LARGER)
        return Landing("large", "copy", (self._put(self._name(), self._events(rows, faults=True)),), pieces=20)

    def _one(self, kind: str, file: tuple[str, bytes]) -> Landing:
        manner: Manner = self.chance.choices(["rename", "part", "copy", "slow"], [5, 2, 3, 1])[0]  # type: ignore[assignment]
        pieces = self.chance.randint(1, 6) if manner in {"copy", "slow"} else 1
        return Landing(kind, manner, (file,), pieces, self.chance.uniform(0.2, 3.0) if manner == "slow" else 0.0)

    def _put(self, key: str, content: bytes) -> tuple[str, bytes]:
        if key in self.newest and self.newest[key] not in REFUSED:
            self.earlier[key] = self.newest[key]
        self.newest[key] = content
        return key, content

    def _good(self, at: float) -> str:
        """A file of events that is good, and has been left alone for a while; empty for none."""
        free = [key for key, until in self.free.items() if until < at and key.startswith("events/")]
        good = [key for key in free if self.newest[key] not in REFUSED]
        return self.chance.choice(good) if good else ""

    def _name(self, folder: str = "") -> str:
        self.names += 1
        return f"{folder or f'events/{self.names % 7}'}/{self.names:05d}.csv"

    def _codes(self) -> bytes:
        self.ids += 1
        return f"code,label\n{self.ids},a\n{self.ids},b\n".encode()

    def _events(self, rows: int = 0, *, faults: bool = False) -> bytes:
        """A file of events; with `faults`, some rows are damaged, hold what is no date, or break a check."""
        lines, left = [b"id,name,amount,at"], list(FAULTS)
        for at in range(rows or self.chance.randint(3, 9)):
            self.ids += 1
            fault = self.chance.choice(left) if faults and at and self.chance.random() < 0.4 else ""
            if fault == "bytes":  # with more of such lines, it could not be told how the file is written
                left.remove(fault)
            lines.append(self._line(fault))
        return b"\n".join(lines) + b"\n"

    def _line(self, fault: str) -> bytes:
        if fault == "bytes":
            return f"{self.ids},".encode() + b"\xff\xfe,5,2024-01-05"
        day = "2024-02-30" if fault == "date" else self.chance.choice(DATES)
        amount = self.chance.randint(HIGHEST + 1, 999) if fault == "high" else self.chance.randint(0, HIGHEST)
        more = ",too many" if fault == "cells" else ""
        return f"{self.ids},{self.chance.choice(NAMES)},{amount},{day}{more}".encode()
