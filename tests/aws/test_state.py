"""The state store in DynamoDB: races, lost answers, crashes between two transactions, limits, and what is refused.

Everything goes to moto over HTTP. What moto cannot show: it forgets nothing by itself when it expires (the attribute is
looked at instead), it knows no tokens of repeated requests and no two transactions that meet (both are put on the wire
here), and it never throttles (the same).
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from penstock import aws
from penstock.clock import HeldClock
from penstock.errors import AwsDeniedError, AwsError, StateError
from penstock.naming import ArrivalName, TableName
from penstock.state import Accounting, CheckOutcome, DataFile, Head, Run, State
from penstock.state.aws import ACTIONS, DynamoState
from penstock.state.aws.layout import EXPIRES, INDEXES, KEPT_SECONDS, KEYS, definition
from penstock.state.store import Arrival, Column
from tests.aws.tables import state_table
from tests.told import say

T = TableName.parse("t")
LONG = 3600.0


class World:
    """A table, and workers that use it."""

    def __init__(self) -> None:
        """Make the table."""
        self.table, self.clock = state_table(), HeldClock()

    def worker(self) -> DynamoState:
        """One more worker."""
        return DynamoState(self.table, self.clock)

    def items(self, partition: str = "") -> list[dict[str, Any]]:
        """Everything that is in the table; only tests look at all of it."""
        found: list[dict[str, Any]] = aws.client("dynamodb").scan(TableName=self.table)["Items"]
        return [item for item in found if item["pk"]["S"].startswith(partition)]


@pytest.fixture
def world() -> World:
    """A table without anything."""
    return World()


def test_what_is_held_is_one_question(world: World) -> None:
    """For a whole group of a commit the store is asked once, not once for each file."""
    store = world.worker()
    for at in range(60):
        record(store, f"{at}")
    claimed = store.arrivals.claim(T, 60)
    before = aws.heard()
    assert store.arrivals.held_among(claimed) == {arrival.sequence for arrival in claimed}
    assert aws.heard() - before == 1


def record(store: State, key: str, content: str = "x", table: TableName = T) -> bool:
    """Record a version of a file."""
    return store.arrivals.record(table, key, ArrivalName.of(content, "").key_id * 4, len(content), 1, f"mark {content}")


def record_many(store: State, count: int, table: TableName = T) -> None:
    """Record so many files."""
    with store.together():
        for at in range(count):
            record(store, f"{at:04}", table=table)


def one(store: State) -> Arrival:
    """The only arrival."""
    (found,) = store.arrivals.find()
    return found


def in_threads(makes: list[Callable[[], Any]]) -> list[Any]:
    """Do all at the same moment."""
    together = threading.Barrier(len(makes))

    def make(do: Callable[[], Any]) -> Any:
        together.wait()
        return do()

    with ThreadPoolExecutor(len(makes)) as pool:
        return list(pool.map(make, makes))


@contextmanager
def listening(event: str, listener: Callable[..., Any]) -> Iterator[None]:
    """Have a hand on the wire: `listener` is called on a moment of every request."""
    events = aws.client("dynamodb").meta.events
    events.register_first(event, listener)
    try:
        yield
    finally:
        events.unregister(event, listener)


@contextmanager
def losing_answers(*operations: str, times: int = 1) -> Iterator[list[str]]:
    """Let answers of operations get lost, after AWS has done what was asked."""
    from botocore.exceptions import ConnectionClosedError

    lost: list[str] = []

    def lose(model: Any, **_facts: Any) -> None:
        if model.name in operations and len(lost) < times:
            lost.append(model.name)
            raise ConnectionClosedError(endpoint_url="https://dynamodb")

    with listening("after-call.dynamodb", lose):
        yield lost


@contextmanager
def answering(code: str, *operations: str, times: int = 1, **more: Any) -> Iterator[list[str]]:
    """Let operations be answered with an error, so often, without anything being done."""
    from botocore.awsrequest import AWSResponse

    given: list[str] = []
    content = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no", **more}).encode()

    class Raw:
        """The body of an answer."""

        def stream(self, **_how: Any) -> Iterator[bytes]:
            """All of it at once."""
            yield content

    def answer(request: Any, **_facts: Any) -> Any:
        name = request.headers["X-Amz-Target"].decode().partition(".")[2]
        if name in operations and len(given) < times:
            given.append(name)
            return AWSResponse(request.url, 400, {"host": "dynamodb.eu-west-3.amazonaws.com"}, Raw())
        return None

    with listening("before-send.dynamodb", answer):
        yield given


# --- Races -------------------------------------------------------------------------------------


def test_sixteen_workers_claim_five_hundred_arrivals_once(world: World) -> None:
    """However many look at the same moment, each arrival is claimed by one of them, and none is left."""
    tables = [TableName.parse(name) for name in ("a", "b", "c", "d")]
    for table in tables:
        record_many(world.worker(), 125, table)
    claimed: Counter[tuple[TableName, str]] = Counter()

    def work(first: int, limit: int) -> None:
        store = world.worker()
        for table in [*tables[first:], *tables[:first]]:
            while found := store.arrivals.claim(table, limit):
                claimed.update((arrival.table, arrival.key) for arrival in found)

    in_threads([partial(work, at % len(tables), 20) for at in range(16)])
    work(0, 500)  # who was beaten too often in a row had given up
    assert claimed == Counter((table, f"{at:04}") for table in tables for at in range(125))
    say("state on AWS", "16 workers claimed 500 arrivals, each once")


def test_a_version_that_many_record_is_recorded_once(world: World) -> None:
    """Of functions that are told of the same object at the same moment, one records it; each file has one arrival."""
    stores = [world.worker() for _ in range(8)]
    new = in_threads([partial(_record_abc, store) for store in stores])
    assert [sum(answers) for answers in zip(*new, strict=True)] == [1, 1, 1]
    assert [arrival.key for arrival in stores[0].arrivals.find()] == sorted("abc", key=_order(stores[0]))
    assert stores[0].backlog.count(T) == 3


def _record_abc(store: State) -> list[bool]:
    return [record(store, key) for key in "abc"]


def _order(store: State) -> Callable[[str], int]:
    return {arrival.key: arrival.sequence for arrival in store.arrivals.find()}.__getitem__


def test_versions_that_race_leave_one_that_waits(world: World) -> None:
    """Different versions of a file at the same moment: all are recorded, and only the newest waits."""
    stores = [world.worker() for _ in range(6)]
    new = in_threads([partial(record, store, "a", f"v{at}") for at, store in enumerate(stores)])
    assert new == [True] * 6
    found = stores[0].arrivals.find()
    assert [arrival.state for arrival in found] == ["superseded"] * 5 + ["pending"]
    assert stores[0].backlog.marks(T, ["a"]) == {"a": found[-1].mark}


def test_whoever_reads_events_in_order_misses_none(world: World) -> None:
    """Events of many writers have no gap, and none appears before one that was already read."""
    stores, told = [world.worker() for _ in range(4)], 6
    reader, read = world.worker(), list[int]()
    done = threading.Event()

    def follow() -> None:
        while not done.is_set() or reader.events.after(read[-1] if read else 0):
            read.extend(event.sequence for event in reader.events.after(read[-1] if read else 0))

    def tell(store: State) -> list[int]:
        return [store.events.add("arrived", T, {}) for _ in range(told)]

    follower = threading.Thread(target=follow)
    follower.start()
    given = in_threads([partial(tell, store) for store in stores])
    done.set()
    follower.join()
    assert read == list(range(1, 4 * told + 1))
    assert sorted(sequence for some in given for sequence in some) == read


def test_one_of_many_gets_a_lease(world: World) -> None:
    """Of those who ask for a lease at the same moment, one gets it, with a token of its own."""
    stores = [world.worker() for _ in range(8)]
    leases = in_threads([partial(store.leases.acquire, "x") for store in stores])
    assert [lease.token for lease in leases if lease is not None] == [1]


# --- Together ----------------------------------------------------------------------------------


def finish_all(store: State, arrivals: list[Arrival]) -> None:
    """Record the end of many, with their run, and tell of it."""
    with store.together():
        for arrival in arrivals:
            assert store.arrivals.finish(arrival, "r", Accounting(1, 1), None) is False
        store.runs.add(Run("r", T, "finished", Accounting(1, 1), 1.0, 1, [arrival.key for arrival in arrivals], 7))
        store.events.add("committed", T, {"files": len(arrivals)})


def test_many_ends_are_recorded_together(world: World) -> None:
    """150 files, which is more than a transaction takes, end with one run and one event."""
    store = world.worker()
    record_many(store, 150)
    finish_all(store, store.arrivals.claim(T, 150))
    assert Counter(arrival.state for arrival in store.arrivals.find()) == {"finished": 150}
    assert [len(run.arrivals) for run in store.runs.list()] == [150]
    assert [event.name for event in store.events.after(0)] == ["committed"]
    assert (store.backlog.count(T), store.backlog.has_rows(T)) == (0, True)


class _KilledError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_crash_between_two_transactions_loses_nothing(world: World, at: int) -> None:
    """What was not recorded any more waits again when the lease has run out, and comes to its end; it was told of."""
    store, sent = world.worker(), list[str]()
    record_many(store, 150)
    claimed = store.arrivals.claim(T, 150)

    def kill(model: Any, **_facts: Any) -> None:
        if model.name == "TransactWriteItems":
            sent.append(model.name)
            if len(sent) > at:
                raise _KilledError

    with listening("before-call.dynamodb", kill), pytest.raises(_KilledError):
        finish_all(store, claimed)
    after = world.worker()
    states = Counter(arrival.state for arrival in after.arrivals.find())
    assert set(states) == {"finished", "working"}
    assert len(after.runs.list()) == len(after.events.after(0)) == 1
    assert after.arrivals.claim(T, 150) == []
    world.clock.sleep(61)
    while left := after.arrivals.claim(T, 150):  # 16 at once: it may have been one of them that ended the process
        for arrival in left:
            assert after.arrivals.finish(arrival, "again", Accounting(), None) is False
    assert Counter(arrival.state for arrival in after.arrivals.find()) == {"finished": 150}
    assert after.overview.standing()[T].finished == 150


def test_what_is_told_first_may_be_told_twice_but_not_lost(world: World) -> None:
    """A crash before the first transaction records nothing at all."""
    store = world.worker()
    record_many(store, 60)
    claimed = store.arrivals.claim(T, 60)

    def kill(model: Any, **_facts: Any) -> None:
        if model.name == "TransactWriteItems":
            raise _KilledError

    with listening("before-call.dynamodb", kill), pytest.raises(_KilledError):
        finish_all(store, claimed)
    assert (store.events.after(0), store.runs.list()) == ([], [])
    assert Counter(arrival.state for arrival in store.arrivals.find()) == {"working": 60}


def test_what_comes_between_and_changes_nothing_is_no_obstacle(world: World) -> None:
    """A heartbeat, a new mark, another file and another's event between a decision and its record do not matter."""
    store, other = world.worker(), world.worker()
    record(store, "a")
    (claimed,) = store.arrivals.claim(T, 1)
    with store.together():
        assert store.arrivals.finish(claimed, "r", Accounting(1, 1), None) is False
        store.events.add("committed", T, {})
        in_threads([store.leases.renew])
        other.arrivals.record(T, "a", claimed.version, 1, 1, "another mark")
        other.events.add("arrived", T, {})
        record(other, "b")
    assert [(arrival.key, arrival.state) for arrival in store.arrivals.find()] == [("a", "finished"), ("b", "pending")]
    assert store.arrivals.find()[0].mark == "another mark"
    assert [event.name for event in store.events.after(0)] == ["arrived", "committed"]


