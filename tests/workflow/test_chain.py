"""What makes workflows due: schedules and events, each once, and what is left out says why."""

from __future__ import annotations

import pytest

from penstock.state import WorkflowRun
from tests.workflow.conftest import MakeWorld
from tests.workflow.worlds import DAY, HOUR, World, at

NIGHTLY = 'workflows: {nightly: {cron: "0 2 * * *", refresh: all}}'
FOLLOW = "workflows: {follow: {on: {committed: orders}, refresh: all}}"


def triggers(runs: list[WorkflowRun], state: str = "finished") -> list[str]:
    """What started the runs that are in a state."""
    return [run.trigger for run in runs if run.state == state]


# --- Schedules ----------------------------------------------------------------------------------


def test_a_schedule_fires_at_its_time_and_not_before(world: MakeWorld) -> None:
    """Attending gives the moment of the next time; at that moment, there is one run."""
    here = world(NIGHTLY)
    assert here.settle() == at("2026-11-22T02:00")
    here.clock.seconds = at("2026-11-22T01:59:59")
    assert here.settle() == at("2026-11-22T02:00")
    assert here.runs() == []
    here.clock.seconds = at("2026-11-22T02:00")
    assert here.settle() == at("2026-11-23T02:00")
    assert triggers(here.runs()) == ["schedule 2026-11-22T02:00:00.000Z"]
    assert here.events("scheduled")[0]["due"] == "2026-11-22T02:00:00.000Z"


def test_attending_often_and_by_several_fires_once(world: MakeWorld) -> None:
    """However often and by however many stores a moment is noticed, there is one run of it."""
    here = world(NIGHTLY)
    there = world(NIGHTLY)
    here.settle()
    for one in (here, there):
        one.clock.seconds = at("2026-11-22T02:00:01")
    for _ in range(3):
        for one in (here, there):
            one.settle()
    assert triggers(here.runs()) == ["schedule 2026-11-22T02:00:00.000Z"]
    assert len(here.done) + len(there.done) == 1


def test_days_of_schedules_are_each_run_once(world: MakeWorld) -> None:
    """Over ten days, each of two schedules fires when it is due, a moment of both once."""
    here = world('workflows: {w: {cron: ["0 2 * * *", "0 */12 * * *"], schedule: "cron(0 12 * * ? *)", refresh: all}}')
    here.live(10 * DAY)
    hours = [run.trigger[20:22] for run in here.runs()]
    assert hours == ["00", "02", "12"] * 10
    assert {run.state for run in here.runs()} == {"finished"}


@pytest.mark.parametrize(
    ("missed", "finished", "skipped"),
    [
        ("once", ["schedule 2026-11-26T02:00:00.000Z"], "4 missed, from 2026-11-22T02:00:00.000Z on"),
        ("skip", [], "5 missed, from 2026-11-22T02:00:00.000Z on"),
        ("all", [f"schedule 2026-11-{day}T02:00:00.000Z" for day in range(22, 27)], ""),
    ],
)
def test_times_that_passed_while_nothing_ran(world: MakeWorld, missed: str, finished: list[str], skipped: str) -> None:
    """After five nights down, one run makes up for them, or none, or five; what has no run says so."""
    here = world(f'workflows: {{nightly: {{cron: "0 2 * * *", missed: {missed}, refresh: all}}}}')
    here.settle()
    following = here.pass_time(5 * DAY)
    assert triggers(here.runs()) == finished
    left_out = [run.error or "" for run in here.runs() if run.state == "skipped"]
    assert [reason[: len(skipped)] for reason in left_out] == ([skipped] if skipped else [])
    assert following == at("2026-11-27T02:00")
    here.live(2 * DAY)
    assert triggers(here.runs())[len(finished) :] == [f"schedule 2026-11-{day}T02:00:00.000Z" for day in (27, 28)]


def test_a_moment_noticed_a_little_late_is_not_missed(world: MakeWorld) -> None:
    """A process that was busy for half a minute still runs what became due meanwhile, whatever the policy."""
    here = world('workflows: {nightly: {cron: "0 2 * * *", missed: skip, refresh: all}}')
    here.settle()
    here.clock.seconds = at("2026-11-22T02:00:30")
    here.settle()
    assert triggers(here.runs()) == ["schedule 2026-11-22T02:00:00.000Z"]


