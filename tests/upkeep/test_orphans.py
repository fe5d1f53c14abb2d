"""Orphans: what nothing names goes after its time, and nothing else ever does."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import penstock
from penstock.clock import HeldClock
from penstock.errors import OldCatalogError
from penstock.lake import Lake
from penstock.naming import TableName
from penstock.tables import Change
from penstock.upkeep.leftovers import clear, leftovers
from penstock.upkeep.maintain import Maintained
from penstock.upkeep.orphans import own
from penstock.wiring.engine import engine_of
from tests.contracts.parquet import arrival, write_file

T = TableName.parse("t")
DAY = 86_400.0
LAKE = """
lake: tidy
upkeep: {automatic: false, max_snapshots: 2, min_snapshots: 1}
tables:
  t: {files: "*.csv"}
"""


class Tidy:
    """A lake whose time a test moves, and whose upkeep it calls."""

    def __init__(self, folder: Path) -> None:
        """Make a lake with three files in three commits."""
        (folder / "raw").mkdir(parents=True)
        (folder / "lake.yaml").write_text(LAKE)
        self.folder, self.clock = folder, HeldClock(time.time())
        self.lake = penstock.Lake(folder, self.clock)
        for at in range(3):
            self.land(at)

    def land(self, at: int) -> None:
        """Let a file land, and process it."""
        (self.folder / "raw" / f"{at}.csv").write_text(f"id\n{at}\n")
        self.lake.run()

    def maintain(self, days: float = 0.0) -> Maintained:
        """Let time pass, and look after the table."""
        self.clock.sleep(days * DAY)
        (done,) = self.lake.maintain().tables
        return done

    @property
    def place(self) -> Path:
        """The table's folder."""
        return self.folder / "processed" / "main" / "t"

    @property
    def files(self) -> set[str]:
        """Every file of the table, by path below its folder."""
        return {path.relative_to(self.place).as_posix() for path in self.place.rglob("*") if path.is_file()}

    def rows(self) -> list[int]:
        """The rows."""
        return [row[0] for row in self.lake.query("SELECT id FROM t ORDER BY id").fetchall()]


@pytest.fixture
def tidy(tmp_path: Path) -> Iterator[Tidy]:
    """A lake to be looked after."""
    made = Tidy(tmp_path / "lake")
    yield made
    made.lake.close()


def test_orphans_wait_and_go(tidy: Tidy) -> None:
    """Files that expired snapshots named wait a day from when they were first seen unnamed; then all of them go."""
    first = tidy.maintain()
    assert (first.joined, first.error) == (3, None)
    assert first.snapshots > 0
    assert first.swept.waiting > 0
    assert first.swept.removed == 0
    early = tidy.maintain(0.9)
    assert (early.swept.removed, early.swept.waiting) == (0, first.swept.waiting)
    late = tidy.maintain(0.2)
    assert (late.swept.removed, late.swept.waiting) == (first.swept.waiting, 0)
    assert late.swept.bytes > 0
    assert tidy.rows() == [0, 1, 2]
    assert sum(name.startswith("data/") for name in tidy.files) <= 4
    assert tidy.maintain(2).swept.removed == 0
    assert tidy.rows() == [0, 1, 2]
    assert tidy.lake.verify().findings == []


def test_what_attempts_left_goes_too(tidy: Tidy) -> None:
    """Data files that were never committed, half written ones and metadata of lost commits are orphans."""
    head = tidy.lake.catalog.head(T)
    assert head is not None
    write_file(tidy.place / "data", arrival("lost").stem("0" * 8), "SELECT 7 AS id", head.columns)
    made = [
        f"data/.{arrival('half').stem('1' * 8)}.parquet.tmp",
        f"data/pack-{'a' * 32}.parquet",
        f"data/.pack-{'b' * 32}.parquet.{'c' * 32}.tmp",
        "metadata/00001-01234567-89ab-cdef-0123-456789abcdef.metadata.json",
        "metadata/snap-123-0-01234567-89ab-cdef-0123-456789abcdef.avro",
        "metadata/01234567-89ab-cdef-0123-456789abcdef-m0.avro",
        "metadata/.01234567-89ab-cdef-0123-456789abcdef-m1.avro.tmp",
    ]
    for name in made:
        (tidy.place / name).write_bytes(b"x")
    tidy.maintain()
    assert {*made} <= tidy.files
    tidy.maintain(1.1)
    assert not {*made, f"data/{arrival('lost').stem('0' * 8)}.parquet"} & tidy.files
    assert tidy.rows() == [0, 1, 2]


