"""Other programs write to a lake's tables: it is noticed, and no row is lost, doubled or shown wrongly."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.types import DoubleType, FixedType, FloatType, LongType, StringType

import penstock
from penstock.arrivals import Summary
from penstock.errors import UnreadableTableError
from penstock.naming import TableName
from tests.interop.everything import other_writer

T = TableName.parse("t")
FIRST = "id,name,amount\n1,a,10\n2,b,20\n3,c,30\n"
SECOND = "id,name,amount\n4,d,40\n"


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with one table that has taken in one file."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "lake.yaml").write_text('lake: shared\ntables:\n  t:\n    files: "*"\n', encoding="utf-8")
    assert run(tmp_path, a=FIRST).dead == []
    return tmp_path


def run(lake: Path, **files: str) -> Summary:
    """Let CSV files land, and run the lake once."""
    for name, text in files.items():
        (lake / "raw" / f"{name}.csv").write_text(text, encoding="utf-8")
    with penstock.open(lake) as opened:
        return opened.run()


def table(lake: Path) -> Any:
    """The table, as another program has it."""
    return other_writer(lake, "t")


def rows(lake: Path, columns: str = "id, name, amount", name: str = "t") -> list[tuple[Any, ...]]:
    """The table's rows; pyiceberg must give as many."""
    with penstock.open(lake) as opened:
        found = sorted(opened.query(f"SELECT {columns} FROM {name}").fetchall(), key=repr)
        assert opened.query("SELECT rows FROM penstock.tables").fetchall() == [(len(found),)]
    assert table(lake).scan().to_arrow().num_rows == len(found)
    return found


def ids(lake: Path) -> list[int]:
    """The ids of the table's rows."""
    return [row[0] for row in rows(lake)]


def appended(lake: Path, *more: int) -> pa.Table:
    """Rows that fit the table."""
    values = {"id": more, "name": [f"x{at}" for at in more], "amount": more}
    return pa.Table.from_pydict(values, schema=table(lake).schema().as_arrow())


def history(lake: Path) -> list[tuple[Any, ...]]:
    """What became of the columns by other writers."""
    sql = "SELECT column_name, change, was, type, reason FROM penstock.schema_history WHERE reason LIKE 'another%'"
    with penstock.open(lake) as opened:
        return opened.query(sql).fetchall()


def shown(lake: Path) -> dict[str, Any]:
    """What `penstock show` says of the table; as text it names the other writer."""
    command = [sys.executable, "-m", "penstock", "-C", str(lake), "show", "t"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert text.count("another writer") == 1
    found: dict[str, Any] = json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True).stdout)
    return found


def forget(lake: Path) -> None:
    """Lose the state store: the next run takes every file for new."""
    shutil.rmtree(lake / ".penstock")


def test_appended_rows_are_read_and_told(lake: Path) -> None:
    """Rows of another writer stand beside the lake's own, and the next run says that they came."""
    table(lake).append(appended(lake, 7, 8))
    assert ids(lake) == [1, 2, 3, 7, 8]
    summary = run(lake, b=SECOND)
    assert ("t", "another writer committed (append): rows added 2, deleted 0") in summary.notes
    assert ids(lake) == [1, 2, 3, 4, 7, 8]
    assert run(lake, c="id,name,amount\n5,e,50\n").notes == [], "what was said once is not said again"
    assert [snapshot["own"] for snapshot in shown(lake)["snapshots"]] == [True, False, True, True]
    with penstock.open(lake) as opened:
        log = [entry["note"] for entry in opened.journal.tail(100) if entry["event"] == "noticed"]
    assert log == ["another writer committed (append): rows added 2, deleted 0"]
    assert ids(lake) == [1, 2, 3, 4, 5, 7, 8]


def test_deleted_rows_stay_deleted(lake: Path) -> None:
    """A delete rewrites the file of an arrival; its other rows are not added again, whatever is lost."""
    table(lake).delete("id = 2")
    assert ids(lake) == [1, 3]
    assert run(lake, b=SECOND).dead == []
    assert ids(lake) == [1, 3, 4]
    forget(lake)
    assert run(lake).dead == []
    assert ids(lake) == [1, 3, 4], "the table remembers which arrivals it held"


