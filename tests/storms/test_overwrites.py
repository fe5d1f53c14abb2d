"""Files that are written over before, while and after they are read: never two versions mixed, the newest one wins."""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock import faults
from penstock.lake import Lake
from tests.storms.storm import chance, size, tell

TIMINGS = size(500, 5000)
KEYS = 25
DECLARATION = """
lake: storm
tables:
  t: {files: "*.csv"}
  alone: {files: "alone/*.csv", steps: [{dedupe: {key: [file, version, row]}}]}  # one by one
"""
HEADER = "file,version,row\n"
Step = Callable[[], None]


@dataclass
class Plan:
    """When and how one file is written over.

    Attributes:
        key: The file.
        after: What has to happen first to the file, or to `anyone`: the name of an announcement, or `run`.
        places: How many places on the road later the next write comes.
        steps: The writes.
        threaded: Whether a thread writes, without the road waiting for it.
        began: When the first write came: `before` the file was begun, `during` its work, or `after` its end.
    """

    key: str
    after: tuple[str, str]
    places: int
    steps: list[Step]
    threaded: bool
    at: int | None = None
    began: str = ""


@dataclass
class Meddler:
    """Carries out plans while a lake runs in this process."""

    luck: random.Random
    plans: list[Plan]
    count: int = 0
    stages: dict[str, str] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)

    @contextlib.contextmanager
    def at_work(self, lake: Lake) -> Iterator[None]:
        """Meddle with one run; what did not come to its turn is written after it."""
        for event in ("started", "finished", "dead"):
            lake.signals.listen(event, self._hear)
        self._happened("run")
        faults.install(self._reach)
        try:
            yield
        finally:
            faults.install(None)
            for plan in self.plans:
                while plan.steps:
                    self._step(plan)
            for thread in self.threads:
                thread.join()

    def _hear(self, facts: dict[str, Any]) -> None:
        self.stages[facts["file"]] = "during" if facts["event"] == "started" else "after"
        self._happened(facts["event"], facts["file"])

    def _happened(self, event: str, key: str = "") -> None:
        for plan in self.plans:
            who, what = plan.after
            if plan.at is None and what == event and who in (key, "anyone"):
                plan.at = self.count + plan.places

    def _reach(self, _place: str) -> None:
        self.count += 1
        for plan in self.plans:
            if plan.steps and plan.at is not None and plan.at <= self.count:
                self._step(plan)
                plan.at = self.count + self.luck.randint(0, 6)

    def _step(self, plan: Plan) -> None:
        plan.began = plan.began or self.stages.get(plan.key, "before")
        if not plan.threaded:
            plan.steps.pop(0)()
            return
        steps, waits = plan.steps[:], [self.luck.random() * 0.01 for _ in plan.steps]
        plan.steps.clear()

        def write() -> None:
            for step, wait in zip(steps, waits, strict=True):
                time.sleep(wait)
                step()

        self.threads.append(threading.Thread(target=write))
        self.threads[-1].start()


