"""Compaction: the rows, and whose they are, stay the very same, whatever happens before, meanwhile and after."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from penstock.clock import HeldClock
from penstock.engines import DuckDBEngine
from penstock.engines.packs import Packer
from penstock.errors import AccountingError, IntegrityError
from penstock.naming import ArrivalName, TableName, is_pack
from penstock.state import DataFile, Head, SqliteState
from penstock.state.store import Column
from penstock.storage import LocalZone
from penstock.tables import Catalog, Change, LocalCatalog, Staged, commit_group
from penstock.tables.commit import Carver
from penstock.upkeep.compact import Compactor
from penstock.upkeep.plan import groups_of
from penstock.upkeep.policy import Policy
from tests.contracts.parquet import add_columns, rows, write_file
from tests.contracts.test_commit import Delivery, free, model

T = TableName.parse("t")
ALL = Policy(min_input_files=2)


class Place:
    """A lake's tables, and what compacts them."""

    def __init__(self, folder: Path) -> None:
        """Make everything below `folder`."""
        self.folder = folder
        self.state = SqliteState(folder / "state", HeldClock())
        self.catalog = LocalCatalog(folder / "processed", self.state.heads)
        self.zone = LocalZone(folder / "processed", self.catalog.seals)
        self.engine = DuckDBEngine(folder / "spill")
        self.compactor = self.compacting(self.engine)

    def compacting(self, engine: DuckDBEngine) -> Compactor:
        """A compactor with an engine."""
        return Compactor(engine, self.zone, self.catalog, self.state, HeldClock())

    def compact(self, table: TableName = T) -> int:
        """Join all that is small; gives how many files were joined."""
        head, count = self.head(table), 0
        for group in groups_of(head, ALL, by_tiers=False):
            done = self.compactor.compact(self.head(table), group)
            count += done[1] if done else 0
        return count

    def head(self, table: TableName = T) -> Head:
        """What the table holds."""
        head = self.catalog.head(table)
        assert head is not None
        return head

    def files(self, table: TableName = T) -> set[str]:
        """Names of the data files on disk, hidden ones included."""
        return {path.name for path in (self.folder / "processed" / table.layer / table.name / "data").iterdir()}

    def add(self, name: ArrivalName, select: str, attempt: int = 0, on_reupload: str = "replace") -> Head:
        """Commit the rows of one arrival."""
        return commit_group(
            self.catalog, T, [self.staged(name, select, attempt, on_reupload)], HeldClock(), free, self.carve
        ).head

    def staged(self, name: ArrivalName, select: str, attempt: int, on_reupload: str) -> Staged:
        """Write the rows of one arrival."""
        folder = self.folder / "processed" / "main" / "t" / "data"
        file = write_file(folder, name.stem(f"{attempt:08x}"), select, self.head().columns)
        return Staged(name, (file,), on_reupload)

    @property
    def carve(self) -> Carver:
        """What writes packs anew."""
        return Packer(self.engine, self.zone).carve


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place without tables."""
    made = Place(tmp_path)
    yield made
    made.engine.close()
    made.state.close()


@pytest.mark.parametrize("seed", range(6))
def test_compaction_changes_no_outcome(place: Place, seed: int) -> None:
    """Random deliveries and compactions end with the rows of the plain model, which knows no compaction."""
    chance = random.Random(seed)
    place.catalog.create(T, [("id", "BIGINT")], {})
    groups: list[list[Delivery]] = []
    values: dict[str, int] = {}
    joined = 0
    for attempt in range(16):
        policy = chance.choice(["replace", "replace", "append", "ignore"])
        delivery = Delivery(chance.choice("abcd"), chance.choice("12"), chance.randint(0, 1), policy, full=True)
        groups.append([delivery])
        value = values.setdefault(str(delivery.name), len(values))
        head = place.add(delivery.name, f"SELECT {value} AS id FROM range(3)", attempt, policy)
        if chance.random() < 0.4:
            joined += place.compact()
            head = place.head()
        expected = sorted((values[str(one.name)],) for one in model(groups) for _ in range(3))
        assert rows(head) == expected
        live = sorted(str(member.arrival) for file in head.files for member in file.members)
        assert live == sorted(str(one.name) for one in model(groups))
    assert joined > 0


EVERY_TYPE = {
    "BIGINT": "42",
    "BLOB": r"'\x00\xFF'",
    "BOOLEAN": "true",
    "DATE": "'2024-02-29'",
    "DECIMAL(38,10)": "'123456789.0123456789'",
    "DOUBLE": "'-0.0'",
    "FLOAT": "'nan'",
    "TIME": "'23:59:59.999999'",
    "TIMESTAMP": "'2024-02-29 23:59:59.999999'",
    "TIMESTAMP WITH TIME ZONE": "'2024-02-29 23:59:59.999999+00'",
    "UUID": "'00000000-0000-0000-0000-000000000001'",
    "VARCHAR": "'é\U0001f600'",
}


def test_every_type_comes_through(place: Place) -> None:
    """Values of every type, nulls, empty texts, and columns that are called like the engine's own."""
    kinds = [*EVERY_TYPE, "VARCHAR", "VARCHAR", "BIGINT"]
    names = [*(f"c{at}" for at in range(len(EVERY_TYPE))), "filename", "file_row_number", "first"]
    cells = [*EVERY_TYPE.values(), "''", "'x'", "7"]
    place.catalog.create(T, list(zip(names, kinds, strict=True)), {})
    full = ", ".join(f"CAST({cell} AS {kind}) AS {name}" for name, kind, cell in zip(names, kinds, cells, strict=True))
    empty = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in zip(names, kinds, strict=True))
    for at, select in enumerate([f"SELECT {full}", f"SELECT {empty}", f"SELECT {full} UNION ALL SELECT {empty}"]):
        place.add(ArrivalName.of(str(at), "ab" * 32), select)
    before = list(map(str, rows(place.head())))
    assert place.compact() == 3
    assert list(map(str, rows(place.head()))) == before
    assert len(place.head().files) == 1


