"""The commit loop over every catalog: rows are there once, whatever order, repetition, race or lost answer."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.clock import HeldClock
from penstock.declaration import Transform
from penstock.errors import CommitConflictError, LeaseLostError, SupersededError
from penstock.naming import ArrivalName, TableName, pack_name
from penstock.state import DataFile, Head, Member
from penstock.state.files import packed_text
from penstock.state.store import Column
from penstock.tables import Catalog, Change, Staged, commit_group
from penstock.tables.catalog import Evolution
from penstock.tables.commit import plan_change
from tests.contracts.conftest import Catalogs
from tests.contracts.parquet import arrival, rows, write_file

T = TableName.parse("t")
COLUMNS = (Column(1, "id", "BIGINT"),)
EMPTY = Head(T, "p0", None, None, COLUMNS, ())


def free() -> None:
    """A guard that never objects."""


@dataclass(frozen=True)
class Delivery:
    """One arrival of a group: which content of which file, processed for the n-th time, whether it has rows."""

    key: str
    content: str
    generation: int
    on_reupload: str
    full: bool

    @property
    def name(self) -> ArrivalName:
        """The arrival."""
        return arrival(self.key, self.content, self.generation)

    @property
    def again(self) -> tuple[str, str, int]:
        """What makes it the same delivery, however new versions are treated."""
        return (self.key, self.content, self.generation)


@dataclass(frozen=True)
class Part:
    """Rows that are added to what a delivery brought: which content, processed for the n-th time, which rows."""

    key: str
    content: str
    generation: int
    part: int

    @property
    def name(self) -> ArrivalName:
        """The arrival that they belong to."""
        return arrival(self.key, self.content, self.generation)


DELIVERIES = st.builds(
    Delivery,
    st.sampled_from("ab"),
    st.sampled_from("12"),
    st.integers(0, 1),
    st.sampled_from(["replace", "append", "ignore"]),
    st.booleans(),
)
GROUPS = st.lists(st.lists(DELIVERIES, min_size=1, max_size=2, unique_by=lambda d: d.key), max_size=8)


def model(groups: list[list[Delivery]]) -> list[Delivery]:
    """What a table holds after these groups, in plain words."""
    live: list[Delivery] = []
    for delivery in (delivery for group in groups for delivery in group):
        same = [there for there in live if there.key == delivery.key]
        if any(t.content == delivery.content and t.generation >= delivery.generation for t in same):
            continue  # its rows are there
        if same and delivery.on_reupload == "ignore" and all(t.content != delivery.content for t in same):
            continue
        gone = [t for t in same if delivery.on_reupload == "replace" or t.content == delivery.content]
        live = [there for there in live if there not in gone]
        live += [delivery] if delivery.full else []
    return sorted(live, key=str)


def applied(head: Head, change: Change) -> Head:
    """The head after a change, packs carved."""
    live = {file.path for file in head.files}
    kept = tuple(file for file in head.files if file.path not in change.remove)
    carved = {carving.file.path: _pack(carving.keep) for carving in change.carve}
    files = tuple(carved.get(file.path, file) for file in kept)
    return replace(head, files=(*files, *change.add, *(new for path, new in carved.items() if path not in live)))


def _pack(members: tuple[Member, ...]) -> DataFile:
    return DataFile(f"/data/{pack_name()}", sum(member.rows for member in members), 1, packed_text(members))


def compacted(head: Head, chance: random.Random) -> Head:
    """The head after some of its files were made one."""
    some = [file for file in head.files if chance.random() < 0.5]
    rest = tuple(file for file in head.files if file not in some)
    members = tuple(member for file in some for member in file.members)
    return replace(head, files=(*rest, _pack(members))) if members else head


def planned(groups: list[list[Delivery]], seed: int | None = None) -> list[str]:
    """Apply the plan of each group to a head that is nothing but values; gives the stems of the live files.

    With a seed, each group is one pack, and files are compacted in between.
    """
    head, chance = EMPTY, random.Random(seed)
    for attempt, group in enumerate(groups):
        staged = [Staged(d.name, _files(d, attempt), d.on_reupload) for d in group]
        if seed is not None:
            pack = _pack(tuple(Member(d.name, 1) for d in group if d.full))
            staged = [replace(one, files=(pack,) if d.full else ()) for one, d in zip(staged, group, strict=True)]
            head = compacted(head, chance)
        change, _ = plan_change(head, staged)
        assert (change, _) == plan_change(head, staged)
        assert change.base is head
        head = applied(head, change)
    return sorted(str(member.arrival) for file in head.files for member in file.members)


def _files(delivery: Delivery, attempt: int) -> tuple[DataFile, ...]:
    path = f"/data/{delivery.name.stem(f'{attempt:08x}')}.parquet"
    return (DataFile(path, 1, 1),) if delivery.full else ()


@given(GROUPS)
def test_plans_keep_every_row_once(groups: list[list[Delivery]]) -> None:
    """Any sequence of groups, with repetitions and other versions, leaves exactly the rows of the plain model."""
    assert planned(groups) == sorted(str(delivery.name) for delivery in model(groups))


@given(GROUPS, st.integers(0, 2**32))
def test_packs_keep_every_row_once(groups: list[list[Delivery]], seed: int) -> None:
    """The same holds when rows of several files stand in one pack, from the start or by compaction."""
    assert planned(groups, seed) == sorted(str(delivery.name) for delivery in model(groups))


@given(GROUPS, st.data())
def test_repeating_the_last_group_changes_nothing(groups: list[list[Delivery]], data: st.DataObject) -> None:
    """A group whose rows are all there is committed again without effect."""
    group = data.draw(st.lists(DELIVERIES.filter(lambda d: d.full), min_size=1, max_size=2, unique_by=lambda d: d.key))
    assert planned([*groups, group, group]) == planned([*groups, group])


@pytest.mark.parametrize("on_reupload", ["replace", "append", "ignore"])
def test_one_arrival_twice_in_a_group(on_reupload: str) -> None:
    """The same arrival twice in one group, by two attempts, is in the table once."""
    first = Staged(arrival("a"), (DataFile(f"/data/{arrival('a').stem('0' * 8)}.parquet", 1, 1),), on_reupload)
    second = Staged(arrival("a"), (DataFile(f"/data/{arrival('a').stem('1' * 8)}.parquet", 1, 1),), on_reupload)
    change, _ = plan_change(EMPTY, [first, second])
    assert len(change.add) == 1


def test_two_versions_in_a_group() -> None:
    """Of two versions of one key in one group, the later one replaces the earlier one."""
    groups = [[Delivery("a", "1", 0, "replace", full=True), Delivery("a", "2", 0, "replace", full=True)]]
    assert planned(groups) == [str(delivery.name) for delivery in model(groups)]


PARTS = st.builds(Part, st.sampled_from("ab"), st.sampled_from("12"), st.integers(0, 1), st.integers(0, 1))
EVENTS = st.lists(st.one_of(DELIVERIES, DELIVERIES, PARTS), max_size=12)


def model_with_parts(events: list[Delivery | Part], on_reupload: str) -> tuple[list[str], list[bool]]:
    """What a table holds after these events, in plain words, and which parts were refused."""
    live: list[Delivery | Part] = []
    refused = []
    for event in events:
        same = [there for there in live if there.key == event.key]
        if isinstance(event, Part):
            foreign = [t for t in same if (t.content, t.generation) != (event.content, event.generation)]
            if on_reupload == "append":
                foreign = [t for t in foreign if t.content == event.content]
            refused.append(bool(foreign))
            live += [event] if not foreign and event not in live else []
            continue
        mine = [t for t in same if t.content == event.content]
        if any(t.generation > event.generation for t in mine) or event.again in map(again_of, mine):
            continue  # its rows are there, or those of a later time
        if same and on_reupload == "ignore" and not mine:
            continue
        gone = [t for t in same if on_reupload == "replace" or t.content == event.content]
        own = (event.content, event.generation)
        gone = [t for t in gone if not (isinstance(t, Part) and (t.content, t.generation) == own)]
        live = [there for there in live if there not in gone] + ([event] if event.full else [])
    return sorted(map(str, map(stem_of, live))), refused


def again_of(there: Delivery | Part) -> tuple[str, str, int] | None:
    """A delivery's identity; none for a part, which says nothing of the delivery that it belongs to."""
    return None if isinstance(there, Part) else there.again


