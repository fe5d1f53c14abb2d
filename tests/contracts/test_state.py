"""The contract of `State` (arrivals, leases, runs, heads), on every implementation."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from penstock.clock import HeldClock
from penstock.errors import DamagedStateError, StateError
from penstock.naming import ArrivalName, TableName
from penstock.state import Accounting, CheckOutcome, DataFile, Event, Head, Run, SqliteState, State
from penstock.state.sqlite import sums
from penstock.state.sqlite.database import _CHANGES, FIRST_SCHEMA
from penstock.state.store import Arrival, ArrivalState, Column
from tests.contracts.conftest import Stores

T = TableName.parse("t")
OTHER = TableName.parse("layer.t")
LONG = 3600.0


def version(text: str) -> str:
    """A content hash, as versions are."""
    return ArrivalName.of(text, "").key_id * 4


def record(store: State, key: str, content: str, table: TableName = T) -> bool:
    """Record a version of a file."""
    return store.arrivals.record(table, key, version(content), len(content), 1, f"mark-{content}")


def states(store: State, table: TableName = T) -> list[tuple[str, ArrivalState]]:
    """Key and state of every arrival."""
    return [(arrival.key, arrival.state) for arrival in store.arrivals.find(table)]


def claim_one(store: State) -> Arrival:
    """Claim the arrival that waits."""
    (arrival,) = store.arrivals.claim(T, 10)
    return arrival


# --- Arrivals: recording -----------------------------------------------------------------------


def test_a_version_is_recorded_once(store: State) -> None:
    """The same content again is nothing new; it only refreshes the mark."""
    assert store.arrivals.record(T, "a", version("one"), 3, 1, "mark 1")
    assert not store.arrivals.record(T, "a", version("one"), 3, 2, "mark 2")
    (arrival,) = store.arrivals.find(T)
    assert (arrival.key, arrival.version, arrival.size, arrival.generation) == ("a", version("one"), 3, 0)
    assert (arrival.mark, arrival.state, arrival.attempts) == ("mark 2", "pending", 0)
    assert arrival.name == ArrivalName.of("a", version("one"))


def test_tables_are_apart(store: State) -> None:
    """The same file for two tables is two arrivals."""
    assert record(store, "a", "one")
    assert record(store, "a", "one", OTHER)
    assert [arrival.table for arrival in store.arrivals.find()] == [T, OTHER]
    assert [arrival.table for arrival in store.arrivals.claim(OTHER, 10)] == [OTHER]
    assert states(store) == [("a", "pending")]


def test_a_newer_version_supersedes_a_waiting_one(store: State) -> None:
    """Of two versions that were not processed, only the newer one is."""
    record(store, "a", "one")
    record(store, "a", "two")
    assert states(store) == [("a", "superseded"), ("a", "pending")]
    assert claim_one(store).version == version("two")


def test_content_that_returns_is_a_new_generation(store: State) -> None:
    """A, then B, then A again: the third is processed again, under a name of its own."""
    for content in ("A", "B", "A"):
        assert record(store, "a", content)
        arrival = claim_one(store)
        store.arrivals.finish(arrival, "run", Accounting(), None)
    found = store.arrivals.find(T)
    assert [(a.version, a.generation) for a in found] == [(version("A"), 0), (version("B"), 0), (version("A"), 1)]
    assert [a.state for a in found] == ["superseded", "superseded", "finished"]
    assert len({a.name for a in found}) == 3


def test_names_are_kept_exactly(store: State) -> None:
    """Keys may hold quotes, line ends and any script."""
    keys = ["d/é ü.csv", 'it\'s "a" %_.csv', "new\nline.csv", "日本.csv"]
    for key in keys:
        record(store, key, "x")
    assert [arrival.key for arrival in store.arrivals.find(T)] == keys


# --- Arrivals: claiming ------------------------------------------------------------------------


def test_claims_are_oldest_first_and_limited(store: State) -> None:
    """A claim takes at most what it asks for, in the order recorded, and nobody gets it twice."""
    for key in "cab":
        record(store, key, key)
    assert [a.key for a in store.arrivals.claim(T, 2)] == ["c", "a"]
    assert [a.key for a in store.arrivals.claim(T, 2)] == ["b"]
    assert store.arrivals.claim(T, 2) == []


def test_a_claim_carries_its_attempt(store: State) -> None:
    """A claimed arrival is working, counted, and has a token of 8 hexadecimal digits that no other claim has."""
    for at in range(20):
        record(store, str(at), "x")
    claimed = store.arrivals.claim(T, 20)
    assert {(a.state, a.attempts) for a in claimed} == {("working", 1)}
    tokens = {a.attempt for a in claimed}
    assert len(tokens) == 20
    assert all(len(token) == 8 and int(token, 16) >= 0 for token in tokens)
    assert all(store.arrivals.held(a) for a in claimed)


def test_many_threads_share_the_work(stores: Stores) -> None:
    """Eight workers in eight threads: every arrival goes to exactly one of them."""
    first = stores.worker()
    for at in range(120):
        record(first, str(at), "x")
    got: Counter[str] = Counter()
    workers = [stores.worker() for _ in range(8)]

    def work(store: State) -> None:
        while claimed := store.arrivals.claim(T, 3):
            got.update(a.key for a in claimed)

    threads = [threading.Thread(target=work, args=(store,)) for store in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == Counter(str(at) for at in range(120))


PROGRAM = """
import sys, time
from pathlib import Path
from penstock.clock import HeldClock
from penstock.errors import DamagedStateError
from penstock.naming import TableName
from tests.contracts.registry import STATES
store = STATES[sys.argv[1]](Path(sys.argv[2]), HeldClock())
table = TableName.parse("t")
if sys.argv[3] == "drain":
    while claimed := store.arrivals.claim(table, 2):
        print(*(a.key for a in claimed), sep="\\n")
    print("end", flush=True)
