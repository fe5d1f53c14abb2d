"""The catalog on AWS in storms: machines that race, and machines that are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.aws.machines import COLUMNS, Machines, T, entry
from tests.told import count, say

HOME = Path(__file__).parents[2]
RACERS = 8
COMMITS = int(os.environ.get("PENSTOCK_RACING_COMMITS", "2"))
"""Commits of each racing machine; 20 make the long race."""
EVERYWHERE = os.environ.get("PENSTOCK_KILLS") == "all"
"""Whether machines are also killed at each place of what they only keep to save time, and not at one of each kind."""


RACERS_PROGRAM = """
import os, sys, traceback
from pathlib import Path
sys.path.append(".")
from penstock.tables import commit_group
from penstock.clock import SystemClock
from tests.aws.machines import Machine, T
import pyiceberg.catalog.glue, pyiceberg.io.pyarrow, duckdb
lake, racers, commits = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
start, go = os.pipe()
children = []
for worker in range(racers):
    child = os.fork()
    if child:
        children.append(child)
        continue
    try:
        os.close(go)
        machine = Machine(lake, f"racer {worker}")
        os.read(start, 1)  # until all are there
        for at in range(commits):
            value = worker * 1000 + at
            for attempt in range(2 if at % 3 == 0 else 1):  # some are delivered twice
                staged = machine.staged(str(value), value, attempt)
                commit_group(machine.catalog, T, [staged], SystemClock(), lambda: None)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
os.close(go)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def test_processes_race(machines: Machines) -> None:
    """Eight machines commit to one table at once, some files twice: every row is there once."""
    machines().catalog.create(T, COLUMNS, {})
    command = [sys.executable, "-P", "-W", "ignore", "-c", RACERS_PROGRAM]
    command += [str(machines.lake), str(RACERS), str(COMMITS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HOME)
    assert done.returncode == 0, done.stderr
    expected = [worker * 1000 + at for worker in range(RACERS) for at in range(COMMITS)]
    assert [row[0] for row in machines("fresh").rows()] == sorted(expected)
    versions = int(entry(machines.lake)["VersionId"])
    assert versions == len(expected) + 1
    say("catalog on AWS", f"race: {RACERS} processes, {len(expected)} commits, {versions} versions of Glue's entry")


KILLED = """
import json, os, sys, traceback
from collections import Counter
from pathlib import Path
sys.path.append(".")
from penstock import faults
from tests.aws.machines import Machine, T
import pyiceberg.catalog.glue, pyiceberg.io.pyarrow, duckdb
lake = Path(sys.argv[1])
for line in sys.stdin:
    number, wanted, times = line.split()
    child = os.fork()
    if not child:
        try:
            machine = Machine(lake, f"killed {number}")
            staged = machine.staged(number, int(number))
            reached = Counter()
            def kill(place):
                reached[place] += 1
                if place == wanted and reached[place] == int(times):
                    print("killed", flush=True)
                    os.kill(os.getpid(), 9)
            faults.install(kill)
            machine.commit(staged)
            print(json.dumps(reached), flush=True)
            os._exit(0)
        except BaseException:
            print("failed", traceback.format_exc().replace(chr(10), " ")[-500:], flush=True)
            os._exit(1)
    os.waitpid(child, 0)
"""


def test_a_killed_commit_leaves_the_table_before_or_after(machines: Machines) -> None:
    """Machines are killed at every place of a commit in turn; each table is whole, and trying again adds a row once."""
    one = machines()
    one.catalog.create(T, COLUMNS, {"write.metadata.previous-versions-max": "1"})  # so that commits remove metadata
    one.commit(one.staged("-1", -1))
    command = [sys.executable, "-P", "-W", "ignore", "-c", KILLED, str(machines.lake)]
    pipe = subprocess.PIPE
    fork = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=HOME)
    reached: dict[str, int] = json.loads(_answer(fork, "0 nowhere 0"))
    assert {"metadata.write", "storage.rename", "catalog.commit", "catalog.committed", "metadata.delete"} <= set(
        reached
    )
    points = [(place, at + 1) for place, times in reached.items() for at in range(times) if not at or _counts(place)]
    rows, landed = [(-1, "-1"), (0, "0")], 0
    for number, (place, at) in enumerate(points, start=1):
        assert _answer(fork, f"{number} {place} {at}") == "killed"
        new = (number, str(number))
        found = one.rows()
        assert found in (rows, [*rows, new])
        landed += found != rows
        one.commit(one.staged(str(number), number, attempt=1))
        rows.append(new)
        assert one.rows() == rows
        count("catalog on AWS", place, unit="kills")
    fork.communicate()
    assert 0 < landed < len(points)
    assert machines("fresh").rows() == rows


def _answer(fork: subprocess.Popen[str], line: str) -> str:
    assert fork.stdin is not None
    assert fork.stdout is not None
    print(line, file=fork.stdin, flush=True)
    return fork.stdout.readline().strip()


def _counts(place: str) -> bool:
    """Whether a machine is killed at each of these places, and not only at the first of its kind."""
    return EVERYWHERE or not place.startswith(("seals.", "state."))
