"""The contract of `Retention`, on every catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.errors import CatalogError, CommitConflictError, IntegrityError
from penstock.naming import TableName
from penstock.state import Head
from penstock.tables import Catalog, Change
from penstock.tables.retention import Retention
from tests.contracts.conftest import Catalogs
from tests.contracts.parquet import add_columns, rows
from tests.contracts.registry import RETENTIONS
from tests.contracts.test_catalog import T, add, data, made

MAINTAINED = {"penstock.maintained": "manifests"}


def retention_of(catalogs: Catalogs, catalog: Catalog) -> Retention:
    """The retention that goes with a catalog."""
    return RETENTIONS[catalogs.name](catalog)


def committed(catalog: Catalog, folder: Path, count: int, head: Head | None = None) -> Head:
    """A table after some commits of one row each."""
    head = head or made(catalog)
    for at in range(count):
        head = add(catalog, head, data(folder, head, f"{folder.name}{at}", f"SELECT {at} AS id, 'x' AS name"))
    return head


def snapshots(catalog: Catalog) -> list[int]:
    """Ids of the snapshots that the table has."""
    return [snapshot["snapshot-id"] for snapshot in (catalog.metadata(T) or {})["snapshots"]]


def test_snapshots_expire(catalogs: Catalogs, tmp_path: Path) -> None:
    """Snapshots go, all at once; the table's rows and every file stay."""
    catalog = catalogs.open()
    head = committed(catalog, tmp_path, 4)
    there, files = snapshots(catalog), catalogs.place.stored(T)
    after = retention_of(catalogs, catalog).expire(head, there[:2])
    assert snapshots(catalog) == there[2:]
    assert (rows(after), after.files, after.snapshot) == (rows(head), head.files, head.snapshot)
    assert after.pointer != head.pointer
    assert catalog.head(T) == after
    assert rows(catalogs.open("lost").head(T) or head) == rows(head)
    assert files <= catalogs.place.stored(T)


def test_what_is_named_does_not_expire(catalogs: Catalogs, tmp_path: Path) -> None:
    """The current snapshot stays, and what tags and branches name, whatever is asked; unknown ids do not matter."""
    catalog: Any = catalogs.open()
    head = committed(catalog, tmp_path, 4)
    there = snapshots(catalog)
    foreign = catalog._catalog().load_table(catalog.identifier(T))
    foreign.manage_snapshots().create_tag(there[0], "first").create_branch(there[1], "work").commit()
    head = catalog.head(T)
    after = retention_of(catalogs, catalog).expire(head, [*there, 12345])
    assert snapshots(catalog) == [there[0], there[1], there[3]]
    assert rows(after) == rows(head)


def test_a_stale_base_changes_nothing(catalogs: Catalogs, tmp_path: Path) -> None:
    """Whoever looked at an older head has to look again, and the table stays as it is."""
    catalog = catalogs.open()
    old = committed(catalog, tmp_path, 2)
    head = committed(catalog, tmp_path / "more", 1, old)
    for opened in (catalog, catalogs.open("other")):
        kept = retention_of(catalogs, opened)
        with pytest.raises(CommitConflictError):
            kept.expire(old, snapshots(catalog)[:1])
        with pytest.raises(CommitConflictError):
            kept.merge_manifests(old, MAINTAINED)
        with pytest.raises(CommitConflictError):
            kept.mark(old, "key", "value")
        assert (opened.pointer(T), rows(opened.head(T) or old)) == (head.pointer, rows(head))


def test_manifests_are_merged(catalogs: Catalogs, tmp_path: Path) -> None:
    """The same files stand in one manifest; rows and files are as before, also where some were removed."""
    catalog = catalogs.open()
    head = committed(catalog, tmp_path, 5)
    head = add(catalog, head, data(tmp_path, head, "new", "SELECT 9 AS id, 'y' AS name"), remove=(head.files[2].path,))
    kept = retention_of(catalogs, catalog)
    assert kept.named(T).small_manifests > 1
    after = kept.merge_manifests(head, MAINTAINED)
    assert kept.named(T).small_manifests == 0
    assert (rows(after), after.files) == (rows(head), head.files)
    fresh = catalogs.open("lost").head(T)
    assert fresh is not None
    assert {file.path for file in fresh.files} == {file.path for file in head.files}
    metadata = catalog.metadata(T) or {}
    assert metadata["snapshots"][-1]["summary"]["penstock.maintained"] == "manifests"
    assert rows(add(catalog, after, data(tmp_path, after, "later", "SELECT 10 AS id, 'z' AS name")))[-1] == (10, "z")