else:
    print(len(store.arrivals.claim(table, 10)), store.leases.acquire("table t").token, flush=True)
time.sleep(100)  # a worker that ends frees its claims
"""


def start(stores: Stores, *arguments: str) -> subprocess.Popen[str]:
    """Start a worker that is a process of its own."""
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.append('.')\n{PROGRAM}"]
    command += [stores.name, str(stores.folder), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_many_processes_share_the_work(stores: Stores) -> None:
    """Four processes: every arrival goes to exactly one of them."""
    first = stores.worker()
    for at in range(60):
        record(first, str(at), "x")
    workers = [start(stores, "drain") for _ in range(4)]
    got = [key for worker in workers for key in until_end(worker)]
    for worker in workers:
        worker.kill()
        worker.communicate()
    assert Counter(got) == Counter(str(at) for at in range(60))


def until_end(worker: subprocess.Popen[str]) -> list[str]:
    """What a worker prints before it says that it has reached its end."""
    assert worker.stdout is not None
    lines = (line.strip() for line in worker.stdout)
    return list(takewhile(lambda line: line != "end", lines))


def test_a_killed_process_frees_what_it_held(stores: Stores) -> None:
    """SIGKILL takes a worker: its arrivals and leases are free once the store can know, on one machine at once."""
    store = stores.worker()
    for key in "ab":
        record(store, key, key)
    worker = start(stores, "hold")
    assert worker.stdout is not None
    assert worker.stdout.readline().split() == ["2", "1"]
    assert store.arrivals.claim(T, 10) == []
    assert store.leases.acquire("table t") is None
    worker.kill()
    worker.communicate()
    stores.mourn()
    taken = store.arrivals.claim(T, 10)
    assert [(a.key, a.attempts) for a in taken] == [("a", 2), ("b", 2)]
    lease = store.leases.acquire("table t")
    assert lease is not None
    assert lease.token == 2


def test_a_claim_runs_out(stores: Stores, clock: HeldClock) -> None:
    """A worker that hangs loses its claims after a while, not before; its attempt no longer counts for anything."""
    slow, other = stores.worker(), stores.worker()
    record(slow, "a", "one")
    lost = claim_one(slow)
    clock.sleep(30)
    assert other.arrivals.claim(T, 10) == []
    clock.sleep(LONG)
    taken = claim_one(other)
    assert (taken.attempts, taken.attempt == lost.attempt) == (2, False)
    assert not slow.arrivals.held(lost)
    slow.arrivals.give_back(lost, "too late")
    slow.arrivals.bury(lost, "too late", "plan", "run")
    assert other.arrivals.held(taken)
    assert states(other) == [("a", "working")]


def test_renewing_keeps_claims_and_leases(stores: Stores, clock: HeldClock) -> None:
    """A worker that says in time that it lives keeps everything it holds."""
    alive, other = stores.worker(), stores.worker()
    record(alive, "a", "one")
    claimed, lease = claim_one(alive), alive.leases.acquire("x")
    assert lease is not None
    for _ in range(10):
        clock.sleep(30)
        alive.leases.renew()
    assert other.arrivals.claim(T, 10) == []
    assert other.leases.acquire("x") is None
    assert alive.arrivals.held(claimed)
    assert alive.leases.held(lease)


def test_a_closed_store_frees_what_it_held(stores: Stores) -> None:
    """A worker that stops in order gives its claims back, uncounted, and its leases."""
    leaving, other = stores.worker(), stores.worker()
    record(leaving, "a", "one")
    claim_one(leaving)
    leaving.leases.acquire("x")
    leaving.close()
    stores._opened.remove(leaving)
    assert claim_one(other).attempts == 1
    assert other.leases.acquire("x") is not None


# --- Arrivals: ends ----------------------------------------------------------------------------


def test_a_newer_version_takes_a_claim_away(store: State) -> None:
    """While a version is worked on, a newer one lands: the attempt may no longer commit."""
    record(store, "a", "one")
    old = claim_one(store)
    record(store, "a", "two")
    assert not store.arrivals.held(old)
    assert states(store) == [("a", "superseded"), ("a", "pending")]
    store.arrivals.give_back(old, "late")
    assert states(store) == [("a", "superseded"), ("a", "pending")]


def test_many_attempts_are_asked_about_at_once(stores: Stores, clock: HeldClock) -> None:
    """Of a hundred arrivals it is told which their attempts still hold: not what ended, nor what others took."""
    one, other = stores.worker(), stores.worker()
    for at in range(130):
        record(one, f"{at:03}", "x")
    mine = one.arrivals.claim(T, 126)
    theirs = other.arrivals.claim(T, 10)
    clock.sleep(30)
    one.leases.renew()
    one.arrivals.finish(mine[0], "run", Accounting(), None)
    one.arrivals.give_back(mine[1], "later", 60.0)
    record(one, mine[2].key, "newer")
    assert one.arrivals.held_among(mine) == {arrival.sequence for arrival in mine[3:]}
    assert one.arrivals.held_among([replace(arrival, attempt="other") for arrival in mine]) == set()
    assert one.arrivals.held_among(theirs) == {arrival.sequence for arrival in theirs}  # it asks of attempts, not of us
    assert one.arrivals.held_among([]) == set()


def test_finish_keeps_the_account(store: State) -> None:
    """A finished arrival knows its run, its account, its quarantine file and when it ended."""
    record(store, "a", "one")
    account = Accounting(10, 7, {"require a": 2}, 1, 100, 50)
    store.arrivals.finish(claim_one(store), "run 1", account, "stem")
    (arrival,) = store.arrivals.find(T, ("finished",))
    assert arrival.accounting == account
    assert (arrival.run, arrival.quarantine_stem, arrival.reason) == ("run 1", "stem", None)
    assert arrival.finished_at == HeldClock().now()
    assert not store.arrivals.held(arrival)


@pytest.mark.parametrize(("replaces", "expected"), [(True, "superseded"), (False, "finished")])
def test_finishing_replaces_earlier_versions(store: State, *, replaces: bool, expected: str) -> None:
    """The newer version's end supersedes the older one of the same key, unless both count; other keys stay."""
    for key, content in (("a", "one"), ("b", "one"), ("a", "two")):
        record(store, key, content)
        store.arrivals.finish(claim_one(store), "run", Accounting(), None, replaces=replaces)
    assert states(store) == [("a", expected), ("b", "finished"), ("a", "finished")]