def test_a_newer_version_of_rewritten_rows_is_refused(lake: Path) -> None:
    """Nobody can tell which rows of another writer's file a newer version replaces: nothing is doubled."""
    run(lake, b=SECOND)
    table(lake).delete("id = 2")
    summary = run(lake, a="id,name,amount\n1,a,11\n", c="id,name,amount\n5,e,50\n")
    assert [dead.key for dead in summary.dead] == ["a.csv"]
    assert "in data files that another writer wrote" in str(summary.dead[0].reason)
    assert ids(lake) == [1, 3, 4, 5], "other files go on"
    assert run(lake, b="id,name,amount\n6,f,60\n").dead == [], "what was not rewritten is replaced"
    assert ids(lake) == [1, 3, 5, 6]


def test_a_file_whose_rows_were_all_deleted_can_come_again(lake: Path) -> None:
    """Rows that are gone need no replacing: a newer version is simply taken in; the same bytes are not."""
    table(lake).delete("id >= 1")
    assert ids(lake) == []
    forget(lake)
    run(lake)
    assert ids(lake) == [], "what was deleted stays deleted"
    assert run(lake, a="id,name,amount\n9,z,90\n").dead == []
    assert ids(lake) == [9]


def test_overwritten_rows_are_not_taken_in_again(lake: Path) -> None:
    """Another writer replaces the whole table by rows of its own: compaction, or a correction of everything."""
    run(lake, b=SECOND)
    table(lake).overwrite(table(lake).scan().to_arrow())
    assert ids(lake) == [1, 2, 3, 4]
    forget(lake)
    assert run(lake, c="id,name,amount\n5,e,50\n").dead == []
    assert ids(lake) == [1, 2, 3, 4, 5]
    with penstock.open(lake) as opened:
        again = opened.run(reprocess=["t"])
    assert sorted(dead.key for dead in again.dead) == ["a.csv", "b.csv"], "where their rows are, nobody can tell"
    assert again.files == {T: 1}
    assert ids(lake) == [1, 2, 3, 4, 5]


def test_a_commit_between_two_of_ours_is_remembered(lake: Path) -> None:
    """What another writer took away is known by every later commit, however many there are."""
    table(lake).delete("id = 2")
    for at in range(3):
        run(lake, **{f"b{at}": f"id,name,amount\n{10 + at},x,1\n"})
    table(lake).delete("id = 10")
    run(lake, b9="id,name,amount\n19,x,1\n")
    forget(lake)
    assert run(lake).dead == []
    assert ids(lake) == [1, 11, 12, 19, 3]


def test_an_added_column_is_null_for_files(lake: Path) -> None:
    """A column of another writer's stays; a file that has it fills it."""
    with table(lake).update_schema() as schema:
        schema.add_column("extra", StringType())
    run(lake, b=SECOND)
    assert rows(lake, "id, extra") == [(1, None), (2, None), (3, None), (4, None)]
    run(lake, c="id,name,amount,extra\n5,e,50,new\n")
    assert rows(lake, "id, extra")[4] == (5, "new")
    assert history(lake) == [("extra", "added", None, "VARCHAR", "another writer added it")]


def test_a_dropped_column_comes_back_without_its_old_values(lake: Path) -> None:
    """Files still have the column: it is made anew, with an id of its own, and the history tells both."""
    with table(lake).update_schema() as schema:
        schema.delete_column("amount")
    assert rows(lake, "*") == [(1, "a"), (2, "b"), (3, "c")]
    summary = run(lake, b=SECOND)
    assert summary.dead == []
    assert ("t", "another writer changed the table's columns; penstock show --history says how") in summary.notes
    assert rows(lake) == [(1, "a", None), (2, "b", None), (3, "c", None), (4, "d", 40)]
    assert history(lake) == [("amount", "dropped", "BIGINT", "BIGINT", "another writer dropped it")]