def stem_of(there: Delivery | Part) -> str:
    """How the files of an event are called, without the attempt."""
    return f"{there.name}-{there.part}" if isinstance(there, Part) else str(there.name)


def planned_with_parts(
    events: list[Delivery | Part], on_reupload: str, seed: int | None = None
) -> tuple[list[str], list[bool]]:
    """Apply the plan of each event to a head that is nothing but values; with a seed, compacted in between."""
    head, refused, chance = EMPTY, [], random.Random(seed)
    for attempt, event in enumerate(events):
        number = event.part if isinstance(event, Part) else None
        full = isinstance(event, Part) or event.full
        path = f"/data/{event.name.stem(f'{attempt:08x}', number)}.parquet"
        files = (DataFile(path, 1, 1),) if full else ()
        head = head if seed is None else compacted(head, chance)
        try:
            change, already = plan_change(head, [Staged(event.name, files, on_reupload, number)])
        except SupersededError:
            refused.append(True)
            continue
        if isinstance(event, Part):
            refused.append(False)
            assert already == frozenset()
            assert (change.remove, change.carve) == ((), ())
        head = applied(head, change)
    stems = [str(member).partition(":")[0] for file in head.files for member in file.members]
    return sorted(stems), refused


@given(EVENTS, st.sampled_from(["replace", "append", "ignore"]), st.none() | st.integers(0, 2**32))
def test_parts_stand_beside_the_rows_of_their_arrival(
    events: list[Delivery | Part], on_reupload: str, seed: int | None
) -> None:
    """Parts are there once, only beside their own arrival, and go with it; a delivery leaves its own parts alone."""
    assert planned_with_parts(events, on_reupload, seed) == model_with_parts(events, on_reupload)


