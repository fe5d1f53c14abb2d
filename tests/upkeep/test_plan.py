"""What upkeep plans: which files are joined, and which snapshots go."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.declaration import Upkeep, loads
from penstock.errors import DeclarationError
from penstock.naming import TableName
from penstock.state import DataFile, Head
from penstock.state.files import packed_text
from penstock.state.specs import UNPARTITIONED, Spec, SpecField
from penstock.upkeep.plan import MOST_MEMBERS, expired, groups_of
from penstock.upkeep.policy import Policy, policy_of
from tests.contracts.parquet import arrival

T = TableName.parse("t")
NOW = 1_800_000_000.0
DAY = 86_400.0


def file_of(number: int, rows: int, size: int, *, foreign: bool = False, partition: str = "") -> DataFile:
    """A file of one arrival, or of another writer."""
    name = f"part-{number}" if foreign else arrival(str(number)).stem(f"{number:08x}")
    return DataFile(f"/data/{name}.parquet", rows, size, partition=partition)


def head_of(files: list[DataFile], *specs: Spec) -> Head:
    """A table that is nothing but its files."""
    return Head(T, "p", None, None, (), tuple(files), specs=specs or UNPARTITIONED)


def joined(files: list[DataFile], number: int) -> DataFile:
    """What a group becomes."""
    members = [member for file in files for member in file.members]
    rows, size = sum(file.rows for file in files), sum(file.bytes for file in files)
    return DataFile(f"/data/pack-{number:032x}.parquet", rows, size, packed_text(members))


@pytest.mark.parametrize(("rows", "size"), [(1, 400), (10, 1_000), (1_000, 30_000)])
def test_work_grows_with_the_logarithm_of_the_commits(rows: int, size: int) -> None:
    """After 5,000 commits of one file each, few files are live, and no row was written more often than tiers allow."""
    policy = Policy(target_bytes=100_000_000)
    files: list[DataFile] = []
    written: Counter[str] = Counter()
    most = 0
    for number in range(5_000):
        files.append(file_of(number, rows, size))
        for group in groups_of(head_of(files), policy, by_tiers=True)[:1]:
            pack = joined(list(group), number)
            written.update(member.arrival.key_id for member in pack.members)
            files = [file for file in files if file not in group] + [pack]
        most = max(most, len(files))
    tiers = math.ceil(math.log(5_000, policy.min_input_files)) + 1
    assert sum(file.rows for file in files) == 5_000 * rows
    assert most <= policy.min_input_files * tiers
    assert max(written.values()) <= tiers


FILES = st.lists(
    st.builds(
        lambda rows, size, foreign, partition: (rows, size, foreign, partition),
        st.integers(0, 10_000),
        st.integers(100, 2_000_000),
        st.booleans(),
        st.sampled_from(["", "1:[1]", "1:[2]"]),
    ),
    max_size=60,
)


@given(FILES, st.booleans())
def test_groups_are_of_one_kind_and_size(found: list[tuple[int, int, bool, str]], by_tiers: bool) -> None:  # noqa: FBT001
    """A file is in one group at most; a group's files are small, of one partition and one kind, and fit the target."""
    policy = Policy(target_bytes=1_000_000, min_input_files=4)
    made = [file_of(at, r, s, foreign=f, partition=p) for at, (r, s, f, p) in enumerate(found)]
    months = Spec(1, (SpecField("month", 1, "at_month"),))
    groups = groups_of(head_of(made, months, Spec(0)), policy, by_tiers=by_tiers)
    flat = [file for group in groups for file in group]
    assert len(flat) == len(set(flat))
    for group in groups:
        assert len(group) > 1
        ((_, partition),) = {(bool(file.members), file.partition) for file in group}
        assert partition
        assert all(file.bytes < 750_000 for file in group)
        assert sum(file.bytes for file in group) <= 1_000_000
        if by_tiers:
            assert len(group) >= 4 or sum(file.bytes for file in group) >= 750_000


def test_by_hand_no_two_small_files_are_left_that_fit() -> None:
    """`penstock maintain` joins two files already; a run waits until there are enough."""
    files = [file_of(at, 10, 1_000) for at in range(15)]
    policy = Policy()
    assert groups_of(head_of(files), policy, by_tiers=True) == []
    assert [len(group) for group in groups_of(head_of(files), policy, by_tiers=False)] == [15]
    assert [len(group) for group in groups_of(head_of(files[:2]), policy, by_tiers=False)] == [2]
    assert groups_of(head_of(files[:1]), policy, by_tiers=False) == []
    full = [file_of(at, 10, 100_000_000) for at in range(3)]
    assert groups_of(head_of(full), policy, by_tiers=False) == []