def test_a_year_of_missed_minutes_is_made_up_for_at_once(world: MakeWorld) -> None:
    """Half a million missed times cost no time, and one line says so."""
    here = world('workflows: {often: {schedule: "rate(1 minute)", refresh: all}}')
    here.settle()
    here.pass_time(366 * DAY + 0.5)
    reasons = [run.error for run in here.runs() if run.state == "skipped"]
    assert triggers(here.runs()) == ["schedule 2027-11-22T12:00:00.000Z"]
    assert reasons == [
        "more than 1,000 missed, from 2026-11-21T12:01:00.000Z on, while no penstock up ran; one run stands for them"
    ]


def test_all_missed_times_are_run_even_if_there_are_many(world: MakeWorld) -> None:
    """`missed: all` leaves nothing out: one run after the other, oldest first, not all in the queue at once."""
    here = world('workflows: {often: {schedule: "rate(1 minute)", missed: all, refresh: all}}')
    here.settle()
    here.clock.seconds += 130 * 60
    here.workflows._planner.plan()
    assert len(here.state.workflows.active()) == 100
    following = here.settle()
    due = [run.due for run in here.runs()]
    assert [run.state for run in here.runs()] == ["finished"] * 130
    assert len(set(due)) == 130
    assert due == sorted(due)
    assert following == here.clock.now() + 60


def test_a_schedule_that_is_changed_counts_from_then_on(world: MakeWorld) -> None:
    """Times of the new schedule that are past were never missed."""
    here = world(NIGHTLY)
    here.settle()
    here.clock.seconds = at("2026-11-22T01:00")
    here.declare('workflows: {nightly: {cron: "*/5 * * * *", refresh: all}}')
    assert here.settle() == at("2026-11-22T01:05")
    assert here.runs() == []


def test_a_clock_that_was_far_ahead_for_a_while_does_not_silence_schedules(world: MakeWorld) -> None:
    """Where the moment that was reached is more than a day in the future, schedules count anew from now."""
    here = world(NIGHTLY)
    here.settle()
    here.pass_time(400 * DAY)
    here.clock.seconds = at("2026-11-22T12:00")
    assert here.settle() == at("2026-11-23T02:00")
    before = set(triggers(here.runs()))
    here.live(2 * DAY)
    assert set(triggers(here.runs())) - before == {f"schedule 2026-11-{day}T02:00:00.000Z" for day in (23, 24)}


def test_a_clock_that_goes_back_an_hour_runs_nothing_twice(world: MakeWorld) -> None:
    """A moment that has had its run does not come again."""
    here = world(NIGHTLY)
    here.settle()
    here.clock.seconds = at("2026-11-22T02:00:01")
    here.settle()
    here.clock.seconds -= HOUR
    here.live(2 * HOUR)
    assert triggers(here.runs()) == ["schedule 2026-11-22T02:00:00.000Z"]


def test_old_runs_are_forgotten_but_for_the_last(world: MakeWorld) -> None:
    """Runs are kept for 90 days; the last one of a workflow stays, however old it is, so that its end is known."""
    here = world('workflows: {daily: {cron: "0 2 * * *", refresh: all}, once: {verify: all}}')
    here.workflows.finish(here.workflows.start("once"))
    here.live(100 * DAY)
    assert [run.trigger[:10] for run in here.runs("once")] == ["hand 20261"]
    ages = [(here.clock.now() - (run.finished or 0)) / DAY for run in here.runs("daily")]
    assert len(ages) in {90, 91, 92}
    assert max(ages) < 92


