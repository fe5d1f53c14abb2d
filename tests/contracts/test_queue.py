"""The contract of the queue: attempts, fencing, processes that end, dead letters, on every implementation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import pytest

from penstock.clock import HeldClock
from penstock.naming import ArrivalName, TableName
from penstock.state import NO_TROUBLE, Accounting, State, Trouble
from penstock.state.store import Arrival, ArrivalState
from tests.contracts.conftest import Stores

T = TableName.parse("t")
OTHER = TableName.parse("layer.t")
LONG = 3600.0
TROUBLE = Trouble(code="bad_file", line=17, column="price", trace="0123abcd", version="1.0")


def record(store: State, key: str, content: str = "x", table: TableName = T) -> bool:
    """Record a version of a file."""
    version = ArrivalName.of(content, "").key_id * 4
    return store.arrivals.record(table, key, version, len(content), 1, f"mark-{content}")


def claim_one(store: State, table: TableName = T) -> Arrival:
    """Claim the arrival that waits."""
    (arrival,) = store.arrivals.claim(table, 10)
    return arrival


def one(store: State) -> Arrival:
    """The only arrival."""
    (arrival,) = store.arrivals.find()
    return arrival


def states(store: State) -> list[tuple[str, ArrivalState]]:
    """Key and state of every arrival."""
    return [(arrival.key, arrival.state) for arrival in store.arrivals.find()]


# --- Fencing -----------------------------------------------------------------------------------

ENDS: dict[str, Callable[[State, Arrival], object]] = {
    "finish": lambda store, arrival: store.arrivals.finish(arrival, "late run", Accounting(9, 9), "late stem"),
    "give back": lambda store, arrival: store.arrivals.give_back(arrival, "late", 50.0, trouble=TROUBLE),
    "bury": lambda store, arrival: store.arrivals.bury(arrival, "late", "late plan", "late run", TROUBLE),
}
"""Ways in which an attempt ends; each with something that would show."""


def taken(store: State, clock: HeldClock, _stores: Stores) -> Arrival:
    """Another worker has the arrival since the lease ran out."""
    clock.sleep(LONG)
    return claim_one(store)


def finished(store: State, clock: HeldClock, stores: Stores) -> Arrival:
    """Another worker has brought it to its end."""
    store.arrivals.finish(taken(store, clock, stores), "run", Accounting(1, 1), "stem")
    return one(store)


def waiting(store: State, clock: HeldClock, stores: Stores) -> Arrival:
    """It waits, after another worker's attempt."""
    store.arrivals.give_back(taken(store, clock, stores), "no luck", 5.0)
    return one(store)


def dead(store: State, clock: HeldClock, stores: Stores) -> Arrival:
    """Another worker has buried it."""
    store.arrivals.bury(taken(store, clock, stores), "no header", "plan", "run")
    return one(store)


def taken_twice(store: State, clock: HeldClock, stores: Stores) -> Arrival:
    """A third worker has it, after a second one lost it, too."""
    taken(store, clock, stores)
    clock.sleep(LONG)
    return claim_one(stores.worker())


@pytest.mark.parametrize("end", sorted(ENDS))
@pytest.mark.parametrize("meanwhile", [taken, finished, waiting, dead, taken_twice])
def test_who_lost_an_arrival_changes_nothing_of_it(
    stores: Stores, clock: HeldClock, end: str, meanwhile: Callable[[State, HeldClock, Stores], Arrival]
) -> None:
    """A worker that comes back after its lease was taken ends its attempt in vain: not one word of it is kept."""
    slow, other = stores.worker(), stores.worker()
    record(slow, "a")
    lost = claim_one(slow)
    now = meanwhile(other, clock, stores)
    assert not ENDS[end](slow, lost)
    assert other.arrivals.find() == [now]
    assert not slow.arrivals.held(lost)


