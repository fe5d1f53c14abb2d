"""How runs go: step after step, tried again as declared, given back when a process stops, ended with a reason."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count

import pytest

from penstock.errors import StepFailedError, StepRefusedError, WorkflowError
from penstock.state import WorkflowRun
from penstock.workflow.runner import MOST_AT_ONCE
from penstock.workflow.step import Attempt, Outcome
from tests.workflow.conftest import MakeWorld
from tests.workflow.worlds import START, World

TWO_STEPS = "workflows: {w: {steps: [{refresh: orders}, {verify: all}]}}"


def failing(times: int) -> Callable[[Attempt], Outcome]:
    """A step that fails so often, then succeeds."""
    attempts = count(1)

    def do(_attempt: Attempt) -> Outcome:
        attempt = next(attempts)
        if attempt <= times:
            message = f"attempt {attempt} met a wall"
            raise OSError(message)
        return {"attempt": attempt}

    return do


def refused(_attempt: Attempt) -> Outcome:
    """A step that would fail for ever."""
    message = "there is no such thing"
    raise StepRefusedError(message, hint="make one")


def test_steps_are_done_in_order_and_the_end_is_an_event(world: MakeWorld) -> None:
    """A run does its steps one after the other; its end is recorded with it, and told to people by notices."""
    here = world(TWO_STEPS)
    run = here.workflows.start("w")
    here.settle()
    assert here.done == ["refresh orders", "verify all"]
    (ended,) = here.runs()
    assert (ended.state, ended.error, ended.worker != "") == ("finished", None, True)
    assert [(step.state, step.attempts) for step in ended.steps] == [("finished", 1), ("finished", 1)]
    (event,) = here.events("workflow")
    assert event["workflow"] == "w"
    assert (event["state"], event["reason"], event["run"]) == ("finished", None, run.run)


def test_a_step_is_retried_after_thirty_seconds_and_a_minute(world: MakeWorld) -> None:
    """With nothing declared, each step is tried three times: again after 30 s, and after twice as long."""
    here = world(TWO_STEPS)
    here.does["refresh orders"] = failing(2)
    here.workflows.start("w")
    assert here.settle() == START + 30
    assert here.runs()[0].state == "queued"
    assert here.runs()[0].steps[0].error == "OSError: attempt 1 met a wall"
    here.clock.seconds = START + 29
    here.settle()
    assert len(here.done) == 1
    here.clock.seconds = START + 30
    assert here.settle() == START + 90
    here.clock.seconds = START + 90
    assert here.settle() is None
    assert here.done == ["refresh orders"] * 3 + ["verify all"]
    assert here.runs()[0].state == "finished"
    assert here.runs()[0].steps[0].outcome == {"attempt": 3}


def test_the_last_failure_ends_the_run_and_tells(world: MakeWorld) -> None:
    """After its last attempt a step fails the run: what comes after is not done, and the reason is told."""
    here = world(TWO_STEPS)
    here.does["refresh orders"] = failing(3)
    here.workflows.start("w")
    here.live(3_600)
    (ended,) = here.runs()
    assert here.done == ["refresh orders"] * 3
    assert (ended.state, ended.error) == ("failed", "refresh orders: OSError: attempt 3 met a wall")
    assert [step.state for step in ended.steps] == ["failed", "waiting"]
    (event,) = here.events("workflow")
    assert (event["state"], event["reason"], event["duration_ms"]) == ("failed", ended.error, 90_000)


@pytest.mark.parametrize(
    ("declared", "rests"),
    [
        ("retry: {attempts: 1}", []),
        ("retry: {attempts: 4, wait: 1m, backoff: 3.0}", [60, 180, 540]),
        ("retry: {attempts: 3, wait: 10s, backoff: 1}", [10, 10]),
        ("retry: {attempts: 5, wait: 10s, max_wait: 15s}", [10, 15, 15, 15]),
    ],
)
def test_a_workflow_says_how_its_steps_are_retried(world: MakeWorld, declared: str, rests: list[int]) -> None:
    """`retry` of the workflow goes for its steps."""
    here = world(f"workflows: {{w: {{refresh: orders, {declared}}}}}")
    here.does["refresh orders"] = failing(100)
    here.workflows.start("w")
    here.live(86_400)
    rested = [event["retry_in"] for event in here.told if event["event"] == "workflow_step"]
    assert rested == [*rests, None]


def test_a_step_says_more_than_its_workflow(world: MakeWorld) -> None:
    """`retry` of a step stands over that of the workflow."""
    here = world("workflows: {w: {retry: {attempts: 9}, steps: [{refresh: orders, retry: {attempts: 2}}]}}")
    here.does["refresh orders"] = failing(100)
    here.workflows.start("w")
    here.live(86_400)
    assert len(here.done) == 2


def test_what_would_fail_again_is_not_retried(world: MakeWorld) -> None:
    """A step that cannot succeed ends the run at once, with the next step for people."""
    here = world(TWO_STEPS)
    here.does["refresh orders"] = refused
    here.workflows.start("w")
    here.settle()
    (ended,) = here.runs()
    assert here.done == ["refresh orders"]
    assert (ended.state, ended.error) == ("failed", "refresh orders: there is no such thing; make one")


def test_a_run_by_hand_waits_until_it_has_ended(world: MakeWorld) -> None:
    """`finish` goes through rests and attempts, and gives the run as it ended."""
    here = world(TWO_STEPS)
    here.does["verify all"] = failing(1)
    ended = here.workflows.finish(here.workflows.start("w"))
    assert ended.state == "finished"
    assert here.clock.now() == START + 30
    assert ended.trigger.startswith("hand ")


def test_an_unknown_workflow_is_refused(world: MakeWorld) -> None:
    """A name that nobody declared is an error that names those that are."""
    here = world("workflows: {nightly: {refresh: all}}")
    with pytest.raises(WorkflowError) as caught:
        here.workflows.start("nigthly")
    assert str(caught.value) == 'no workflow "nigthly" is declared; did you mean "nightly"?\n  declared: nightly'


def test_a_run_by_hand_is_refused_where_runs_are_skipped(world: MakeWorld) -> None:
    """With `overlap: skip`, a second run by hand says which run is in its way."""
    here = world("workflows: {w: {overlap: skip, refresh: orders}}")
    here.does["refresh orders"] = failing(100)
    first = here.workflows.start("w")
    here.settle()
    with pytest.raises(WorkflowError, match=f"w was not started: the run {first.run} was still going"):
        here.workflows.start("w")
    assert [run.state for run in here.runs()] == ["queued", "skipped"]


def test_a_workflow_that_is_gone_ends_its_run(world: MakeWorld) -> None:
    """A run of a workflow that is not declared any more fails and says so, instead of waiting for ever."""
    here = world("workflows: {w: {refresh: orders}}")
    here.workflows.start("w")
    here.declare("")
    here.settle()
    assert [(run.state, run.error) for run in here.runs()] == [("failed", "it is not declared any more")]


def test_a_run_whose_steps_were_changed_ends(world: MakeWorld) -> None:
    """A run that rests goes on only with the steps that it began with."""
    here = world(TWO_STEPS)
    here.does["verify all"] = failing(1)
    here.workflows.start("w")
    here.settle()
    here.declare("workflows: {w: {steps: [{refresh: orders}, {verify: orders}]}}")
    here.live(60)
    (ended,) = here.runs()
    assert (ended.state, ended.error) == ("failed", "its steps are declared otherwise than when it became due")


def test_stopping_gives_back_what_is_going_and_the_next_process_goes_on(world: MakeWorld) -> None:
    """A step that is asked to end is not failed: the run waits, no attempt is counted, and it goes on at its step."""
    here = world(TWO_STEPS)
    begun = threading.Event()

    def long(attempt: Attempt) -> Outcome:
        begun.set()
        assert attempt.halt.wait(20)
        attempt.halt.check()
        return {}

    here.does["verify all"] = long
    here.workflows.start("w")
    here.workflows.attend()
    assert begun.wait(20)
    assert here.workflows.stop(20)
    (run,) = here.runs()
    assert (run.state, [(step.state, step.attempts) for step in run.steps]) == (
        "queued",
        [("finished", 1), ("waiting", 0)],
    )
    assert here.workflows.attend() is None  # a process that stops takes up nothing
    assert here.runs()[0].state == "queued"
    here.does.clear()
    here.declare(here.text)
    here.settle()
    assert here.runs()[0].state == "finished"
    assert here.done == ["refresh orders", "verify all", "verify all"]


def test_a_run_by_hand_can_be_stopped(world: MakeWorld) -> None:
    """A run that is stopped by hand ends as failed, whether its step was at work or resting; nobody goes on with it."""
    here = world(TWO_STEPS)

    def stopped(attempt: Attempt) -> Outcome:
        here.workflows.cancel()
        attempt.halt.check()
        return {}

    here.does["refresh orders"] = stopped
    ended = here.workflows.finish(here.workflows.start("w"))
    assert (ended.state, ended.error) == ("failed", "stopped by hand")
    assert here.events("workflow")[0]["reason"] == "stopped by hand"
    assert here.state.workflows.active() == []


def test_a_run_that_rests_can_be_stopped(world: MakeWorld) -> None:
    """A run between two attempts ends as well."""
    here = world(TWO_STEPS)

    def fail(_attempt: Attempt) -> Outcome:
        here.workflows._runner.cancelled = True
        message = "no"
        raise StepFailedError(message)

    here.does["refresh orders"] = fail
    ended = here.workflows.finish(here.workflows.start("w"))
    assert (ended.state, ended.error) == ("failed", "stopped by hand")
    assert here.clock.now() == START


def test_a_step_that_takes_too_long_is_stopped_and_tried_again(world: MakeWorld) -> None:
    """The time limit of a step ends its attempt, with that as the reason."""
    here = world("workflows: {w: {refresh: orders, timeout: 1s}}")

    def long(attempt: Attempt) -> Outcome:
        assert attempt.halt.wait(20)
        attempt.halt.check()
        return {}

    here.does["refresh orders"] = long
    here.workflows.start("w")
    assert here.settle() == START + 30
    assert here.runs()[0].steps[0].error == "took longer than 1s"


def test_several_workflows_run_at_once_but_not_all(world: MakeWorld) -> None:
    """One process works on a few runs at once; the others follow, and all come to their end."""
    names = [f"w{number}" for number in range(10)]
    here = world("workflows: {" + ", ".join(f"{name}: {{refresh: orders}}" for name in names) + "}")
    at_once, most, lock = 0, 0, threading.Lock()

    def work(attempt: Attempt) -> Outcome:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        attempt.halt.wait(0.05)
        with lock:
            at_once -= 1
        return {}

    here.does["refresh orders"] = work
    for name in names:
        here.workflows.start(name)
    here.settle()
    assert {run.state for run in here.runs()} == {"finished"}
    assert 1 < most <= MOST_AT_ONCE


def test_an_attempt_whose_run_was_taken_over_changes_nothing(world: MakeWorld) -> None:
    """A process that comes back after its run is another's cannot write how it ended."""
    here = world("workflows: {w: {refresh: orders}}")
    here.workflows.start("w")
    mine = here.state.workflows.claim(())
    assert mine is not None
    with here.state._database.transaction() as sql:
        sql.execute("UPDATE workflow_runs SET worker='another', attempts=2")
    assert not here.state.workflows.keep(mine)
    assert here.runs()[0].worker == "another"


