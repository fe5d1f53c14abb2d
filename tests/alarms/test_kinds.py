"""Every kind of alarm on a lake of its own: what raises it, what ends it, and what is told."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.alarms import Measurer, Watch
from penstock.declaration.alarms import Alarm, DiskSpace
from penstock.naming import TableName
from penstock.state import State
from penstock.state.messages import Message, MessageState
from penstock.state.workflows import WorkflowRun, WorkflowState
from tests.alarms.watched import DAY, HOUR, Watched, failing

EMPTY = ""


def test_dead_letters_are_an_alarm_without_being_declared(tmp_path: Path) -> None:
    """The first dead letter raises the alarm, more change nothing, and it ends when the last one is in."""
    lake = Watched(tmp_path)
    lake.drop("orders/a.csv", EMPTY)
    lake.run()
    lake.attend()
    assert lake.states() == {"dead_letters": "ALARM"}
    lake.drop("items/b.csv", EMPTY)
    lake.run()
    lake.attend()
    lake.drop("orders/a.csv")
    lake.run()
    lake.attend()
    assert lake.states() == {"dead_letters": "ALARM"}
    lake.clock.sleep(60)
    lake.drop("items/b.csv")
    lake.run()
    lake.attend()
    (raised, _, first), (ended, _, last) = lake.told()
    assert (raised, ended) == ("alarm", "ok")
    assert first["reason"].startswith("1 dead letter waits: orders/a.csv (orders): the file is empty")
    assert (first["value"], first["tables"], first["table"]) == (1, ["orders"], None)
    assert last["reason"] == "no dead letter waits any more: orders/a.csv is in; items/b.csv is in"
    assert (last["value"], last["lasted_s"]) == (0, 60.0)


def test_a_replay_ends_the_alarm_only_when_it_succeeds(tmp_path: Path) -> None:
    """While a dead letter is being tried again, the alarm stays; if it fails again, nothing was told in between."""
    lake = Watched(tmp_path)
    lake.drop("orders/a.csv", EMPTY)
    lake.run()
    lake.attend()
    with lake.opened() as opened:
        (dead,) = opened.state.arrivals.find(states=("dead",))
        opened.state.arrivals.requeue(dead, dead.generation)
        opened.alarms().attend()
    assert lake.states() == {"dead_letters": "ALARM"}
    lake.run()
    lake.attend()
    assert [name for name, _, _ in lake.told()] == ["alarm"]


def test_a_discard_ends_the_alarm_and_says_so(tmp_path: Path) -> None:
    """A dead letter that somebody gave up waits no more."""
    lake = Watched(tmp_path)
    lake.drop("orders/a.csv", EMPTY)
    lake.run()
    lake.attend()
    with lake.opened() as opened:
        (dead,) = opened.state.arrivals.find(states=("dead",))
        opened.state.arrivals.discard(dead, "of no use")
        opened.alarms().attend()
    assert lake.reasons()[1] == "ok no dead letter waits any more: orders/a.csv was discarded"


def test_dead_letters_may_be_counted_by_table(tmp_path: Path) -> None:
    """An alarm about some tables does not see those of others; a default that is switched off is not there."""
    lake = Watched(tmp_path, "  dead_letters: false\n  sold: {dead_letters: {at_least: 2}, tables: ['sales.*']}")
    for key in ("orders/a.csv", "orders/b.csv", "items/a.csv"):
        lake.drop(key, EMPTY)
    lake.run()
    lake.attend()
    assert lake.states() == {"sold": "OK"}
    lake.drop("items/b.csv", EMPTY)
    lake.run()
    lake.attend()
    assert lake.states() == {"sold": "ALARM"}


def test_error_rate_falls_when_failures_leave_the_window(tmp_path: Path) -> None:
    """One of four attempts is too many; when it has left the window, all is well, at the very moment told."""
    lake = Watched(tmp_path, "  errors: {error_rate: {above: 0.2, within: 1h, attempts: 4}}\n  dead_letters: false")
    lake.drop("orders/bad.csv", EMPTY)
    lake.run()
    lake.attend()
    assert lake.states() == {"errors": "OK"}, "one attempt says nothing"
    lake.clock.sleep(60)
    for number in range(3):
        lake.drop(f"orders/{number}.csv")
    with lake.opened() as opened:
        opened.run()
        due = opened.alarms().attend()
        assert [one.alarm for one in opened.alarms().raised()] == ["errors"]
        while due is not None and opened.alarms().raised():
            lake.clock.seconds = due
            due = opened.alarms().attend()
    (_, _, first), (_, _, last) = lake.told()
    assert (first["value"], first["reason"]) == (0.25, "25.0% of 4 attempts within 1h failed: 1")
    assert (last["value"], last["reason"]) == (None, "fewer than 4 attempts ended within 1h")
    assert HOUR - 60 <= last["lasted_s"] <= HOUR


def test_attempts_that_are_made_again_count(tmp_path: Path) -> None:
    """A file that is in at its second attempt is one failure of two attempts."""
    lake = Watched(tmp_path, "  errors: {error_rate: {above: 0.4, within: 1h}}\n  dead_letters: false")
    lake.drop("items/a.csv", "id\n1\n")
    with failing("engine.write"):
        lake.run()
    lake.attend()
    ((name, _, facts),) = lake.told()
    assert (name, facts["value"], facts["reason"]) == ("alarm", 0.5, "50.0% of 2 attempts within 1h failed: 1")


def test_error_rate_has_two_thresholds(tmp_path: Path) -> None:
    """Between `above` and `clear_below`, an alarm neither begins nor ends."""
    lake = Watched(
        tmp_path, "  errors: {error_rate: {above: 0.5, clear_below: 0.3, within: 1d}}\n  dead_letters: false"
    )
    states = []
    for number, text in enumerate([EMPTY, "id\n1\n", "id\n2\n", "id\n3\n"]):
        lake.drop(f"items/{number}.csv", text)
        lake.run()
        lake.attend()
        states.append(lake.states()["errors"])
    assert states == ["ALARM", "ALARM", "ALARM", "OK"], "1, 1/2, 1/3 and 1/4 of the attempts failed"


def test_duration_looks_at_the_longest_run(tmp_path: Path) -> None:
    """A run that took too long raises the alarm, and its leaving the window ends it."""
    lake = Watched(tmp_path, "  slow: {duration: {above: 30s, within: 1h}}")
    lake.drop("orders/a.csv")
    lake.run(takes=30.0)
    lake.attend()
    assert lake.states()["slow"] == "OK"
    lake.drop("items/b.csv")
    lake.run(takes=31.0)
    due = lake.attend()
    assert lake.states()["slow"] == "ALARM"
    assert due is not None
    lake.clock.sleep(HOUR)
    lake.attend()
    (_, _, first), (_, _, last) = lake.told()
    assert first["value"] == pytest.approx(31.0, abs=0.01)
    assert first["tables"] == ["sales.items"]
    assert last["reason"] == "no run ended within 1h"


def test_one_slow_run_of_many_is_not_their_95th_percentile(tmp_path: Path) -> None:
    """With `of: p95`, one run in twenty may take as long as it likes."""
    lake = Watched(tmp_path, "  slow: {duration: {above: 30s, within: 1d, of: p95}}")
    with lake.opened() as opened:
        lake.drop("orders/a.csv")
        opened.run()
        (known,) = opened.state.runs.list()
        for number in range(20):
            opened.state.runs.add(replace(known, run=f"r{number}", duration_ms=40_000 if number == 0 else 1_000))
        opened.alarms().attend()
        assert [status.state for status in opened.alarms().all() if status.alarm == "slow"] == ["OK"]
        opened.state.runs.add(replace(known, run="another", duration_ms=50_000))
        opened.alarms().attend()
        assert [status.alarm for status in opened.alarms().raised()] == ["slow"]


def test_oldest_waiting_is_due_when_the_file_has_waited_long_enough(tmp_path: Path) -> None:
    """The next look is at the very moment at which the wait becomes too long; taking the file up ends the alarm."""
    lake = Watched(tmp_path, "  stuck: {oldest_waiting: {older_than: 10m}}\n  disk: false")
    lake.drop("orders/a.csv")
    with lake.opened() as opened:
        opened.discover()
    began = lake.clock.now()
    lake.clock.sleep(100)
    assert lake.attend() == began + 600
    lake.clock.seconds = began + 600
    assert lake.attend() is None, "only an event can end it"
    assert lake.states()["stuck"] == "ALARM"
    lake.run()
    lake.attend()
    (_, _, first), (_, _, last) = lake.told()
    assert first["reason"].startswith("orders/a.csv (orders) has waited since 20")
    assert last["reason"] == "no file has waited for 10m"


def test_freshness_is_each_tables_own(tmp_path: Path) -> None:
    """A table that was not committed to for too long raises an alarm of its own, at the very moment."""
    lake = Watched(tmp_path, "  late: {freshness: {older_than: 2h}}\n  disk: false")
    lake.drop("orders/a.csv")
    lake.run()
    began = lake.clock.now()
    assert lake.attend() == began + 2 * HOUR
    lake.clock.sleep(HOUR)
    lake.drop("orders/b.csv", "id,amount\n2,5\n")
    lake.run()
    lake.attend()
    lake.clock.seconds = began + 2 * HOUR
    assert lake.attend() == began + 3 * HOUR
    states = lake.states()
    assert (states["late orders"], states["late sales.items"]) == ("OK", "ALARM")
    lake.drop("items/a.csv")
    lake.run()
    lake.attend()
    (_, _, first), (_, _, last) = lake.told()
    assert (first["table"], first["tables"]) == (TableName("sales", "items"), ["sales.items"])
    assert first["reason"].startswith("no commit since 20")
    assert last["reason"] == "rows were committed within 2h"


def test_freshness_counts_from_before_the_lake_was_down(tmp_path: Path) -> None:
    """A commit of days ago is too old at the first look, however long the alarm is to last before it is told."""
    lake = Watched(tmp_path)
    lake.drop("orders/a.csv")
    lake.run()
    lake.clock.sleep(3 * DAY)
    lake.declare("  late: {freshness: {older_than: 2h}, tables: [orders], for: 30m}")
    lake.attend()
    assert lake.states()["late orders"] == "ALARM"


def test_breaches_are_counted_in_a_window(tmp_path: Path) -> None:
    """Rows that break checks add up over files, until they leave the window."""
    lake = Watched(tmp_path, "  rotten: {breaches: {at_least: 3, within: 1d}}")
    lake.drop("orders/a.csv", "id,amount\n1,500\n2,-1\n3,7\n")
    lake.run()
    lake.attend()
    assert lake.states()["rotten"] == "OK"
    lake.clock.sleep(HOUR)
    lake.drop("orders/b.csv", "id,amount\n4,900\n")
    lake.run()
    lake.attend()
    assert lake.states()["rotten"] == "ALARM"
    lake.clock.sleep(DAY - HOUR + 1)
    lake.attend()
    (_, _, first), (_, _, last) = lake.told()
    assert (first["value"], first["reason"][:34]) == (3, "3 breaches of checks within 1d: or")
    assert (last["value"], last["reason"]) == (1, "fewer than 3 breaches of checks within 1d")


class Disk:
    """A disk whose room the test sets."""

    def __init__(self, free: int) -> None:
        """Start with so many bytes."""
        self.bytes = free
        self.why: str | None = None

    def free(self) -> int:
        """Bytes that are free."""
        return self.bytes

    def lacks(self) -> str | None:
        """Why nothing can be written."""
        return self.why


def test_disk_has_two_thresholds(state: State) -> None:
    """Below the floor it is too little, above the second threshold all is well, in between neither."""
    disk = Disk(3_000_000_000)
    watch = Watch("disk", None, Alarm(disk=DiskSpace(below="1GB", clear_above="2GB")), None)
    found = []
    for free in (3_000_000_000, 999_999_999, 1_500_000_000, 2_000_000_000):
        disk.bytes = free
        measured = Measurer(state.figures, disk).look(watch, 50.0, {}).measured
        found.append((measured.breached, measured.cleared, measured.due))
    assert found == [(False, True, 80.0), (True, False, 80.0), (False, False, 80.0), (False, True, 80.0)]


def test_disk_says_why_nothing_can_be_written(state: State) -> None:
    """Without a floor of its own, the alarm is that of whoever writes."""
    disk = Disk(5)
    watch = Watch("disk", None, Alarm(disk=DiskSpace()), None)
    assert Measurer(state.figures, disk).look(watch, 0.0, {}).measured.cleared
    disk.why = "5 bytes are free"
    measured = Measurer(state.figures, disk).look(watch, 0.0, {}).measured
    assert (measured.breached, measured.value, measured.reason) == (True, 5, "5 bytes are free")


def test_a_full_disk_is_an_alarm_without_being_declared(tmp_path: Path) -> None:
    """A lake that asks for more room than its disk has is told so."""
    lake = Watched(tmp_path)
    free = shutil.disk_usage(tmp_path).free
    with (tmp_path / "lake.yaml").open("a") as file:
        file.write(f"\nup: {{min_free: {free // 1_000_000_000 + 1000}GB}}\n")
    lake.attend()
    ((name, alarm, facts),) = lake.told()
    assert (name, alarm) == ("alarm", "disk")
    assert "up.min_free" in facts["reason"]


def test_the_last_run_of_a_workflow_decides(tmp_path: Path) -> None:
    """A failed run raises the alarm, a run under way changes nothing, and one that ends well ends it."""
    lake = Watched(tmp_path, "  nightly: {failed_workflow: [daily, weekly]}")
    with (tmp_path / "lake.yaml").open("a") as file:
        file.write("workflows: {daily: {cron: '0 2 * * *', refresh: all}, weekly: {cron: '0 3 * * 0', refresh: all}}\n")
    now = lake.clock.now()
    runs: list[tuple[WorkflowState, int | None]] = [("finished", 1), ("failed", 2), ("running", None), ("finished", 4)]
    with lake.opened() as opened:
        for at, (state, finished) in enumerate(runs):
            ended = None if finished is None else now + finished
            error = "the store of orders is away" if state == "failed" else None
            run = WorkflowRun(f"r{at}", "daily", f"hand {at}", now, state, now + at, finished=ended, error=error)
            assert opened.state.workflows.add(run)
            opened.alarms().attend()
    (_, _, first), (_, _, last) = lake.told()
    assert first["value"] == 1
    assert re.fullmatch("the last run of daily failed at .* UTC: the store of orders is away", first["reason"])
    assert last["reason"] == "the last run of daily, weekly did not fail"


def test_messages_that_were_given_up_are_an_alarm(tmp_path: Path) -> None:
    """As long as they are within the window; those that wait or were sent do not count."""
    lake = Watched(tmp_path, "  mail: {undelivered: {at_least: 2, within: 1h}}")
    states: list[MessageState] = ["waiting", "sent", "given_up", "given_up"]
    now = lake.clock.now()
    with lake.opened() as opened:
        for at, state in enumerate(states):
            message = Message(0, "n", "ops", state, now + at, now, subject=f"s{at}", error="no such host")
            opened.state.messages.add(message)
            opened.alarms().attend()
    lake.clock.sleep(HOUR + 2.5)
    lake.attend()
    (_, _, first), (_, _, last) = lake.told()
    assert (first["value"], first["reason"]) == (2, "2 messages given up within 1h: s3: no such host")
    assert (last["value"], last["reason"]) == (1, "fewer than 2 messages given up within 1h")
