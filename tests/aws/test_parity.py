"""The same folder and the same files, here and on AWS: the same rows, types, schemas, quarantine, accounts and reasons.

What is compared, and what cannot be the same, is in `tests/aws/parity.py`. On AWS everything goes the whole way: S3,
EventBridge, SQS, the function, DynamoDB and Glue, all of moto.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from penstock.clock import HeldClock
from penstock.lake import Lake
from penstock.queries.system import SYSTEM_TABLES
from penstock.templates.create import create
from tests.aws.lakes import CloudLake, deploy
from tests.aws.parity import DIFFERENCES, ELSEWHERE, facts_of
from tests.aws.pump import Context, Pump
from tests.told import count, say

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(64)
ROWS = {"consultations": 200, "immobilier": 150, "orders": 150}
START = {"consultations": "consultations", "immobilier": "annonces", "orders": "Orders"}
BAD = {
    "empty": b"",
    "picture": PICTURE,
    "doubled": b"id,id\n1,2\n",
    "quoted": b'a,b\n1,"never closed\n2,3\n',
    "other": b"nothing,of,the,kind\n1,2,3,4\n",
    "cut": b"a\x00b\n1",
}


class Pair:
    """One lake twice: in a folder, and on AWS."""

    def __init__(self, template: str, folder: Path) -> None:
        self.here, self.start = folder / "here", START[template]
        create(template, self.here, sample_data=True, rows=ROWS[template])
        self.there: CloudLake = deploy(folder / "there", (self.here / "lake.yaml").read_text(encoding="utf-8"))
        self.landed: set[tuple[str, bytes]] = set()
        self.clock = HeldClock(1_780_000_000.0)  # files are gathered for a while: the same while on both sides
        self.runtime = self.there.runtime(self.clock)
        self.pump = Pump(self.there.deployed.intake_queue, self.runtime.take, 50)

    def add(self, name: str, content: bytes) -> None:
        """Put a file into the raw zone of the folder."""
        (self.here / "raw" / name).write_bytes(content)

    def process(self) -> None:
        """Process what is new on both sides, in the same order."""
        with Lake(self.here, self.clock) as lake:
            lake.run()
            keys = [arrival.key for arrival in lake.state.arrivals.find()]
        for key in keys:
            content = (self.here / "raw" / key).read_bytes()
            if (key, content) not in self.landed:
                self.landed.add((key, content))
                self.there.land(key, content)
        self.pump.drain()
        assert self.pump.errors == []

    def assert_same(self) -> int:
        """Compare everything; gives how many things were compared."""
        with Lake(self.here, self.clock) as here, self.there.open(self.clock) as there:
            assert here.tables == there.tables
            one, other = facts_of(here), facts_of(there)
        assert one.keys() == other.keys()
        different = {what: _difference(fact, other[what]) for what, fact in one.items() if fact != other[what]}
        assert not different
        return len(one)


def _difference(one: Any, other: Any) -> Any:
    """The parts of two facts that are not in the other, for messages."""
    if isinstance(one, tuple) and one[0] == other[0]:
        one, other = one[1], other[1]
    if isinstance(one, list):
        return [part for part in one if part not in other][:3], [part for part in other if part not in one][:3]
    return one, other


@pytest.fixture(params=list(ROWS))
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    """A template, here and there."""
    return Pair(request.param, tmp_path)


def test_here_and_there_are_the_same(pair: Pair) -> None:
    """A template's sample data and files that cannot be read, then a file written over and one more: all is the same.

    Compared are rows, types, schemas with field ids, what every snapshot did, quarantine, accounts of files and runs,
    outcomes of checks, dead letters with their places, events, and the history of schemas.
    """
    raw = pair.here / "raw"
    for name, content in BAD.items():
        pair.add(f"{pair.start}_{name}.csv", content)
    pair.process()
    compared = pair.assert_same()
    whole = max((file for file in raw.glob(f"{pair.start}*.csv")), key=lambda file: file.stat().st_size)
    lines = whole.read_bytes().splitlines(keepends=True)
    pair.add(whole.name, b"".join(lines[: len(lines) // 2]))
    pair.add(f"{pair.start}_picture.csv", b"".join([lines[0], *lines[-3:]]))
    pair.process()
    compared += pair.assert_same()
    letters = pair.there.dead_letters()
    with pair.there.open(pair.clock) as lake:
        dead = lake.query("SELECT file, reason, attempts, line FROM penstock.dead_letters").fetchall()
    told = {(letter["file"], letter["reason"], letter["attempts"], letter.get("line")) for letter in letters}
    assert told >= set(dead)
    assert len(told) == len(letters)
    pair.runtime.tend({"whole": True}, Context())
    with Lake(pair.here, pair.clock) as here, pair.there.open(pair.clock) as there:
        here.maintain()
        for table in here.tables:
            sql = f"SELECT * FROM {table}"
            assert sorted(map(repr, there.query(sql).fetchall())) == sorted(map(repr, here.query(sql).fetchall()))
            count("parity", table, there.query(f"SELECT count(*) FROM {table}").fetchall()[0][0], unit="rows")
    say(
        "parity", f"{pair.start}: {compared} things compared, {len(dead)} dead letters, {len(letters)} messages of them"
    )
    pair.runtime.close()
    shutil.rmtree(pair.there.work)


def test_every_system_table_is_compared() -> None:
    """Each table of `penstock.*` is compared, or stands among those that a deployed lake has elsewhere."""
    assert {*DIFFERENCES, *ELSEWHERE} == {*SYSTEM_TABLES, "quarantine", "warnings", "readmitted"}
    assert not DIFFERENCES.keys() & ELSEWHERE.keys()
