"""SIGKILL again and again while files land: what is in the tables is what the files say, each row once."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import penstock
from tests.road.lakes import contents, start
from tests.storms.killing import Toll, Victim
from tests.storms.landing import Delivery, deliveries, make_lake, truth
from tests.storms.storm import chance, size, tell

FILES, KILLS = size(2000, 10_000), size(100, 500)
PATIENCE = 4
CROWD_FILES, CROWD_KILLS, CROWD = size(320, 2000), size(32, 200), 8


@pytest.mark.timeout(3600)
def test_killed_again_and_again(tmp_path: Path) -> None:
    """A run killed after 0.2 to 2 s, over and over, while files land: one plain run ends with every row once."""
    luck = chance("kills")
    landing = deliveries(luck, FILES)
    undisturbed = start(_laid_out(landing, tmp_path / "undisturbed"))
    lake, toll, began = make_lake(tmp_path / "lake"), Toll(), time.monotonic()
    for part in _parts(landing, KILLS):
        if toll.kills < KILLS:
            _strike(lake, part, toll, luck)
        else:
            _land(part, lake)
    assert toll.kills == KILLS, f"too few processes were at work when they were killed: {toll}"
    tell(f"kills: {_told(landing)}; {toll}; {time.monotonic() - began:.0f} s")
    _run_plainly(lake)
    undisturbed.join()
    assert_sound(lake, tmp_path / "undisturbed")


def _strike(lake: Path, part: list[Delivery], toll: Toll, luck: random.Random) -> None:
    """Let some files land before a run starts and the others while it works; then kill it.

    The times are nearer to 0.2 s than to 2 s, so that there is time for many. A slow machine is given more: a run may
    begin, and when none in a row got as far as to a commit, one is killed right after it.
    """
    seconds, extra = 0.2 + 1.8 * luck.random() ** 6, 0.1 * luck.random()
    half = len(part) // 2
    _land(part[:half], lake)
    victim, until = Victim(lake), time.monotonic() + seconds
    for delivery in part[half:]:
        time.sleep(seconds / len(part))
        delivery.land(lake)
    victim.wait_until_busy()
    if toll.fruitless >= PATIENCE:
        victim.wait_until_committed()
    time.sleep(max(until - time.monotonic(), extra))
    toll.kill(victim)


@pytest.mark.timeout(3600)
def test_eight_runs_at_once_are_killed(tmp_path: Path) -> None:
    """Eight runs at once on one lake, killed and started anew in any order: every row is there once."""
    luck = chance("crowd")
    landing = deliveries(luck, CROWD_FILES)
    lake, toll, began = make_lake(tmp_path / "lake"), Toll(), time.monotonic()
    crowd: list[Victim] = []
    for part in _parts(landing, CROWD_KILLS):
        _land(part, lake)
        if toll.kills < CROWD_KILLS:
            crowd += [Victim(lake) for _ in range(CROWD - len(crowd))]
            victim = _prey(crowd, luck, fruitless=toll.fruitless >= PATIENCE)
            toll.kill(victim)
            crowd.remove(victim)
    for victim in crowd:
        toll.kill(victim)
    assert toll.kills >= CROWD_KILLS, f"too few processes were at work when they were killed: {toll}"
    tell(f"{CROWD} runs at once: {_told(landing)}; {toll}; {time.monotonic() - began:.0f} s")
    _run_plainly(lake)
    _run_plainly(_laid_out(landing, tmp_path / "undisturbed"))
    assert_sound(lake, tmp_path / "undisturbed")


def _prey(crowd: list[Victim], luck: random.Random, *, fruitless: bool) -> Victim:
    """After a while, one that was stopped with files in its hands; any, if none takes some soon.

    When none in a row got as far as to a commit, it is one that has made one.
    """
    time.sleep(luck.uniform(0, 0.6))
    until = time.monotonic() + 2
    while time.monotonic() < until:
        for victim in luck.sample(crowd, len(crowd)):
            if victim.busy and (victim.commits or not fruitless) and victim.hold():
                return victim
        time.sleep(luck.uniform(0, 0.05))
    return crowd[0]


def _parts(landing: list[Delivery], kills: int) -> Iterator[list[Delivery]]:
    """What lands in each round; there are more rounds than kills, since some strike between two pieces of work."""
    each = math.ceil(len(landing) / (2.2 * kills))
    for at in range(0, len(landing), each):
        yield landing[at : at + each]


def _land(part: list[Delivery], lake: Path) -> None:
    for delivery in part:
        delivery.land(lake)


def _laid_out(landing: list[Delivery], folder: Path) -> Path:
    """A lake that gets nothing but the last version of each file, all before its first run."""
    lake = make_lake(folder)
    _land(list({delivery.key: delivery for delivery in landing}.values()), lake)
    return lake


def _run_plainly(lake: Path) -> None:
    process = start(lake)
    process.join()
    assert process.exitcode == 0


def _told(landing: list[Delivery]) -> str:
    kinds = Counter(delivery.kind for delivery in landing)
    files = len({delivery.key for delivery in landing})
    return f"{files} files in {len(landing)} deliveries ({', '.join(f'{n} {kind}' for kind, n in kinds.items())})"


def assert_sound(lake: Path, undisturbed: Path) -> None:
    """Rows, quarantine, accounts and dead letters are those of an undisturbed lake, and of plain Python."""
    found = contents(lake)
    assert found == contents(undisturbed)
    assert found["waiting"] == 0
    wanted = truth(lake)
    assert found["rows"] == {table: sorted(map(repr, rows)) for table, rows in wanted.rows.items()}
    assert found["accounts"] == sorted(map(repr, wanted.accounts))
    aside, dead = _set_aside(lake)
    assert aside == sorted(wanted.quarantine, key=repr)
    assert [row[:3] for row in dead] == [row[:3] for row in wanted.refused]
    assert all(reason.startswith(start) for (*_, reason), (*_, start) in zip(dead, wanted.refused, strict=True))


def _set_aside(lake: Path) -> tuple[list[Any], list[Any]]:
    """Rows in quarantine, and dead letters."""
    with penstock.open(lake) as opened:
        aside = opened.query("SELECT table_name, file, line, column_name, rule, raw FROM penstock.quarantine")
        dead = opened.query("SELECT table_name, file, version, reason FROM penstock.dead_letters ORDER BY file")
        return sorted(aside.fetchall(), key=repr), dead.fetchall()