def test_given_back_work_waits(store: State, clock: HeldClock) -> None:
    """An attempt that failed counts, keeps its reason, and is not claimed again before its delay is over."""
    record(store, "a", "one")
    store.arrivals.give_back(claim_one(store), "disk full", 10.0)
    (arrival,) = store.arrivals.find(T)
    assert (arrival.state, arrival.attempts, arrival.reason) == ("pending", 1, "disk full")
    clock.sleep(9.9)
    assert store.arrivals.claim(T, 1) == []
    clock.sleep(0.2)
    assert claim_one(store).attempts == 2


def test_uncounted_attempts_cost_nothing(store: State) -> None:
    """What was nobody's fault does not bring an arrival nearer to its end."""
    record(store, "a", "one")
    for _ in range(7):
        arrival = claim_one(store)
        assert arrival.attempts == 1
        store.arrivals.give_back(arrival, "the file was touched", counted=False)


def test_dead_letters(store: State) -> None:
    """A buried arrival keeps why, under which plan and run; it is not claimed, and can be replayed."""
    record(store, "a", "one")
    store.arrivals.bury(claim_one(store), "no header", "plan 1", "run 1")
    (dead,) = store.arrivals.find(T, ("dead",))
    assert (dead.reason, dead.plan, dead.run) == ("no header", "plan 1", "run 1")
    assert store.arrivals.claim(T, 1) == []
    store.arrivals.requeue(dead, dead.generation)
    again = claim_one(store)
    assert (again.attempts, again.generation, again.name) == (1, 0, dead.name)


