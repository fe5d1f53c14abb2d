"""Workers and their turns: nothing waits behind what cannot go on, and time is held still."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

import penstock
from penstock.arrivals import Worker
from penstock.arrivals.gather import REST_SECONDS
from penstock.clock import HeldClock
from penstock.lake import Lake
from penstock.naming import TableName
from penstock.service.live import Live
from penstock.state import Head
from tests.live.up import csv, drop, ids, make_lake, up

ORDERS, OTHER = TableName.parse("orders"), TableName.parse("other")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake without files."""
    return make_lake(tmp_path / "lake")


def _steps(worker: Worker, opened: Lake) -> float | None:
    """Let a worker go on until it has nothing to do; gives the moment at which it will have."""
    while (step := worker.advance(dict(opened.declared))).worked:
        pass
    return step.due


def test_a_worker_never_waits_for_the_next_attempt(lake: Path) -> None:
    """A file that waits for its next attempt is not waited for: its time is told, and other files go on."""
    clock = HeldClock()
    drop(lake, "orders/a.csv", csv(0))
    with Lake(lake, clock) as opened:
        opened.discover()
        (arrival,) = opened.state.arrivals.claim(ORDERS, 1)
        opened.state.arrivals.give_back(arrival, "the network was away", 30.0)
        drop(lake, "orders/b.csv", csv(100))
        opened.discover()
        worker = opened.worker()
        before = clock.now()
        assert _steps(worker, opened) == before + 30.0
        assert clock.now() == before
        assert [one.state for one in opened.state.arrivals.find(ORDERS)] == ["pending", "finished"]
        clock.sleep(30.0)
        assert _steps(worker, opened) is None
        assert [one.state for one in opened.state.arrivals.find(ORDERS)] == ["finished", "finished"]


def test_a_table_in_trouble_rests_and_the_others_go_on(lake: Path) -> None:
    """Where a table's metadata is gone, its files wait, none is lost or counted, and the next table has its turn."""
    clock = HeldClock()
    drop(lake, "orders/a.csv", csv(0))
    with Lake(lake, clock) as opened:
        opened.run()
        pointer = Path(str(opened.catalog.pointer(ORDERS)))
        kept = pointer.read_bytes()
        pointer.unlink()
        opened.state.heads.put(_nothing(opened))
        drop(lake, "orders/b.csv", csv(10))
        drop(lake, "other/c.csv", csv(20))
        opened.discover()
        blocked: list[str] = []
        opened.signals.listen("blocked", lambda event: blocked.append(event["table"]))
        worker = opened.worker()
        due = _steps(worker, opened)
        assert blocked == ["orders"]
        assert due is not None
        assert due > clock.now()
        assert opened.query("SELECT count(*) FROM other").fetchall() == [(10,)]
        waiting = opened.state.arrivals.find(ORDERS, ("pending",))
        assert [(one.key, one.attempts) for one in waiting] == [("orders/b.csv", 0)]
        pointer.write_bytes(kept)
        clock.sleep(due - clock.now())
        _steps(worker, opened)
    assert ids(lake) == list(range(20))


def _nothing(opened: Lake) -> Head:
    head = opened.catalog.head(OTHER) or opened.catalog.head(ORDERS)
    assert head is not None
    return Head(ORDERS, "elsewhere", None, None, (), ())


def test_a_table_waits_for_what_landed_before_in_the_table_it_refers_to(tmp_path: Path) -> None:
    """Orders that refer to customers are looked at after the customers that landed before them, not after all."""
    lake = make_lake(
        tmp_path / "lake",
        """
lake: live
tables:
  orders:
    files: "orders/*.csv"
    checks: [{references: {name: other.name}, on_breach: quarantine}]
  other: {files: "other/*.csv"}
""",
    )
    drop(lake, "other/a.csv", csv(0))
    with Lake(lake) as opened:
        opened.discover()
        drop(lake, "orders/b.csv", csv(100))
        opened.discover()
        (held,) = opened.state.arrivals.claim(OTHER, 1)
        worker = opened.worker()
        assert _steps(worker, opened) is not None
        assert [one.state for one in opened.state.arrivals.find(ORDERS)] == ["pending"]
        opened.state.arrivals.give_back(held, "", counted=False)
        while _steps(worker, opened) is not None:
            pass
        assert opened.query("SELECT count(*) FROM orders").fetchall() == [(10,)]


REFERRING = """
lake: live
tables:
  orders:
    files: "orders/*.csv"
    checks: [{references: {name: other.name}, on_breach: quarantine}]
  other:
    files: "other/*.csv"
    checks: [{references: {name: orders.name}, on_breach: warn}]
"""


def test_a_table_waits_for_a_resting_one_that_it_refers_to(tmp_path: Path) -> None:
    """Customers landed first, and the store was busy: orders that refer to them wait until they are in."""
    lake, clock = make_lake(tmp_path / "lake", REFERRING), HeldClock()
    drop(lake, "other/a.csv", csv(0))
    with Lake(lake, clock) as opened:
        opened.run()
        drop(lake, "other/b.csv", "id,name\n100,new\n")
        opened.discover()
        drop(lake, "orders/b.csv", "id,name\n1,new\n")
        opened.discover()
        busy = ["database is locked"]

        def claimed() -> None:
            if busy:
                raise sqlite3.OperationalError(busy.pop())

        worker = opened.worker(claimed=claimed)
        started = clock.now()
        while (due := _steps(worker, opened)) is not None:
            assert due > clock.now()
            clock.sleep(due - clock.now())
        assert clock.now() - started >= REST_SECONDS
        (order,) = opened.state.arrivals.find(ORDERS)
        assert (order.state, order.accounting.rows_out, order.accounting.quarantined) == ("finished", 1, 0)