def test_what_comes_between_and_changes_an_answer_is_told(world: World) -> None:
    """An attempt that lost its arrival between decision and record keeps nothing of what it decided."""
    store, other = world.worker(), world.worker()
    record(store, "a")
    (claimed,) = store.arrivals.claim(T, 1)

    def finish_late() -> None:
        with store.together():
            assert store.arrivals.finish(claimed, "late", Accounting(1, 1), None) is False
            store.events.add("committed", T, {})
            world.clock.sleep(LONG)
            (taken,) = other.arrivals.claim(T, 1)
            other.arrivals.bury(taken, "no header", "plan", "r")

    with pytest.raises(StateError, match="somebody else changed what this rests on") as caught:
        finish_late()
    assert world.table in str(caught.value)
    assert (one(store).state, one(store).run, store.events.after(0)) == ("dead", "r", [])


def test_whoever_lost_a_lease_records_nothing_that_rests_on_it(world: World) -> None:
    """A lease that was held within what happens together still is when it is recorded."""
    store, other = world.worker(), world.worker()
    lease = store.leases.acquire("x")
    assert lease is not None

    def act() -> None:
        with store.together():
            assert store.leases.held(lease)
            store.events.advance("notices", 5)
            world.clock.sleep(LONG)
            assert other.leases.acquire("x") is not None

    with pytest.raises(StateError):
        act()
    assert store.events.cursor("notices") == 0


