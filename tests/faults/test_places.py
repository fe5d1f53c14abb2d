"""What fails, fails as it does on a real machine, and leaves nothing half done."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock import faults
from penstock.clock import HeldClock
from penstock.lake import Lake
from penstock.naming import TableName
from penstock.state import SqliteState
from penstock.tables.file_io import LocalFileIO
from tests.faults.sweep import Kind, Strike, striking

T = TableName.parse("t")


def land(state: SqliteState, key: str = "a.csv") -> bool:
    """Record a file."""
    return state.arrivals.record(T, key, "v1", 1, 1, "mark")


def keys(folder: Path) -> list[str]:
    """Recorded files, as another reader sees them."""
    state = SqliteState(folder)
    try:
        return [arrival.key for arrival in state.arrivals.find(T)]
    finally:
        state.close()


@pytest.mark.parametrize("kind", ["error", "full disk"])
@pytest.mark.parametrize("place", ["state.begin", "state.read", "state.write", "state.commit"])
def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path, kind: str, place: str) -> None:
    """Whichever statement fails, nothing of the transaction stays, and the next one is whole and by itself."""
    state = SqliteState(tmp_path)
    strike = Strike(1, "error" if kind == "error" else "full disk", only=frozenset({place}))
    with striking(strike), pytest.raises(sqlite3.OperationalError, match="disk"):
        land(state, "lost.csv")
    assert strike.struck == place
    assert keys(tmp_path) == []
    assert land(state, "kept.csv")
    assert keys(tmp_path) == ["kept.csv"]
    state.close()


def test_an_answer_that_is_lost(tmp_path: Path) -> None:
    """A commit that landed though it said otherwise is there, and the store goes on."""
    state = SqliteState(tmp_path)
    with striking(Strike(1, only=frozenset({"state.committed"}))), pytest.raises(sqlite3.OperationalError):
        land(state)
    assert keys(tmp_path) == ["a.csv"]
    assert land(state) is False
    state.close()


def test_what_a_full_disk_rolled_back_is_not_gone_on_with(tmp_path: Path) -> None:
    """SQLite gives up a transaction without room; what would follow in it is not kept by itself."""
    state = SqliteState(tmp_path)

    def both() -> None:
        with state.together():
            land(state, "one.csv")
            with striking(Strike(1, "full disk", only=frozenset({"state.write"}))):
                land(state, "two.csv")

    with pytest.raises(sqlite3.OperationalError, match="full"):
        both()
    assert keys(tmp_path) == []
    assert land(state, "three.csv")
    assert keys(tmp_path) == ["three.csv"]
    state.close()


def test_a_worker_without_its_lock_is_none(tmp_path: Path) -> None:
    """A worker whose lock could not be made has no name by which it holds anything."""
    state = SqliteState(tmp_path)
    land(state)
    with striking(Strike(1, only=frozenset({"state.worker"}))), pytest.raises(OSError, match="Input/output"):
        state.arrivals.claim(T, 1)
    claimed = state.arrivals.claim(T, 1)
    other = SqliteState(tmp_path)
    assert other.arrivals.claim(T, 1) == [], "the lock of the one that has it is held"
    assert state.arrivals.held(claimed[0])
    other.close()
    state.close()


def test_closing_lets_go_whatever_fails(tmp_path: Path) -> None:
    """A store that cannot give back what it holds lets go of its lock all the same."""
    state = SqliteState(tmp_path)
    land(state)
    assert state.arrivals.claim(T, 1)
    with striking(Strike(1, span="from then on", only=frozenset({"state.begin"}))):
        state.close()
    other = SqliteState(tmp_path)
    assert [arrival.key for arrival in other.arrivals.claim(T, 1)] == ["a.csv"]
    other.close()


def make(folder: Path) -> Lake:
    """A lake in which a file waits."""
    (folder / "raw").mkdir()
    (folder / "lake.yaml").write_text('lake: places\ntables:\n  t:\n    files: "*.csv"\n')
    (folder / "raw" / "a.csv").write_text("id,name\n1,a\n")
    return Lake(folder, HeldClock())


def test_metadata_is_on_disk_before_the_catalog_names_it(tmp_path: Path) -> None:
    """Each metadata file is written, synced and renamed, and its folder synced, before the catalog's commit."""
    strike = Strike(0)
    with make(tmp_path) as lake, striking(strike):
        lake.run()
    assert [place for place in strike.reached if place.startswith(("metadata", "catalog.commit"))][-12:] == [
        *("metadata.write", "metadata.sync", "metadata.rename") * 3,
        "metadata.sync",
        "catalog.commit",
        "catalog.committed",
    ]