def test_what_is_not_ours_stays(tidy: Tidy) -> None:
    """Files of other names, folders and places are listed and left; what a link leads to is left as well."""
    foreign = {
        "notes.txt",
        "data/00000-0-abc.parquet",
        f"data/sub/pack-{'a' * 32}.parquet",
        "metadata/version-hint.text",
    }
    for name in foreign:
        (tidy.place / name).parent.mkdir(exist_ok=True)
        (tidy.place / name).write_text("keep me")
    outside = tidy.folder / "outside"
    outside.mkdir()
    (outside / f"pack-{'a' * 32}.parquet").write_text("keep me")
    (tidy.place / "data" / "link").symlink_to(outside)
    (tidy.place / "data" / f"pack-{'d' * 32}.parquet").symlink_to(outside / f"pack-{'a' * 32}.parquet")
    beside = tidy.place.parent / "other" / "data" / f"pack-{'e' * 32}.parquet"
    beside.parent.mkdir(parents=True)
    beside.write_text("keep me")
    tidy.maintain()
    done = tidy.maintain(3)
    assert foreign <= set(done.swept.foreign)
    assert foreign <= tidy.files
    assert beside.read_text() == (outside / f"pack-{'a' * 32}.parquet").read_text() == "keep me"
    assert {"catalog.db", "seals.db"} <= {path.name for path in (tidy.folder / "processed").iterdir()}


def test_a_young_file_stays_however_long_it_was_seen(tidy: Tidy) -> None:
    """A file that is still being written is not removed, though it was first seen long ago."""
    half = tidy.place / "data" / f".pack-{'a' * 32}.parquet.tmp"
    half.write_bytes(b"x")
    tidy.maintain()
    tidy.clock.sleep(2 * DAY)
    os.utime(half, (tidy.clock.now(), tidy.clock.now()))
    tidy.maintain()
    assert half.exists()
    tidy.maintain(1.1)
    assert not half.exists()


def test_snapshots_with_a_tag_keep_their_files(tidy: Tidy) -> None:
    """A tagged snapshot does not expire, and can be asked for as long as it has its tag."""
    tidy.lake.history.tag(T, "kept")
    for at in range(3, 6):
        tidy.land(at)
    tidy.maintain()
    tidy.maintain(2)
    assert tidy.lake.query("SELECT count(*) FROM t", at="kept").fetchall() == [(3,)]
    tidy.lake.history.untag(T, "kept")
    tidy.maintain()
    assert tidy.maintain(2).swept.removed > 0
    assert tidy.rows() == list(range(6))


def test_the_wait_starts_anew_where_the_ledger_is_lost(tidy: Tidy) -> None:
    """Nobody knows any more since when files are unnamed: they stay for another day. So does damage to the ledger."""
    waiting = tidy.maintain().swept.waiting
    ledger = tidy.folder / ".penstock" / "upkeep" / "main.t.json"
    for text in ("", "[]", '{"seen": {"a": "b"}, "swept": 0}'):
        ledger.write_text(text)
        assert tidy.maintain(1.5).swept.removed == 0
    later = {key: tidy.clock.now() + DAY for key in json.loads(ledger.read_text())["seen"]}
    ledger.write_text(json.dumps({"seen": later, "swept": tidy.clock.now() + DAY}))
    assert tidy.maintain().swept.removed == 0
    assert tidy.maintain(1.1).swept.removed == waiting


def test_a_commit_from_before_the_removal_cannot_land(tidy: Tidy) -> None:
    """A worker that slept for days with a staged file finds that the table has moved on."""
    head = tidy.lake.catalog.head(T)
    assert head is not None
    tidy.maintain()
    head = tidy.lake.catalog.head(T)
    assert head is not None
    staged = write_file(tidy.place / "data", arrival("slow").stem("0" * 8), "SELECT 7 AS id", head.columns)
    tidy.maintain()
    tidy.maintain(1.5)
    with pytest.raises(penstock.PenstockError, match="another writer committed first"):
        tidy.lake.catalog.commit(Change(head, (staged,), (), {}))
    assert tidy.rows() == [0, 1, 2]


