"""The contract of `Backlog`, the short answers about the queue, on every implementation."""

from __future__ import annotations

from penstock.clock import HeldClock
from penstock.naming import TableName
from penstock.state import Accounting, Due, State
from tests.contracts.conftest import Stores
from tests.contracts.test_state import OTHER, T, claim_one, record

MINUTE = 60.0


def test_marks_are_those_of_the_newest_versions(store: State) -> None:
    """Each file that was ever recorded has the mark of its newest version, whatever became of it; others have none."""
    record(store, "a", "one")
    record(store, "a", "two")
    record(store, "b", "three")
    record(store, "c", "four", OTHER)
    keys = [f"unknown-{at}" for at in range(2_000)]
    assert store.backlog.marks(T, ["a", "c", *keys, "b"]) == {"a": "mark-two", "b": "mark-three"}
    assert store.backlog.marks(T, []) == {}


def test_what_waits_is_counted_and_named(store: State) -> None:
    """Files that wait or are worked on count; those that wait are named, oldest first."""
    for key in ("b", "a", "c"):
        record(store, key, f"content of {key}")
    record(store, "elsewhere", "x", OTHER)
    (claimed,) = store.arrivals.claim(T, 1)
    assert (store.backlog.count(T), store.backlog.keys(T)) == (3, ["a", "c"])
    store.arrivals.finish(claimed, "run", Accounting(), None)
    assert (store.backlog.count(T), store.backlog.keys(T)) == (2, ["a", "c"])


def test_what_is_not_done_is_told_with_its_moment(store: State, clock: HeldClock) -> None:
    """Of the files asked for, those that wait or are worked on are named, with the moment they can be claimed from."""
    for key in ("waits", "rests", "held", "done", "dead", "unasked"):
        record(store, key, f"content of {key}")
    claimed = {arrival.key: arrival for arrival in store.arrivals.claim(T, 9)}
    store.arrivals.give_back(claimed["waits"], "not yet", counted=False)
    store.arrivals.give_back(claimed["rests"], "later", MINUTE)
    store.arrivals.finish(claimed["done"], "run", Accounting(), None)
    store.arrivals.bury(claimed["dead"], "no", "plan", "run")
    found = store.backlog.undone(T, ["waits", "rests", "held", "done", "dead", "never recorded"])
    assert found.keys() == {"waits", "rests", "held"}
    assert found["waits"] <= clock.now() < found["held"]
    assert found["rests"] == clock.now() + MINUTE
    assert store.backlog.undone(OTHER, ["waits"]) == store.backlog.undone(T, []) == {}


def test_due_is_the_oldest_that_can_be_claimed(store: State, clock: HeldClock) -> None:
    """What waits for its next attempt is due later, at its time; what can be claimed now is ready."""
    assert store.backlog.due(T) == Due()
    record(store, "a", "one")
    first = claim_one(store)
    store.arrivals.give_back(first, "later", MINUTE)
    assert store.backlog.due(T) == Due(later=clock.now() + MINUTE)
    record(store, "b", "two")
    assert store.backlog.due(T).ready == first.sequence + 1
    clock.sleep(MINUTE)
    assert store.backlog.due(T).ready == first.sequence


def test_what_others_hold_is_elsewhere_until_they_are_dead(stores: Stores, clock: HeldClock) -> None:
    """Files in another worker's hands are elsewhere; when its time has run out, they are ready."""
    store, other = stores.worker(), stores.worker()
    record(store, "a", "one")
    (held,) = other.arrivals.claim(T, 1)
    assert store.backlog.due(T) == Due(elsewhere=True)
    clock.sleep(2 * MINUTE)
    assert store.backlog.due(T).ready == held.sequence


def test_a_closed_workers_files_are_ready(stores: Stores) -> None:
    """A worker that ends gives back what it held, at once."""
    store, other = stores.worker(), stores.worker()
    record(store, "a", "one")
    (held,) = other.arrivals.claim(T, 1)
    other.close()
    assert store.backlog.due(T).ready == held.sequence


def test_only_what_was_recorded_earlier_and_can_go_on_is_ahead(store: State) -> None:
    """An arrival is ahead while it is worked on or could be; not while it waits for its next attempt, nor when done."""
    record(store, "a", "one")
    record(store, "b", "two", OTHER)
    (b,) = store.arrivals.claim(OTHER, 1)
    assert store.backlog.is_ahead(T, b.sequence)
    assert not store.backlog.is_ahead(T, b.sequence - 1)
    assert not store.backlog.is_ahead(TableName.parse("third"), b.sequence)
    a = claim_one(store)
    assert store.backlog.is_ahead(T, b.sequence)
    store.arrivals.give_back(a, "later", MINUTE)
    assert not store.backlog.is_ahead(T, b.sequence)


def test_what_rests_for_no_fault_of_its_own_is_ahead(store: State) -> None:
    """An arrival that has to wait, and never failed, comes before what was recorded after it."""
    record(store, "a", "one")
    record(store, "b", "two", OTHER)
    (b,) = store.arrivals.claim(OTHER, 1)
    store.arrivals.give_back(claim_one(store), "the store was busy", MINUTE, counted=False)
    assert store.backlog.is_ahead(T, b.sequence)
    assert not store.backlog.is_ahead(T, b.sequence - 1)


def test_a_table_has_rows_once_a_file_gave_some(store: State) -> None:
    """Finished files without a row do not count."""
    record(store, "a", "one")
    store.arrivals.finish(claim_one(store), "run", Accounting(rows_in=1, dropped={"x": 1}), None)
    assert not store.backlog.has_rows(T)
    record(store, "b", "two")
    store.arrivals.finish(claim_one(store), "run", Accounting(rows_in=1, rows_out=1), None)
    assert store.backlog.has_rows(T)


def test_the_last_arrival_is_known(store: State) -> None:
    """The sequence of what was recorded last, of any table and whatever became of it."""
    assert store.backlog.last() == 0
    record(store, "a", "one")
    record(store, "b", "two", OTHER)
    (b,) = store.arrivals.claim(OTHER, 1)
    assert store.backlog.last() == b.sequence
    store.arrivals.bury(b, "why", "plan", "run")
    assert store.backlog.last() == b.sequence
