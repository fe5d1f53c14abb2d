"""Storms over the queue: whatever comes how often in which order, and whoever is killed, the tables are the same.

The storms of `tests/storms` replayed through the functions, over moto's S3, SQS, DynamoDB and Glue: their sizes and
seeds are the same (`PENSTOCK_SEED`, `PENSTOCK_STORM=full`). Moto repeats and shuffles nothing by itself; that is done
here. It cannot end a function at its time-out: processes are killed instead.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from penstock import aws
from penstock.arrivals.queue.messages import landed
from penstock.clock import Clock, HeldClock
from penstock.lake import Lake
from tests.aws.function import Function, KilledError, shared_clock
from tests.aws.lakes import CloudLake, deploy
from tests.aws.pump import Pump, event_of
from tests.road.lakes import contents_of, digest
from tests.storms.landing import DECLARATION, REFUSED, Delivery, deliveries, make_lake
from tests.storms.storm import FULL, SEED, chance, size
from tests.told import close, say

FILES, KILLED_FILES, KILLS, CROWD = size(24, 600), size(20, 500), size(4, 150), 4
WITHOUT_END = 1000
DEADLY = """
import os, signal

def deadly(batch):
    if "deadly" in batch["name"].to_pylist():
        os.kill(os.getpid(), signal.SIGKILL)
    return batch
"""
DEADLY_LAKE = """
lake: deadly
retry: {attempts: 3}
tables:
  t: {files: "*.csv", steps: [{python: "steps.py:deadly"}]}