def test_nothing_goes_under_an_old_catalog(tidy: Tidy) -> None:
    """Where a copy of the catalog was put back, files that only the newer one named are not removed."""
    catalog = tidy.folder / "processed" / "catalog.db"
    copy = shutil.copy(catalog, tidy.folder / "catalog.copy")
    for at in range(3, 6):
        tidy.land(at)
    tidy.lake.close()
    shutil.copy(copy, catalog)
    with penstock.Lake(tidy.folder, tidy.clock) as lake:
        files = tidy.files
        for days in (0, 2, 2):
            tidy.clock.sleep(days * DAY)
            (done,) = lake.maintain().tables
            assert isinstance(done.error, OldCatalogError)
            assert "repair" in done.error.hint
            for at in range(6, 10):
                (tidy.folder / "raw" / f"{at}-{days}.csv").write_text(f"id\n{at}\n")
                lake.run()  # the old catalog goes on
        assert files <= tidy.files


@pytest.mark.parametrize(
    "name",
    [
        "catalog.db",
        "seals.db",
        ".catalog.db.lock",
        "x.parquet",
        "pack-1.parquet",
        ".tmp",
        "a.tmp",
        "00001-x.metadata.json",
    ],
)
def test_names_of_others_are_told_from_ours(name: str) -> None:
    """Only whole patterns count."""
    assert not own(name)


def test_leftovers_of_dead_processes_go(tmp_path: Path) -> None:
    """Spill folders and lock files of dead processes go, those of living ones stay; scratch folders go by age."""
    now = time.time()
    dead = 2**22 + 1
    for folder in ("spill", "scratch", "workers"):
        (tmp_path / folder).mkdir()
    names = {
        "spill": [f"{dead}-0", f"{dead}-0a1b2c3d", f"{os.getpid()}-0", f"{os.getpid()}-0a1b2c3d", "other"],
        "scratch": ["a" * 32, "b" * 32, "mine"],
        "workers": [f"{dead}-{'a' * 12}", f"{dead}-{'b' * 12}", "readme"],
    }
    for folder, below in names.items():
        for name in below:
            path = tmp_path / folder / name
            if folder == "workers":
                path.touch()
            else:
                path.mkdir()
                (path / "file").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").touch()
    for old in ("scratch/" + "a" * 32, "scratch/" + "a" * 32 + "/file", f"workers/{dead}-{'a' * 12}"):
        os.utime(tmp_path / old, (now - 2 * DAY, now - 2 * DAY), follow_symlinks=False)
    found = leftovers(tmp_path, DAY, now)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        f"spill/{dead}-0",
        f"spill/{dead}-0a1b2c3d",
        "scratch/" + "a" * 32,
        f"workers/{dead}-{'a' * 12}",
    ]
    clear(found)
    assert not any(path.exists() for path in found)
    assert (tmp_path / "kept").exists()
    assert leftovers(tmp_path, DAY, now) == []
    assert leftovers(tmp_path / "none", DAY, now) == []


def test_engines_of_one_process_spill_apart(tidy: Tidy) -> None:
    """Two lakes opened at once, as steps of workflows do, have a folder each, which are known when they are left."""
    spill = tidy.folder / ".penstock" / "spill"
    before = set(spill.iterdir()) if spill.is_dir() else set()
    with Lake(tidy.folder) as other, ExitStack() as engines:
        for lake in (tidy.lake, other, other):
            engines.callback(engine_of(lake).close)
        folders = sorted(set(spill.iterdir()) - before)
    assert len(folders) == 3
    for folder in folders:
        left = folder.with_name(f"{2**22 + 1}-{folder.name.partition('-')[2]}")
        left.mkdir(parents=True)
        assert left in leftovers(tidy.folder / ".penstock", DAY, time.time())


def test_a_living_worker_keeps_its_lock(tidy: Tidy) -> None:
    """The file of a worker that lives is locked, however old it is."""
    tidy.lake.state.leases.acquire("something")
    (own_file,) = (tidy.folder / ".penstock" / "workers").iterdir()
    os.utime(own_file, (0, 0))
    assert own_file not in leftovers(tidy.folder / ".penstock", DAY, time.time())