def test_a_dropped_newest_column_does_not_stop_the_next_new_one(lake: Path) -> None:
    """Ids are planned after those of columns that are gone: a file with a new column is planned once."""
    with table(lake).update_schema() as schema:
        schema.add_column("one", LongType()).add_column("two", LongType())
    with table(lake).update_schema() as schema:
        schema.delete_column("two").delete_column("one")
    summary = run(lake, b="id,name,amount,three\n4,d,40,x\n")
    assert (summary.dead, summary.files) == ([], {T: 1})
    assert rows(lake, "id, three")[3] == (4, "x")
    assert table(lake).schema().find_field("three").field_id == 6


def test_a_renamed_column_keeps_its_values(lake: Path) -> None:
    """Old files' values stay under the new name; what comes under the old name is a column of its own."""
    with table(lake).update_schema() as schema:
        schema.rename_column("amount", 'sum "in" €')
    assert rows(lake, 'id, "sum ""in"" €"') == [(1, 10), (2, 20), (3, 30)]
    run(lake, b=SECOND)
    assert rows(lake, 'id, "sum ""in"" €", amount') == [(1, 10, None), (2, 20, None), (3, 30, None), (4, None, 40)]
    assert history(lake) == [
        ('sum "in" €', "renamed", "BIGINT", "BIGINT", 'another writer renamed it from "amount"'),
    ]


def test_reordered_columns_change_nothing(lake: Path) -> None:
    """Columns are found by id, wherever they stand."""
    with table(lake).update_schema() as schema:
        schema.move_first("amount")
    assert rows(lake, "*") == [(10, 1, "a"), (20, 2, "b"), (30, 3, "c")]
    run(lake, b=SECOND)
    assert rows(lake)[3] == (4, "d", 40)


def test_a_wider_type_is_taken_over(lake: Path) -> None:
    """A type that another writer made wider is the table's type from then on."""
    with table(lake).update_schema() as schema:
        schema.add_column("ratio", FloatType())
    with table(lake).update_schema() as schema:
        schema.update_column("ratio", DoubleType())
    run(lake, b="id,name,amount,ratio\n4,d,40,0.1\n")
    assert rows(lake, "id, ratio")[3] == (4, 0.1)
    run(lake, c="id,name,amount,ratio\n5,e,50,x\n")
    assert ids(lake) == [1, 2, 3, 4], "its values are held to that type"


def test_expired_snapshots_are_not_missed(lake: Path) -> None:
    """Another writer's expiry leaves the table as it is."""
    run(lake, b=SECOND)
    for snapshot in table(lake).snapshots()[:-1]:
        table(lake).maintenance.expire_snapshots().by_id(snapshot.snapshot_id).commit()
    assert ids(lake) == [1, 2, 3, 4]
    assert run(lake, b="id,name,amount\n6,f,60\n").dead == []
    assert ids(lake) == [1, 2, 3, 6]


def test_a_dropped_table_is_made_again(lake: Path) -> None:
    """The tables are the truth: the files of a table that is gone wait again."""
    from pyiceberg.catalog.sql import SqlCatalog

    SqlCatalog("penstock", uri=f"sqlite:///{lake}/processed/catalog.db").drop_table("main.t")
    summary = run(lake, b=SECOND)
    assert any("the table was gone" in note for _, note in summary.notes)
    assert ids(lake) == [1, 2, 3, 4]


def test_files_without_field_ids_are_refused(lake: Path) -> None:
    """Their columns cannot be found by id: reading on would show nulls."""
    foreign = lake / "processed" / "foreign.parquet"
    pq.write_table(appended(lake, 9).replace_schema_metadata(None).cast(plain_schema()), foreign)
    table(lake).add_files([str(foreign)])
    assert_refused(lake, "without field ids")
    rewrite(lake)
    assert ids(lake) == [1, 2, 3, 9]


def plain_schema() -> pa.Schema:
    """The table's columns as a program writes them that knows nothing of Iceberg."""
    return pa.schema([("id", pa.int64()), ("name", pa.string()), ("amount", pa.int64())])