def test_an_end_says_that_it_counted(stores: Stores, clock: HeldClock) -> None:
    """Whoever holds the arrival is told that its end was recorded; a second end of the same attempt is not."""
    store = stores.worker()
    record(store, "a")
    assert store.arrivals.give_back(claim_one(store), "no luck")
    attempt = claim_one(store)
    assert store.arrivals.bury(attempt, "no header", "plan", "run")
    assert not store.arrivals.bury(attempt, "no header", "plan", "run")
    assert store.arrivals.requeue(one(store), 0)
    clock.sleep(1)
    attempt = claim_one(store)
    assert store.arrivals.finish(attempt, "run", Accounting(), None) is True
    assert store.arrivals.finish(attempt, "run", Accounting(), None) is None


def test_rows_that_are_in_are_accounted_for_though_a_newer_version_landed(store: State) -> None:
    """Overwritten between commit and record, a version counts as in until the newer one's rows replace its own."""
    record(store, "a", "one")
    old = claim_one(store)
    record(store, "a", "two")
    assert store.arrivals.finish(old, "run 1", Accounting(3, 3), "stem") is False
    assert states(store) == [("a", "finished"), ("a", "pending")]
    store.arrivals.finish(claim_one(store), "run 2", Accounting(4, 4), None)
    assert states(store) == [("a", "superseded"), ("a", "finished")]


@pytest.mark.parametrize(("replaces", "expected"), [(True, "superseded"), (False, "finished")])
def test_a_late_record_does_not_bring_replaced_rows_back(store: State, *, replaces: bool, expected: str) -> None:
    """Once a newer version is in, an older one does not count as in, unless both are to."""
    record(store, "a", "one")
    old = claim_one(store)
    record(store, "a", "two")
    store.arrivals.finish(claim_one(store), "run 2", Accounting(), None, replaces=replaces)
    late = store.arrivals.finish(old, "run 1", Accounting(), None, replaces=replaces)
    assert late is (None if replaces else False)
    assert states(store) == [("a", expected), ("a", "finished")]


def test_only_what_is_as_it_was_seen_is_made_to_wait(stores: Stores) -> None:
    """Two who replay one dead letter: one does, and nobody who looked before takes the attempt away from a worker."""
    one_, two = stores.worker(), stores.worker()
    record(one_, "a")
    one_.arrivals.bury(claim_one(one_), "no header", "plan", "run")
    (seen,) = two.arrivals.find(T, ("dead",))
    assert one_.arrivals.requeue(seen, 0)
    assert not two.arrivals.requeue(seen, 0)
    attempt = claim_one(one_)
    assert not two.arrivals.requeue(seen, 0)
    assert one_.arrivals.held(attempt)
    one_.arrivals.finish(attempt, "run", Accounting(), None)
    assert not two.arrivals.requeue(seen, 1)
    record(two, "a", "newer")
    assert not two.arrivals.requeue(seen, 0)


# --- Failures ----------------------------------------------------------------------------------


def test_what_failed_says_what_is_known(store: State, clock: HeldClock) -> None:
    """An arrival keeps when it failed first and what is known of its last failure; success forgets both."""
    record(store, "a")
    assert (one(store).failed_at, one(store).trouble) == (None, NO_TROUBLE)
    first = clock.now()
    store.arrivals.give_back(claim_one(store), "a lock", trouble=Trouble(code="system"))
    assert (one(store).failed_at, one(store).trouble) == (first, Trouble(code="system"))
    clock.sleep(LONG)
    store.arrivals.give_back(claim_one(store), "the file was touched", counted=False)
    assert (one(store).failed_at, one(store).trouble, one(store).attempts) == (first, Trouble(code="system"), 1)
    store.arrivals.bury(claim_one(store), "no header", "plan", "run", TROUBLE)
    letter = one(store)
    assert (letter.failed_at, letter.finished_at, letter.trouble) == (first, first + LONG, TROUBLE)
    assert (letter.reason, letter.plan, letter.run, letter.attempts) == ("no header", "plan", "run", 2)
    store.arrivals.requeue(letter, 0)
    again = one(store)
    assert (again.failed_at, again.trouble, again.reason, again.attempts) == (first, NO_TROUBLE, None, 0)
    store.arrivals.finish(claim_one(store), "run", Accounting(), None)
    assert (one(store).failed_at, one(store).trouble) == (None, NO_TROUBLE)