# --- Lost answers, throttling, refusals --------------------------------------------------------

WRITES = ("PutItem", "TransactWriteItems", "DeleteItem")


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_lost_answers_do_no_harm(world: World, lost: int) -> None:
    """Whatever answer is lost after its write landed: nothing happens twice, and nobody loses what is theirs."""
    store = world.worker()
    for _ in range(2):  # what is read while answers get lost is as it was
        with losing_answers(*WRITES, times=lost) as gone:
            assert record(store, f"a{_}")
            (claimed,) = store.arrivals.claim(T, 5)
            assert store.arrivals.held(claimed)
            lease = store.leases.acquire(f"x{_}")
            assert lease is not None
            with store.together():
                assert store.arrivals.finish(claimed, "r", Accounting(2, 2), None) is False
                store.events.add("committed", T, {})
                store.runs.add(Run(f"r{_}", T, "finished", Accounting(2, 2), 1.0, 1, ["a"], 7))
            store.leases.release(lease)
        assert len(gone) == lost
        assert world.worker().leases.acquire(f"x{_}") is not None
    assert Counter(arrival.state for arrival in store.arrivals.find()) == {"finished": 2}
    assert len(store.events.after(0)) == 2
    assert store.overview.ledgers()[T, "finished"].rows_in == 4


