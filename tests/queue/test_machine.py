"""Any events, in any order, any number of times, with crashes in between: the table holds the newest versions."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from penstock import faults
from penstock.clock import HeldClock
from penstock.errors import PenstockError
from penstock.lake import Lake
from penstock.naming import TableName
from penstock.state import Accounting, SqliteState
from penstock.state.sqlite import LEASE_SECONDS
from penstock.state.store import Arrival
from tests.storms.storm import chance, size, tell

DECLARATION = """
lake: storm
retry: {attempts: 100}
tables:
  events: {files: "*.csv"}
"""
T = TableName.parse("events")
GOOD, BAD = ("a.csv", "b.csv", "c.csv"), ("x.csv", "y.csv")
"""Files that are always whole, and files that may be none; those that were mended stay whole.

A whole file that becomes a broken one leaves the rows of its last version in the table, if that was read in time: what
is there depends on the order of events, as it should.
"""
BROKEN = (b"", b"\x89PNG\r\n\x1a\n")
DONE = Counter[str]()
"""What happened in all storms of this session."""
KINDS = ("deliveries", "stale events", "deaths", "deaths in work", "woken up", "replayed", "discarded", "plain runs")


class DiedError(OSError):
    """What everything raises once a process has come to its end."""


class Storm(RuleBasedStateMachine):
    """A lake, what landed in it, and workers that come and go."""

    @initialize()
    def begin(self) -> None:
        """Make a lake with a first file."""
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "raw").mkdir()
        (self.folder / "lake.yaml").write_text(DECLARATION)
        self.clock = HeldClock()
        self.contents: dict[str, list[bytes]] = {}
        self.discarded: dict[str, bytes] = {}
        self.perhaps_noticed: set[str] = set()
        self.hung: list[tuple[SqliteState, list[Arrival]]] = []
        self.rows = 0
        self.reader = Lake(self.folder, self.clock)
        self.deliver("a.csv", self.content())

    def teardown(self) -> None:
        """End with a plain run, and remove everything."""
        faults.install(None)
        if hasattr(self, "folder"):
            try:
                self.run_to_the_end()
            finally:
                self.close_hung()
                self.reader.close()
                shutil.rmtree(self.folder)

    # --- What lands

    def content(self) -> bytes:
        """A version of a file that nobody has seen."""
        self.rows += 3
        return b"id,name\n" + b"".join(b"%d,n%d\n" % (self.rows + at, at) for at in range(3))

    def deliver(self, key: str, content: bytes) -> None:
        """Let a version land as careful writers do."""
        temporary = self.folder / "raw" / f".{key}.tmp"
        temporary.write_bytes(content)
        temporary.replace(self.folder / "raw" / key)
        self.contents.setdefault(key, []).append(content)
        DONE["deliveries"] += 1

    @rule(key=st.sampled_from(GOOD))
    def drop(self, key: str) -> None:
        """A new file, or a new version of one."""
        self.deliver(key, self.content())

    @rule(key=st.sampled_from(GOOD), luck=st.randoms(use_true_random=False))
    def bring_back(self, key: str, luck: Any) -> None:
        """An earlier version returns, or the same bytes are delivered again."""
        if key in self.contents:
            self.deliver(key, luck.choice(self.contents[key]))

    @rule(key=st.sampled_from(BAD), content=st.sampled_from(BROKEN))
    def spoil(self, key: str, content: bytes) -> None:
        """A file that cannot become rows."""
        if all(there in BROKEN for there in self.contents.get(key, ())):
            self.deliver(key, content)

    @rule(key=st.sampled_from(BAD))
    def mend(self, key: str) -> None:
        """A whole version of such a file."""
        self.deliver(key, self.content())

    # --- Events

    @rule(times=st.integers(1, 3))
    def notice(self, times: int) -> None:
        """Everything that landed is noticed, once or more often."""
        with Lake(self.folder, self.clock) as lake:
            for _ in range(times):
                lake.discover()
        for key in self.changed_since_discarded():
            del self.discarded[key]

    @rule(key=st.sampled_from(GOOD), luck=st.randoms(use_true_random=False))
    def tell_late(self, key: str, luck: Any) -> None:
        """An event tells of a version that is no longer there, after the newer one was noticed."""
        key = key if key in self.contents else "a.csv"
        old = luck.choice(self.contents[key])
        with Lake(self.folder, self.clock) as lake:
            version = hashlib.sha256(old).hexdigest()
            lake.state.arrivals.record(T, key, version, len(old), 1, "a stale mark")
            DONE["stale events"] += 1

    # --- Workers

    @rule(most=st.integers(1, 4))
    def claim_and_die(self, most: int) -> None:
        """A process takes arrivals into its hands, and is killed."""
        self.drop("a.csv")
        self.notice(1)
        state = SqliteState(self.folder / ".penstock", self.clock)
        DONE["deaths"] += bool(state.arrivals.claim(T, most))
        kill(state)

    @rule(most=st.integers(1, 2))
    def claim_and_hang(self, most: int) -> None:
        """A process takes arrivals into its hands, and does nothing with them."""
        state = SqliteState(self.folder / ".penstock", self.clock)
        self.hung.append((state, state.arrivals.claim(T, most)))

    @rule(at=st.integers(1, 250))
    def run_and_die(self, at: int) -> None:
        """A run is killed at some place on its road; a place that it does not reach is its end."""
        self.die(at, "state.begin")

    @rule(at=st.integers(1, 20))
    def commit_and_die(self, at: int) -> None:
        """A run is killed just after its rows have come in, before it has recorded that they did."""
        self.drop("b.csv")
        self.die(at, "tables.committed")

    def die(self, at: int, after: str) -> None:
        """Run, and be killed so many places after a certain one."""
        self.let_leases_run_out()
        self.perhaps_noticed |= self.changed_since_discarded()
        left, counting = at, False

        def reach(place: str) -> None:
            nonlocal left, counting
            left -= counting
            counting = counting or place == after
            if left <= 0:
                raise DiedError

        lake = Lake(self.folder, self.clock)
        faults.install(reach)
        with suppress(OSError, sqlite3.Error, PenstockError):
            lake.run()
        died = left <= 0
        faults.install(None)
        if died and "state" in lake.__dict__:
            DONE["deaths in work"] += 1
            kill(lake.store)
        lake.close()

    @rule(way=st.sampled_from(["finish", "give back", "bury"]))
    def wake_up(self, way: str) -> None:
        """A process that hung beyond its lease goes on, when others have taken over what it had."""
        self.drop("c.csv")
        self.notice(1)
        self.claim_and_hang(2)
        self.let_leases_run_out()
        with Lake(self.folder, self.clock) as lake:
            lake.run()
            before = lake.state.arrivals.find()
            for state, arrivals in self.hung:
                for arrival in arrivals:
                    DONE["woken up"] += 1
                    match way:
                        case "finish":
                            assert state.arrivals.finish(arrival, "late", Accounting(9, 9), "late") is None
                        case "give back":
                            assert not state.arrivals.give_back(arrival, "late")
                        case _:
                            assert not state.arrivals.bury(arrival, "late", "late", "late")
            assert lake.state.arrivals.find() == before
        self.close_hung()

    @rule()
    def let_leases_run_out(self) -> None:
        """Time passes."""
        self.clock.sleep(LEASE_SECONDS + 1)

    def close_hung(self) -> None:
        """End the processes that hang."""
        for state, _ in self.hung:
            state.close()
        self.hung.clear()

    # --- People

    @rule(times=st.integers(1, 2))
    def replay(self, times: int = 2) -> None:
        """Every dead letter is replayed, some twice; and whatever else there is, in vain."""
        self.spoil("x.csv", BROKEN[0])
        self.run_to_the_end()
        with Lake(self.folder, self.clock) as lake:
            dead = lake.dead.find()
            for _ in range(times):
                assert all(answer.done for answer in lake.dead.replay(dead))
                DONE["replayed"] += len(dead)
            others = [arrival for arrival in lake.state.arrivals.find() if arrival.state != "pending"]
            assert not [answer for answer in lake.dead.replay(others) if answer.outcome == "waits"]

    @rule()
    def discard(self) -> None:
        """Everything that is dead is given up; what has changed meanwhile comes back by itself."""
        self.spoil("y.csv", BROKEN[1])
        self.run_to_the_end()
        with Lake(self.folder, self.clock) as lake:
            for answer in lake.dead.discard(lake.dead.find(), "enough"):
                assert answer.outcome == "discarded"
                DONE["discarded"] += 1
                (content,) = {
                    content
                    for content in self.contents[answer.letter.key]
                    if hashlib.sha256(content).hexdigest() == answer.letter.version
                }
                self.discarded[answer.letter.key] = content

    def changed_since_discarded(self) -> set[str]:
        """Files that were given up and hold something else now; once that is noticed, nothing of them is given up."""
        return {key for key, content in self.discarded.items() if self.contents[key][-1] != content}

    # --- What must hold

    @rule()
    def run_to_the_end(self) -> None:
        """One plain run, and the table is what is in raw/; every file that is no file is a dead letter, or given up."""
        self.let_leases_run_out()
        with Lake(self.folder, self.clock) as lake:
            lake.run()
            DONE["plain runs"] += 1
            newest = {key: versions[-1] for key, versions in self.contents.items()}
            wanted = sorted(row for content in newest.values() for row in rows_of(content))
            found = lake.query("SELECT * FROM events").fetchall() if lake.tables else []
            assert sorted(found) == wanted
            states = {arrival.key: arrival.state for arrival in lake.state.arrivals.find()}
            for key in self.changed_since_discarded() | {key for key in self.perhaps_noticed if states[key] == "dead"}:
                self.discarded.pop(key, None)
            self.perhaps_noticed.clear()
            for key, content in newest.items():
                given_up = self.discarded.get(key) == content
                assert states[key] == ("finished" if content not in BROKEN else "discarded" if given_up else "dead")
        self.close_hung()

    @invariant()
    def rows_are_there_once(self) -> None:
        """At any moment, the table holds of each file one version, whole, or nothing."""
        if not hasattr(self, "reader") or not self.reader.tables:
            return
        rows = self.reader.query("SELECT * FROM events").fetchall()
        found = set(rows)
        assert len(found) == len(rows)
        for versions in self.contents.values():
            there = [content for content in dict.fromkeys(versions) if found & set(rows_of(content))]
            assert len(there) <= 1
            assert all(set(rows_of(content)) <= found for content in there)


def kill(state: SqliteState) -> None:
    """Let go of a store as the kernel does for a process that was killed: nothing is given back."""
    state._database._unlock()
    state._database._connection.close()
    state._database._closed = True


def rows_of(content: bytes) -> list[tuple[int, str]]:
    """The rows of a version."""
    lines = content.decode("utf-8", "replace").splitlines()[1:] if content not in BROKEN else []
    return [(int(line.split(",")[0]), line.split(",")[1]) for line in lines]


TestStorm = Storm.TestCase
TestStorm.settings = settings(
    max_examples=size(3, 500), stateful_step_count=20, suppress_health_check=list(HealthCheck)
)


@pytest.mark.timeout(14_400)
def test_a_long_storm() -> None:
    """Seeded, longer, and everything that can happen happens in it; the table is what it has to be, again and again."""
    luck, storm = chance("queue"), Storm()
    storm.begin()
    steps: list[Callable[[], object]] = [
        lambda: storm.drop(luck.choice(GOOD)),
        lambda: storm.bring_back(luck.choice(GOOD), luck),
        lambda: storm.spoil(luck.choice(BAD), luck.choice(BROKEN)),
        lambda: storm.notice(luck.randint(1, 10)),
        lambda: storm.tell_late(luck.choice(GOOD), luck),
        lambda: storm.claim_and_die(luck.randint(1, 4)),
        lambda: storm.claim_and_hang(luck.randint(1, 2)),
        lambda: storm.run_and_die(luck.randint(30, 250)),
        lambda: storm.commit_and_die(luck.randint(1, 20)),
    ]
    seldom: list[Callable[[], object]] = [
        lambda: storm.wake_up(luck.choice(["finish", "give back", "bury"])),
        storm.replay,
        storm.discard,
        storm.run_to_the_end,
        lambda: storm.mend(luck.choice(BAD)),
    ]
    try:
        for round_ in range(size(8, 400)):
            for step in luck.choices(steps, k=6):
                step()
                storm.rows_are_there_once()
            seldom[round_ % len(seldom)]()
            storm.rows_are_there_once()
    finally:
        storm.teardown()
    tell(f"queue: {', '.join(f'{count} {what}' for what, count in sorted(DONE.items()))}")
    assert all(DONE[what] for what in KINDS), DONE