def test_older_files_take_the_columns_of_today(place: Place) -> None:
    """Files from before a column was added, grown or renamed are joined with later ones, by field id."""
    place.catalog.create(T, [("id", "INTEGER"), ("name", "VARCHAR")], {})
    place.add(ArrivalName.of("a", "ab" * 32), "SELECT 1 AS id, 'x' AS name")
    add_columns(place.catalog, place.head(), [("id", "BIGINT"), ("price", "DOUBLE")], {})
    with place.catalog._catalog().load_table(("main", "t")).update_schema() as schema:
        schema.rename_column("name", "called")
    place.add(ArrivalName.of("b", "ab" * 32), "SELECT 10000000000 AS id, 'y' AS called, 0.5 AS price")
    before = rows(place.head())
    assert place.compact() == 2
    assert rows(place.head()) == before == [(1, "x", None), (10000000000, "y", 0.5)]


def test_files_of_other_writers_are_joined_among_themselves(place: Place) -> None:
    """Nobody knows whose their rows are: they never come into one file with rows that are known."""
    head = place.catalog.create(T, [("id", "BIGINT")], {})
    folder = place.folder / "processed" / "main" / "t" / "data"
    for at in range(3):
        file = write_file(folder, f"00000-0-{at}", f"SELECT {at} AS id", head.columns)
        head = place.catalog.commit(Change(head, (file,), (), {}))
        place.add(ArrivalName.of(str(at), "ab" * 32), f"SELECT {10 + at} AS id")
        head = place.head()
    assert place.compact() == 6
    after = place.head()
    assert sorted(len(file.members) for file in after.files) == [0, 3]
    assert rows(after) == [(0,), (1,), (2,), (10,), (11,), (12,)]
    fresh = LocalCatalog(place.folder / "processed", SqliteState(place.folder / "other", HeldClock()).heads).head(T)
    assert fresh is not None
    assert {file.path: file.members for file in fresh.files} == {file.path: file.members for file in after.files}


class Faulty(DuckDBEngine):
    """An engine that writes other rows than it was asked to, as many as it says."""

    change = ""

    def gather(self, select: str, columns: tuple[Column, ...], path: str, facts: Mapping[str, str]) -> int:
        """Change the SELECT."""
        return super().gather(self.change.format(select), columns, path, facts)


@pytest.mark.parametrize(
    "change",
    [
        "SELECT 1 AS id FROM ({}) LIMIT 4",
        "SELECT id + 1 AS id FROM ({})",
        "SELECT * FROM ({}) ORDER BY id DESC",
        "SELECT CASE WHEN id = 2 THEN 1 ELSE id END AS id FROM ({})",
        "SELECT * FROM ({}) WHERE id > 0",
    ],
)
def test_a_file_with_other_rows_is_never_committed(place: Place, change: str) -> None:
    """Rows that are lost, made up, changed, or in another order stop the compaction; nothing is left of it."""
    place.catalog.create(T, [("id", "BIGINT")], {})
    for at in range(4):
        place.add(ArrivalName.of(str(at), "ab" * 32), f"SELECT {at} AS id")
    head, files = place.head(), place.files()
    faulty = Faulty(place.folder / "spill2")
    faulty.change = change
    with pytest.raises(AccountingError):
        place.compacting(faulty).compact(head, list(head.files))
    faulty.close()
    assert (place.head(), place.files()) == (head, files)