def test_a_newer_version_buries_the_dead_one(store: State) -> None:
    """A corrected file makes the dead letter of its earlier version a thing of the past."""
    record(store, "a", "bad")
    store.arrivals.bury(claim_one(store), "no header", "plan", "run")
    record(store, "a", "good")
    assert states(store) == [("a", "superseded"), ("a", "pending")]


def test_requeue_with_a_higher_generation(store: State) -> None:
    """Processing the same content anew gives the arrival another name."""
    record(store, "a", "one")
    store.arrivals.finish(claim_one(store), "run", Accounting(), None)
    (done,) = store.arrivals.find(T)
    store.arrivals.requeue(done, 1)
    again = claim_one(store)
    assert (again.generation, again.sequence) == (1, done.sequence)
    assert again.name != done.name


def test_quarantined_rows_get_another_file(store: State) -> None:
    """The file of an arrival's quarantined rows is named anew, or no more, as long as nobody was there before."""
    record(store, "a", "one")
    store.arrivals.finish(claim_one(store), "run", Accounting(), "first")
    (done,) = store.arrivals.find(T)
    assert store.arrivals.requarantine(done, "second")
    assert not store.arrivals.requarantine(done, "third")
    (now,) = store.arrivals.find(T)
    assert (now.quarantine_stem, now.finished_at, now.run) == ("second", done.finished_at, "run")
    assert store.arrivals.requarantine(now, None)
    (bare,) = store.arrivals.find(T)
    assert bare.quarantine_stem is None
    store.arrivals.requeue(bare, 1)
    assert not store.arrivals.requarantine(bare, "fourth")
    (waiting,) = store.arrivals.find(T)
    assert waiting.quarantine_stem is None


def test_find_chooses(store: State) -> None:
    """Arrivals are found by table, by state, by both, or all."""
    record(store, "a", "one")
    claim_one(store)
    record(store, "b", "one")
    record(store, "c", "one", OTHER)
    assert [a.key for a in store.arrivals.find()] == ["a", "b", "c"]
    assert [a.key for a in store.arrivals.find(states=("pending",))] == ["b", "c"]
    assert [a.key for a in store.arrivals.find(T, ("pending", "working"))] == ["a", "b"]
    assert store.arrivals.find(T, ("dead",)) == []