def test_a_file_and_its_parts_in_one_group() -> None:
    """A file that is processed again takes its old rows and parts away and brings its new ones, in one change."""
    old, new = arrival("a"), arrival("a", generation=1)
    files = (DataFile(f"/d/{old.stem('0' * 8)}.parquet", 1, 1), DataFile(f"/d/{old.stem('0' * 8, 5)}.parquet", 1, 1))
    head = replace(EMPTY, files=files)
    base = DataFile(f"/d/{new.stem('1' * 8)}.parquet", 1, 1)
    part = DataFile(f"/d/{new.stem('1' * 8, 6)}.parquet", 1, 1)
    change, already = plan_change(head, [Staged(new, (base,)), Staged(new, (part,), part=6)])
    assert (change.add, set(change.remove), already) == ((base, part), {file.path for file in files}, frozenset())
    assert str(new) in change.summary["penstock.arrivals"].split(",")
    assert f"{new}-6" in change.summary["penstock.arrivals"].split(",")


def staged(folder: Path, name: ArrivalName, attempt: int, value: int, on_reupload: str = "replace") -> Staged:
    """Write an arrival's one row."""
    file = write_file(folder, name.stem(f"{attempt:08x}"), f"SELECT {value} AS id", COLUMNS)
    return Staged(name, (file,), on_reupload)


def test_any_sequence_on_a_real_catalog(catalogs: Catalogs, tmp_path: Path) -> None:
    """Eight random sequences of groups leave exactly the rows of the plain model in a real table."""
    chance = random.Random(7)
    catalog = catalogs.open()
    for example in range(8):
        table = TableName("main", f"t{example}")
        catalog.create(table, [("id", "BIGINT")], {})
        groups, values = [], dict[str, int]()
        for attempt in range(chance.randint(2, 6)):
            keys = chance.sample("ab", chance.randint(1, 2))
            policies = ["replace", "append", "ignore"]
            groups.append(
                [
                    Delivery(k, chance.choice("12"), chance.randint(0, 1), chance.choice(policies), full=True)
                    for k in keys
                ]
            )
            ready = []
            for delivery in groups[-1]:
                value = values.setdefault(str(delivery.name), len(values))
                ready.append(staged(tmp_path / str(example), delivery.name, attempt, value, delivery.on_reupload))
            head = commit_group(catalog, table, ready, HeldClock(), free).head
        assert rows(head) == sorted((values[str(delivery.name)],) for delivery in model(groups))
        assert rows(head) == rows(catalogs.open(f"lost{example}").head(table) or EMPTY)


def test_what_is_there_already_is_named(catalog: Catalog, tmp_path: Path) -> None:
    """The outcome says which arrivals of the group added nothing, so that their files can go."""
    catalog.create(T, [("id", "BIGINT")], {})
    first = commit_group(catalog, T, [staged(tmp_path, arrival("a"), 1, 1)], HeldClock(), free)
    both = [staged(tmp_path, arrival("a"), 2, 1), staged(tmp_path, arrival("b"), 2, 2)]
    second = commit_group(catalog, T, both, HeldClock(), free)
    assert (first.already, second.already) == (frozenset(), frozenset({arrival("a")}))
    assert rows(second.head) == [(1,), (2,)]