def test_what_was_nobodys_fault_is_no_failure(store: State) -> None:
    """An attempt that does not count does not say when the file failed first."""
    record(store, "a")
    store.arrivals.give_back(claim_one(store), "the file was touched", counted=False)
    assert (one(store).failed_at, one(store).attempts, one(store).reason) == (None, 0, "the file was touched")


def test_a_dead_letter_says_how_many_attempts_there_were(store: State) -> None:
    """Who buries an arrival says how many attempts it had: the claim that found it spent is none."""
    record(store, "a")
    claimed = claim_one(store)
    store.arrivals.bury(replace(claimed, attempts=0), "spent", "plan", "run")
    assert one(store).attempts == 0


def test_an_arrival_is_found_by_its_number(store: State) -> None:
    """Numbers are those of the arrivals, and stay."""
    record(store, "a")
    record(store, "b")
    for arrival in store.arrivals.find():
        assert store.arrivals.get(arrival.sequence) == arrival
    assert store.arrivals.get(10_000) is None


def test_trouble_of_another_version_is_read(store: State) -> None:
    """What a later version writes beside it does no harm, and neither does nothing at all."""
    assert Trouble.from_json('{"code": "bad_file", "mood": "grim"}') == Trouble(code="bad_file")
    assert Trouble.from_json(None) == NO_TROUBLE
    assert Trouble.from_json(TROUBLE.to_json()) == TROUBLE
    assert one_roundtrip(store) == TROUBLE


def one_roundtrip(store: State) -> Trouble:
    """What the store makes of a trouble."""
    record(store, "a")
    store.arrivals.give_back(claim_one(store), "why", trouble=TROUBLE)
    return one(store).trouble


# --- Discarding --------------------------------------------------------------------------------


def test_a_discarded_letter_waits_for_nobody(store: State, clock: HeldClock) -> None:
    """Given up, a dead letter keeps what is known of it, and why; it is neither dead, claimed, nor given up again."""
    record(store, "a")
    assert not store.arrivals.discard(one(store), "it waits")
    store.arrivals.bury(claim_one(store), "no header", "plan", "run", TROUBLE)
    letter = one(store)
    clock.sleep(5)
    assert store.arrivals.discard(letter, "a test file")
    assert not store.arrivals.discard(letter, "again")
    assert not store.arrivals.requeue(letter, 0)
    given_up = one(store)
    assert given_up.state == "discarded"
    assert given_up.trouble == replace(TROUBLE, discarded_at=clock.now(), why="a test file")
    assert (given_up.reason, given_up.finished_at) == ("no header", letter.finished_at)
    assert store.arrivals.claim(T, 10) == []
    assert store.arrivals.find(states=("dead",)) == []
    assert not record(store, "a"), "the same bytes are nothing new"
    assert states(store) == [("a", "discarded")]
    assert record(store, "a", "corrected")
    assert states(store) == [("a", "superseded"), ("a", "pending")]


# --- Processes that end ------------------------------------------------------------------------

PROGRAM = """
import sys, time
from pathlib import Path
from penstock.clock import HeldClock
from penstock.naming import TableName
from tests.contracts.registry import STATES
store = STATES[sys.argv[1]](Path(sys.argv[2]), HeldClock(float(sys.argv[3])))
for table in sys.argv[4:]:
    print(*(a.key for a in store.arrivals.claim(TableName.parse(table), 100)), sep="\\n")
print("end", flush=True)
time.sleep(100)  # a worker that ends in order frees its claims
"""