"""


@dataclass
class Wane:
    """A context whose time runs out after some looks at it."""

    looks: int

    def get_remaining_time_in_millis(self) -> int:
        """How long the invocation may still take."""
        self.looks -= 1
        return 900_000 if self.looks > 0 else 1_000


@dataclass
class Sky:
    """Where a storm comes from: files that land, and their events, kept back, repeated and shuffled.

    Attributes:
        kept: Events that are on their way.
        sent: How often an event was sent.
    """

    lake: CloudLake
    luck: random.Random
    kept: list[str] = field(default_factory=list)
    sent: int = 0

    def land(self, delivery: Delivery) -> None:
        """Let a file land; its event is on its way, 1 to 10 times."""
        self.lake.land(delivery.key, delivery.content)
        event = landed(self.lake.deployed.raw_bucket, delivery.key, "PutObject")
        self.kept += [event] * self.luck.randint(1, 10)
        self.luck.shuffle(self.kept)

    def send(self, most: int) -> None:
        """Let some events arrive."""
        while self.kept and most > 0:
            some = [self.kept.pop() for _ in range(min(10, most, len(self.kept)))]
            entries = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(some)]
            aws.client("sqs").send_message_batch(QueueUrl=self.lake.deployed.intake_queue, Entries=entries)
            self.sent += len(some)
            most -= len(some)


@pytest.mark.timeout(3600)
def test_events_come_often_late_and_in_any_order(tmp_path: Path) -> None:
    """Each event comes 1 to 10 times, shuffled among overwrites, stale ones after newer ones, and time runs out.

    The tables are those of a local lake that got nothing but the last versions; dead letters are told once each.
    """
    luck, began = chance("events on AWS"), time.monotonic()
    landing = _with_bad_ones(deliveries(luck, FILES), luck)
    lake = deploy(tmp_path / "there", DECLARATION, receives=WITHOUT_END, connected=False)
    clock, sky, short = HeldClock(1_780_000_000.0), Sky(lake, luck), 0
    runtime = lake.runtime(clock)
    pump = Pump(lake.deployed.intake_queue, runtime.take)
    for delivery in landing:
        sky.land(delivery)
        sky.send(luck.randint(0, 8))
        pump.batch = luck.choice([1, 4, 10])
        if luck.random() < 0.4:
            wane = luck.random() < 0.5
            short += wane
            pump.once(Wane(luck.randint(2, 40)) if wane else None)  # type: ignore[arg-type]
        if luck.random() < 0.2:
            clock.sleep(luck.choice([1, 30, 901]))
            pump.pass_time()
    sky.send(len(sky.kept))
    pump.batch = 10
    pump.drain(lambda: clock.sleep(901))
    runtime.close()
    assert pump.errors == []
    numbers = [letter["arrival"] for letter in lake.dead_letters()]
    assert len(numbers) == len(set(numbers))
    hashed = _assert_as_here(lake, landing, tmp_path / "here", clock, set(numbers))
    told = ", ".join(f"{number} {kind}" for kind, number in pump.told.items())
    tell(
        f"events: {len(landing)} deliveries, {sky.sent} messages ({told}), {short} invocations short of time, "
        f"{len(numbers)} dead letters, contents {hashed}; {time.monotonic() - began:.0f} s"
    )


@pytest.mark.timeout(3600)
def test_functions_are_killed_while_others_work(tmp_path: Path) -> None:
    """Four functions at once on one lake, killed by SIGKILL again and again: others finish what they had, once.

    What a killed one held is free when its lease has run out, which the clock that they share is moved to.
    """
    luck, began = chance("kills on AWS"), time.monotonic()
    landing = _with_bad_ones(deliveries(luck, KILLED_FILES), luck)
    lake = deploy(tmp_path / "there", DECLARATION, receives=WITHOUT_END, connected=False)
    crowd, sky = Crowd(lake, luck), Sky(lake, luck)
    left = list(landing)
    while left or sky.kept or crowd.kills.total() < KILLS:
        for delivery in left[: max(1, len(landing) // (KILLS + 2))]:
            sky.land(delivery)
            left.remove(delivery)
        if not sky.kept:  # files that are in are told of again
            sky.kept += [landed(lake.deployed.raw_bucket, delivery.key) for delivery in landing]
        sky.send(luck.randint(20, 60))
        crowd.round(deadly=crowd.kills.total() < KILLS)
    crowd.finish()
    hashed = _assert_as_here(lake, landing, tmp_path / "here", crowd.clock, None)
    places = ", ".join(f"{number} after {place}" for place, number in crowd.kills.most_common())
    tell(
        f"kills: {CROWD} functions at once, {len(landing)} deliveries, {sky.sent} messages, "
        f"{crowd.kills.total()} kills ({places}), contents {hashed}; {time.monotonic() - began:.0f} s"
    )


def test_a_file_that_ends_every_process_ends_as_a_dead_letter(tmp_path: Path) -> None:
    """A file on which every process dies is dead after its attempts, with that reason; the others are in."""
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "steps.py").write_text(DEADLY, encoding="utf-8")
    lake = deploy(folder, DEADLY_LAKE, receives=WITHOUT_END, connected=False)
    crowd, sky = Crowd(lake, chance("deadly on AWS"), many=1), Sky(lake, chance("deadly"))
    for name in ("a", "deadly", "z"):
        sky.land(Delivery(f"{name}.csv", f"name\n{name}\n".encode(), "new"))
    sky.send(len(sky.kept))
    crowd.finish()
    with lake.open(crowd.clock) as opened:
        assert opened.query("SELECT name FROM t ORDER BY name").fetchall() == [("a",), ("z",)]
        ((file, attempts, reason),) = opened.query(
            "SELECT file, attempts, reason FROM penstock.dead_letters"
        ).fetchall()
    assert (file, attempts) == ("deadly.csv", 3)
    assert reason.startswith("the process ended while working on it, 3 times")
    (letter,) = lake.dead_letters()
    assert (letter["file"], letter["reason"]) == (file, reason)
    assert crowd.kills.total() == 3


def tell(line: str) -> None:
    """Say a line at the end, and below all of them how to repeat the storms."""
    say("storms on AWS", line)
    again = f"PENSTOCK_SEED={SEED}{' PENSTOCK_STORM=full' if FULL else ''}"
    close("storms on AWS", f"repeat them with {again} pytest tests/aws/test_storms.py")


class Crowd:
    """Functions of one lake that work at once."""

    def __init__(self, lake: CloudLake, luck: random.Random, many: int = CROWD) -> None:
        self.lake, self.luck, self.clock = lake, luck, shared_clock()
        self.functions = [Function(lake, self.clock, f"function-{at}") for at in range(many)]
        self.pump = Pump(lake.deployed.intake_queue, lambda *_: {})
        self.kills: Counter[str] = Counter()

    def round(self, *, deadly: bool) -> bool:
        """Give every function a batch, and wait for all; some are killed. False when there was nothing to give."""
        given = list[tuple[Function, list[dict[str, Any]]]]()
        for function in self.functions:
            self.pump.batch = self.luck.choice([2, 5, 10])
            if messages := self.pump.receive():
                kill_at = self.luck.randint(1, 120) if deadly and self.luck.random() < 0.4 else 0
                function.send(event_of(messages), 900_000, kill_at)
                given.append((function, messages))
        for function, messages in given:
            if deadly and self.luck.random() < 0.15 and function.busy(self.luck.uniform(0.05, 1.5)):
                function.kill()
                self._bury(function, messages)
                continue
            try:
                self.pump.settle(messages, function.answer())
            except KilledError:
                self._bury(function, messages)
        self.clock.ahead.value += 61
        self.pump.pass_time()
        return bool(given)

    def _bury(self, function: Function, messages: list[dict[str, Any]]) -> None:
        """Count one that was killed; its messages come back."""
        self.kills[function.last] += 1
        self.pump.settle(messages, None)

    def finish(self) -> None:
        """Let everything be finished, then end."""
        for _ in range(60):
            if not self.round(deadly=False):
                break
        else:
            raise AssertionError(f"messages still come back: {self.pump.told}")
        for function in self.functions:
            function.kill()


def _with_bad_ones(landing: list[Delivery], luck: random.Random) -> list[Delivery]:
    """The same with two files among them that are refused, however few there are."""
    for at, content in enumerate(REFUSED):
        landing.insert(luck.randint(1, len(landing)), Delivery(f"events/refused/{at}.csv", content, "refused"))
    return landing


def _assert_as_here(lake: CloudLake, landing: list[Delivery], folder: Path, clock: Clock, told: set[int] | None) -> str:
    """Compare with a local lake that got the last version of each file; gives the name of the contents."""
    here = make_lake(folder)
    for delivery in {delivery.key: delivery for delivery in landing}.values():
        delivery.land(here)
    with Lake(here) as local, lake.open(clock) as deployed:
        local.run()
        wanted, found = contents_of(local), contents_of(deployed)
        letters = "SELECT table_name, file, version, reason FROM penstock.dead_letters ORDER BY ALL"
        assert deployed.query(letters).fetchall() == local.query(letters).fetchall()
        numbers = {row[0] for row in deployed.query("SELECT id FROM penstock.dead_letters").fetchall()}
    assert found == wanted
    assert digest(found) == digest(wanted)
    assert numbers <= ({letter["arrival"] for letter in lake.dead_letters()} if told is None else told)
    return digest(found)