def test_a_claim_whose_answer_never_came_is_not_kept_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that landed, and that this worker knows nothing of, is free at once; so is a lease."""
    monkeypatch.setattr("penstock.state.aws.calls.LONGEST_SECONDS", 0.01)
    store = world.worker()
    record(store, "a")
    with losing_answers("PutItem", times=99), pytest.raises(AwsError):
        store.arrivals.claim(T, 1)
    with losing_answers("PutItem", times=99), pytest.raises(AwsError):
        store.leases.acquire("x")
    assert one(store).state == "working"
    (claimed,) = store.arrivals.claim(T, 1)
    assert (claimed.attempts, claimed.trouble.lost) == (2, 1)
    lease = store.leases.acquire("x")
    assert lease is not None
    assert lease.token == 2


def test_a_lease_that_cannot_be_given_back_now_is_given_back_later(world: World) -> None:
    """What the store could not be told of is no lease that its worker prolongs: it is told with the next write."""
    store, other = world.worker(), world.worker()
    lease = store.leases.acquire("x")
    assert lease is not None
    with answering("AccessDeniedException", "PutItem", times=99), pytest.raises(AwsDeniedError):
        store.leases.release(lease)
    assert not store.leases.held(lease)
    world.clock.sleep(30)
    store.leases.renew()
    assert other.leases.acquire("x") is not None


@pytest.mark.parametrize("code", ["ThrottlingException", "TransactionConflictException", "InternalServerError"])
def test_what_passes_is_waited_for(world: World, code: str) -> None:
    """Throttled, or met by another transaction: it is tried again after a moment."""
    store = world.worker()
    record(store, "a")
    with answering(code, "PutItem", times=2) as given:
        (claimed,) = store.arrivals.claim(T, 1)
    assert given == ["PutItem"] * 2
    assert store.arrivals.held(claimed)


@pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_transaction_that_met_another_is_made_again(world: World, reason: str) -> None:
    """A transaction that was cancelled for what passes is made again, and lands."""
    store, reasons = world.worker(), [{"Code": "None"}, {"Code": reason}, {"Code": "None"}]
    canceled = "TransactionCanceledException"
    with answering(canceled, "TransactWriteItems", times=2, CancellationReasons=reasons) as given:
        assert record(store, "a")
    assert len(given) == 2
    assert one(store).key == "a"


def test_a_transaction_that_is_refused_is_an_error(world: World) -> None:
    """What trying again does not mend is said."""
    store, reasons = world.worker(), [{"Code": "ItemCollectionSizeLimitExceeded"}] * 3
    canceled = "TransactionCanceledException"
    with (
        answering(canceled, "TransactWriteItems", times=9, CancellationReasons=reasons) as given,
        pytest.raises(AwsError, match="could not write the state store: TransactionCanceledException"),
    ):
        record(store, "a")
    assert len(given) == 1


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("GetItem", lambda store: store.leases.acquire("x")),
        ("BatchGetItem", lambda store: store.backlog.marks(T, ["a"])),
        ("Query", lambda store: store.arrivals.find(T)),
        ("PutItem", lambda store: store.leases.acquire("y")),
        ("TransactWriteItems", lambda store: record(store, "a")),
        ("UpdateItem", lambda store: record(store, "a")),
    ],
)
def test_what_is_denied_names_the_permission(world: World, operation: str, call: Callable[[State], Any]) -> None:
    """Credentials that may not do something are told so, with the table."""
    with (
        answering("AccessDeniedException", operation, times=99),
        pytest.raises(AwsDeniedError, match=f"dynamodb:{operation}") as caught,
    ):
        call(world.worker())
    assert world.table in str(caught.value)


# --- Layout and limits -------------------------------------------------------------------------


def test_the_table_needs_two_keys_and_no_index(world: World) -> None:
    """What CloudFormation is told is what the store uses: two keys of text, no index, one attribute that expires."""
    made = aws.client("dynamodb").describe_table(TableName=world.table)["Table"]
    assert [key["AttributeName"] for key in made["KeySchema"]] == list(KEYS)
    assert made["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert (INDEXES, "GlobalSecondaryIndexes" in definition("x")) == ((), False)
    expiry = aws.client("dynamodb").describe_time_to_live(TableName=world.table)["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": EXPIRES}


def test_history_expires_and_files_do_not(world: World) -> None:
    """Runs, checks, events and workers say when they may be forgotten; nothing of files, leases and sums does."""
    store, now = world.worker(), world.clock.now()
    record(store, "a")
    (claimed,) = store.arrivals.claim(T, 1)
    finish_all(store, [claimed])
    store.checks.add([CheckOutcome("r", T, "a", "c", "k", "warn", "after", 1, 1, now)])
    store.leases.acquire("x")
    store.leases.renew()
    expiring = {item["pk"]["S"].partition("#")[0]: int(item[EXPIRES]["N"]) for item in world.items() if EXPIRES in item}
    assert expiring == {
        "runs": int(now + KEPT_SECONDS["runs"]),
        "checks": int(now + KEPT_SECONDS["checks"]),
        "events": int(now + KEPT_SECONDS["events"]),
        "worker": int(now + KEPT_SECONDS["worker"]),
    }
    lasting = {item["pk"]["S"].partition("#")[0] for item in world.items() if EXPIRES not in item}
    assert lasting == {"arrivals", "file", "sums", "counters", "lease"}
    # the counter of events has a partition of its own, so that events of a sequence never expire with it


def test_a_head_that_is_too_large_is_not_cached(world: World) -> None:
    """A table of very many files is read from the catalog again; a smaller head takes its place in the cache."""
    import random

    chance = random.Random(7)
    files = tuple(DataFile(f"/p/{chance.getrandbits(256):064x}", 1, 10) for _ in range(30_000))
    large = Head(T, "p1", 1, 1.0, (Column(1, "a", "DATE"),), files)
    store, other = world.worker(), world.worker()
    store.heads.put(large)
    assert store.heads.get(T, "p1") == large, "this process still knows it"
    assert other.heads.get(T, "p1") is None
    fitting = Head(T, "p2", 1, 1.0, large.columns, files[:5_000])
    store.heads.put(fitting)
    assert other.heads.get(T, "p2") == fitting
    other.heads.forget()
    assert world.worker().heads.get(T, "p2") is None


def test_what_is_too_long_is_cut_and_says_so(world: World) -> None:
    """A reason of megabytes, an account of thousands of rules, a run of very long names: what is missing is counted."""
    store = world.worker()
    record(store, "a")
    (claimed,) = store.arrivals.claim(T, 1)
    store.arrivals.give_back(claimed, "é" * 1_000_000)
    assert str(one(store).reason).endswith("é [980,000 further characters were not kept]")
    (claimed,) = store.arrivals.claim(T, 1)
    dropped = {f"rule {at}": at for at in range(5_000)}
    store.arrivals.finish(claimed, "r", Accounting(sum(dropped.values()), 0, dropped), None)
    kept = one(store).accounting
    assert kept.adds_up
    assert (len(kept.dropped), kept.dropped["rule 4999"]) == (501, 4999)
    assert kept.dropped["(other rules)"] == sum(range(4_500))
    names = [f"{at:04}{'x' * 1000}" for at in range(1_000)]
    store.runs.add(Run("r", T, "finished", Accounting(), 1.0, 1, names))
    (run,) = store.runs.list()
    assert run.arrivals[:-1] == names[: len(run.arrivals) - 1]
    assert run.arrivals[-1] == f"[{1_000 - len(run.arrivals) + 1} further files were not kept]"


def test_checks_of_a_run_may_be_many(world: World) -> None:
    """Thousands of outcomes of one run come back whole, in order; one that is added again goes to the end."""
    store = world.worker()
    outcomes = [
        CheckOutcome("r", T, f"{at % 100}.csv", f"check {at}", "k", "warn", "after", 1, 0, 1.0, "why " * 20)
        for at in range(3_000)
    ]
    store.checks.add(outcomes)
    assert store.checks.list() == outcomes
    store.checks.add(outcomes[:1])
    assert store.checks.list(T, "r") == [*outcomes[1:], outcomes[0]]
    assert store.checks.list(T, "another") == []


def test_many_versions_give_way_at_once(world: World) -> None:
    """A file of which more versions are finished, or were dead, than a transaction takes: the newest replaces them."""
    store = world.worker()

    def claimed(content: str) -> Arrival:
        record(store, "a", content)
        (arrival,) = store.arrivals.claim(T, 1)
        return arrival

    for at in range(40):
        store.arrivals.finish(claimed(f"v{at}"), "r", Accounting(1, 1), None, replaces=False)
    for at in range(30):
        store.arrivals.bury(claimed(f"w{at}"), "no header", "plan", "r")
    assert Counter(arrival.state for arrival in store.arrivals.find()) == {"finished": 40, "superseded": 29, "dead": 1}
    assert store.arrivals.finish(claimed("good"), "r", Accounting(1, 1), None) is True
    assert Counter(arrival.state for arrival in store.arrivals.find()) == {"superseded": 70, "finished": 1}
    assert store.overview.standing()[T].finished == 1


def test_a_name_is_never_given_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A content that returns after more versions than are known by name still gets a generation of its own."""
    monkeypatch.setattr("penstock.state.aws.files.VERSIONS", 3)
    store = world.worker()
    for content in ("a", "b", "c", "d", "e", "a", "b", "e", "a"):
        assert record(store, "k", content)
    found = store.arrivals.find()
    assert len({arrival.name for arrival in found}) == len(found) == 9
    assert found[4].generation == 1, "a version that is new when others are forgotten counts as one that returns"