STRIKES: list[tuple[Kind, str]] = [
    ("error", "metadata.sync"),
    ("error", "metadata.rename"),
    ("torn write", "metadata.write"),
    ("full disk", "metadata.write"),
]


@pytest.mark.parametrize(("kind", "place"), STRIKES)
def test_no_metadata_file_is_half_written(tmp_path: Path, kind: Kind, place: str) -> None:
    """Where a metadata file cannot be written, neither its name nor its hidden name is there; it can be tried again."""
    path = tmp_path / "metadata" / "x.metadata.json"
    output = LocalFileIO().new_output(str(path)).create()
    output.write(b"{}" * 100)
    with striking(Strike(1, kind, only=frozenset({place}))), pytest.raises(OSError, match=r"Input/output|No space"):
        output.close()
    assert list(path.parent.iterdir()) == []
    with LocalFileIO().new_output(str(path)).create() as file:
        file.write(b"{}")
    assert path.read_bytes() == b"{}"
    with pytest.raises(FileExistsError):
        LocalFileIO().new_output(str(path)).create()


def test_metadata_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    """A writer that fails in the middle leaves no file."""
    path = tmp_path / "x.avro"

    def write() -> None:
        with LocalFileIO().new_output(str(path)).create() as file:
            file.write(b"half")
            raise BufferError("in the middle")

    with pytest.raises(BufferError, match="in the middle"):
        write()
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        LocalFileIO().delete(str(path))


def test_other_programs_read_what_was_written(tmp_path: Path) -> None:
    """The tables are plain Iceberg: a catalog that knows nothing of ours reads them, and names none of our classes."""
    from pyiceberg.catalog.sql import SqlCatalog

    with make(tmp_path) as lake:
        lake.run()
    folder = tmp_path / "processed"
    other = SqlCatalog("penstock", uri=f"sqlite:///{folder / 'catalog.db'}", warehouse=str(folder))
    try:
        table = other.load_table(("main", "t"))
        assert table.scan().to_arrow().to_pylist() == [{"id": 1, "name": "a"}]
        assert "penstock.tables" not in Path(table.metadata_location).read_text(encoding="utf-8")
    finally:
        other.close()


def _plain(path: Path) -> None:
    with path.open("wb") as file:
        faults.write(file, b"12345678", "scratch.write")


def _copied(path: Path) -> None:
    path.write_bytes(b"12345678")
    faults.wrote(str(path), "engine.written")


def _library(path: Path) -> None:
    faults.sink(str(path), "scratch.write").write(b"12345678")


@pytest.mark.parametrize("write", [_plain, _copied, _library])
def test_a_torn_write_leaves_half(tmp_path: Path, write: Callable[[Path], None]) -> None:
    """However a file is written, half of it is there where the disk fails in the middle."""
    path = tmp_path / "file"
    with striking(Strike(1, "torn write")), pytest.raises(OSError, match="Input/output") as caught:
        write(path)
    assert caught.value.errno == errno.EIO
    assert path.read_bytes() == b"1234"


def test_without_a_hook_libraries_write_by_themselves() -> None:
    """In production a library gets the path, as ever."""
    assert faults.sink("as it is", "scratch.write") == "as it is"