class Wrapped:
    """A catalog that passes everything on, for one that misbehaves at a commit."""

    def __init__(self, catalog: Catalog) -> None:
        """Wrap a catalog."""
        self.catalog = catalog
        self.seals = catalog.seals
        self.commits = 0

    def tables(self) -> list[TableName]:
        """Pass on."""
        return self.catalog.tables()

    def pointer(self, table: TableName) -> str | None:
        """Pass on."""
        return self.catalog.pointer(table)

    def metadata(self, table: TableName) -> dict[str, Any] | None:
        """Pass on."""
        return self.catalog.metadata(table)

    def head(self, table: TableName) -> Head | None:
        """Pass on."""
        return self.catalog.head(table)

    def create(
        self,
        table: TableName,
        columns: list[tuple[str, str]],
        properties: Mapping[str, str],
        partition: Sequence[Transform] = (),
    ) -> Head:
        """Pass on."""
        return self.catalog.create(table, columns, properties, partition)

    def repartition(self, base: Head, partition: Sequence[Transform]) -> Head:
        """Pass on."""
        return self.catalog.repartition(base, partition)

    def commit(self, change: Change) -> Head:
        """Pass on."""
        self.commits += 1
        return self.catalog.commit(change)

    def evolve(self, base: Head, evolution: Evolution) -> Head:
        """Pass on."""
        return self.catalog.evolve(base, evolution)

    def discard(self, paths: Iterable[str]) -> None:
        """Pass on."""
        self.catalog.discard(paths)


class LosesAnswers(Wrapped):
    """Every commit lands, and then the line goes dead."""

    def commit(self, change: Change) -> Head:
        """Commit, and fail all the same."""
        super().commit(change)
        message = "connection reset by peer"
        raise ConnectionResetError(message)


class LosesRequests(Wrapped):
    """No commit lands, and the line goes dead."""

    def commit(self, change: Change) -> Head:
        """Fail without having done anything."""
        self.commits += 1
        message = f"connection reset by peer before {change.base.table}"
        raise ConnectionResetError(message)


class Beaten(Wrapped):
    """Before each of the first commits, another writer's lands."""

    def __init__(self, catalog: Catalog, folder: Path, times: int) -> None:
        """Lose the race `times` times."""
        super().__init__(catalog)
        self.folder, self.times = folder, times

    def commit(self, change: Change) -> Head:
        """Let another writer commit first."""
        if self.commits < self.times:
            other = staged(self.folder, arrival(f"other {self.commits}"), self.commits, 100 + self.commits)
            commit_group(self.catalog, T, [other], HeldClock(), free)
        return super().commit(change)


def test_a_lost_answer_is_settled(catalog: Catalog, tmp_path: Path) -> None:
    """A commit that landed though its answer was lost is recognised: nothing is raised, nothing doubled."""
    catalog.create(T, [("id", "BIGINT")], {})
    losing = LosesAnswers(catalog)
    for value, content in enumerate("12"):
        outcome = commit_group(losing, T, [staged(tmp_path, arrival("a", content), 1, value)], HeldClock(), free)
        assert rows(outcome.head) == [(value,)]
    assert losing.commits == 2
    again = commit_group(catalog, T, [staged(tmp_path, arrival("a", "2"), 2, 1)], HeldClock(), free)
    assert rows(again.head) == [(1,)]
    assert again.already == {arrival("a", "2")}


def test_a_lost_request_is_passed_on(catalog: Catalog, tmp_path: Path) -> None:
    """A commit that did not land fails with the error as it came, and nothing has changed."""
    head = catalog.create(T, [("id", "BIGINT")], {})
    with pytest.raises(ConnectionResetError):
        commit_group(LosesRequests(catalog), T, [staged(tmp_path, arrival("a"), 1, 1)], HeldClock(), free)
    assert catalog.head(T) == head