# --- What is asked of AWS ----------------------------------------------------------------------


def test_only_what_is_declared_is_asked_for(world: World) -> None:
    """Every call needs an action that is declared beside the calls; reads are consistent, nothing is scanned."""
    asked: Counter[str] = Counter()

    def note(params: Any, model: Any, **_facts: Any) -> None:
        asked[model.name] += 1
        body = json.loads(params["body"])
        if model.name in ("GetItem", "Query"):
            assert body["ConsistentRead"] is True
        if model.name == "BatchGetItem":
            assert all(wanted["ConsistentRead"] for wanted in body["RequestItems"].values())

    store = world.worker()
    with listening("before-call.dynamodb", note):
        record_many(store, 100)
        recorded = asked.copy()
        claimed = store.arrivals.claim(T, 100)
        finish_all(store, claimed)
        for look in (store.backlog.due, store.backlog.keys, store.backlog.count):
            look(T)
        store.arrivals.get(claimed[0].sequence)
        store.overview.standing()
        store.leases.renew()
        store.events.trim(world.clock.now() + 1, world.clock.now() + 1)
        store.close()
    parts = {"TransactWriteItems": "ConditionCheckItem"}
    assert {f"dynamodb:{parts.get(name, name)}" for name in asked} <= set(ACTIONS)
    say(
        "state on AWS",
        f"100 files recorded by {recorded.total()} requests; recorded, claimed, finished: {asked.total()}",
    )