# --- Leases ------------------------------------------------------------------------------------


def test_one_holder_at_a_time(stores: Stores) -> None:
    """A lease that is held is nobody else's, its holder's included; another name is free."""
    one, two = stores.worker(), stores.worker()
    lease = one.leases.acquire("x")
    assert lease is not None
    assert one.leases.acquire("x") is None
    assert two.leases.acquire("x") is None
    assert two.leases.acquire("y") is not None
    assert one.leases.held(lease)


def test_released_leases_are_free(stores: Stores) -> None:
    """The next holder has a higher token; releasing again, or what is no longer ours, does nothing."""
    one, two = stores.worker(), stores.worker()
    first = one.leases.acquire("x")
    assert first is not None
    one.leases.release(first)
    assert not one.leases.held(first)
    second = two.leases.acquire("x")
    assert second is not None
    assert second.token > first.token
    one.leases.release(first)
    assert two.leases.held(second)


def test_a_lease_runs_out(stores: Stores, clock: HeldClock) -> None:
    """A holder that hangs loses its lease: after the takeover it is no longer held, and cannot be given back."""
    slow, other = stores.worker(), stores.worker()
    old = slow.leases.acquire("x")
    assert old is not None
    clock.sleep(30)
    assert other.leases.acquire("x") is None
    clock.sleep(LONG)
    new = other.leases.acquire("x")
    assert new is not None
    assert new.token > old.token
    assert not slow.leases.held(old)
    slow.leases.renew()
    slow.leases.release(old)
    assert other.leases.held(new)


# --- Runs --------------------------------------------------------------------------------------


def test_runs_come_back_newest_first(store: State) -> None:
    """The ledger keeps every field, gives the newest first, of one table if asked, and no more than the limit."""
    account = Accounting(5, 3, {"filter é": 1}, 1, 10, 20)
    first = Run("r1", T, "finished", account, 1.5, 20, ["a", "b"], 2**62, None)
    second = Run("r2", OTHER, "failed", Accounting(), 2.5, 0, ["c"], None, "no header")
    third = Run("r3", T, "empty", Accounting(), 2.5, 1, [], None, None)
    for run in (first, second, third):
        store.runs.add(run)
    assert store.runs.list() == [third, second, first]
    assert store.runs.list(T) == [third, first]
    assert store.runs.list(limit=1) == [third]
    assert store.runs.list(TableName.parse("nowhere")) == []


# --- Checks ------------------------------------------------------------------------------------


def outcome(run: str, name: str, table: TableName = T, **facts: Any) -> CheckOutcome:
    """What came of a check."""
    plain: dict[str, Any] = {"file": "a.csv", "kind": "not_null", "on_breach": "warn", "when": "after"}
    plain |= {"rows": 10, "breaches": 0, "at": 1.0}
    return CheckOutcome(**{"run": run, "name": name, "table": table, **plain, **facts})


def test_outcomes_of_checks_come_back_newest_first(store: State) -> None:
    """Runs are newest first, the checks of a run in order; a table or a run may be asked for."""
    first = [outcome("r1", "b"), outcome("r1", "a", breaches=2, reason="a has no value")]
    second = [outcome("r2", "a", at=2.0, file="é\n.csv"), outcome("r2", "a", OTHER, at=2.0, file="x.csv")]
    store.checks.add(first)
    store.checks.add(second)
    assert store.checks.list() == [*second, *first]
    assert store.checks.list(T) == [second[0], *first]
    assert store.checks.list(run="r1") == first
    assert store.checks.list(OTHER, run="r1") == []
    assert store.checks.list(limit=1) == second[:1]


def test_an_outcome_is_kept_once(store: State) -> None:
    """What is added again for the same run, file and check takes the place of the first."""
    store.checks.add([outcome("r1", "a")])
    store.checks.add([outcome("r1", "a", breaches=3)])
    (kept,) = store.checks.list()
    assert kept.breaches == 3