# --- Events -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "starts"),
    [
        ("{committed: orders}", ["committed orders"]),
        ("{committed: main.orders}", ["committed orders"]),
        ('{committed: "sales.*"}', ["committed sales.returns"]),
        ('{committed: [orders, "*.returns"]}', ["committed orders", "committed sales.returns"]),
        ('{dead: "*", alarm: disk}', ["dead orders", "alarm disk"]),
        ("{ok: disk}", ["ok disk"]),
        ("{workflow: other}", ["workflow other finished"]),
        ("{workflow_failed: other}", ["workflow other failed"]),
    ],
)
def test_events_start_what_names_them(world: MakeWorld, on: str, starts: list[str]) -> None:
    """An event starts a workflow that names it and its table, alarm or workflow, and no other."""
    here = world(f"workflows: {{w: {{on: {on}, overlap: allow, refresh: all}}, other: {{refresh: orders}}}}")
    here.settle()
    happened = {
        here.happened("committed", "orders"): "committed orders",
        here.happened("committed", "sales.returns"): "committed sales.returns",
        here.happened("failed", "orders"): "failed orders",
        here.happened("dead", "orders"): "dead orders",
        here.happened("alarm", None, alarm="disk"): "alarm disk",
        here.happened("alarm", None, alarm="late"): "alarm late",
        here.happened("ok", None, alarm="disk"): "ok disk",
        here.happened("workflow", None, workflow="other", state="finished"): "workflow other finished",
        here.happened("workflow", None, workflow="other", state="failed"): "workflow other failed",
        here.happened("workflow", None, workflow="other", state="says", reason="hello"): "says",
    }
    here.settle()
    assert [happened[int(run.trigger.removeprefix("event "))] for run in here.runs("w")] == starts


def test_what_was_before_a_workflow_was_declared_starts_nothing(world: MakeWorld) -> None:
    """A workflow counts from the moment at which a process first sees it as it is declared."""
    here = world("")
    here.settle()
    with here.state.together():
        for _ in range(1_500):
            here.happened("committed")
    here.clock.seconds += 1
    here.declare(FOLLOW)
    here.settle()
    assert here.runs() == []
    here.happened("committed")
    here.settle()
    assert len(here.runs()) == 1


def test_events_of_other_processes_that_came_while_nothing_ran_start_it(world: MakeWorld) -> None:
    """What happened while no process attended is found by the next one."""
    here = world(FOLLOW)
    here.settle()
    here.pass_time(3 * DAY)
    here.happened("committed")
    here.pass_time(DAY)
    assert [run.state for run in here.runs()] == ["finished"]


def test_a_burst_of_events_is_one_run_that_stands_for_all(world: MakeWorld) -> None:
    """2,500 commits start one run, or two where some came after it had begun; none is forgotten."""
    here = world(FOLLOW)
    here.settle()
    with here.state.together():
        for _ in range(2_500):
            here.happened("committed")
    here.settle()
    runs = here.runs()
    assert sum(1 + run.joined for run in runs) == 2_500
    assert len(runs) <= 3
    assert {run.state for run in runs} == {"finished"}


def test_a_schedule_that_fires_leaves_no_event_out(world: MakeWorld) -> None:
    """Events that are not yet looked at when a schedule of the same workflow fires start it all the same."""
    here = world('workflows: {w: {cron: "0 2 * * *", on: {dead: orders}, overlap: allow, refresh: all}}')
    here.settle()
    with here.state.together():
        for _ in range(1_200):
            here.happened("committed")
        last = here.happened("dead", file="x.csv", reason="bad")
    here.pass_time(DAY)
    assert {run.trigger for run in here.runs()} == {f"event {last}", "schedule 2026-11-22T02:00:00.000Z"}


def test_events_count_while_the_clock_is_behind(world: MakeWorld) -> None:
    """An event starts a workflow also where its time is before the moment at which the workflow was first seen."""
    here = world("workflows: {follow: {on: {committed: orders}, refresh: all}}")
    here.happened("committed")
    here.settle()
    here.clock.seconds -= HOUR
    number = here.happened("committed")
    here.settle()
    assert triggers(here.runs()) == [f"event {number}"]


def test_what_happened_before_a_change_of_what_starts_it_does_not_count(world: MakeWorld) -> None:
    """Declared anew, a workflow counts events from then on, in whatever order of time they stand."""
    here = world("workflows: {follow: {on: {dead: orders}, refresh: all}}")
    here.settle()
    here.clock.seconds += HOUR
    with here.state.together():
        for _ in range(1_200):
            here.happened("committed")
    here.clock.seconds -= HOUR
    here.declare(FOLLOW)
    here.settle()
    assert here.runs() == []
    number = here.happened("committed")
    here.settle()
    assert triggers(here.runs()) == [f"event {number}"]


def test_where_runs_may_overlap_each_event_has_its_own(world: MakeWorld) -> None:
    """`overlap: allow` makes a run for each event, with its facts."""
    here = world("workflows: {w: {on: {dead: orders}, overlap: allow, refresh: all}}")
    here.settle()
    for number in range(20):
        here.happened("dead", file=f"f{number}.csv", reason="no such column")
    here.settle()
    assert [run.cause["facts"]["file"] for run in here.runs()] == [f"f{number}.csv" for number in range(20)]


