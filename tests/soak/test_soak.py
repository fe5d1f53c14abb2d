"""A lake that is up while everything happens to it at once: short here, 20 minutes by `make soak`.

`PENSTOCK_SEED` repeats a soak, `PENSTOCK_SOAK_SECONDS` makes it longer.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from tests.soak.audit import audit, growth
from tests.soak.plan import Plan, make_plan
from tests.soak.report import report
from tests.soak.world import World
from tests.storms.storm import SEED

SECONDS = float(os.environ.get("PENSTOCK_SOAK_SECONDS", "30"))
RATE = 3.0
SETTLE_SECONDS = 240.0
LONG = 300.0
"""How long a soak must be for memory to be judged by its quarters."""


def test_a_plan_is_the_same_for_the_same_seed() -> None:
    """Files to the byte, and the moment of everything that happens; another seed makes another plan."""
    assert make_plan(7, 60.0, RATE) == make_plan(7, 60.0, RATE)
    assert make_plan(7, 60.0, RATE).moments != make_plan(8, 60.0, RATE).moments


def test_a_plan_has_everything() -> None:
    """A short soak has every kind of file and deed that a long one has, and what is good is never made bad."""
    plan = make_plan(SEED, 1200.0, RATE)
    kinds = {landing.kind for landing in plan.landings}
    deeds = {moment.what for moment in plan.moments if isinstance(moment.what, str)}
    assert kinds == {"new", "faulty rows", "bad", "corrected", "overwritten", "returned", "copied", "burst", "large"}
    assert deeds >= {"kill first", "kill steady", "stop first", "start second", "mail down", "mail up", "run", "replay"}
    assert all(one.at <= other.at for one, other in pairwise(plan.moments))


@pytest.mark.timeout(SECONDS + SETTLE_SECONDS + 300)
def test_soak(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever happens, the lake ends as if nothing had: rows, dead letters, accounts, alarms, messages, memory."""
    plan: Plan = make_plan(SEED, SECONDS, RATE)
    world = World(tmp_path, plan)
    try:
        world.carry_out()
        left = world.settle(SETTLE_SECONDS)
        found = [f"after {SETTLE_SECONDS:g} s, this was left to do: {left}"] if left else []
        found += list(audit(world))
        world.command("dead", "discard", "--all", "--why", "the soak is over")
        left = world.settle(60.0)
        found += [f"after the discard: {left}"] if left else []
        world.stop_all()
        found += [f"after the discard: {line}" for line in audit(world)]
        shown, grown = growth(world) if SECONDS >= LONG else ([], [])
        with capfd.disabled():
            print("\n" + report(world, shown, [*found, *grown]))  # noqa: T201 - the report is what a soak is for
        assert [*found, *grown] == []
    finally:
        world.close()
