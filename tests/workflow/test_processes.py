"""Workflows among processes: real ones that race, that are killed, and that take over from each other."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from penstock.clock import HeldClock
from penstock.lake import Lake
from tests.waiting import until
from tests.workflow.worlds import START

ROOT = Path(__file__).parents[2]
NOTE = 'echo "$PENSTOCK_WORKFLOW $PENSTOCK_DUE" >> done.txt'
LIMIT_SECONDS = 60.0


def declare(folder: Path, workflows: str) -> None:
    """Write a lake with workflows."""
    text = f"lake: shop\nallow_exec: true\ntables: {{orders: {{files: '*.csv'}}}}\nworkflows:\n{workflows}"
    (folder / "lake.yaml").write_text(text)


def process(folder: Path, start: float, until: float, step: float) -> subprocess.Popen[str]:
    """A process that attends; it waits for a line before it goes on."""
    arguments = [str(folder), str(start), str(until), str(step)]
    command = [sys.executable, "-P", "-m", "tests.workflow.racing", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def ready(*processes: subprocess.Popen[str]) -> None:
    """Let processes begin at the same time, once all of them are there."""
    for one in processes:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in processes:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()


def ended(*processes: subprocess.Popen[str]) -> None:
    """Wait for the end of processes that are well."""
    for one in processes:
        with one:
            assert one.wait(LIMIT_SECONDS) == 0


def lines(folder: Path) -> list[str]:
    """What programs noted."""
    done = folder / "done.txt"
    return done.read_text().splitlines() if done.exists() else []


def has_lines(folder: Path, count: int) -> bool:
    """Whether programs noted so much."""
    return len(lines(folder)) >= count


def test_processes_that_race_fire_each_moment_once(tmp_path: Path) -> None:
    """Three processes notice the same moments at the same time: each moment has one run, and its program ran once."""
    declare(tmp_path, f"  w: {{schedule: rate(1 minute), missed: all, overlap: allow, exec: [sh, -c, '{NOTE}']}}\n")
    with Lake(tmp_path, HeldClock(START)) as lake:
        lake.workflows().attend()
        racers = [process(tmp_path, START, START + 12 * 60, 20) for _ in range(3)]
        ready(*racers)
        ended(*racers)
        runs = lake.workflows().runs(limit=1_000)
    assert [run.state for run in runs] == ["finished"] * 12
    assert sorted(Counter(lines(tmp_path)).values()) == [1] * 12
    assert len({run.worker for run in runs}) > 1, "only one process did anything: nothing raced"


def test_nothing_is_lost_or_doubled_when_processes_are_killed_at_any_time(tmp_path: Path) -> None:
    """Processes that are killed at random moments, again and again, leave each moment with one run that finished."""
    chance = random.Random(7)
    retry, slow = "retry: {attempts: 100}", f"exec: [sh, -c, '{NOTE}; sleep 0.1']"
    declare(
        tmp_path,
        f"  w: {{schedule: rate(1 minute), missed: all, overlap: allow, {slow}, {retry}}}\n"
        f"  after: {{on: {{scheduled: w}}, overlap: allow, exec: [sh, -c, 'true'], {retry}}}\n",
    )
    with Lake(tmp_path, HeldClock(START)) as lake:
        lake.workflows().attend()
    for _ in range(3):
        racers = [process(tmp_path, START, START + 20 * 60, 15) for _ in range(2)]
        wanted = len(lines(tmp_path)) + chance.randint(1, 3)
        ready(*racers)
        assert until(partial(has_lines, tmp_path, wanted), LIMIT_SECONDS)
        for racer in racers:
            with racer:
                racer.kill()
    last = process(tmp_path, START, START + 20 * 60, 15)
    ready(last)
    ended(last)
    with Lake(tmp_path, HeldClock(START)) as lake:
        runs = lake.workflows().runs("w", limit=1_000)
        after = lake.workflows().runs("after", limit=1_000)
    assert sorted(run.due for run in runs) == [START + minute * 60 for minute in range(1, 21)]
    assert len({run.cause["sequence"] for run in after}) == len(after) == 20
    assert {run.state for run in [*runs, *after]} == {"finished"}
    assert set(lines(tmp_path)) == {f"w 2026-11-21T12:{minute:02}:00.000Z" for minute in range(1, 21)}
    assert max(run.attempts for run in runs) > 1, "no kill met a run at work"


@pytest.mark.parametrize(("attempts", "state"), [(2, "finished"), (1, "failed")])
def test_a_run_of_a_killed_process_is_taken_up_at_its_step(tmp_path: Path, attempts: int, state: str) -> None:
    """The next process goes on at the step that was cut short, if that may be tried again; else the run says why."""
    program = 'echo "$$" > pid.txt; if [ -e again ]; then exit 0; fi; exec sleep 60'
    steps = f"[{{exec: [sh, -c, '{NOTE}']}}, {{exec: [sh, -c, '{program}'], retry: {{attempts: {attempts}}}}}]"
    declare(tmp_path, f"  w: {{cron: '* * * * *', steps: {steps}}}\n")
    with Lake(tmp_path, HeldClock(START)) as lake:
        lake.workflows().attend()
    victim = process(tmp_path, START, START + 60, 60)
    ready(victim)
    assert until(
        lambda: (tmp_path / "pid.txt").exists() and (tmp_path / "pid.txt").read_text().strip() != "", LIMIT_SECONDS
    )
    with victim:
        victim.kill()
    os.kill(int((tmp_path / "pid.txt").read_text()), signal.SIGKILL)
    (tmp_path / "again").touch()
    with Lake(tmp_path, HeldClock(START + 61)) as lake:
        workflows = lake.workflows()
        assert [run.state for run in workflows.runs()] == ["running"]
        while workflows.busy or lake.state.workflows.active():
            workflows.attend()
            time.sleep(0.01)
        (run,) = workflows.runs()
    assert run.state == state
    assert run.attempts == 2
    assert [step.attempts for step in run.steps] == [1, attempts]
    assert run.error == (None if state == "finished" else "exec sh: the process that worked on it ended")
    assert lines(tmp_path) == ["w 2026-11-21T12:01:00.000Z"]


def test_a_run_by_hand_and_one_that_is_attended_to_do_not_overlap(tmp_path: Path) -> None:
    """A run by hand in one process waits while another process works on a run of the same workflow."""
    program = "if mkdir busy; then sleep 0.3; rmdir busy; else echo overlap >> overlap.txt; fi"
    declare(tmp_path, f"  w: {{schedule: rate(1 minute), missed: all, exec: [sh, -c, '{program}']}}\n")
    with Lake(tmp_path, HeldClock(START)) as lake:
        lake.workflows().attend()
        other = process(tmp_path, START, START + 3 * 60, 60)
        ready(other)
        for _ in range(2):
            ended_run = lake.workflows().finish(lake.workflows().start("w"))
            assert ended_run.state == "finished"
        ended(other)
        assert {run.state for run in lake.workflows().runs()} == {"finished"}
    assert not (tmp_path / "overlap.txt").exists()
