"""The contract of `Catalog`, on every implementation."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import CommitConflictError, PlanOutdatedError
from penstock.naming import TableName
from penstock.state import Head
from penstock.state.store import Column
from penstock.tables import HISTORY, Catalog, Change, DataFile, Evolution, evolved_columns
from tests.contracts.conftest import Catalogs
from tests.contracts.parquet import add_columns, arrival, rows, write_file

T = TableName.parse("t")
COLUMNS = [("id", "BIGINT"), ("name", "VARCHAR")]


def made(catalog: Catalog) -> Head:
    """Make the table."""
    return catalog.create(T, COLUMNS, {})


def data(folder: Path, head: Head, key: str, select: str) -> DataFile:
    """Write a data file for the table's columns."""
    return write_file(folder / "data", arrival(key).stem("0" * 8), select, head.columns)


def add(catalog: Catalog, base: Head, *files: DataFile, remove: tuple[str, ...] = ()) -> Head:
    """Commit files."""
    return catalog.commit(Change(base, files, remove, {"penstock.arrivals": "x"}))


def test_nothing_is_there_at_first(catalog: Catalog) -> None:
    """A catalog that was never written to can be asked everything."""
    assert catalog.tables() == []
    assert catalog.pointer(T) is None
    assert catalog.metadata(T) is None
    assert catalog.head(T) is None


def test_a_table_is_made(catalog: Catalog) -> None:
    """A new table has its columns, properties, ids from 1, no snapshot and no file."""
    properties = {"penstock.source": '{"é": "1"}', "supnum:Lab": "PROJET-5"}
    head = catalog.create(TableName("layer", "t"), COLUMNS, properties)
    made(catalog)
    assert catalog.tables() == [TableName("layer", "t"), T]
    assert head.columns == (Column(1, "id", "BIGINT"), Column(2, "name", "VARCHAR"))
    assert (head.snapshot, head.committed_at, head.files) == (None, None, ())
    assert catalog.pointer(head.table) == head.pointer
    metadata = catalog.metadata(head.table)
    assert metadata is not None
    assert {key: metadata["properties"][key] for key in properties} == properties
    assert rows(head) == []


EVERY_TYPE = [
    "BIGINT", "BLOB", "BOOLEAN", "DATE", "DECIMAL(12,2)", "DECIMAL(38,0)", "DOUBLE", "FLOAT", "INTEGER", "TIME",
    "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "UUID", "VARCHAR",
]  # fmt: skip


def test_every_stored_type_comes_back(catalog: Catalog) -> None:
    """A table's columns have the types that they were made with."""
    head = catalog.create(T, [(f"c{at}", kind) for at, kind in enumerate(EVERY_TYPE)], {})
    assert [column.type for column in head.columns] == EVERY_TYPE


def test_a_table_is_made_once(catalogs: Catalogs) -> None:
    """Who comes second learns that the plan is stale; the first one's table stays."""
    one, two = catalogs.open(), catalogs.open("other")
    head = made(one)
    for catalog in (one, two):
        with pytest.raises(PlanOutdatedError):
            catalog.create(T, [("other", "DATE")], {})
    assert two.head(T) == head


def test_a_commit_adds_rows(catalog: Catalog, tmp_path: Path) -> None:
    """One commit is one snapshot: its files, rows, bytes and summary are there."""
    base = made(catalog)
    file = data(tmp_path, base, "a", "SELECT 1 AS id, 'é' AS name UNION ALL SELECT 2, NULL")
    head = add(catalog, base, file)
    assert rows(head) == [(1, "é"), (2, None)]
    assert (head.rows, head.bytes, [f.path for f in head.files]) == (2, file.bytes, [file.path])
    assert head.files[0].members[0].arrival == arrival("a")
    assert head.snapshot is not None
    assert head.pointer != base.pointer
    assert catalog.head(T) == head
    metadata = catalog.metadata(T)
    assert metadata is not None
    assert [snapshot["summary"]["penstock.arrivals"] for snapshot in metadata["snapshots"]] == ["x"]