@pytest.mark.parametrize("by_tiers", [True, False])
def test_a_file_names_so_many_arrivals_at_most(by_tiers: bool) -> None:  # noqa: FBT001
    """However small the files are that land, a joined one holds rows of a bounded number of them, and then rests."""
    files: list[DataFile] = []
    for number in range(200):
        files.append(joined([file_of(1_000 * number + at, 5, 500) for at in range(500)], number))
        while groups := groups_of(head_of(files), Policy(), by_tiers=by_tiers):
            pack = joined(list(groups[0]), 1_000_000 + number)
            files = [file for file in files if file not in groups[0]] + [pack]
            assert pack.keys <= MOST_MEMBERS
    assert sum(file.keys for file in files) == 200 * 500
    assert MOST_MEMBERS // 2 <= max(file.keys for file in files) <= MOST_MEMBERS
    assert len(files) <= 200 * 500 // (MOST_MEMBERS // 2) + 16


def metadata_of(ages: list[float], *named: int) -> dict[str, Any]:
    """A table's metadata: snapshots 0, 1, ... committed so many seconds ago, oldest first, some named by tags."""
    moments = [
        {"snapshot-id": at, "sequence-number": at, "timestamp-ms": (NOW - a) * 1000} for at, a in enumerate(ages)
    ]
    references = {f"tag{at}": {"snapshot-id": at, "type": "tag"} for at in named}
    return {"snapshots": moments, "current-snapshot-id": len(ages) - 1, "refs": references}


@given(
    st.lists(st.floats(0, 20 * DAY), min_size=1, max_size=30),
    st.integers(1, 12),
    st.integers(1, 12),
    st.sets(st.integers(0, 29), max_size=4),
)
def test_snapshots_expire_by_number_and_age(ages: list[float], most: int, least: int, named: set[int]) -> None:
    """At most so many are kept; those too old go unless they are among the newest; names and the current one stay."""
    ages = sorted(ages, reverse=True)
    named = {at for at in named if at < len(ages)}
    policy = Policy(max_snapshots=most, min_snapshots=least, max_snapshot_seconds=7 * DAY)
    gone = set(expired(metadata_of(ages, *named), policy, NOW))
    for at in range(len(ages)):
        place = len(ages) - 1 - at
        ended = ages[at + 1] if at + 1 < len(ages) else 0.0
        goes = place >= most or (place >= least and ended > 7 * DAY)
        assert (at in gone) == (goes and at not in named and place > 0)


def test_a_new_table_keeps_everything() -> None:
    """Metadata without snapshots or references is no trouble."""
    assert expired({}, Policy(), NOW) == []


def test_a_table_says_otherwise_than_the_lake() -> None:
    """What a table declares comes first, then the lake, then the default."""
    lake = Upkeep(target_file_size="64MB", max_snapshots=7, orphan_age="2h")
    table = Upkeep(automatic=False, max_snapshots=3, max_snapshot_age="30m")
    assert policy_of(lake, table) == Policy(
        automatic=False,
        target_bytes=64_000_000,
        max_snapshots=3,
        max_snapshot_seconds=1_800.0,
        orphan_seconds=7_200.0,
    )
    assert policy_of(Upkeep(), None) == policy_of(Upkeep(), Upkeep()) == Policy()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{target_file_size: 12}", "target_file_size"),
        ("{target_file_size: 5KB}", "the least is 100KB"),
        ("{orphan_age: 0d}", "no time at all"),
        ("{orphan_age: 1 year}", "orphan_age"),
        ("{max_snapshots: 0}", "max_snapshots"),
        ("{min_input_files: 1}", "min_input_files"),
        ("{automatic: yes}", "automatic"),
        ("{keep: 3}", "keep"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, said: str) -> None:
    """Sizes, times and numbers that cannot be meant are errors with their place, for the lake and for a table."""
    for declaration in (f"lake: x\nupkeep: {text}\n", f"lake: x\ntables: {{t: {{files: a.csv, upkeep: {text}}}}}\n"):
        with pytest.raises(DeclarationError, match=said):
            loads(declaration)
