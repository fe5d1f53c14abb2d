"""Tables as they were: by snapshot, tag and time, with the columns of then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import penstock
from penstock.clock import iso
from penstock.errors import QueryError, SnapshotError
from penstock.lake import Lake
from penstock.naming import TableName
from penstock.tables.history import Snapshot, moment_of, snapshot_at, snapshots_of

DECLARATION = 'lake: past\ntables:\n  a: {files: "a*.csv"}\n  b: {files: "b*.csv"}\n'
A, B = TableName.parse("a"), TableName.parse("b")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """The table a: 1 row, then 3, then another column and 4 rows; b comes after the second commit of a."""
    folder = tmp_path_factory.mktemp("past")
    (folder / "raw").mkdir()
    (folder / "lake.yaml").write_text(DECLARATION)
    landings = [
        {"a1.csv": "id,v\n1,x\n"},
        {"a2.csv": "id,v\n2,y\n3,z\n"},
        {"b1.csv": "id\n9\n"},
        {"a3.csv": "id,v,w\n4,q,1.5\n", "a1.csv": "id,v\n1,changed\n"},
    ]
    with penstock.open(folder) as opened:
        for landing in landings:
            for name, text in landing.items():
                (folder / "raw" / name).write_text(text)
            opened.run()
        yield opened


def past(lake: Lake, table: TableName = A) -> list[Snapshot]:
    """Snapshots of a table, oldest first."""
    return snapshots_of(lake.catalog.metadata(table) or {})


def ids(lake: Lake, at: str | None) -> list[int]:
    """Ids of the rows of a as of a moment."""
    return [row[0] for row in lake.query("SELECT id FROM a ORDER BY id", at).fetchall()]


def test_each_snapshot_is_the_table_after_its_commit(lake: Lake) -> None:
    """Every snapshot's id gives the rows of then, and its moment does, too."""
    found = past(lake)
    assert ids(lake, str(found[0].id)) == ids(lake, iso(found[0].at)) == [1]
    assert ids(lake, str(found[1].id)) == ids(lake, iso(found[1].at)) == [1, 2, 3]
    assert ids(lake, str(found[-1].id)) == ids(lake, iso(found[-1].at)) == ids(lake, None) == [1, 2, 3, 4]


def test_rows_and_columns_are_those_of_then(lake: Lake) -> None:
    """A value that was replaced is the old one, and a column that came later is not there."""
    before = lake.query("SELECT * FROM a WHERE id = 1", str(past(lake)[1].id))
    assert before.columns == ["id", "v"]
    assert before.fetchall() == [(1, "x")]
    now = lake.query("SELECT * FROM a WHERE id = 1")
    assert now.columns == ["id", "v", "w"]
    assert now.fetchall() == [(1, "changed", None)]


def test_all_tables_of_a_statement_are_as_of_one_moment(lake: Lake) -> None:
    """A snapshot of one table decides the moment for the others."""
    sql = "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)"
    assert lake.query(sql, str(past(lake, B)[0].id)).fetchall() == [(3, 1)]
    with pytest.raises(SnapshotError, match=r"b: the table did not exist at .*; its first rows came at"):
        lake.query(sql, str(past(lake)[0].id))


def test_a_table_that_did_not_exist_then_is_an_error(lake: Lake) -> None:
    """No rows are made up for a time before the table's first commit."""
    with pytest.raises(SnapshotError, match="a: the table did not exist at 2020-01-01"):
        lake.query("SELECT * FROM a", "2020-01-01")


def test_the_oldest_snapshot_there_is_is_named_when_the_wanted_one_is_gone(lake: Lake) -> None:
    """Where upkeep has removed snapshots, the error tells the earliest moment that can be asked for."""
    metadata = dict(lake.catalog.metadata(A) or {})
    kept = sorted(metadata["snapshots"], key=lambda plain: plain["timestamp-ms"])[1:]
    metadata["snapshots"] = kept
    with pytest.raises(SnapshotError, match="not kept any more; the oldest there is dates from") as error:
        snapshot_at(metadata, A, past(lake)[0].at)
    assert iso(past(lake)[1].at) in str(error.value)


@pytest.mark.parametrize("at", ["12345", "last-tuesday", "2026-13-01", ""])
def test_what_is_no_moment_is_an_error(lake: Lake, at: str) -> None:
    """An unknown id, a misspelled tag or an impossible date is never taken for now."""
    with pytest.raises(SnapshotError):
        lake.query("SELECT * FROM a", at)


def test_the_products_own_tables_have_no_past(lake: Lake) -> None:
    """penstock.* is known as it is now, and says so."""
    with pytest.raises(QueryError, match="known as it is now only"):
        lake.query("SELECT * FROM penstock.runs", str(past(lake)[0].id))


def test_a_tag_names_a_snapshot_until_it_is_taken_away(lake: Lake) -> None:
    """A tag can be asked for, is taken once, stands in penstock.snapshots, and is Iceberg's own."""
    first = past(lake)[0]
    assert lake.history.tag(A, "first", str(first.id)).id == first.id
    assert ids(lake, "first") == [1]
    assert lake.history.tag(A, "first", str(first.id)).id == first.id, "again is no harm"
    with pytest.raises(SnapshotError, match='the tag "first" names the snapshot'):
        lake.history.tag(A, "first")
    rows = lake.query("SELECT rows, tags FROM penstock.snapshots WHERE tags IS NOT NULL").fetchall()
    assert rows == [(1, "first")]
    assert lake.catalog.load(A).refs()["first"].snapshot_id == first.id
    assert lake.history.untag(A, "first").id == first.id
    with pytest.raises(SnapshotError):
        lake.query("SELECT * FROM a", "first")


@pytest.mark.parametrize("name", ["main", "2026-01-01", "20260101", "a b", "", "ü"])
def test_a_tag_cannot_be_mistaken_for_a_moment(lake: Lake, name: str) -> None:
    """What reads as an id or a time, or is Iceberg's own name, cannot be a tag."""
    with pytest.raises(SnapshotError, match="cannot be the name of a tag"):
        lake.history.tag(A, name)


def test_snapshots_say_what_each_commit_did(lake: Lake) -> None:
    """penstock.snapshots has rows added and removed, and the run where one is known."""
    sql = "SELECT rows, rows_added, rows_removed, run IS NOT NULL FROM penstock.snapshots WHERE table_name = 'b'"
    assert lake.query(sql).fetchall() == [(1, 1, 0, True)]
    total = lake.query("SELECT sum(rows_added - rows_removed) FROM penstock.snapshots WHERE table_name = 'a'")
    assert total.fetchall() == [(4,)]


def test_times_are_utc_unless_they_name_a_zone() -> None:
    """A date is its first moment in UTC."""
    assert moment_of("2026-01-31") == moment_of("2026-01-31T00:00:00Z") == moment_of("2026-01-31T01:00:00+01:00")
    assert moment_of("yesterday") is None


def test_a_damaged_file_of_the_past_is_not_served(lake: Lake) -> None:
    """The past is checked like the present: a file that only an old snapshot names."""
    first = past(lake)[0]
    old = Path(lake.history.head_at(A, first.id).files[0].path)
    content = old.read_bytes()
    old.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    with pytest.raises(penstock.errors.IntegrityError):
        ids(lake, str(first.id))
    old.write_bytes(content)
    assert ids(lake, str(first.id)) == [1]