def test_files_of_other_formats_are_refused(lake: Path) -> None:
    """Penstock reads Parquet: a table with an ORC file is not served without its rows."""
    there = table(lake)
    (first, *_) = [task.file for task in there.scan().plan_files()]
    other = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=first.file_path.replace(".parquet", ".orc"),
        file_format=FileFormat.ORC,
        partition=first.partition,
        record_count=3,
        file_size_in_bytes=100,
        sort_order_id=None,
        spec_id=first.spec_id,
    )
    other.spec_id = first.spec_id
    with there.transaction() as transaction, transaction.update_snapshot().fast_append() as snapshot:
        snapshot.append_data_file(other)
    assert_refused(lake, "another writer added a file of the format ORC")


def test_types_that_no_table_stores_are_refused(lake: Path) -> None:
    """A column of such a type stops the table until it is dropped."""
    with table(lake).update_schema() as schema:
        schema.add_column("hash", FixedType(16))
    with penstock.open(lake) as opened, pytest.raises(UnreadableTableError) as error:
        opened.query("SELECT * FROM t")
    assert str(error.value) == (
        'the column "hash" has the type fixed[16], which another writer gave it and Penstock does not store\n'
        "  drop the column or give it another type with the program that did so"
    )
    assert_waits(lake, 'the column "hash" has the type')
    with table(lake).update_schema() as schema:
        schema.delete_column("hash")
    assert ids(lake) == [1, 2, 3]


def test_a_table_that_others_partition_still_takes_files(lake: Path) -> None:
    """Files of several partitions' rows cannot be committed to it as they are: they go on waiting, with the reason."""
    with table(lake).update_spec() as spec:
        spec.add_identity("name")
    assert ids(lake) == [1, 2, 3]
    summary = run(lake, b="id,name,amount\n4,d,40\n5,e,50\n")
    assert summary.dead == []
    assert ids(lake) == [1, 2, 3, 4, 5]


def test_fields_renamed_within_a_column_are_refused(tmp_path: Path) -> None:
    """Within structs, columns are found by name: reading on would show nulls, or another field's values."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "lake.yaml").write_text('lake: shared\ntables:\n  t:\n    files: "*"\n', encoding="utf-8")
    (tmp_path / "raw" / "a.json").write_text('[{"id": 1, "who": {"name": "a", "age": 2}}]')
    run(tmp_path)
    with table(tmp_path).update_schema() as schema:
        schema.rename_column("who.name", "called")
    assert_refused(tmp_path, 'within the column "who": what is "called" now is "name" in the file ')
    rewrite(tmp_path)
    assert rows(tmp_path, "id, who.called") == [(1, "a")]
    with table(tmp_path).update_schema() as schema:
        schema.delete_column("who.age")
    with table(tmp_path).update_schema() as schema:
        schema.add_column(("who", "age"), LongType())
    assert_refused(tmp_path, '"age" is another field now than in the file ')


def assert_refused(lake: Path, message: str) -> None:
    """Queries and runs say why, and change nothing; files wait."""
    with penstock.open(lake) as opened, pytest.raises(UnreadableTableError, match=message) as error:
        opened.query("SELECT * FROM t")
    assert error.value.where == "t"
    assert "docs/interop.md" in error.value.hint
    assert_waits(lake, message)


def assert_waits(lake: Path, message: str) -> None:
    """A run says of the table why its files wait, and loses none."""
    before = table(lake).metadata_location
    summary = run(lake, later="id\n99\n")
    assert summary.dead == []
    assert any(name == "t" and message in note for name, note in summary.notes), summary.notes
    with penstock.open(lake) as opened:
        waiting = [arrival.key for arrival in opened.state.arrivals.find(T, ("pending",))]
    assert waiting == ["later.csv"]
    assert table(lake).metadata_location == before
    (lake / "raw" / "later.csv").unlink()


def rewrite(lake: Path) -> None:
    """Write the table anew, as the documentation shows."""
    there = table(lake)
    there.overwrite(there.scan().to_arrow())