def test_a_commit_replaces_rows(catalog: Catalog, tmp_path: Path) -> None:
    """Adding and removing is one snapshot; what was neither added nor removed stays."""
    base = made(catalog)
    old, other = (data(tmp_path, base, key, f"SELECT {at} AS id, '{key}' AS name") for at, key in enumerate("ab"))
    base = add(catalog, base, old, other)
    new = data(tmp_path, base, "c", "SELECT 7 AS id, 'c' AS name")
    head = add(catalog, base, new, remove=(old.path,))
    assert rows(head) == [(1, "b"), (7, "c")]
    assert len((catalog.metadata(T) or {})["snapshots"]) == 2
    emptied = add(catalog, head, remove=(other.path, new.path))
    assert (rows(emptied), emptied.files) == ([], ())


def test_a_stale_base_changes_nothing(catalogs: Catalogs, tmp_path: Path) -> None:
    """A change that was worked out against an older head is refused, and the table stays as it is."""
    one, two = catalogs.open(), catalogs.open("other")
    base = made(one)
    files = [data(tmp_path, base, key, "SELECT 1 AS id, 'x' AS name") for key in "ab"]
    head = add(one, base, files[0])
    for catalog in (one, two):
        with pytest.raises(CommitConflictError):
            add(catalog, base, files[1])
        with pytest.raises(PlanOutdatedError):
            add_columns(catalog, base, [("extra", "DATE")], {})
        assert catalog.head(T) == head


def test_the_cache_may_be_lost(catalogs: Catalogs, tmp_path: Path) -> None:
    """A head that is read anew, without a cache, equals the one that the commits gave."""
    catalog = catalogs.open()
    head = made(catalog)
    for at in range(12):  # more than manifests are kept apart
        remove = (head.files[0].path,) if at % 3 == 2 else ()
        head = add(catalog, head, data(tmp_path, head, str(at), f"SELECT {at} AS id, 'x' AS name"), remove=remove)
    fresh = catalogs.open("lost").head(T)
    assert fresh is not None
    assert sorted(fresh.files, key=lambda f: f.path) == sorted(head.files, key=lambda f: f.path)
    assert (fresh.pointer, fresh.snapshot, fresh.columns) == (head.pointer, head.snapshot, head.columns)
    assert fresh.committed_at == head.committed_at
    assert rows(fresh) == rows(head)


def test_columns_are_added(catalog: Catalog, tmp_path: Path) -> None:
    """New columns get new ids and are null in older files; properties are set in the same step."""
    base = add(catalog, made(catalog), data(tmp_path, made_columns(), "a", "SELECT 1 AS id, 'x' AS name"))
    head = add_columns(catalog, base, [("price", "DECIMAL(12,2)"), ("when", "DATE")], {"note": "é"})
    assert head.columns[2:] == (Column(3, "price", "DECIMAL(12,2)"), Column(4, "when", "DATE"))
    assert rows(head) == [(1, "x", None, None)]
    head = add(catalog, head, data(tmp_path, head, "b", 'SELECT 2 AS id, NULL AS name, 1.5 AS price, NULL AS "when"'))
    assert rows(head) == [(1, "x", None, None), (2, None, Decimal("1.50"), None)]
    assert (catalog.metadata(T) or {})["properties"]["note"] == "é"
    assert [file.rows for file in head.files] == [1, 1]


def made_columns() -> Head:
    """The head of a new table, for writing its files."""
    columns = tuple(Column(at, name, kind) for at, (name, kind) in enumerate(COLUMNS, start=1))
    return Head(T, "", None, None, columns, ())


