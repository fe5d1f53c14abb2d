"""Commits whose request or answer is lost, while another writer works: each file's rows are in the table once."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from penstock.clock import HeldClock
from penstock.errors import CommitConflictError, LeaseLostError
from penstock.state import Head
from penstock.tables import Catalog, Change, LocalCatalog, Staged, commit_group
from tests.contracts.test_commit import Wrapped
from tests.storms.storm import chance, size, tell
from tests.storms.writing import T, expire, files_of, make_table, named, opened, staged, values_of

INJECTED = size(1000, 5000)
PER_TABLE = 125
"""So many in one table: what a commit costs grows with the table's files."""


class Line(Wrapped):
    """A catalog at the end of a bad line: requests and answers get lost, and others commit meanwhile."""

    def __init__(self, catalog: Catalog, luck: random.Random, meanwhile: Callable[[], None]) -> None:
        """Pass on to `catalog`; `meanwhile` is what the other writer does around a commit."""
        super().__init__(catalog)
        self._luck, self._meanwhile = luck, meanwhile
        self.lost = Counter[str]()

    def commit(self, change: Change) -> Head:
        """Commit or not, answer or not, before or after the other writer."""
        fate = self._luck.choices(["request lost", "answer lost", "passed on"], (3, 6, 1))[0]
        if fate == "request lost":
            self._fail(fate, overtaken=self._luck.random() < 0.05)
        if self._luck.random() < 0.1:
            self._meanwhile()
        head = super().commit(change)
        if fate == "answer lost":
            self._fail(fate, overtaken=self._luck.random() < 0.15)
        return head

    def _fail(self, fate: str, *, overtaken: bool) -> None:
        self.lost[fate] += 1
        if overtaken:
            self._meanwhile()
        raise ConnectionResetError(fate)


@dataclass
class Writer:
    """One writer, which tries again as a worker does, and knows of its files only what the catalog told it.

    Attributes:
        newest: Newest version of each file that has landed, which all writers know.
        ended: How commits ended.
    """

    folder: Path
    luck: random.Random
    newest: dict[int, int]
    catalog: Catalog
    ended: Counter[str] = field(default_factory=Counter)

    def bring(self, number: int) -> None:
        """Bring the newest version of a file, by as many attempts as it takes."""
        ready = self._attempt(number)
        while not self._settled(number, self.newest[number], ready):
            if ready.arrival != named(number, self.newest[number]) or self.luck.random() < 0.5:
                ready = self._attempt(number)  # as after a crash; else once more with the same file

    def _settled(self, number: int, version: int, ready: Staged) -> bool:
        try:
            commit_group(self.catalog, T, [ready], HeldClock(), lambda: self._assert_newest(number, version))
        except (ConnectionResetError, LeaseLostError, CommitConflictError) as error:
            self.ended[type(error).__name__] += 1
            return False
        self.ended["settled"] += 1
        return True

    def _attempt(self, number: int) -> Staged:
        version = self.newest[number]
        attempt = f"{self.luck.getrandbits(32):08x}"
        return staged(self.folder, named(number, version), attempt, rows_of(number, version))

    def _assert_newest(self, number: int, version: int) -> None:
        if self.newest[number] != version:
            message = "a newer version has landed"
            raise LeaseLostError(message)


def rows_of(number: int, version: int) -> list[int]:
    """The rows of one version of a file; versions differ in rows and in their number."""
    return [number * 1000 + version * 10 + at for at in range(1 + version % 3)]


@pytest.mark.timeout(3600)
def test_lost_requests_and_answers(tmp_path: Path) -> None:
    """1,000 requests and answers get lost between two writers: each file's newest rows are there once."""
    luck, lost, ended, began = chance("answers"), Counter[str](), Counter[str](), time.monotonic()
    files = 0
    while lost.total() < INJECTED:
        folder = tmp_path / str(lost.total())
        newest = _storm(folder, luck, lost, ended)
        files += len(newest)
    told = ", ".join(f"{count} {how}" for how, count in sorted((lost + ended).items()))
    tell(f"answers: {files} files, {told}, {time.monotonic() - began:.0f} s")
    assert all(lost[fate] > INJECTED // 5 for fate in ("request lost", "answer lost"))


def _storm(folder: Path, luck: random.Random, lost: Counter[str], ended: Counter[str]) -> dict[int, int]:
    """Two writers at one table; gives the newest version of each file."""
    clock, newest = HeldClock(), dict[int, int]()
    make_table(folder, clock)
    (state, catalog), (other_state, other_catalog) = opened(folder, clock, "one"), opened(folder, clock, "two")
    other = Writer(folder, luck, newest, other_catalog, ended)
    line = Line(catalog, luck, lambda: other.bring(_landed(luck, newest)))
    writer = Writer(folder, luck, newest, line, ended)
    while line.lost.total() < PER_TABLE:
        writer.bring(_landed(luck, newest))
        if line.lost.total() % 10 == 0:
            expire(catalog)
    _assert_once(catalog, newest)
    _assert_once(other_catalog, newest)
    lost.update(line.lost)
    state.close()
    other_state.close()
    return newest


def _landed(luck: random.Random, newest: dict[int, int]) -> int:
    """A file lands: a new one, a newer version of one, or one that is there already."""
    draw = luck.random()
    number = luck.choice(list(newest)) if newest and draw < 0.5 else len(newest)
    if draw > 0.25 or number not in newest:
        newest[number] = newest.get(number, -1) + 1
    return number


def _assert_once(catalog: LocalCatalog, newest: dict[int, int]) -> None:
    assert values_of(catalog) == sorted(row for number, version in newest.items() for row in rows_of(number, version))
    files = [file["file_path"] for file in files_of(catalog)]
    assert len(files) == len(set(files)) == len(newest)
