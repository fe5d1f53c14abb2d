"""Readmission under any order of events, SIGKILL, and several at once: every row once, as a plain model has it."""

from __future__ import annotations

import json
import random
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import penstock
from penstock import faults
from tests.road.lakes import CONTEXT, killer

DECLARATION = """
lake: storm
tables:
  t:
    files: "*.csv"
    steps: [{parse: {n: integer}}, {filter: n < 1000}]
"""
KILLS = 8
SEED = 20261122
Record = tuple[str, ...]


@dataclass
class Model:
    """What a lake holds, in plain words.

    Attributes:
        files: Records of each file: number as text, and a word that names the record.
        corrected: Numbers that people gave for records, by file and word, for the files' present content.
    """

    files: dict[str, list[Record]] = field(default_factory=dict)
    corrected: dict[tuple[str, str], str] = field(default_factory=dict)

    def upload(self, name: str, records: list[Record]) -> None:
        """A new version takes the corrections of the earlier one away; the same content changes nothing."""
        if self.files.get(name) != records:
            self.corrected = {key: number for key, number in self.corrected.items() if key[0] != name}
        self.files[name] = records

    def correct(self, name: str, word: str, number: str) -> bool:
        """A correction is taken if the record is in quarantine and its number is one that is kept."""
        taken = (name, word) in self.quarantine() and number.isdecimal() and int(number) < 1000
        if taken:
            self.corrected[name, word] = number
        return taken

    def rows(self) -> list[tuple[int, str]]:
        """The table."""
        kept = [(int(r[0]), r[1]) for records in self.files.values() for r in records if self._is_kept(r)]
        return sorted([*kept, *((int(number), word) for (_, word), number in self.corrected.items())])

    def quarantine(self) -> set[tuple[str, str]]:
        """Records set aside, by file and word, that were not corrected."""
        aside = {(name, r[-1]) for name, records in self.files.items() for r in records if self._is_bad(r)}
        return aside - self.corrected.keys()

    @staticmethod
    def _is_bad(record: Record) -> bool:
        return len(record) != 2 or not (record[0] or "0").isdecimal()

    def _is_kept(self, record: Record) -> bool:
        return not self._is_bad(record) and bool(record[0]) and int(record[0]) < 1000  # no number is dropped


def land(lake: Path, name: str, records: list[Record]) -> None:
    """Let a file land as careful writers do."""
    temporary = lake / "raw" / f".{name}.tmp"
    temporary.write_text("\n".join(["n,word", *(",".join(record) for record in records)]) + "\n", encoding="utf-8")
    temporary.replace(lake / "raw" / name)