def test_a_clock_that_is_set_back_lets_no_table_rest_for_longer(tmp_path: Path) -> None:
    """A table rests for some seconds; when the clock is set back an hour meanwhile, it does not rest for that hour."""
    lake, clock = make_lake(tmp_path / "lake"), HeldClock()
    drop(lake, "orders/a.csv", csv(0))
    with Lake(lake, clock) as opened:
        opened.run()
        worker = opened.worker()
        drop(lake, "orders/b.csv", csv(10))
        opened.discover()
        pointer = Path(str(opened.catalog.pointer(ORDERS)))
        kept = pointer.read_bytes()
        pointer.unlink()
        opened.state.heads.put(_nothing(opened))
        assert _steps(worker, opened) == clock.now() + REST_SECONDS
        pointer.write_bytes(kept)
        (waits,) = opened.state.arrivals.find(ORDERS, ("pending",))
        clock.sleep(-3600.0)
        opened.state.arrivals.requeue(waits, 0)
        assert _steps(worker, opened) is None
    assert ids(lake) == list(range(20))


@pytest.mark.timeout(60)
def test_a_run_ends_where_tables_refer_to_each_other(tmp_path: Path) -> None:
    """Of two tables that refer to each other the one whose turn is first goes first, and neither waits for ever."""
    lake = make_lake(tmp_path / "lake", REFERRING)
    with Lake(lake) as opened:
        for first in (0, 100):
            drop(lake, f"other/{first}.csv", csv(first))
            drop(lake, f"orders/{first}.csv", csv(first))
            opened.run()
        assert opened.query("SELECT count(*) FROM orders").fetchall() == [(20,)]
        assert opened.query("SELECT count(*) FROM other").fetchall() == [(20,)]


def test_a_poison_file_does_not_hold_up_good_ones(lake: Path) -> None:
    """A file that can never become rows ends dead; those that landed with it are in."""
    with up(lake) as running:
        drop(lake, "orders/poison.csv", "id,name\n1,\x00\xff\n\x00")
        for at in range(20):
            drop(lake, f"orders/{at}.csv", csv(at * 10))
        running.wait("dead", file="orders/poison.csv")
        running.wait("finished", 20)
    assert ids(lake) == list(range(200))


def test_a_large_file_does_not_hold_up_small_ones_of_another_table(lake: Path) -> None:
    """While one worker is busy with a large file, the other one takes in what lands for another table."""
    with up(lake, "--workers", "2") as running:
        drop(lake, "other/warm.csv", csv(0))
        running.wait("finished", file="other/warm.csv")
        drop(lake, "orders/large.csv", csv(0, 5_000_000))
        running.wait_until(lambda: _is_at_hand(lake, "orders/large.csv"), "the large file to be at hand")
        drop(lake, "other/small.csv", csv(100))
        running.wait("finished", file="other/small.csv")
        assert not running.of("finished", file="orders/large.csv")
        running.wait("finished", file="orders/large.csv", rows_in=5_000_000)


def _is_at_hand(lake: Path, key: str) -> bool:
    with penstock.open(lake) as opened:
        return key in [one.key for one in opened.state.arrivals.find(ORDERS, ("working",))]


def test_files_of_one_table_are_taken_in_by_several_workers(lake: Path) -> None:
    """Four workers on one table: every file is taken in once, and nothing ends dead or is tried twice."""
    with penstock.open(lake) as opened:
        finished: dict[str, int] = {}
        done = threading.Event()

        def note(event: dict[str, str]) -> None:
            finished[event["file"]] = finished.get(event["file"], 0) + 1
            if len(finished) == 200:
                done.set()

        opened.signals.listen("finished", note)
        live = Live(opened, workers=4)
        live.start()
        for at in range(200):
            drop(lake, f"orders/{at}.csv", csv(at * 10))
        assert done.wait(60)
        live.stop()
        assert live.wait(60)
        assert set(finished.values()) == {1}
        assert live.counts.files == 200
        assert live.counts.dead == 0
    assert ids(lake) == list(range(2_000))


def test_a_paused_lake_records_and_does_not_work(lake: Path) -> None:
    """While the lake is paused, what lands is recorded and waits; when it goes on, the rows come in."""
    with penstock.open(lake) as opened:
        live = Live(opened)
        recorded, finished = threading.Event(), threading.Event()
        opened.signals.listen("arrived", lambda _: recorded.set())
        opened.signals.listen("finished", lambda _: finished.set())
        live.start()
        live.pause("no room")
        drop(lake, "orders/a.csv", csv(0))
        assert recorded.wait(60)
        assert live.phase == "paused"
        assert not finished.wait(0.5)
        live.resume()
        assert finished.wait(60)
        live.stop()
        assert live.wait(60)