def test_a_lost_request_that_only_removes_is_passed_on(catalog: Catalog, tmp_path: Path) -> None:
    """The same where a new version has no rows: that the old ones are still there shows that nothing landed."""
    catalog.create(T, [("id", "BIGINT")], {})
    head = commit_group(catalog, T, [staged(tmp_path, arrival("a"), 1, 1)], HeldClock(), free).head
    emptied = [Staged(arrival("a", "2"), ())]
    with pytest.raises(ConnectionResetError):
        commit_group(LosesRequests(catalog), T, emptied, HeldClock(), free)
    assert catalog.head(T) == head
    assert rows(commit_group(LosesAnswers(catalog), T, emptied, HeldClock(), free).head) == []


def test_a_lost_race_is_run_again(catalog: Catalog, tmp_path: Path) -> None:
    """Other writers win three times: the fourth attempt is planned against what they left."""
    catalog.create(T, [("id", "BIGINT")], {})
    clock = HeldClock()
    outcome = commit_group(Beaten(catalog, tmp_path, 3), T, [staged(tmp_path, arrival("a"), 9, 1)], clock, free)
    assert rows(outcome.head) == [(1,), (100,), (101,), (102,)]
    assert clock.now() > HeldClock().now()


def test_losing_every_race_ends(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its last attempt the commit is given up, and nothing of the group is in the table."""
    monkeypatch.setattr("penstock.tables.commit.ATTEMPTS", 4)
    catalog.create(T, [("id", "BIGINT")], {})
    with pytest.raises(CommitConflictError, match="4 times in a row"):
        commit_group(Beaten(catalog, tmp_path, 99), T, [staged(tmp_path, arrival("a"), 9, 1)], HeldClock(), free)
    head = catalog.head(T)
    assert head is not None
    assert rows(head) == [(100 + at,) for at in range(4)]


def test_the_guard_is_asked_before_each_attempt(catalog: Catalog, tmp_path: Path) -> None:
    """A worker that lost its lease while it lost a race does not commit."""
    catalog.create(T, [("id", "BIGINT")], {})
    answers = iter([None, None, LeaseLostError("another worker has taken over")])

    def guard() -> None:
        if error := next(answers):
            raise error

    with pytest.raises(LeaseLostError):
        commit_group(Beaten(catalog, tmp_path, 9), T, [staged(tmp_path, arrival("a"), 9, 1)], HeldClock(), guard)
    head = catalog.head(T)
    assert head is not None
    assert arrival("a") not in {member.arrival for file in head.files for member in file.members}


def test_a_removed_table_is_no_commit(catalog: Catalog, tmp_path: Path) -> None:
    """A table that is gone is an error in words."""
    with pytest.raises(CommitConflictError, match="removed while it was written to"):
        commit_group(catalog, T, [staged(tmp_path, arrival("a"), 1, 1)], HeldClock(), free)


PROGRAM = """
import sys
from pathlib import Path
sys.path.append(".")
from penstock.clock import SystemClock
from penstock.naming import TableName
from penstock.tables import commit_group
from tests.contracts.parquet import arrival
from tests.contracts.registry import CATALOGS, STATES
from tests.contracts.test_commit import staged
name, folder, worker, commits = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
clock = SystemClock()
store = next(iter(STATES.values()))(folder / "cache", clock)
catalog = CATALOGS[name](folder / "processed", store.heads)
for at in range(commits):
    value = worker * 1000 + at
    for attempt in range(2 if at % 5 == 0 else 1):  # some are delivered twice
        ready = staged(folder / "data", arrival(str(value)), attempt, value)
        commit_group(catalog, TableName.parse("t"), [ready], clock, lambda: None)
"""


def test_four_processes_race(catalogs: Catalogs) -> None:
    """Four processes commit 25 files each to one table, without a lease: every row is there once.

    There are fewer files where a server in this process answers all four.
    """
    commits = 25 if catalogs.name == "local" else 8
    catalogs.open().create(T, [("id", "BIGINT")], {})
    command = [sys.executable, "-P", "-c", PROGRAM, catalogs.name, str(catalogs.folder)]
    home = Path(__file__).parents[2]
    workers = [
        subprocess.Popen([*command, str(at), str(commits)], stderr=subprocess.PIPE, text=True, cwd=home)
        for at in range(4)
    ]
    for worker in workers:
        _, errors = worker.communicate()
        assert worker.returncode == 0, errors
    head = catalogs.open("lost").head(T)
    assert head is not None
    assert rows(head) == sorted((worker * 1000 + at,) for worker in range(4) for at in range(commits))