def test_columns_are_matched_by_id(catalogs: Catalogs, tmp_path: Path) -> None:
    """After another program renames a column, older files are read by field id: no value turns null."""
    catalog: Any = catalogs.open()
    head = add(catalog, made(catalog), data(tmp_path, made_columns(), "a", "SELECT 1 AS id, 'kept' AS name"))
    foreign = catalog._catalog().load_table(catalog.identifier(T))
    with foreign.update_schema() as schema:
        schema.rename_column("name", "called")
    renamed = catalog.head(T)
    assert renamed.pointer != head.pointer
    assert [column.name for column in renamed.columns] == ["id", "called"]
    assert rows(renamed) == [(1, "kept")]
    later = add(catalog, renamed, data(tmp_path, renamed, "b", "SELECT 2 AS id, 'new' AS called"))
    assert rows(later) == [(1, "kept"), (2, "new")]


def test_looking_is_cheap(catalogs: Catalogs, tmp_path: Path) -> None:
    """Pointers, metadata and known heads are there without the table format's library, which is slow to import."""
    catalog = catalogs.open()
    head = add(catalog, made(catalog), data(tmp_path, made_columns(), "a", "SELECT 1 AS id, 'x' AS name"))
    program = """
import json, sys
from pathlib import Path
from penstock.clock import HeldClock
from penstock.naming import TableName
sys.path.append(".")
from tests.contracts.registry import CATALOGS, STATES
name, folder = sys.argv[1], Path(sys.argv[2])
catalog = CATALOGS[name](folder / "processed", next(iter(STATES.values()))(folder / "cache", HeldClock()).heads)
(table,) = catalog.tables()
head = catalog.head(table)
heavy = sorted({"pyiceberg", "sqlalchemy"} & set(sys.modules))
print(json.dumps([str(table), catalog.pointer(table), len(catalog.metadata(table)["snapshots"]), head.rows, heavy]))
"""
    command = [sys.executable, "-P", "-c", program, catalogs.name, str(catalogs.folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert json.loads(result.stdout) == ["t", head.pointer, 1, 1, []]


@pytest.mark.parametrize("name", ["plain", "with space", "é 日本", "it's [1]*{a}", 'quo"te', "a+b&c;d=e#f", "100%"])
def test_folders_may_be_called_anything(catalogs: Catalogs, name: str, tmp_path: Path) -> None:
    """A lake's folder may have any name that a file system allows."""
    catalogs.folder = tmp_path / name
    catalog = catalogs.open()
    folder = catalogs.folder / "processed"
    head = made(catalog)
    head = add(catalog, head, data(folder, head, "a", "SELECT 1 AS id, 'x' AS name"))
    assert rows(head) == [(1, "x")]
    assert catalogs.open("lost").head(T) == head


@pytest.mark.parametrize("name", ["a?b", "a%20b"])
def test_folders_may_hold_what_urls_reserve(catalogs: Catalogs, name: str, tmp_path: Path) -> None:
    """Also characters that mean something in URLs."""
    catalogs.folder = tmp_path / name
    catalog = catalogs.open()
    made(catalog)
    assert catalog.tables() == [T]


ROUNDS = 8
FIRST_TABLES = """
import sys, time
from pathlib import Path
sys.path.append(".")
import pyiceberg.catalog.sql
from penstock.clock import HeldClock
from penstock.errors import PlanOutdatedError
from penstock.naming import TableName
from tests.contracts.registry import CATALOGS, STATES
name, folder, worker = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
for line in sys.stdin:
    here = folder / line.strip()
    heads = next(iter(STATES.values()))(here / f"cache {worker}", HeldClock()).heads
    try:
        catalog = CATALOGS[name](here / "processed", heads)
        catalog.create(TableName("layer", f"t{worker}"), [("id", "BIGINT")], {})
        catalog.create(TableName("layer", "shared"), [("id", "BIGINT")], {})
        print("made", flush=True)
    except PlanOutdatedError:
        print("late", flush=True)
    except Exception as error:
        print(repr(error).replace("\\n", " ")[:200], flush=True)
"""


def test_the_first_tables_are_made_at_once(catalogs: Catalogs) -> None:
    """Four processes that make a catalog's first tables at the same moment all succeed; one makes the shared one."""
    command = [sys.executable, "-P", "-W", "ignore", "-c", FIRST_TABLES, catalogs.name, str(catalogs.folder)]
    home, pipe = Path(__file__).parents[2], subprocess.PIPE
    workers = [subprocess.Popen([*command, str(at)], stdin=pipe, stdout=pipe, text=True, cwd=home) for at in range(4)]
    said = []
    for at in range(ROUNDS):
        for worker in workers:
            assert worker.stdin is not None
            print(at, file=worker.stdin, flush=True)
        said.append(sorted(worker.stdout.readline().strip() for worker in workers if worker.stdout))
    for worker in workers:
        worker.communicate()
    assert said == [["late", "late", "late", "made"]] * ROUNDS


def test_columns_are_replaced(catalogs: Catalogs, tmp_path: Path) -> None:
    """A replaced column gets a new id in the same place; the rewritten files take the old ones' place in one step."""
    catalog = catalogs.open()
    base = made(catalog)
    base = add(catalog, base, *(data(tmp_path, base, key, f"SELECT 1 AS id, '{key}' AS name") for key in "ab"))
    columns = evolved_columns([("ID", "DOUBLE"), ("new", "DATE")], base.columns, ["id"])
    assert [column.id for column in columns] == [3, 4]
    wide = (columns[0], base.columns[1])
    rewritten = {
        file.path: (write_file(tmp_path / "data", f"new{at}", f"SELECT {at + 0.5} AS ID, 'x' AS name", wide),)
        for at, file in enumerate(base.files)
    }
    change = {"column": "ID", "change": "widened"}
    named = tuple((column.name, column.type) for column in columns)
    evolution = Evolution(named, ("id",), rewritten, {"note": "é"}, (change,))
    head = catalog.evolve(base, evolution)
    assert head.columns == (columns[0], base.columns[1], columns[1])
    assert rows(head) == [(0.5, "x", None), (1.5, "x", None)]
    assert {file.path for file in head.files} == {file.path for (file,) in rewritten.values()}
    metadata = catalog.metadata(T) or {}
    assert metadata["properties"]["note"] == "é"
    assert json.loads(metadata["properties"][HISTORY]) == [{**change, "schema": metadata["current-schema-id"]}]
    fresh = catalogs.open("lost").head(T)
    assert fresh is not None
    assert (fresh.columns, rows(fresh)) == (head.columns, rows(head))
    for stale in (catalog, catalogs.open("other")):
        with pytest.raises(PlanOutdatedError):
            stale.evolve(base, evolution)
    assert catalog.head(T) == head


def test_columns_without_a_value_are_replaced_without_rewriting(catalog: Catalog, tmp_path: Path) -> None:
    """Old files stay as they are: what they hold under the old id is seen no more."""
    base = made(catalog)
    base = add(catalog, base, data(tmp_path, base, "a", "SELECT 1 AS id, NULL AS name"))
    columns = evolved_columns([("name", "TIMESTAMP")], base.columns, ["name"])
    head = catalog.evolve(base, Evolution((("name", "TIMESTAMP"),), ("name",)))
    assert head.columns == (base.columns[0], columns[0])
    assert (rows(head), head.files) == ([(1, None)], base.files)
    head = add(catalog, head, data(tmp_path, head, "b", "SELECT 2 AS id, TIMESTAMP '2024-01-05 10:00' AS name"))
    assert [row[0] for row in rows(head)] == [1, 2]


def test_the_history_is_bounded(catalog: Catalog) -> None:
    """The last 200 changes are kept."""
    head = made(catalog)
    for at in range(3):
        changes = tuple({"column": "id", "at": f"{at}-{number}"} for number in range(90))
        head = catalog.evolve(head, Evolution((), history=changes))
    history = json.loads((catalog.metadata(T) or {})["properties"][HISTORY])
    assert (len(history), history[0]["at"], history[-1]["at"]) == (200, "0-70", "2-89")