@dataclass
class Files:
    """The files of a lake, and every content that each of them had since its last known one.

    Attributes:
        states: Contents by key, oldest first; the last one is what stands there now.
        versions: How many versions there were.
    """

    lake: Path
    luck: random.Random
    states: dict[str, list[str]] = field(default_factory=dict)
    versions: int = 0

    def renew(self) -> None:
        """Every file gets a new version, by a rename; earlier contents are forgotten but for the one before."""
        for key in map(key_of, range(KEYS)):
            self.states[key] = self.states.get(key, [])[-1:]
            self.rename(key, self.content(key))

    def content(self, key: str) -> str:
        """A new version."""
        self.versions += 1
        rows = (f"{Path(key).stem},{self.versions},{row}\n" for row in range(self.luck.randint(2, 9)))
        return HEADER + "".join(rows)

    def rename(self, key: str, content: str) -> None:
        """Write aside, then rename."""
        temporary = (self.lake / "raw" / key).with_suffix(".tmp")
        temporary.write_text(content, encoding="utf-8")
        self.states[key].append(content)
        temporary.replace(self.lake / "raw" / key)

    def write(self, key: str, mode: str, text: str) -> None:
        """Write in place; what will stand there is noted first, since it may be read at once."""
        before = "" if mode == "w" else (self.lake / "raw" / key).read_text(encoding="utf-8")
        self.states[key].append(before + text)
        with (self.lake / "raw" / key).open(mode, encoding="utf-8") as file:
            file.write(text)

    def ways(self, key: str) -> list[Step]:
        """One way to write a file over, in steps between which its content stands for some time."""
        content = self.content(key)
        lines = content.splitlines(keepends=True)
        half = self.luck.randint(0, len(lines) - 1)
        parts = "".join(lines[:half]), "".join(lines[half:])
        return self.luck.choice(
            [
                [lambda: self.rename(key, content)],
                [lambda: self.write(key, "w", content)],
                [lambda: self.write(key, "w", parts[0]), lambda: self.write(key, "a", parts[1])],
                [lambda: self.write(key, "a", content.removeprefix(HEADER))],
            ]
        )

    def plan(self, key: str) -> Plan:
        """Write a file over at some moment."""
        after = self.luck.choice([("anyone", "run"), ("anyone", "started"), (key, "started"), (key, "finished")])
        places = self.luck.choice([self.luck.randint(0, 8), self.luck.randint(0, 60)])
        return Plan(key, after, places, self.ways(key), self.luck.random() < 0.25)


def key_of(number: int) -> str:
    """The key of a file by its number: every other one belongs to the table `alone`."""
    return f"{number}.csv" if number % 2 else f"alone/{number}.csv"


def rows_of(content: str) -> list[tuple[int, ...]]:
    """The rows of a content."""
    return [tuple(map(int, line.split(","))) for line in content.splitlines()[1:]]


def table(lake: Lake) -> dict[str, list[tuple[int, ...]]]:
    """The table's rows by file."""
    found: dict[str, list[tuple[int, ...]]] = {key_of(at): [] for at in range(KEYS)}
    for row in lake.query("FROM t UNION ALL FROM alone ORDER BY ALL").fetchall():
        found[key_of(row[0])].append(row)
    return found


def assert_whole(lake: Lake, files: Files) -> None:
    """The table has, of each file, the rows of the one content that the ledger names."""
    held = table(lake)
    finished = lake.query("SELECT file, version FROM penstock.arrivals WHERE state = 'finished'").fetchall()
    assert len(finished) == len(held)
    for key, version in finished:
        contents = {hashlib.sha256(text.encode()).hexdigest(): text for text in files.states[key]}
        assert held[key] == rows_of(contents[version]), (key, held[key], contents)


@pytest.mark.timeout(3600)
def test_written_over_at_any_moment(tmp_path: Path) -> None:
    """At 500 moments before, while and after files are read: each holds one version, after one more run the newest."""
    luck, moments, began = chance("overwrites"), Counter[str](), time.monotonic()
    (tmp_path / "raw" / "alone").mkdir(parents=True)
    (tmp_path / "lake.yaml").write_text(DECLARATION, encoding="utf-8")
    files = Files(tmp_path, luck)
    files.renew()
    _run(tmp_path, files)
    while moments.total() < TIMINGS:
        files.renew()
        meddler = Meddler(luck, [files.plan(key) for key in files.states])
        with penstock.open(tmp_path) as lake:
            with meddler.at_work(lake):
                lake.run()
            assert_whole(lake, files)
        _run(tmp_path, files)
        moments.update(plan.began for plan in meddler.plans)
    tell(
        f"overwrites: {moments.total()} files written over, {moments['before']} before they were begun, "
        f"{moments['during']} while in work, {moments['after']} after, {time.monotonic() - began:.0f} s"
    )
    assert min(moments[when] for when in ("before", "during", "after")) >= TIMINGS // 20


def _run(folder: Path, files: Files) -> None:
    """One plain run ends with the newest version of every file, and nothing dead."""
    with penstock.open(folder) as lake:
        lake.run()
        assert table(lake) == {key: rows_of(states[-1]) for key, states in files.states.items()}
        assert lake.query("SELECT * FROM penstock.dead_letters").fetchall() == []
        assert lake.query("SELECT * FROM penstock.quarantine").fetchall() == []