@pytest.mark.parametrize(
    ("call", "keeper"),
    [
        (lambda store: store.alarms.all(), "CloudWatch"),
        (lambda store: store.alarms.put(None, None), "CloudWatch"),
        (lambda store: store.workflows.active(), "Step Functions"),
        (lambda store: store.schedules.since("nightly", "x"), "EventBridge Scheduler"),
        (lambda store: store.figures.attempts(None, 0.0), "CloudWatch"),
        (lambda store: store.figures.runs(None, 0.0, 1.0), "CloudWatch"),
        (lambda store: store.figures.counted("breaches", None, 0.0), "CloudWatch"),
        (lambda store: store.figures.last_workflow("nightly"), "CloudWatch"),
    ],
)
def test_what_aws_has_services_for_is_not_answered_here(
    world: World, call: Callable[[State], Any], keeper: str
) -> None:
    """Alarms, workflows and what is measured are not answered with nothing: it is said who looks after them."""
    with pytest.raises(StateError, match=f"of a lake on AWS are .* by {keeper}, not by its state store"):
        call(world.worker())


def test_a_table_that_is_not_there_is_trouble() -> None:
    """A store without its table says so, and says how it was asked."""
    state_table()
    store = DynamoState("no-such-table")
    assert "ResourceNotFoundException" in str(store.overview.trouble())
    with pytest.raises(AwsError, match="read the state store"):
        store.arrivals.find()
    store.close()