def _full(here: World, monkeypatch: pytest.MonkeyPatch, fails: Callable[[WorkflowRun], bool]) -> None:
    """Have the disk full for some of what is written of runs."""
    keep = here.state.workflows.keep

    def write(run: WorkflowRun) -> bool:
        if fails(run):
            message = "database or disk is full"
            raise sqlite3.OperationalError(message)
        return keep(run)

    monkeypatch.setattr(here.state.workflows, "keep", write)


@pytest.mark.parametrize("failing", [[1], [2], [3], [4], [5], [2, 3, 4]])
def test_a_run_whose_change_cannot_be_written_is_taken_up_again(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch, failing: list[int]
) -> None:
    """Where a disk is full while a run is written down, the run rests and goes on, however often that fails."""
    here = world(TWO_STEPS)
    writes = count(1)
    _full(here, monkeypatch, lambda _: next(writes) in failing)
    here.workflows.start("w")
    for _ in range(4):
        with suppress(sqlite3.OperationalError):  # what looks after workflows is called again
            here.pass_time(5)
    (ended,) = here.runs()
    assert (ended.state, [step.state for step in ended.steps]) == ("finished", ["finished"] * 2)
    assert len(here.events("workflow")) == 1


def test_a_step_whose_end_can_never_be_written_ends_its_run(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt of which nobody knows how it went counts, so that a step is not done for ever."""
    here = world("workflows: {w: {refresh: orders, retry: {attempts: 2}}}")
    _full(here, monkeypatch, lambda run: run.state == "running" and run.steps[0].state == "finished")
    here.workflows.start("w")
    for _ in range(4):
        here.pass_time(5)
    (ended,) = here.runs()
    assert here.done == ["refresh orders"] * 2
    assert ended.state == "failed"
    assert ended.error == "refresh orders: OperationalError: database or disk is full"