def test_a_damaged_file_is_not_joined(place: Place) -> None:
    """A file that is not as it was written stops the compaction, so that damage never becomes the truth."""
    place.catalog.create(T, [("id", "BIGINT")], {})
    for at in range(2):
        place.add(ArrivalName.of(str(at), "ab" * 32), f"SELECT {at} AS id")
    head = place.head()
    path = Path(head.files[0].path)
    content = bytearray(path.read_bytes())
    content[6] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError):
        place.compact()
    assert place.head() == head


class Overtaken:
    """A catalog where another writer commits right before each of the first looks at what is live."""

    def __init__(self, place: Place, times: int) -> None:
        """Let another writer replace the first file `times` times."""
        self.place, self.left = place, times
        self.seals = place.catalog.seals

    def head(self, table: TableName) -> Head | None:
        """Let another writer be faster."""
        if self.left:
            self.left -= 1
            self.place.add(ArrivalName.of("0", f"{self.left:02x}" * 32), f"SELECT {100 + self.left} AS id", self.left)
        return self.place.catalog.head(table)

    def commit(self, change: Change) -> Head:
        """Pass on."""
        return self.place.catalog.commit(change)


def test_a_writer_that_is_faster_wins(place: Place) -> None:
    """A file that was replaced while it was joined stays replaced; the others are joined without it."""
    place.catalog.create(T, [("id", "BIGINT")], {})
    for at in range(4):
        place.add(ArrivalName.of(str(at), "ab" * 32), f"SELECT {at} AS id")
    head = place.head()
    catalog: Catalog = Overtaken(place, 1)  # type: ignore[assignment]
    done = Compactor(place.engine, place.zone, catalog, place.state, HeldClock()).compact(head, list(head.files))
    assert done is not None
    assert done[1] == 3
    assert rows(place.head()) == [(1,), (2,), (3,), (100,)]
    live = {Path(file.path).name for file in place.head().files}
    assert {name for name in place.files() if is_pack(name)} <= live


def test_a_lost_answer_is_settled(place: Place) -> None:
    """A commit that landed though its answer was lost counts; its file is not removed."""
    place.catalog.create(T, [("id", "BIGINT")], {})
    for at in range(2):
        place.add(ArrivalName.of(str(at), "ab" * 32), f"SELECT {at} AS id")

    class Losing(Overtaken):
        def commit(self, change: Change) -> Head:
            super().commit(change)
            raise ConnectionResetError("connection reset by peer")

    catalog: Catalog = Losing(place, 0)  # type: ignore[assignment]
    head = place.head()
    assert Compactor(place.engine, place.zone, catalog, place.state, HeldClock()).compact(head, list(head.files))
    assert (len(place.head().files), rows(place.head())) == (1, [(0,), (1,)])


def test_rows_with_the_same_content_are_all_kept(place: Place) -> None:
    """Equal rows are as many after as before: digests that cancel each other out would not tell."""
    place.catalog.create(T, [("id", "BIGINT")], {})
    for at in range(3):
        place.add(ArrivalName.of(str(at), "ab" * 32), "SELECT 1 AS id FROM range(50)")
    assert place.compact() == 3
    assert rows(place.head()) == [(1,)] * 150
    with duckdb.connect() as connection:
        path = place.head().files[0].path
        assert connection.execute(f"SELECT count(*) FROM read_parquet('{path}')").fetchall() == [(150,)]


def test_a_pack_is_joined_with_others(place: Place) -> None:
    """What was joined is joined again, members and all, and a member can be replaced afterwards."""
    place.catalog.create(T, [("id", "BIGINT")], {})
    names = [ArrivalName.of(str(at), "ab" * 32) for at in range(6)]
    for at, name in enumerate(names):
        place.add(name, f"SELECT {at} AS id FROM range({at + 1})")
        if at in {2, 5}:
            assert place.compact() > 1
    (pack,) = place.head().files
    assert isinstance(pack, DataFile)
    assert {member.arrival: member.rows for member in pack.members} == {n: at + 1 for at, n in enumerate(names)}
    place.add(replace(names[1], generation=1), "SELECT 77 AS id", 9)
    assert rows(place.head()) == sorted([(0,), (77,), *[(at,) for at in range(2, 6) for _ in range(at + 1)]])