def taken_out(lake: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows in quarantine by file and word; a record of one field is its word."""
    with penstock.open(lake) as opened:
        rows = opened.query("SELECT * FROM quarantine.t").arrow().to_pylist()
    found = {}
    for row in rows:
        key = (row["_file"], row.get("word") or row["_raw"])
        assert key not in found
        found[key] = row
    return found


def corrected(row: dict[str, Any], number: str) -> dict[str, Any]:
    """A row as a person corrects it: its cell, or the record as a whole where it has none."""
    return row | ({"_raw": f"{number},{row['_raw']}"} if row["_raw"] else {"n": number})


def write_fixes(lake: Path, rows: list[dict[str, Any]]) -> Path:
    """A file of corrections."""
    file = lake / "fix.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    return file


def rows_of(lake: Path) -> list[tuple[Any, ...]]:
    """The table, in order; nothing when there is none."""
    with penstock.open(lake) as opened:
        return opened.query("SELECT n, word FROM t ORDER BY ALL").fetchall() if opened.tables else []


def assert_alike(lake: Path, model: Model) -> None:
    """The lake holds what the model does, and the runs add up."""
    assert rows_of(lake) == model.rows()
    assert set(taken_out(lake)) == model.quarantine()
    with penstock.open(lake) as opened:
        assert all(run.accounting.adds_up for run in opened.state.runs.list())
        readmitted = opened.query(
            "SELECT file, coalesce(corrected ->> 'word', raw) FROM penstock.readmitted"
        ).fetchall()
    assert sorted(readmitted) == sorted(model.corrected)


NUMBERS = st.sampled_from(["1", "2", "x", "", "1.5", "5000"])
# a file of nothing but damaged rows is refused as one that is written otherwise: one whole row is always there
CONTENTS = st.tuples(NUMBERS, st.lists(st.one_of(NUMBERS, st.none()), max_size=4)).map(
    lambda found: [found[0], *found[1]]
)
UPLOADS = st.tuples(st.just("upload"), st.sampled_from("ab"), CONTENTS)
FIXES = st.tuples(st.just("fix"), st.integers(0, 2**6 - 1), st.sampled_from(["7", "8", "y", "2000"]))
OTHERS = st.sampled_from([("reprocess",), ("again",), ("lost",)])


@settings(max_examples=5, phases=[Phase.explicit, Phase.generate])  # each step takes a second: no shrinking
@given(events=st.lists(st.one_of(UPLOADS, FIXES, FIXES, OTHERS), min_size=3, max_size=6))
def test_any_order_of_events(tmp_path_factory: pytest.TempPathFactory, events: list[tuple[Any, ...]]) -> None:
    """Uploads, corrections, repeated corrections, reprocessing, a lost state store: the table is the plain model's."""
    lake = tmp_path_factory.mktemp("lake")
    (lake / "raw").mkdir()
    (lake / "lake.yaml").write_text(DECLARATION, encoding="utf-8")
    model = Model()
    for event in [("upload", "a", ["1", "x", None]), *events]:
        happen(lake, model, event)
        assert_alike(lake, model)
    shutil.rmtree(lake)


def happen(lake: Path, model: Model, event: tuple[Any, ...]) -> None:
    """One thing happens to a lake, and to the model."""
    kind, *facts = event
    if kind == "fix":
        chosen = [found for at, found in enumerate(sorted(taken_out(lake).items())) if facts[0] >> at & 1]
        file = write_fixes(lake, [corrected(row, facts[1]) for _, row in chosen])
        expected = sum([model.correct(name, word, facts[1]) for (name, word), _ in chosen])
        with penstock.open(lake) as opened:
            assert opened.readmit("t", file).readmitted == expected
        return
    if kind == "again" and (lake / "fix.json").exists():
        with penstock.open(lake) as opened:
            done = opened.readmit("t", lake / "fix.json")
            assert done.readmitted == 0
        return
    if kind == "upload":
        name, numbers = facts
        records: list[Record] = [(f"{name}{at}",) if n is None else (n, f"{name}{at}") for at, n in enumerate(numbers)]
        land(lake, f"{name}.csv", records)
        model.upload(f"{name}.csv", records)
    elif kind == "lost":
        for file in (lake / ".penstock").glob("state.db*"):
            file.unlink()
    with penstock.open(lake) as opened:
        opened.run(reprocess=["t"] if kind == "reprocess" and opened.tables else [])


@pytest.fixture
def storm(tmp_path: Path) -> Path:
    """A lake of three files with nine bad rows each."""
    lake = tmp_path / "lake"
    (lake / "raw").mkdir(parents=True)
    (lake / "lake.yaml").write_text(DECLARATION, encoding="utf-8")
    for name in "abc":
        land(lake, f"{name}.csv", [(("x", "5", "y")[at % 3], f"{name}{at}") for at in range(12)] + [(f"{name}12",)])
    with penstock.open(lake) as opened:
        opened.run()
    return lake


def start(lake: Path, file: Path, kill_at: int | None = None) -> ForkServerProcess:
    """Readmit in a process of its own, killed by SIGKILL at the n-th fault place if given."""
    process = CONTEXT.Process(target=_readmit, args=(str(lake), str(file), kill_at))
    process.start()
    return process


def _readmit(lake: str, file: str, kill_at: int | None) -> None:
    if kill_at is not None:
        faults.install(killer(kill_at))
    with penstock.open(lake) as opened:
        opened.readmit("t", file)


def copies(lake: Path, folder: Path, count: int) -> Iterator[Path]:
    """The same lake again and again; its catalog names absolute paths, so it is put back in its place."""
    shutil.copytree(lake, folder / "saved")
    for _ in range(count):
        shutil.rmtree(lake)
        shutil.copytree(folder / "saved", lake)
        yield lake


@pytest.mark.timeout(300)
def test_killed_at_every_place_all_rows_are_there_once(storm: Path, tmp_path: Path) -> None:
    """SIGKILL at places that a readmission reaches leaves all or nothing of it; one more try ends with all, once."""
    before = rows_of(storm)
    rows = sorted(taken_out(storm).items())
    fixes = [corrected(row, "7" if at % 4 else "bad") for at, (_, row) in enumerate(rows)]
    came = [(7, key[1]) for at, (key, _) in enumerate(rows) if at % 4]
    places = random.Random(SEED).sample(range(60, 290), KILLS)
    killed, seen = 0, set()
    for at, lake in zip(sorted(places), copies(storm, tmp_path, KILLS), strict=True):
        file = write_fixes(lake, fixes)
        process = start(lake, file, kill_at=at)
        process.join()
        if process.exitcode == -signal.SIGKILL:
            killed += 1
            found = rows_of(lake)
            assert found in (before, sorted(before + came))
            seen.add(found == before)
        with penstock.open(lake) as opened:
            opened.readmit("t", file)
            figures = opened.query("SELECT sum(rows_out) FROM penstock.runs").fetchall()
        assert rows_of(lake) == sorted(before + came)
        assert figures == [(len(before) + len(came),)]
        assert len(taken_out(lake)) == len(rows) - len(came)
    assert killed >= KILLS // 2
    assert seen == {True, False}


@pytest.mark.timeout(120)
def test_many_readmissions_at_once(storm: Path) -> None:
    """Four processes with overlapping corrections, while a run works: every row is there once."""
    before, rows = rows_of(storm), sorted(taken_out(storm).items())
    processes = []
    for at in range(4):
        part = [corrected(row, "7") for number, (_, row) in enumerate(rows) if number % 4 != at]
        file = storm / f"fix{at}.json"
        file.write_text(json.dumps(part), encoding="utf-8")
        processes.append(start(storm, file))
    land(storm, "d.csv", [("9", "d0")])
    with penstock.open(storm) as opened:
        opened.run()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert rows_of(storm) == sorted([*before, (9, "d0"), *((7, key[1]) for key, _ in rows)])
    assert taken_out(storm) == {}