def test_nothing_is_planned_by_halves(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """When planning breaks off after runs were made, neither they nor what was looked at is kept; then all is once."""
    here = world(FOLLOW)
    here.settle()
    here.happened("committed")
    cursor = here.state.events.cursor("workflows")
    with monkeypatch.context() as patched:
        patched.setattr(here.state.events, "advance", lambda *_: (_ for _ in ()).throw(OSError("no room")))
        with pytest.raises(OSError, match="no room"):
            here.workflows.attend()
    assert here.runs() == []
    assert here.state.events.cursor("workflows") == cursor
    here.settle()
    assert len(here.runs()) == 1


# --- Overlap ------------------------------------------------------------------------------------


def going(here: World) -> None:
    """Have a run of `w` at work that rests after a failure, so that it has begun and is not at its end."""

    def fail(_attempt: object) -> dict[str, object]:
        message = "not yet"
        raise OSError(message)

    here.does["refresh all"] = fail
    here.settle()
    here.happened("committed")
    here.settle()
    assert [run.begun for run in here.runs()] == [True]
    here.does.clear()


def test_queue_lets_one_run_wait_for_all_that_come(world: MakeWorld) -> None:
    """While a run is going, later events make one run that waits, and it runs after the first."""
    here = world("workflows: {w: {on: {committed: orders}, refresh: all}}")
    going(here)
    for _ in range(3):
        here.happened("committed")
        here.settle()
    assert [(run.state, run.joined) for run in here.runs()] == [("queued", 0), ("queued", 2)]
    here.live(60)
    assert [run.state for run in here.runs()] == ["finished", "finished"]
    first, second = here.runs()
    assert first.finished is not None
    assert second.started is not None
    assert first.finished <= second.started


def test_skip_leaves_out_what_comes_while_a_run_is_going(world: MakeWorld) -> None:
    """While a run is going, later events have no run, and the history says why."""
    here = world("workflows: {w: {on: {committed: orders}, overlap: skip, refresh: all}}")
    going(here)
    here.happened("committed")
    here.settle()
    first, second = here.runs()
    assert second.state == "skipped"
    assert second.error == f"the run {first.run} was still going"
    assert [event["reason"] for event in here.told if event["event"] == "workflow_skipped"] == [second.error]
    here.live(60)
    here.happened("committed")
    here.settle()
    assert [run.state for run in here.runs()] == ["finished", "skipped", "finished"]


def test_allow_runs_both(world: MakeWorld) -> None:
    """Where runs may overlap, a second one does not wait for the first."""
    here = world("workflows: {w: {on: {committed: orders}, overlap: allow, refresh: all}}")
    going(here)
    here.happened("committed")
    here.settle()
    assert [run.state for run in here.runs()] == ["queued", "finished"]


# --- Chains -------------------------------------------------------------------------------------


def test_a_workflow_starts_another_when_it_is_done(world: MakeWorld) -> None:
    """The end of a workflow is an event like others; who led to whom is kept."""
    here = world("""
workflows:
  first: {on: {committed: orders}, refresh: orders}
  second: {on: {workflow: first}, refresh: sales.returns}
  third: {on: {scheduled: second}, verify: all}
""")
    here.settle()
    here.happened("committed")
    here.settle()
    assert sorted(here.done) == ["refresh orders", "refresh sales.returns", "verify all"]
    assert here.done[0] == "refresh orders"
    (third,) = here.runs("third")
    assert third.cause["ancestors"] == ["first", "second"]


def test_a_run_that_would_be_its_own_effect_is_left_out(world: MakeWorld) -> None:
    """A workflow for every end of workflows does not start itself for ever; the history says where it was cut."""
    here = world("""
workflows:
  work: {on: {committed: orders}, refresh: all}
  tell: {on: {workflow: "*", workflow_failed: "*"}, notify: {text: "done"}}
""")
    here.settle()
    here.happened("committed")
    here.settle()
    assert [(run.workflow, run.state) for run in here.runs()] == [
        ("work", "finished"),
        ("tell", "finished"),
        ("tell", "skipped"),
    ]
    assert here.runs()[-1].error == "it would be its own effect: work -> tell -> tell"
