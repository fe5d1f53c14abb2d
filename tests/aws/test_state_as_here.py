"""The store on AWS answers as the one on this machine does: the same calls, step by step, on both.

What differs by design is left out or made equal: names of workers and attempts are each store's own; sequences may have
gaps on AWS, so they are compared by their order; and a worker's death is seen here at once, there by its silence, so
workers fall silent in these steps, and do not die.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from penstock.clock import HeldClock
from penstock.naming import TableName
from penstock.state import Accounting, CheckOutcome, Run, SqliteState, State, Trouble
from penstock.state.aws import DynamoState
from penstock.state.messages import Message
from penstock.state.store import Arrival, ArrivalState, Lease
from tests.aws.tables import state_table
from tests.told import say

EXAMPLES = int(os.environ.get("PENSTOCK_STATE_EXAMPLES", "40"))
STEPS = int(os.environ.get("PENSTOCK_STATE_STEPS", "20"))
TABLES = [TableName.parse("t"), TableName.parse("layer.t")]
KEYS = ["a.csv", "b é.csv"]
CONTENTS = ["one", "two", "three"]
WORKERS = [0, 1, 2]
STATES: tuple[ArrivalState, ...] = ("pending", "working", "finished", "dead", "superseded", "discarded")
tables, keys, contents = st.sampled_from(TABLES), st.sampled_from(KEYS), st.sampled_from(CONTENTS)
workers = st.sampled_from(WORKERS)
calls = 0


class _UndoneError(Exception):
    """Takes back what happened together."""


class Pair(RuleBasedStateMachine):
    """Both stores, each with the same workers, whose clocks are one."""

    @initialize()
    def begin(self) -> None:
        """Open both stores."""
        self.clock = HeldClock()
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)  # noqa: S108
        table = state_table()
        self.here: list[State] = [SqliteState(Path(self.folder.name), self.clock) for _ in WORKERS]
        self.there: list[State] = [DynamoState(table, self.clock) for _ in WORKERS]
        self.claims: list[tuple[Arrival, Arrival]] = []
        self.leases: list[tuple[int, Lease, Lease]] = []
        self.sequences: dict[int, int] = {}
        self.runs = 0

    def teardown(self) -> None:
        """Compare everything once more, and close both stores."""
        if hasattr(self, "leases"):
            self.look_at_all(0)
            for table in TABLES:
                self.look_at_a_table(table, 1)
        for store in [*getattr(self, "here", []), *getattr(self, "there", [])]:
            store.close()
        if hasattr(self, "folder"):
            self.folder.cleanup()

    # --- Comparing -----------------------------------------------------------------------------

    def same(self, worker: int, make: Callable[[State], Any]) -> Any:
        """Make a call of both; their answers must be equal."""
        global calls  # noqa: PLW0603 - counted over all examples
        calls += 1
        here, there = make(self.here[worker]), make(self.there[worker])
        assert self.plain(there, theirs=True) == self.plain(here)
        return here

    def plain(self, answer: Any, *, theirs: bool = False) -> Any:
        """An answer without what is each store's own."""
        if isinstance(answer, list):
            return [self.plain(one, theirs=theirs) for one in answer]
        if isinstance(answer, Arrival):
            sequence = self.sequences.get(answer.sequence, answer.sequence) if theirs else answer.sequence
            bare = replace(answer, sequence=sequence, attempt="", worker="", reason=_reason(answer.reason))
            return replace(bare, worker="held") if answer.worker else bare
        return answer

    def pairs(self, *states: ArrivalState) -> list[tuple[Arrival, Arrival]]:
        """Every arrival in some states, as both know it."""
        here, there = self.here[0].arrivals.find(states=states), self.there[0].arrivals.find(states=states)
        assert len(here) == len(there)
        return list(zip(here, there, strict=True))

    def on_both(self, worker: int, pair: tuple[Arrival, Arrival], make: Callable[[State, Arrival], Any]) -> Any:
        """Make a call about an arrival of both; their answers must be equal."""
        global calls  # noqa: PLW0603
        calls += 1
        here, there = make(self.here[worker], pair[0]), make(self.there[worker], pair[1])
        assert there == here
        return here

    # --- Files ---------------------------------------------------------------------------------

    @rule(worker=workers, table=tables, key=keys, content=contents, mark=st.integers(0, 2))
    def record(self, worker: int, table: TableName, key: str, content: str, mark: int) -> None:
        """A version lands, or is seen again."""
        version = (content * 16)[:16] * 4
        self.same(worker, lambda store: store.arrivals.record(table, key, version, len(content), 1, f"mark {mark}"))
        here, there = self.here[0].arrivals.find(), self.there[0].arrivals.find()
        self.sequences |= {theirs.sequence: ours.sequence for ours, theirs in zip(here, there, strict=True)}

    @rule(worker=workers, table=tables, limit=st.integers(1, 4), size=st.sampled_from([None, 3, 8]))
    def claim(self, worker: int, table: TableName, limit: int, size: int | None) -> None:
        """A worker takes what waits."""
        here = self.here[worker].arrivals.claim(table, limit, size)
        there = self.there[worker].arrivals.claim(table, limit, size)
        assert self.plain(there, theirs=True) == self.plain(here)
        self.claims += list(zip(here, there, strict=True))

    @precondition(lambda self: self.claims)
    @rule(worker=workers, table=tables)
    def take_over(self, worker: int, table: TableName) -> None:
        """Workers fall silent, and another one takes what they had."""
        self.clock.sleep(61)
        self.claim(worker, table, 4, None)

    @precondition(lambda self: self.claims)
    @rule(
        data=st.data(),
        worker=workers,
        rows=st.integers(0, 3),
        aside=st.integers(0, 2),
        replaces=st.booleans(),
        end=st.sampled_from(["finish", "finish", "give back", "uncounted", "bury", "held"]),
    )
    def end(self, data: st.DataObject, worker: int, rows: int, aside: int, replaces: bool, end: str) -> None:  # noqa: FBT001
        """An attempt ends, in time or late."""
        pair = data.draw(st.sampled_from(self.claims[-5:]))
        account = Accounting(rows + aside, rows, {}, aside, warned={"odd": aside} if aside else {})
        ends: dict[str, Callable[[State, Arrival], Any]] = {
            "finish": lambda store, at: store.arrivals.finish(at, "run", account, "stem", replaces=replaces),
            "give back": lambda store, at: store.arrivals.give_back(at, "no luck", 40.0, trouble=Trouble(code="bad")),
            "uncounted": lambda store, at: store.arrivals.give_back(at, "touched", counted=False),
            "bury": lambda store, at: store.arrivals.bury(at, "no header", "plan", "run", Trouble(code="bad_file")),
            "held": lambda store, at: store.arrivals.held(at),
        }
        self.on_both(worker, pair, ends[end])

    @rule(table=tables, key=keys, content=contents, again=st.booleans(), replaces=st.booleans())
    def finish_late(self, table: TableName, key: str, content: str, again: bool, replaces: bool) -> None:  # noqa: FBT001
        """A worker comes back after another one took over, and before or after a newer version landed."""
        self.record(0, table, key, content, 0)
        self.claim(0, table, 4, None)
        late = self.claims[-3:]
        self.take_over(1, table)
        if again:
            self.record(0, table, key, f"{content} again", 0)
        for pair in late:
            make: Callable[[State, Arrival], Any] = lambda store, at: store.arrivals.finish(  # noqa: E731
                at, "late", Accounting(1, 1), None, replaces=replaces
            )
            self.on_both(0, pair, make)

    @rule(data=st.data(), worker=workers, more=st.integers(0, 1))
    def requeue(self, data: st.DataObject, worker: int, more: int) -> None:
        """An arrival is made to wait again, in whatever state it was seen."""
        pairs = self.pairs("dead", "finished", "discarded")
        if pairs:
            pair = data.draw(st.sampled_from(pairs))
            highest = max(
                at.generation for at, _ in self.pairs() if (at.key, at.version) == (pair[0].key, pair[0].version)
            )
            generation = highest + 1 if more else pair[0].generation
            self.on_both(worker, pair, lambda store, at: store.arrivals.requeue(at, generation))

    @rule(data=st.data(), worker=workers, what=st.sampled_from(["discard", "requarantine", "supersede", "settle"]))
    def mend(self, data: st.DataObject, worker: int, what: str) -> None:
        """People and upkeep change arrivals."""
        pairs = self.pairs()
        if pairs:
            account = Accounting(2, 1, {}, 1)
            makes: dict[str, Callable[[Any, Arrival], Any]] = {
                "discard": lambda store, at: store.arrivals.discard(at, "of no use"),
                "requarantine": lambda store, at: store.arrivals.requarantine(at, f"stem of {at.key}"),
                "supersede": lambda store, at: store.arrivals.supersede(at),
                "settle": lambda store, at: store.arrivals.settle(replace(at, accounting=account, run="found")),
            }
            self.on_both(worker, data.draw(st.sampled_from(pairs)), makes[what])

    @rule(worker=workers, many=st.integers(1, 3), undone=st.booleans())
    def together(self, worker: int, many: int, undone: bool) -> None:  # noqa: FBT001
        """Several attempts end at once, with their run, or not at all."""
        chosen = self.claims[-many:]
        self.runs += 1
        name = f"run-{self.runs:04d}"
        for side, stores in enumerate((self.here, self.there)):
            try:
                self._finish_all(stores[worker], [pair[side] for pair in chosen], name, undone=undone)
            except _UndoneError:
                assert undone
        assert self.there[0].runs.list() == self.here[0].runs.list()

    def _finish_all(self, store: State, arrivals: list[Arrival], name: str, *, undone: bool) -> None:
        now = self.clock.now() + self.runs / 1024
        with store.together():
            kept = [at for at in arrivals if store.arrivals.finish(at, name, Accounting(2, 2), None) is not None]
            store.runs.add(
                Run(
                    name, TABLES[0], "finished", Accounting(2, 2), now, 10, [at.key for at in kept], 7 if kept else None
                )
            )
            store.checks.add(
                [CheckOutcome(name, TABLES[0], at.key, "c", "k", "warn", "after", 2, 1, now) for at in kept]
            )
            store.events.add("committed", TABLES[0], {"run": name, "files": len(kept)})
            if undone:
                raise _UndoneError

    # --- Leases, time, messages ----------------------------------------------------------------

    @rule(worker=workers, name=st.sampled_from(["x", "y"]))
    def acquire(self, worker: int, name: str) -> None:
        """A worker wants to do something alone."""
        here, there = self.here[worker].leases.acquire(name), self.there[worker].leases.acquire(name)
        assert (here and here.token) == (there and there.token)
        if here is not None and there is not None:
            self.leases.append((worker, here, there))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), release=st.booleans())
    def let_go(self, data: st.DataObject, release: bool) -> None:  # noqa: FBT001
        """A lease is looked at, or given back."""
        worker, here, there = data.draw(st.sampled_from(self.leases))
        assert self.there[worker].leases.held(there) == self.here[worker].leases.held(here)
        if release:
            self.here[worker].leases.release(here)
            self.there[worker].leases.release(there)

    @rule(worker=workers)
    def renew(self, worker: int) -> None:
        """A worker says that it lives."""
        self.same(worker, lambda store: store.leases.renew())

    @rule(seconds=st.sampled_from([0.5, 29.0, 61.0, 3600.0]))
    def pass_time(self, seconds: float) -> None:
        """Time passes."""
        self.clock.sleep(seconds)

    @rule(worker=workers, notice=st.sampled_from(["n", "m"]), sent=st.booleans())
    def tell(self, worker: int, notice: str, sent: bool) -> None:  # noqa: FBT001
        """People are told."""
        now = self.clock.now()
        message = Message(0, notice, "to", "waiting", now, now)
        number = self.same(worker, lambda store: store.messages.add(message))
        if sent:
            done = replace(message, message=number, state="sent", sent_at=now, attempts=1)
            self.same(worker, lambda store: store.messages.replace(done))
        self.same(worker, lambda store: store.messages.sent_times("n", "to", now - 100))
        self.same(worker, lambda store: store.messages.tally())

    @rule(worker=workers, consumer=st.sampled_from(["notices", "later"]), steps=st.integers(0, 2))
    def act(self, worker: int, consumer: str, steps: int) -> None:
        """A consumer acts on events, and old ones are forgotten."""
        self.same(worker, lambda store: store.events.add("arrived", TABLES[0], {"n": 1}))
        at = self.same(worker, lambda store: store.events.cursor(consumer))
        self.same(worker, lambda store: store.events.advance(consumer, at + steps))
        moment = self.clock.now() - 1000
        self.same(worker, lambda store: store.events.trim(moment, moment - 5000))

    # --- What must be equal --------------------------------------------------------------------

    @invariant()
    def equal(self) -> None:
        """After every step, both know the same of every file."""
        if hasattr(self, "here"):
            self.same(0, lambda store: store.arrivals.find())

    @rule(table=tables, worker=workers)
    def look_at_a_table(self, table: TableName, worker: int) -> None:
        """Short answers are the same."""
        self.same(worker, lambda store: store.backlog.marks(table, [*KEYS, "none"]))
        self.same(worker, lambda store: [store.backlog.count(table), store.backlog.has_rows(table)])
        self.same(worker, lambda store: store.backlog.keys(table))
        self.same(worker, lambda store: [store.arrivals.find(table, (state,)) for state in STATES])
        self.due(table)

    @rule(worker=workers)
    def look_at_all(self, worker: int) -> None:
        """Figures and history are the same."""
        self.same(worker, lambda store: [store.overview.standing(), store.overview.ledgers(), store.overview.waiting()])
        self.same(worker, lambda store: [store.events.after(0), store.checks.list(), store.runs.list()])
        self.same(worker, lambda store: [store.figures.dead(None).waiting, store.figures.dead(None).trying])
        self.same(worker, lambda store: (store.figures.oldest_waiting(None) or [None])[-1])  # of equals, either

    def due(self, table: TableName) -> None:
        """What each has to offer is the same."""
        here, there = self.here[1].backlog.due(table), self.there[1].backlog.due(table)
        ready = None if there.ready is None else self.sequences[there.ready]
        assert replace(there, ready=ready) == here


def _reason(reason: str | None) -> str | None:
    """Here it is known whether a process ended or fell silent; there only that it was one of them."""
    return "lost" if reason and reason.endswith("while working on it") else reason


def test_both_stores_answer_alike() -> None:
    """Whatever is asked of both stores, in whatever order, they answer alike."""
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize="PENSTOCK_STATE_EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    run_state_machine_as_test(Pair, settings=chosen)
    say("state on AWS", f"compared with the store on one machine: {EXAMPLES} histories, {calls} calls answered alike")