@pytest.mark.parametrize(
    ("on_breach", "breaches", "result"),
    [
        ("warn", 0, "held"),
        ("halt", 0, "held"),
        ("warn", 1, "warned"),
        ("quarantine", 1, "quarantined"),
        ("halt", 1, "halted"),
    ],
)
def test_an_outcome_says_what_was_done(on_breach: str, breaches: int, result: str) -> None:
    """A check that was not broken held; else what was declared was done."""
    assert outcome("r", "a", on_breach=on_breach, breaches=breaches).result == result


def test_outcomes_are_part_of_what_happens_together(store: State) -> None:
    """What is undone leaves no outcome behind."""

    def undone() -> None:
        with store.together():
            store.checks.add([outcome("r1", "a")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()
    assert store.checks.list() == []


def test_a_store_of_the_first_version_learns_of_checks(tmp_path: Path) -> None:
    """A database that was written before there were checks keeps what it holds and can hold their outcomes."""
    with closing(sqlite3.connect(tmp_path / "state.db")) as old:
        old.executescript(f"{FIRST_SCHEMA} PRAGMA user_version=1;")
        columns = '"table", key, version, size, modified_ns, mark, recorded_at'
        old.execute(f"INSERT INTO arrivals ({columns}) VALUES ('t', 'a', 'one', 1, 1, 'm', 1.0)")
        old.commit()
    with closing(SqliteState(tmp_path)) as opened:
        assert states(opened) == [("a", "pending")]
        opened.checks.add([outcome("r1", "a")])
        assert opened.checks.list() == [outcome("r1", "a")]
    with closing(SqliteState(tmp_path)) as again:
        assert again.checks.list() == [outcome("r1", "a")]


def _store_of_version_4(file: Path, *, damaged: bool) -> None:
    """A database as it was before there were events, with one arrival, whose sum does not hold if `damaged`."""
    values = (1, "t", "a", "one", 0, 1, 1, "m", "pending", 0, "", "", 0.0, 0.0, 1.0, None, None, None, None, None, None)
    with closing(sqlite3.connect(file)) as old:
        old.executescript(";".join([FIRST_SCHEMA, _CHANGES[2], _CHANGES[3]]))
        for table in sums.BEFORE_SUMS:
            old.execute(f"ALTER TABLE {table} ADD COLUMN sum INTEGER")
        old.execute("ALTER TABLE heads ADD COLUMN files_sum INTEGER")
        old.execute(
            f"INSERT INTO arrivals VALUES ({', '.join('?' * len(values))}, ?)",
            (*values, sums.sum_of(*values) + damaged),
        )
        old.execute("CREATE TRIGGER arrivals_added AFTER INSERT ON arrivals BEGIN SELECT RAISE(ABORT, 'old'); END")
        old.execute("PRAGMA user_version=4")
        old.commit()


def test_a_store_of_the_fourth_version_learns_of_events(tmp_path: Path) -> None:
    """A database that was written before there were events keeps what it holds, with sums, and can hold events."""
    _store_of_version_4(tmp_path / "state.db", damaged=False)
    with closing(SqliteState(tmp_path)) as opened:
        assert states(opened) == [("a", "pending")]
        assert record(opened, "b", "one")
        opened.events.add("arrived", T, {})
        assert opened.faults() == []
    with closing(SqliteState(tmp_path)) as again:
        assert states(again) == [("a", "pending"), ("b", "pending")]
        assert len(again.events.after(0)) == 1


def test_a_store_that_somebody_has_open_is_not_changed(tmp_path: Path) -> None:
    """Whoever has an older store open, at work or not, keeps finding it as it knows it; after that, it is changed."""
    _store_of_version_4(tmp_path / "state.db", damaged=False)
    with closing(sqlite3.connect(tmp_path / "state.db")) as old:
        old.execute("PRAGMA journal_mode=WAL")
        old.execute("SELECT * FROM arrivals").fetchall()
        with pytest.raises(StateError, match="of an older version, and in use by another process"):
            SqliteState(tmp_path)
        assert old.execute("PRAGMA user_version").fetchone() == (4,)
    with closing(SqliteState(tmp_path)) as opened, closing(sqlite3.connect(opened.file)) as read:
        assert states(opened) == [("a", "pending")]
        assert read.execute("PRAGMA user_version").fetchone() == (5,)
        assert read.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_older_store_is_changed_once_by_many(tmp_path: Path) -> None:
    """Several that open an older store at the same moment all get it as it is now."""
    _store_of_version_4(tmp_path / "state.db", damaged=False)
    together = threading.Barrier(4)

    def open_it(_number: int) -> list[tuple[str, ArrivalState]]:
        together.wait()
        with closing(SqliteState(tmp_path)) as opened:
            return states(opened)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(open_it, range(4))) == [[("a", "pending")]] * 4


def test_a_damaged_store_of_the_fourth_version_is_not_summed_anew(tmp_path: Path) -> None:
    """A row that is not as it was written does not become right by a change of the schema."""
    _store_of_version_4(tmp_path / "state.db", damaged=True)
    with pytest.raises(DamagedStateError, match="row 1 of arrivals is not as it was written"):
        SqliteState(tmp_path)


# --- Heads -------------------------------------------------------------------------------------


def test_heads_are_found_by_pointer(store: State) -> None:
    """A head comes back whole for its own pointer only; a later one takes its place."""
    columns = (Column(1, "é", "BIGINT"), Column(7, "b", "DECIMAL(12,2)"))
    files = (DataFile("/a", 1, 10), DataFile("/b", 2, 20))
    old = Head(T, "p1", 2**62, 1.5, columns, files)
    store.heads.put(old)
    assert store.heads.get(T, "p1") == old
    assert (old.rows, old.bytes) == (3, 30)
    new = Head(T, "p2", None, None, columns[:1], (files[1], DataFile("/c", 3, 30)))
    store.heads.put(new)
    assert store.heads.get(T, "p1") is None
    assert store.heads.get(T, "p2") == new
    assert store.heads.get(OTHER, "p2") is None


def test_a_head_without_files(store: State) -> None:
    """An empty table has a head too."""
    head = Head(T, "p", None, None, (Column(1, "a", "DATE"),), ())
    store.heads.put(head)
    assert store.heads.get(T, "p") == head


# --- The whole store ---------------------------------------------------------------------------


def test_what_is_kept_outlives_the_worker(stores: Stores) -> None:
    """Everything is there for the next process."""
    one = stores.worker()
    record(one, "a", "one")
    one.runs.add(Run("r", T, "finished", Accounting(), 1.0, 1, ["a"]))
    one.close()
    stores._opened.remove(one)
    two = stores.worker()
    assert states(two) == [("a", "pending")]
    assert [run.run for run in two.runs.list()] == ["r"]


def test_a_store_that_is_being_made_is_waited_for(tmp_path: Path) -> None:
    """While one process makes the SQLite store, another one that opens it waits instead of failing."""
    first = sqlite3.connect(tmp_path / "state.db", isolation_level=None, check_same_thread=False)
    first.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.5, lambda: first.execute("COMMIT"))
    release.start()
    try:
        SqliteState(tmp_path).close()
    finally:
        release.join()
        first.close()


