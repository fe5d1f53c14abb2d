"""How often AWS is asked on the way of a file: counted by kind, for one file and for ten that come together.

Each call takes some milliseconds and a fraction of a cent; what a change adds to every file is added here, or it is an
accident. What AWS bills for the state store is worked out from what is written. Moto has no bill, and answers sooner
than AWS does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from penstock import aws
from penstock.clock import HeldClock
from penstock.deployment.cost import model
from penstock.naming import TableName
from penstock.state import Accounting, CheckOutcome, Head, Run
from penstock.state.aws import DynamoState
from penstock.state.aws.documents import size_of
from penstock.state.store import LEASE_SECONDS
from tests.aws.lakes import CloudLake, deploy
from tests.aws.pump import Pump
from tests.aws.recorded import Call, Recorder, recorded
from tests.aws.tables import state_table
from tests.told import say

DECLARATION = """
lake: economy
tables:
  orders:
    files: "orders*.csv"
    steps: [{parse: {amount: integer}}]
    checks: [{between: {amount: [0, 100]}, on_breach: quarantine}]
"""
GOOD, BAD = b"id,amount\n1,5\n2,7\n", b"id,amount\n1,5\n2,700\n"
Most = dict[str, int]
ONE: Most = {
    "sqs:ChangeMessageVisibilityBatch": 1,
    "s3:HeadObject": 4,
    "s3:GetObject": 2,
    "s3:PutObject": 5,  # rows, rows set aside, manifest, list of manifests, metadata
    "glue:GetTable": 6,
    "glue:UpdateTable": 1,
    "dynamodb:GetItem": 7,
    "dynamodb:BatchGetItem": 4,
    "dynamodb:Query": 4,
    "dynamodb:PutItem": 4,
    "dynamodb:UpdateItem": 1,
    "dynamodb:TransactWriteItems": 2,
    "write units": 36,
}
TEN: Most = {
    **ONE,
    "s3:HeadObject": 30,
    "s3:GetObject": 11,
    "dynamodb:GetItem": 15,
    "dynamodb:BatchGetItem": 5,
    "dynamodb:PutItem": 13,  # a claim for each file, a lease twice, the cache
    "dynamodb:UpdateItem": 4,
    "write units": 150,
}
COLD: Most = {
    **ONE,
    "s3:GetObject": 9,  # metadata, list, three manifests, twice what upkeep noted, the file
    "s3:ListObjectsV2": 1,
    "glue:GetTable": 12,
    "dynamodb:GetItem": 10,
    "dynamodb:PutItem": 6,
    "write units": 38,
}
FIRST: Most = {
    **COLD,
    "s3:GetObject": 4,
    "s3:PutObject": 7,
    "s3:ListObjectsV2": 2,
    "glue:GetTable": 14,
    "glue:CreateTable": 1,
    "dynamodb:GetItem": 11,
    "dynamodb:TransactWriteItems": 3,
    "write units": 44,
}


@dataclass
class Economy:
    """A lake with one table, and a function that is given files.

    Attributes:
        counts: What was asked, by what was given.
    """

    lake: CloudLake
    recorder: Recorder
    clock: HeldClock = field(default_factory=lambda: HeldClock(1_780_000_000.0))
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def start(self, disk: str) -> None:
        """Start the function anew, on another disk."""
        self._runtime = self.lake.runtime(self.clock, disk)
        take = self.recorder.of("intake", self._runtime.take)
        self._pump = Pump(self.lake.deployed.intake_queue, take, batch=10)

    def give(self, what: str, files: int) -> None:
        """Give it files in one invocation."""
        for at in range(files):
            self.lake.land(f"orders_{what}_{at}.csv", BAD if at == 0 else GOOD)
        self.recorder.calls.clear()
        before = self._pump.told["done"]
        assert self._pump.once()
        assert self._pump.told["done"] - before == files, (what, self._pump.told, self._pump.errors)
        self.counts[what] = counted(self.recorder.calls)
        self.clock.sleep(5.0)

    def close(self) -> None:
        """End the function."""
        self._runtime.close()


@pytest.fixture(scope="module")
def economy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Economy]:
    """What was asked for a first file, one more, ten at once, and one after a new start.

    Time stands still as far as looks at tables are concerned: a machine that is held up looks more often.
    """
    with recorded() as recorder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("penstock.tables.aws.LOOK_SECONDS", 600.0)
        patch.setattr("penstock.tables.aws.PLAN_SECONDS", 600.0)
        lake = deploy(tmp_path_factory.mktemp("economy"), DECLARATION)
        aws.client("glue").create_database(DatabaseInput={"Name": lake.deployed.database("main")})
        made = Economy(lake, recorder)
        made.start("one")
        made.give("first", 1)
        made.give("one", 1)
        made.give("ten", 10)
        made.close()
        made.start("other")
        made.give("cold", 1)
        made.close()
        yield made


def counted(calls: list[Call]) -> Counter[str]:
    """Calls by kind, and the units of writing that DynamoDB bills for them."""
    found = Counter(f"{call.service}:{call.operation}" for call in calls)
    found["write units"] = sum(_units(call.operation, call.params) for call in calls if call.service == "dynamodb")
    return found


def _units(operation: str, params: Any) -> int:
    """One for each kilobyte begun, twice that in a transaction."""
    if operation == "TransactWriteItems":
        return sum(2 * _of(facts) for part in params["TransactItems"] for facts in part.values())
    return _of(params) if operation in {"PutItem", "UpdateItem", "DeleteItem"} else 0


def _of(facts: Any) -> int:
    return math.ceil(size_of(facts["Item"]) / 1024) if "Item" in facts else 1


@pytest.mark.parametrize(("what", "most"), [("first", FIRST), ("one", ONE), ("ten", TEN), ("cold", COLD)])
def test_no_more_is_asked_than_is_known_to_be_needed(economy: Economy, what: str, most: Most) -> None:
    """Each kind of call is made at most so often, and no other kind at all."""
    made = economy.counts[what]
    more = {kind: f"{times}, not {most.get(kind, 0)}" for kind, times in made.items() if times > most.get(kind, 0)}
    calls = sum(made.values()) - made["write units"]
    told = ", ".join(f"{times} {kind}" for kind, times in sorted(made.items()))
    say("economy on AWS", f"{what}: {calls} calls: {told}")
    assert more == {}


def test_what_is_allowed_is_near_to_what_is_made(economy: Economy) -> None:
    """A bound that is never nearly reached would let a change double the calls: then it has to come down."""
    for what, most in (("first", FIRST), ("one", ONE), ("ten", TEN), ("cold", COLD)):
        made = economy.counts[what]
        loose = {kind: (times, made[kind]) for kind, times in most.items() if times > made[kind] * 1.5 + 2}
        assert loose == {}, what
    assert sum(economy.counts["ten"].values()) < 4 * sum(economy.counts["one"].values()), "ten files share most of it"


def test_a_bill_reckons_with_what_is_asked(economy: Economy) -> None:
    """What `penstock cost` has for a file is not below what one file makes, nor, but for reads, above twice that.

    Reads are more in a table with many small files, which upkeep joins.
    """
    made = economy.counts["one"]
    of_catalog = sum(times for kind, times in made.items() if kind.startswith("glue:"))
    reading = sum(made[f"s3:{kind}Object"] for kind in ("Head", "Get"))
    reckoned = {
        "catalog": (model.CATALOG_CALLS_PER_FILE, of_catalog),
        "write units": (model.STATE_WRITES_PER_FILE, made["write units"]),
        "S3 reads": (model.READS_PER_FILE, reading),
        "S3 writes": (model.WRITES_PER_FILE, made["s3:PutObject"]),
    }
    assert {what: pair for what, pair in reckoned.items() if pair[0] < pair[1]} == {}
    assert {what: pair for what, pair in reckoned.items() if pair[0] > 2 * pair[1] and what != "S3 reads"} == {}


def test_every_row_is_in(economy: Economy) -> None:
    """What was counted is the whole way: rows in the table, and rows set aside."""
    with economy.lake.open(economy.clock) as lake:
        assert lake.query("SELECT count(*) FROM orders").fetchall() == [(4 + 9 * 2,)]
        assert lake.query("SELECT count(*) FROM quarantine.orders").fetchall() == [(4,)]


# --- What is not read before it is written ----------------------------------------------------

T = TableName.parse("t")
RUN = Run("r", T, "finished", Accounting(2, 2), 1.0, 1, ["a"], 7)


class Stores:
    """Workers that share one state store."""

    def __init__(self) -> None:
        """Make the store."""
        self.clock = HeldClock()
        self._table = state_table()

    def worker(self) -> DynamoState:
        """One more worker."""
        return DynamoState(self._table, self.clock)


def outcome(file: str, name: str = "between") -> CheckOutcome:
    """What came of a check."""
    return CheckOutcome(RUN.run, T, file, name, "between", "warn", "row", 2, 0, 1.0)


def asked(recorder: Recorder, work: Any) -> list[str]:
    """The calls that some work makes."""
    recorder.calls.clear()
    recorder.of("worker", work)()
    return [call.operation for call in recorder.calls]


def test_a_run_and_its_checks_are_new_and_are_not_looked_for() -> None:
    """They are written unread; added again, by whomever, they are what they are, and are counted once."""
    with recorded() as recorder:
        stores = Stores()
        one, other = stores.worker(), stores.worker()
        assert asked(recorder, lambda: one.runs.add(RUN)) == ["TransactWriteItems"]
        assert asked(recorder, lambda: one.checks.add([outcome("a"), outcome("b")])) == ["TransactWriteItems"]
        again = asked(recorder, lambda: other.runs.add(RUN))
        assert again == ["TransactWriteItems", "GetItem"], "refused, looked at, and left alone"
        with other.together():
            other.runs.add(RUN)
            other.checks.add([outcome("b"), outcome("c")])
    for store in (one, other):
        assert store.runs.list(T) == [RUN]
        assert {found.file for found in store.checks.list(T)} == {"a", "b", "c"}
        assert store._database.sums()["t"]["finished_runs"] == 1


def test_a_lease_that_this_worker_has_is_given_back_unread() -> None:
    """What stands there is known, as nobody else writes it while it is held; if somebody did, it stays theirs."""
    with recorded() as recorder:
        stores = Stores()
        one, other = stores.worker(), stores.worker()
        lease = one.leases.acquire("table t")
        assert lease is not None
        assert asked(recorder, lambda: one.leases.release(lease)) == ["PutItem"]
        late = one.leases.acquire("table t")
        assert late is not None
        stores.clock.sleep(LEASE_SECONDS + 1)
        theirs = other.leases.acquire("table t")
        assert theirs is not None
        assert asked(recorder, lambda: one.leases.release(late)) == ["PutItem", "GetItem"]
        assert other.leases.held(theirs)
        assert one.leases.acquire("table t") is None


def test_the_cache_of_heads_is_written_over_unread() -> None:
    """A head may be large, and is only a copy: whoever writes it next need not know what was there."""
    with recorded() as recorder:
        stores = Stores()
        one, other = stores.worker(), stores.worker()
        heads = [Head(T, f"s3://b/{at}.json", at, 1.0, (), ()) for at in range(4)]
        one.heads.put(heads[0])
        assert asked(recorder, lambda: one.heads.put(heads[1])) == ["PutItem"]
        other.heads.put(heads[2])
        assert asked(recorder, lambda: one.heads.put(heads[3])) == ["PutItem"]
        assert stores.worker().heads.get(T, heads[3].pointer) == heads[3]
        assert stores.worker().heads.get(T, heads[2].pointer) is None
        one.heads.forget()
        assert stores.worker().heads.get(T, heads[3].pointer) is None
