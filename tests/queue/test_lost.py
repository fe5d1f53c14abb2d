"""Files whose processes end while they are worked on: tried a few times, apart from others, then dead letters."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.clock import HeldClock
from penstock.lake import Lake
from penstock.state.sqlite import LEASE_SECONDS
from tests.road.lakes import CONTEXT, DECLARATION, PATIENT, drop, make_lake

FILES = 40
POISON = "events-11.csv"


@contextmanager
def made(folder: Path, retry: str) -> Iterator[Path]:
    """A lake with a table, and many small files of which one ends every process."""
    lake = make_lake(folder, DECLARATION.replace(PATIENT, f"retry: {retry}"))
    drop(lake, "events-first.csv", seed=99, rows=3)
    with penstock.open(lake) as opened:
        opened.run()
    for at in range(FILES):
        drop(lake, f"events-{at:02}.csv", seed=at + 1, rows=3)
    yield lake


def run_until_it_ends(lake: Path) -> list[int]:
    """Start processes until one of them ends by itself; gives how each ended."""
    codes = list[int]()
    while 0 not in codes:
        assert len(codes) < 20
        process = CONTEXT.Process(target=_run, args=(str(lake),))
        process.start()
        process.join()
        assert process.exitcode is not None
        codes.append(process.exitcode)
    return codes


def _run(folder: str) -> None:
    def end(event: dict[str, Any]) -> None:
        if event["file"] == POISON:
            os.kill(os.getpid(), signal.SIGKILL)

    with penstock.open(folder) as lake:
        lake.signals.listen("started", end)
        lake.run()


@pytest.mark.parametrize(("retry", "ended"), [("{attempts: 4}", 4), ("{attempts: 1}", 3)])
def test_a_file_that_ends_its_process_is_isolated_and_dies(tmp_path: Path, retry: str, ended: int) -> None:
    """Of 40 files that a process had in its hands when it was killed, 39 come in; one is dead, and says why.

    However few attempts are declared, none is given up that never ended a process all by itself.
    """
    with made(tmp_path / "lake", retry) as lake:
        codes = run_until_it_ends(lake)
        assert codes == [-signal.SIGKILL] * ended + [0]
        with penstock.open(lake) as opened:
            (letter,) = opened.dead.find()
            assert (letter.key, letter.attempts, letter.trouble.lost) == (POISON, ended, ended)
            assert letter.trouble.code == "worker_lost"
            assert (letter.reason or "").startswith(f"the process ended while working on it, {ended} times; ")
            assert opened.query("SELECT count(*) FROM penstock.arrivals WHERE state = 'finished'").fetchall() == [(40,)]
            (run,) = opened.query("SELECT error FROM penstock.runs WHERE state = 'failed'").fetchall()
            assert run == (letter.reason,)
            (event,) = [event for event in opened.state.events.after(0) if event.name == "dead"]
            assert event.facts["file"] == POISON


def test_a_file_whose_worker_falls_silent_again_and_again_dies(tmp_path: Path) -> None:
    """A worker that hangs loses its file when the lease has run out; after all attempts the file is a dead letter."""
    lake, clock = make_lake(tmp_path / "lake", DECLARATION.replace(PATIENT, "")), HeldClock()
    drop(lake, "events-a.csv", seed=1)
    with Lake(lake, clock) as opened:
        opened.discover()
        (table,) = [name for name in opened.declared if name.name == "events"]
        for _ in range(5):
            (hung,) = opened.state.arrivals.claim(table, 1)
            clock.sleep(LEASE_SECONDS + 1)
        assert hung.attempts == 5
        summary = opened.worker().drain(opened.declared)
        assert [letter.key for letter in summary.dead] == ["events-a.csv"]
        (letter,) = opened.dead.find()
        assert (letter.attempts, letter.trouble.lost) == (5, 5)
        assert "the process ended while working on it, 5 times" in (letter.reason or "")
        list(opened.dead.replay([letter]))
        assert opened.worker().drain(opened.declared).dead == []
        assert opened.dead.find() == []


def test_what_has_had_more_attempts_than_are_declared_now_keeps_its_reason(tmp_path: Path) -> None:
    """Fewer attempts are declared while a file waits for its next one: it ends with the reason of its last one."""
    lake, clock = make_lake(tmp_path / "lake", DECLARATION.replace(PATIENT, "")), HeldClock()
    drop(lake, "events-a.csv", seed=1)
    with Lake(lake, clock) as opened:
        opened.discover()
        (table,) = [name for name in opened.declared if name.name == "events"]
        for _ in range(3):
            (claimed,) = opened.state.arrivals.claim(table, 1)
            opened.state.arrivals.give_back(claimed, "the disk is slow")
    with (lake / "lake.yaml").open("a") as file:
        file.write("retry: {attempts: 2}\n")
    with Lake(lake, clock) as opened:
        assert [letter.reason for letter in opened.run().dead] == ["the disk is slow"]
        assert [letter.attempts for letter in opened.dead.find()] == [3]
