"""How alarms are looked at: what lasts, what a restart and a second process change (nothing), and what is told."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from penstock.alarms.attend import TAKE_OVER_SECONDS
from penstock.clock import SystemClock
from penstock.lake import Lake
from penstock.state.sqlite import LEASE_SECONDS
from tests.alarms.watched import DAY, HOUR, Watched
from tests.road.lakes import CONTEXT

STUCK = "  disk: false\n  stuck: {oldest_waiting: {older_than: 10m}, for: 5m, recover_after: 2m}"


def waiting(folder: Path, alarms: str = STUCK) -> tuple[Watched, float]:
    """A lake in which a file waits, and since when."""
    lake = Watched(folder, alarms)
    lake.drop("orders/a.csv")
    with lake.opened() as opened:
        opened.discover()
    return lake, lake.clock.now()


def test_what_does_not_last_is_no_alarm(tmp_path: Path) -> None:
    """With `for`, the next look is when it has lasted; what ends before was nothing, and the wait begins anew."""
    lake, began = waiting(tmp_path)
    lake.clock.seconds = began + 610
    assert lake.attend() == began + 600 + 300, "it is known when the file had waited for too long"
    assert lake.states()["stuck"] == "OK"
    lake.run()
    lake.clock.seconds = began + 700
    assert lake.attend() is None
    lake.clock.seconds = began + 901
    lake.attend()
    assert lake.told() == []


def test_the_end_must_last_too(tmp_path: Path) -> None:
    """With `recover_after`, an alarm ends when all has been well for so long, at the moment told."""
    lake, began = waiting(tmp_path)
    lake.clock.seconds = began + 900
    lake.attend()
    assert lake.states()["stuck"] == "ALARM"
    lake.run()
    assert lake.attend() == began + 900 + 120
    lake.clock.seconds = began + 1019
    lake.attend()
    assert lake.states()["stuck"] == "ALARM"
    lake.clock.seconds = began + 1020
    assert lake.attend() is None
    assert lake.told()[1][2]["lasted_s"] == 120.0


def test_a_relapse_within_the_wait_changes_nothing(tmp_path: Path) -> None:
    """An alarm that was about to end goes on when it is too much again."""
    lake, began = waiting(tmp_path, "  rotten: {breaches: {at_least: 1, within: 1h}, recover_after: 10m}")
    lake.drop("orders/a.csv", "id,amount\n1,500\n")
    lake.run()
    lake.attend()
    lake.clock.sleep(HOUR + 60)
    lake.attend()
    lake.clock.sleep(300)
    lake.drop("orders/b.csv", "id,amount\n1,600\n")
    lake.run()
    lake.attend()
    lake.clock.sleep(HOUR - 60)
    lake.attend()
    assert [name for name, _, _ in lake.told()] == ["alarm"]
    assert lake.clock.now() > began


def test_nothing_is_written_while_nothing_is_new(tmp_path: Path) -> None:
    """Looking again and again at a lake that is well leaves the store as it is, but for the figures of each minute."""
    lake = Watched(tmp_path, "  late: {freshness: {older_than: 2d}}")
    lake.drop("orders/a.csv")
    lake.run()
    with lake.opened() as opened:
        opened.alarms().attend()
        first = opened.alarms().all()
        for _ in range(5):
            lake.clock.sleep(10)
            opened.alarms().attend()
        assert opened.alarms().all() == first
        lake.clock.sleep(10)
        opened.alarms().attend()
        later = {one.alarm: one for one in opened.alarms().all()}
        assert {one.value for one in opened.alarms().all() if one.table and str(one.table) == "orders"} == {60.0}
        assert {one.checked for one in later.values()} == {lake.clock.now()}
        assert {one.since for one in later.values()} == {one.since for one in first}


def test_figures_of_this_moment(tmp_path: Path) -> None:
    """Whoever asks how things stand is told the figures of this very moment."""
    lake = Watched(tmp_path, "  late: {freshness: {older_than: 2d}, tables: [orders]}")
    lake.drop("orders/a.csv")
    lake.run()
    lake.attend()
    lake.clock.sleep(7)
    with lake.opened() as opened:
        assert [one.value for one in opened.alarms().now() if one.alarm == "late"] == [7.0]


def test_an_alarm_that_is_no_longer_declared_ends(tmp_path: Path) -> None:
    """It is told as over, with the reason, and its history stays; one that was well is just gone."""
    lake, began = waiting(
        tmp_path, "  stuck: {oldest_waiting: {older_than: 10m}}\n  late: {freshness: {older_than: 9d}}"
    )
    lake.clock.seconds = began + 601
    lake.attend()
    lake.declare("")
    lake.clock.sleep(50)
    lake.attend()
    assert lake.states() == {"dead_letters": "OK"}
    assert lake.reasons()[1:] == ["ok the alarm is no longer declared"]
    assert lake.told()[1][2]["lasted_s"] == 50.0
    with lake.opened() as opened:
        changes = opened.state.alarms.history("stuck")
        assert next((change.state, change.reason) for change in changes) == ("OK", "the alarm is no longer declared")


def test_history_goes_back_for_90_days(tmp_path: Path) -> None:
    """Older changes of state are forgotten with the next change."""
    lake = Watched(tmp_path)
    for days in (0, 1, 89):
        lake.clock.sleep(days * DAY)
        lake.drop("orders/a.csv", "")
        lake.run()
        lake.attend()
        lake.drop("orders/a.csv", f"id,amount\n{days},1\n")
        lake.run()
        lake.attend()
    with lake.opened() as opened:
        changes = opened.state.alarms.history("dead_letters")
        assert [change.state for change in changes] == ["OK", "ALARM"] * 3
        lake.clock.sleep(2 * DAY)
        lake.drop("orders/a.csv", "")
        opened.run()
        opened.alarms().attend()
        assert len(opened.state.alarms.history("dead_letters")) == 3


# --- Several processes -------------------------------------------------------------------------


def test_one_process_looks_and_another_takes_over(tmp_path: Path) -> None:
    """The second process leaves the alarms to the first; when that ends or hangs, it looks itself."""
    lake, began = waiting(tmp_path, "  stuck: {oldest_waiting: {older_than: 10m}}\n  disk: false")
    lake.clock.seconds = began + 590
    with lake.opened() as first, lake.opened() as second, lake.opened() as third:
        first.alarms().attend()
        lake.clock.seconds = began + 600
        assert second.alarms().attend() == lake.clock.now() + TAKE_OVER_SECONDS
        assert second.alarms().raised() == []
        first.alarms().attend()
        assert [one.alarm for one in second.alarms().raised()] == ["stuck"], "what one found, the other knows"
        lake.clock.sleep(LEASE_SECONDS + 1)
        assert second.alarms().attend() is None, "the first one let its right run out"
        assert first.alarms().attend() == lake.clock.now() + TAKE_OVER_SECONDS
        second.close()
        assert third.alarms().attend() is None
    assert [name for name, _, _ in lake.told()] == ["alarm"]


def test_two_that_look_at_once_tell_it_once(tmp_path: Path) -> None:
    """Even without the right to look alone, a change is kept, and told, by one of them."""
    lake, began = waiting(tmp_path, "  stuck: {oldest_waiting: {older_than: 10m}}\n  disk: false")
    lake.clock.seconds = began + 600
    with lake.opened() as one, lake.opened() as other:
        barrier = threading.Barrier(2)

        def look(opened: Lake) -> None:
            opened.state.alarms.all()
            barrier.wait()
            opened.alarms()._look()

        threads = [threading.Thread(target=look, args=(opened,)) for opened in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [name for name, _, _ in lake.told()] == ["alarm"]
    with lake.opened() as opened:
        assert len(opened.state.alarms.history()) == 1


def _look_on(folder: str, times: int) -> int:
    """Open the lake again and again, and look at the alarms; gives how often."""
    for _ in range(times):
        with Lake(Path(folder), SystemClock()) as lake:
            lake.alarms()._look()
    return times


def test_processes_tell_every_change_once(tmp_path: Path) -> None:
    """While several processes look on, dead letters come and go: alarms begin and end in turn, each told once."""
    lake = Watched(tmp_path, "  disk: false")
    with lake.opened() as opened, ProcessPoolExecutor(2, mp_context=CONTEXT) as pool:
        looks = [pool.submit(_look_on, str(tmp_path), 8) for _ in range(2)]
        while not all(look.done() for look in looks):
            opened.state.arrivals.record(next(iter(opened.declared)), "a", f"{lake.clock.now()}", 1, 1, "mark")
            (arrival,) = opened.state.arrivals.claim(next(iter(opened.declared)), 1)
            opened.state.arrivals.bury(arrival, "broken", "plan", "run")
            opened.state.arrivals.discard(arrival, "of no use")
            lake.clock.sleep(1)
        assert [look.result() for look in looks] == [8, 8]
    told = [name for name, _, _ in lake.told()]
    assert told == ["alarm", "ok"] * (len(told) // 2) + ["alarm"] * (len(told) % 2)
    with lake.opened() as opened:
        changes = opened.state.alarms.history()
    assert len(changes) == len(told)
    assert Counter(change.state for change in changes) == Counter({"ALARM": (len(told) + 1) // 2, "OK": len(told) // 2})