def test_a_mark_voids_what_was_worked_out_before(catalogs: Catalogs, tmp_path: Path) -> None:
    """A commit that was planned before the mark cannot land after it."""
    catalog = catalogs.open()
    head = committed(catalog, tmp_path, 1)
    file = data(tmp_path, head, "late", "SELECT 7 AS id, 'x' AS name")
    after = retention_of(catalogs, catalog).mark(head, "penstock.swept", "now")
    assert (catalog.metadata(T) or {})["properties"]["penstock.swept"] == "now"
    with pytest.raises(CommitConflictError):
        add(catalog, head, file)
    assert rows(add(catalog, after, file)) == [(0, "x"), (7, "x")]


def test_others_between_the_look_and_the_change(catalogs: Catalogs, tmp_path: Path) -> None:
    """A change of nothing but properties is refused, too, when another writer commits while it is worked out."""
    catalog: Any = catalogs.open()
    other = catalogs.open("other")
    head = committed(catalog, tmp_path, 1)
    file = data(tmp_path, head, "theirs", "SELECT 7 AS id, 'x' AS name")

    def act(transaction: Any) -> None:
        add(other, head, file)
        transaction.set_properties({"key": "value"})

    with pytest.raises(CommitConflictError):
        catalog.adjust(head, act)
    assert rows(catalog.head(T)) == [(0, "x"), (7, "x")]
    assert "key" not in (catalog.metadata(T) or {})["properties"]


def test_every_file_that_is_needed_is_named(catalogs: Catalogs) -> None:
    """Files of all snapshots that are kept are named, and none that only an expired one needed."""
    catalog = catalogs.open()
    head = committed(catalog, catalogs.place.home(T), 3)
    for file in head.files:
        catalogs.place.send(file.path)
    first = head.files[0].path
    head = add(catalog, head, remove=(first,))
    kept = retention_of(catalogs, catalog)
    assert Path(first).name in kept.named(T).names
    assert catalogs.place.stored(T) == kept.named(T).names
    kept.expire(head, snapshots(catalog)[:3])
    named = kept.named(T)
    assert named.pointer == catalog.pointer(T)
    assert Path(first).name not in named.names
    assert {Path(file.path).name for file in head.files} <= named.names
    assert retention_of(catalogs, catalogs.open("lost")).named(T) == named
    left = catalogs.place.stored(T) - named.names
    assert {name.rpartition(".")[2] for name in left} == {"parquet", "avro"}
    for name in left:
        catalogs.place.take_away(T, name)
    assert rows(catalogs.open("fresh").head(T) or head) == rows(head)


def test_nothing_is_named_where_metadata_is_missing(catalogs: Catalogs, tmp_path: Path) -> None:
    """A manifest of an older snapshot that is gone is an error, so that nothing is taken for an orphan."""
    catalog = catalogs.open()
    head = committed(catalog, tmp_path, 2)
    oldest = (catalog.metadata(T) or {})["snapshots"][0]["manifest-list"]
    catalogs.place.take_away(T, Path(oldest).name)
    with pytest.raises(IntegrityError):
        retention_of(catalogs, catalogs.open("other")).named(T)
    assert catalog.head(T) == head


def test_a_table_that_is_not_there_names_nothing(catalogs: Catalogs) -> None:
    """Asking for it is an error in words."""
    with pytest.raises(CatalogError, match="no such table"):
        retention_of(catalogs, catalogs.open()).named(TableName.parse("gone"))


def test_replacing_leaves_few_manifests(catalogs: Catalogs, tmp_path: Path) -> None:
    """A table that only ever replaces rows keeps as few manifests as one that only adds."""
    catalog = catalogs.open()
    head = committed(catalog, tmp_path, 3)
    for at in range(40):
        file = data(tmp_path / str(at), head, "same", f"SELECT {100 + at} AS id, 'x' AS name")
        head = add(catalog, head, file, remove=(head.files[-1].path,))
    assert rows(head) == rows(catalogs.open("lost").head(T) or head) == [(0, "x"), (1, "x"), (139, "x")]
    assert retention_of(catalogs, catalog).named(T).small_manifests <= 10


def test_what_is_remembered_is_what_is_written(catalogs: Catalogs, tmp_path: Path) -> None:
    """After many kinds of commits, the metadata that one process remembers equals what another reads."""
    catalog: Any = catalogs.open()
    head = committed(catalog, tmp_path, 3)
    head = add_columns(catalog, head, [("price", "DECIMAL(12,2)")], {"note": "é"})
    kept = retention_of(catalogs, catalog)
    head = kept.expire(head, snapshots(catalog)[:1])
    head = catalog.commit(Change(head, (), (head.files[0].path,), {"penstock.arrivals": "x"}))
    head = kept.merge_manifests(kept.mark(head, "a", "b"), MAINTAINED)
    other: Any = catalogs.open("other")
    mine, theirs = (one._catalog().load_table(one.identifier(T)).metadata for one in (catalog, other))
    assert mine.model_dump_json() == theirs.model_dump_json()
    assert other.head(T).columns == head.columns