# --- Events ------------------------------------------------------------------------------------


def test_events_are_kept_in_order(store: State, clock: HeldClock) -> None:
    """Events come back whole, in the order recorded, from any point on."""
    first = store.events.add("arrived", T, {"files": ["é\n\udcff"], "bytes": 1})
    clock.sleep(5)
    second = store.events.add("ok", None, {})
    assert store.events.after(0) == [
        Event(first, "arrived", T, clock.now() - 5, {"files": ["é\n\udcff"], "bytes": 1}),
        Event(second, "ok", None, clock.now(), {}),
    ]
    assert [event.sequence for event in store.events.after(first)] == [second]
    assert [event.sequence for event in store.events.after(0, 1)] == [first]


def test_a_consumer_starts_at_the_newest_event(stores: Stores) -> None:
    """Who comes new hears what happens from then on, whichever process asks, and goes on where it was."""
    one, two = stores.worker(), stores.worker()
    one.events.add("arrived", T, {})
    begun = one.events.cursor("new")
    assert one.events.after(begun) == []
    added = one.events.add("dead", T, {})
    assert two.events.cursor("new") == begun
    two.events.advance("new", added)
    assert one.events.cursor("new") == added
    one.events.advance("new", begun)
    assert two.events.cursor("new") == added, "a late answer of another process takes nothing back"


