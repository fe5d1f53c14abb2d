"""The contract of the store of alarms, and of the figures that they are judged by, on every implementation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.clock import HeldClock
from penstock.naming import TableName
from penstock.state import Accounting, CheckOutcome, Run, State
from penstock.state.alarms import AlarmStatus
from penstock.state.figures import AttemptFigures, Counted
from penstock.state.store import Arrival
from tests.contracts.conftest import Stores
from tests.contracts.registry import ALARMED
from tests.contracts.test_state import OTHER, T, record

FINE = AlarmStatus("late", T, "freshness", "OK", 10.0, 20.0, 1.5, "all is well", {"first": 10.1, "deep": [1, "é"]})
RAISED = replace(FINE, state="ALARM", since=30.0, reason="too late", value=None, memory={})
DAY = 86_400.0
pytestmark = pytest.mark.parametrize("stores", sorted(ALARMED), indirect=True)


# --- How alarms stand --------------------------------------------------------------------------


def test_an_alarm_is_kept_as_it_is(stores: Stores) -> None:
    """Whatever stands in it, another process reads the same."""
    whole = replace(FINE, table=None, value=0.1 + 0.2, reason="it's \n 'so'")
    one, other = stores.worker(), stores.worker()
    assert one.alarms.put(None, FINE)
    assert one.alarms.put(None, whole)
    assert other.alarms.all() == [whole, FINE]


def test_the_one_who_knows_how_it_stands_may_change_it(stores: Stores) -> None:
    """Of two that looked at an alarm as it stood, one changes it; the other is told, and changes nothing."""
    one, other = stores.worker(), stores.worker()
    assert one.alarms.put(None, FINE)
    assert not other.alarms.put(None, FINE)
    assert one.alarms.put(FINE, RAISED)
    assert not other.alarms.put(FINE, replace(RAISED, since=31.0))
    assert other.alarms.all() == [RAISED]
    assert [(change.state, change.at) for change in other.alarms.history()] == [("ALARM", 30.0)]


def test_changes_are_kept_and_nothing_else(store: State) -> None:
    """History holds every change of state, newest first; a look that changes none leaves it as it is."""
    ended = replace(FINE, since=40.0)
    store.alarms.put(None, FINE)
    store.alarms.put(FINE, replace(FINE, checked=25.0, value=7.0))
    store.alarms.put(FINE, RAISED)
    store.alarms.put(RAISED, ended)
    store.alarms.put(None, replace(RAISED, alarm="other", table=None))
    found = [(change.alarm, change.table, change.state, change.value, change.at) for change in store.alarms.history()]
    assert found == [
        ("other", None, "ALARM", None, 30.0),
        ("late", T, "OK", 1.5, 40.0),
        ("late", T, "ALARM", None, 30.0),
    ]
    assert [change.alarm for change in store.alarms.history("late")] == ["late", "late"]
    assert len(store.alarms.history(limit=1)) == 1


def test_an_alarm_that_is_gone_leaves_its_history(store: State) -> None:
    """Forgetting an alarm forgets how it stands, not how it stood; and not one that has changed meanwhile."""
    store.alarms.put(None, RAISED)
    assert not store.alarms.remove(FINE)
    assert store.alarms.remove(RAISED)
    assert not store.alarms.remove(RAISED)
    assert store.alarms.all() == []
    assert len(store.alarms.history()) == 1


def test_history_is_bounded_in_time(store: State) -> None:
    """Old changes go; the newest of each alarm stays, however old it is."""
    standing = None
    for at in range(6):
        after = replace(FINE, state="ALARM" if at % 2 == 0 else "OK", since=float(at))
        store.alarms.put(standing, after)
        standing = after
    store.alarms.put(None, replace(RAISED, alarm="other", since=0.5))
    assert store.alarms.trim(4.0) == 4
    assert [(change.alarm, change.at) for change in store.alarms.history()] == [
        ("other", 0.5),
        ("late", 5.0),
        ("late", 4.0),
    ]


def test_a_change_and_what_goes_with_it_are_one(store: State) -> None:
    """What fails after a change of state, in the same transaction, takes it back."""
    store.alarms.put(None, FINE)

    def change_and_fail() -> None:
        with store.together():
            store.alarms.put(FINE, RAISED)
            store.events.add("alarm", T, {"alarm": "late"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert store.alarms.all() == [FINE]
    assert store.alarms.history() == []
    assert store.events.after(0) == []


# --- Figures -----------------------------------------------------------------------------------


def bury(store: State, key: str, reason: str = "broken", content: str = "one", table: TableName = T) -> Arrival:
    """Record a file, and let it end as a dead letter."""
    record(store, key, content, table)
    (arrival,) = store.arrivals.claim(table, 10)
    store.arrivals.bury(arrival, reason, "plan", f"run {key}")
    return next(found for found in store.arrivals.find(table, ("dead",)) if found.sequence == arrival.sequence)


def run(
    name: str, started: float, milliseconds: int, files: int = 1, table: TableName = T, state: str = "finished"
) -> Run:
    """A run of so many files."""
    failed = state == "failed"
    return Run(
        run=name,
        table=table,
        state="failed" if failed else "finished",
        accounting=Accounting(),
        started=started,
        duration_ms=milliseconds,
        arrivals=[str(at) for at in range(files)],
        snapshot=None if failed else 7,
    )


def test_dead_letters_are_counted_by_table(store: State) -> None:
    """Those that wait count, with the newest first; those of other tables only where all are meant."""
    assert (store.figures.dead(None).waiting, store.figures.dead([]).waiting) == (0, 0)
    one, two, three = bury(store, "a", "why"), bury(store, "b", "how"), bury(store, "c", table=OTHER)
    found = store.figures.dead([T])
    assert (found.waiting, found.trying) == (2, 0)
    assert found.first == ((two.sequence, "t", "b", "how"), (one.sequence, "t", "a", "why"))
    assert [case[0] for case in store.figures.dead(None).first] == [three.sequence, two.sequence, one.sequence]


def test_a_dead_letter_that_is_tried_again_is_told_apart(store: State) -> None:
    """Replayed or corrected, it is being tried until it is in, or discarded, or dead again."""
    replayed, corrected, discarded = (bury(store, key) for key in "abc")
    assert store.arrivals.requeue(replayed, replayed.generation)
    record(store, "b", "two")
    store.arrivals.discard(discarded, "of no use")
    found = store.figures.dead([T])
    assert (found.waiting, found.trying) == (0, 2)
    sequences = [replayed.sequence, corrected.sequence, discarded.sequence]
    assert store.figures.fates(sequences) == [("a", "pending"), ("b", "pending"), ("c", "discarded")]
    for arrival in store.arrivals.claim(T, 10):
        store.arrivals.finish(arrival, "run", Accounting(), None)
    found = store.figures.dead([T])
    assert (found.waiting, found.trying) == (0, 0)
    assert store.figures.fates(sequences) == [("a", "finished"), ("b", "finished"), ("c", "discarded")]


def test_attempts_are_those_that_ended(store: State, clock: HeldClock) -> None:
    """Files of runs count, those that failed too, and attempts that were tried again; older ones do not."""
    now = clock.now()
    assert store.figures.attempts(None, now - 60) == AttemptFigures(0, 0, None)
    store.runs.add(run("old", now - 100, 1000, files=50))
    store.runs.add(run("long", now - 100, 90_000, files=5))
    store.runs.add(run("dead", now - 5, 0, state="failed"))
    store.runs.add(run("other", now - 5, 0, files=3, table=OTHER))
    store.events.add("failed", T, {})
    store.events.add("failed", OTHER, {})
    assert store.figures.attempts([T], now - 60) == AttemptFigures(7, 2, now - 10)
    assert store.figures.attempts(None, now - 60) == AttemptFigures(11, 3, now - 10)


def test_durations_are_those_of_runs_that_ended(store: State) -> None:
    """The longest, or the one that 95 of a hundred did not exceed; by when they ended, not by when they began."""
    assert store.figures.runs(None, 0.0, 1.0) is None
    for at in range(1, 101):
        store.runs.add(run(f"r{at:03}", 1000.0 + at, at * 1000))
    store.runs.add(run("begun long ago", 10.0, 1_100_000, table=OTHER))
    store.runs.add(run("failed", 1100.0, 9_000_000, state="failed"))
    longest, most = store.figures.runs([T], 1000.0, 1.0), store.figures.runs([T], 1000.0, 0.95)
    assert longest is not None
    assert most is not None
    assert (longest.runs, longest.seconds, longest.run, longest.table, longest.oldest) == (
        100,
        100.0,
        "r100",
        "t",
        1002.0,
    )
    assert (most.seconds, most.run) == (95.0, "r095")
    every = store.figures.runs(None, 1100.0, 1.0)
    assert every is not None
    assert (every.runs, every.run) == (50 + 1, "begun long ago")


def test_the_oldest_wait_counts(store: State, clock: HeldClock) -> None:
    """The file that waits, or is worked on, for longest; one that was dead waits since it is tried again."""
    assert store.figures.oldest_waiting(None) is None
    dead = bury(store, "dead")
    clock.sleep(100)
    record(store, "a", "x")
    clock.sleep(100)
    record(store, "b", "x", OTHER)
    began = clock.now() - 100
    store.arrivals.requeue(dead, dead.generation)
    assert store.figures.oldest_waiting([T]) == ("t", "a", began)
    assert store.figures.oldest_waiting([OTHER]) == ("layer.t", "b", began + 100)
    for arrival in store.arrivals.claim(T, 1):
        assert arrival.key == "dead"
    assert store.figures.oldest_waiting(None) == ("t", "a", began)


def test_the_last_commit_is_that_of_rows(store: State) -> None:
    """A run that left the table as it was is no commit."""
    assert store.figures.committed(T) is None
    store.runs.add(run("one", 100.0, 1500))
    store.runs.add(run("other", 900.0, 0, table=OTHER))
    store.runs.add(run("failed", 500.0, 0, state="failed"))
    assert store.figures.committed(T) == 101.5


def test_breaches_are_summed(store: State) -> None:
    """All breaches of all checks that were found after a moment."""
    found = CheckOutcome("r", T, "a.csv", "ids", "unique", "warn", "after", 9, 3, 50.0, "twice")
    held = replace(found, name="held", breaches=0)
    store.checks.add([found, held, replace(found, table=OTHER, file="b.csv", breaches=4, at=70.0)])
    store.checks.add([replace(found, run="old", breaches=1000, at=1.0)])
    record(store, "a.csv", "x")
    record(store, "b.csv", "x", OTHER)
    assert store.figures.counted("breaches", [T], 10.0) == Counted(3, "t: ids in a.csv", 50.0)
    assert store.figures.counted("breaches", None, 10.0).count == 7
    assert store.figures.counted("breaches", None, 99.0) == Counted(0, "", None)


def test_nothing_was_given_up_and_no_workflow_ran(store: State) -> None:
    """Without messages and workflows, there is nothing to count."""
    assert store.figures.counted("given_up", None, 0.0) == Counted(0, "", None)
    assert store.figures.last_workflow("daily") is None