def killed(stores: Stores, *tables: str) -> list[str]:
    """Let a process claim everything, and kill it; gives what it had."""
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.append('.')\n{PROGRAM}"]
    command += [stores.name, str(stores.folder), str(stores.now), *(tables or ("t",))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    lines = (line.strip() for line in process.stdout)
    keys = list(takewhile(lambda line: line != "end", lines))
    process.kill()
    process.communicate()
    stores.mourn()
    return [key for key in keys if key]


def test_attempts_whose_process_ended_count(stores: Stores, clock: HeldClock) -> None:
    """An attempt that ended with its process counts as one, with its reason, as does one whose process fell silent."""
    store = stores.worker()
    record(store, "a")
    assert killed(stores) == ["a"]
    first = clock.now()
    (arrival,) = store.arrivals.claim(T, 10)
    assert (arrival.attempts, arrival.trouble, arrival.failed_at) == (2, Trouble(lost=1), first)
    assert str(arrival.reason).startswith("the process ended ")
    silent = stores.worker()
    clock.sleep(LONG)
    (arrival,) = silent.arrivals.claim(T, 10)
    assert (arrival.attempts, arrival.trouble, arrival.failed_at) == (3, Trouble(lost=2), first)
    assert str(arrival.reason).endswith("fell silent while working on it")
    silent.arrivals.requeue(replace(arrival, state="working"), 0)
    assert one(store).trouble == NO_TROUBLE


def test_what_may_have_ended_a_process_comes_apart(stores: Stores) -> None:
    """After a process ended, its arrivals come 16 at once, after the next one alone; none of them with any other."""
    store = stores.worker()
    for at in range(40):
        record(store, f"{at:02}")
    assert len(killed(stores)) == 40
    record(store, "fresh")
    assert killed(stores) == [f"{at:02}" for at in range(16)]
    alone = claim_one(store)
    assert (alone.key, alone.trouble.lost) == ("00", 2)
    assert [a.key for a in store.arrivals.claim(T, 100)] == [f"{at:02}" for at in range(16, 32)]
    assert [a.key for a in store.arrivals.claim(T, 100)] == [f"{at:02}" for at in range(32, 40)]
    assert [a.key for a in store.arrivals.claim(T, 100)] == ["fresh"]
    assert store.arrivals.claim(T, 100) == [], "01 to 15 wait until 00 has come to its end"
    store.arrivals.finish(alone, "run", Accounting(), None)
    assert claim_one(store).key == "01"


def test_one_is_alone_in_the_whole_lake(stores: Stores) -> None:
    """What is worked on alone is so across tables: of two that ended two processes, one waits for the other."""
    store = stores.worker()
    record(store, "a")
    record(store, "b", table=OTHER)
    for _ in range(2):
        assert killed(stores, "t", "layer.t") == ["a", "b"]
    alone = claim_one(store)
    assert store.arrivals.claim(OTHER, 10) == []
    store.arrivals.give_back(alone, "no luck", trouble=alone.trouble)
    assert claim_one(store, OTHER).key == "b"


@pytest.mark.parametrize("limit", [1, 100])
def test_what_has_to_wait_for_its_turn_alone_is_gone_past(stores: Stores, limit: int) -> None:
    """While one is worked on alone, another that has to be is no obstacle to what landed behind it."""
    store = stores.worker()
    record(store, "a")
    record(store, "b", table=OTHER)
    for _ in range(2):
        assert killed(stores, "t", "layer.t") == ["a", "b"]
    record(store, "c", table=OTHER)
    assert claim_one(store).key == "a"
    assert [arrival.key for arrival in store.arrivals.claim(OTHER, limit)] == ["c"]
    assert store.arrivals.claim(OTHER, limit) == []


def test_nobody_waits_for_what_the_dead_have_at_hand(stores: Stores, clock: HeldClock) -> None:
    """Alone is nothing that a worker holds that is dead or hangs, of a table that nobody works on any more."""
    store, silent = stores.worker(), stores.worker()
    record(store, "a")
    record(store, "b", table=OTHER)
    for _ in range(2):
        assert killed(stores, "t", "layer.t") == ["a", "b"]
    assert killed(stores, "t") == ["a"]
    alone = claim_one(store, OTHER)
    assert alone.key == "b"
    store.arrivals.give_back(alone, "no luck", trouble=alone.trouble)
    assert claim_one(silent).key == "a"
    assert store.arrivals.claim(OTHER, 10) == []
    clock.sleep(LONG)
    assert claim_one(store, OTHER).key == "b"