def test_a_consumer_of_an_emptied_record_misses_nothing(store: State, clock: HeldClock) -> None:
    """A consumer that starts after old events were forgotten stands behind them, not before the next one."""
    gone = store.events.add("arrived", T, {})
    store.events.advance("notices", gone)
    clock.sleep(10)
    assert store.events.trim(clock.now()) == 1
    assert store.events.cursor("late") == gone
    added = store.events.add("arrived", T, {})
    assert [event.sequence for event in store.events.after(store.events.cursor("late"))] == [added]


def test_notices_hear_of_everything(store: State) -> None:
    """Notices are told from the first event on, also when nobody looked after them while it happened."""
    store.events.add("arrived", T, {})
    assert store.events.cursor("notices") == 0


def test_events_wait_for_the_slowest_consumer(store: State, clock: HeldClock) -> None:
    """What somebody has not acted on stays, however old, up to the last moment."""
    store.events.cursor("slow")
    quick = store.events.cursor("quick")
    added = store.events.add("dead", T, {})
    for consumer in ("quick", "notices"):
        store.events.advance(consumer, added)
    clock.sleep(1_000)
    assert quick < added
    assert store.events.trim(clock.now()) == 0
    assert [event.sequence for event in store.events.after(0)] == [added]
    assert store.events.trim(clock.now(), at_latest=clock.now()) == 1
    assert store.events.after(0) == []


def test_old_events_are_forgotten_without_reading_all(tmp_path: Path) -> None:
    """What is old is found by its time, however many events there are."""
    with closing(SqliteState(tmp_path)) as store, closing(sqlite3.connect(store.file)) as read:
        plan = read.execute("EXPLAIN QUERY PLAN DELETE FROM events WHERE at<1 OR at<2 AND sequence<=3").fetchall()
    steps = [row[3] for row in plan]
    assert sum("INDEX events_by_time (at<?)" in step for step in steps) == 2, steps


def test_events_of_an_undone_transaction_never_happened(store: State) -> None:
    """An event is recorded with what it tells of, or not at all; listeners are called only for those recorded."""
    heard: list[list[str]] = []
    store.events.listen(lambda told: heard.append([facts["event"] for facts in told]))

    def undone() -> None:
        with store.together():
            store.events.add("dead", T, {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()
    assert (store.events.after(0), heard) == ([], [])
    with store.together():
        store.events.add("failed", T, {})
        store.events.add("dead", T, {})
        assert heard == []
    assert heard == [["failed", "dead"]]
    record(store, "a", "one")
    assert heard == [["failed", "dead"]], "a transaction that tells nothing calls nobody"


def test_a_finished_file_says_whether_it_was_dead(store: State) -> None:
    """The first success after a dead letter is told as such, once; an attempt that failed is no dead letter."""

    def finish() -> bool | None:
        (claimed,) = store.arrivals.claim(T, 1)
        return store.arrivals.finish(claimed, "r", Accounting(), None)

    def bury() -> None:
        (claimed,) = store.arrivals.claim(T, 1)
        store.arrivals.bury(claimed, "why", "plan", "r")

    record(store, "a", "one")
    (claimed,) = store.arrivals.claim(T, 1)
    store.arrivals.give_back(claimed, "a lock")
    assert finish() is False
    record(store, "a", "two")
    bury()
    record(store, "a", "three")
    assert finish(), "a newer version took the dead one's place"
    (arrival,) = store.arrivals.find(T, ("finished",))
    store.arrivals.requeue(arrival, 1)
    assert finish() is False
    record(store, "b", "one")
    bury()
    (arrival,) = store.arrivals.find(T, ("dead",))
    store.arrivals.requeue(arrival, 0)
    assert finish(), "the same version was tried again"
