"""A table whose layout, or whose columns, change: files that are there keep what they have, new ones follow."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock
from penstock.engines.packs import Packer
from penstock.errors import PlanOutdatedError
from penstock.naming import is_pack
from penstock.state import Member
from penstock.tables import Change
from penstock.wiring.workers import workshop
from tests.partitioning.layouts import T, ask, assert_laid_out, declare, head_of, iceberg, land, run

HEADER = "id,at,country\n"


def notes(lake: Path) -> list[str]:
    """What a run says of the table."""
    return [text for where, text in run(lake).notes if where == "t"]


def test_a_table_becomes_partitioned(tmp_path: Path) -> None:
    """New files follow the declaration, old ones stay; the run says so once; taking it away goes likewise."""
    lake = declare(tmp_path, "[]")
    land(lake, "a.csv", f"{HEADER}1,2024-01-05,FR\n2,2024-02-05,DE\n")
    run(lake)
    assert [file.partition for file in head_of(lake).files] == [""]
    declare(lake, "[month(at)]")
    land(lake, "b.csv", f"{HEADER}3,2024-01-05,FR\n4,2024-02-05,DE\n")
    said = "new data files are partitioned by month(at); those that are there stay as they are (not partitioned): 1"
    assert notes(lake) == [said]
    assert notes(lake) == []
    assert assert_laid_out(lake) == {"": 2, "1:[648]": 1, "1:[649]": 1}
    declare(lake, "[]")
    land(lake, "c.csv", f"{HEADER}5,2024-01-05,FR\n6,2024-02-05,DE\n")
    assert notes(lake) == [
        "new data files are not partitioned; those that are there stay as they are (partitioned by month(at)): 3"
    ]
    assert assert_laid_out(lake) == {"": 4, "1:[648]": 1, "1:[649]": 1}
    assert ask(lake, "SELECT id FROM t ORDER BY id") == [(at,) for at in range(1, 7)]
    scan = iceberg(lake).scan(row_filter="at = '2024-01-05'")
    assert sorted(scan.to_arrow().column("id").to_pylist()) == [1, 3, 5]
    assert len(list(scan.plan_files())) == 3


def test_a_layout_that_comes_back(tmp_path: Path) -> None:
    """Going back to an earlier layout uses its fields again; a new version replaces rows of any layout."""
    lake = declare(tmp_path, "[month(at), country]")
    land(lake, "a.csv", f"{HEADER}1,2024-01-05,FR\n2,2024-02-05,DE\n")
    run(lake)
    declare(lake, '["bucket(4, id)", country]')
    land(lake, "b.csv", f"{HEADER}3,2024-01-05,FR\n4,2024-02-05,DE\n")
    run(lake)
    declare(lake, "[country, month(at)]")
    land(lake, "c.csv", f"{HEADER}5,2024-01-05,FR\n")
    land(lake, "a.csv", f"{HEADER}1,2024-03-05,FR\n")
    run(lake)
    counted = assert_laid_out(lake)
    assert sum(counted.values()) == 4
    assert {partition.split(":")[0] for partition in counted} >= {"1"}
    names = [field.name for field in head_of(lake).spec.fields]
    assert sorted(names) == ["at_month", "country"]
    assert ask(lake, "SELECT id FROM t ORDER BY id") == [(1,), (3,), (4,), (5,)]


def test_a_pack_of_an_earlier_layout_is_cut_anew(tmp_path: Path) -> None:
    """When rows leave a pack that is not laid out as new files are, those that stay move to the new layout."""
    lake = declare(tmp_path, "[]")
    land(lake, "0.csv", f"{HEADER}0,2024-01-01,FR\n")
    run(lake)
    for at in range(1, 5):
        land(lake, f"{at}.csv", f"{HEADER}{at},2024-01-0{at},FR\n1{at},2024-02-0{at},DE\n")
    run(lake)
    assert [len(file.members) for file in head_of(lake).files if is_pack(file.path)] == [4]
    declare(lake, "[month(at)]")
    land(lake, "2.csv", f"{HEADER}2,2024-05-02,FR\n")
    run(lake)
    assert assert_laid_out(lake) == {"": 1, "1:[648]": 3, "1:[649]": 3, "1:[652]": 1}
    expected = [0, 1, 2, 3, 4, 11, 13, 14]
    assert [at for (at,) in ask(lake, "SELECT id FROM t ORDER BY id")] == expected
    land(lake, "3.csv", f"{HEADER}3,2024-05-02,FR\n")
    run(lake)
    assert assert_laid_out(lake) == {"": 1, "1:[648]": 2, "1:[649]": 2, "1:[652]": 2}
    assert [at for (at,) in ask(lake, "SELECT id FROM t ORDER BY id")] == [0, 1, 2, 3, 4, 11, 14]


def test_relaying_keeps_every_member(tmp_path: Path) -> None:
    """A file laid out anew becomes packs whose members name every row's arrival, in order."""
    lake = declare(tmp_path, "[]")
    land(lake, "a.csv", HEADER + "".join(f"{at},2024-0{1 + at % 3}-01,FR\n" for at in range(60)))
    run(lake)
    declare(lake, "[month(at)]")
    run(lake)
    with penstock.open(lake) as opened:
        head = opened.catalog.head(T)
        assert head is not None
        shop = workshop(opened)
        (old,) = head.files
        new = Packer(shop.bench.engine, opened.processed).relay(head, old)
        assert [file.partition for file in new] == ["1:[648]", "1:[649]", "1:[650]"]
        assert [file.members for file in new] == [(Member(old.members[0].arrival, 20),)] * 3
        opened.catalog.commit(Change(head, new, (old.path,), {"penstock.relaid": "1"}))
        shop.bench.engine.close()
    assert assert_laid_out(lake) == {"1:[648]": 20, "1:[649]": 20, "1:[650]": 20}
    land(lake, "a.csv", f"{HEADER}7,2024-01-01,FR\n")
    run(lake)
    assert ask(lake, "SELECT id FROM t") == [(7,)]


def test_files_of_another_layout_are_not_committed(tmp_path: Path) -> None:
    """What was staged before the layout changed is refused, to be staged again, never put into a wrong partition."""
    lake = declare(tmp_path, "[country]")
    land(lake, "a.csv", f"{HEADER}1,2024-01-05,FR\n")
    run(lake)
    stale = head_of(lake).files[0]
    declare(lake, "[month(at)]")
    run(lake)
    with penstock.open(lake) as opened:
        head = opened.catalog.head(T)
        assert head is not None
        with pytest.raises(PlanOutdatedError, match="laid out in another way"):
            opened.catalog.commit(Change(head, (stale,), (stale.path,), {}))
        assert opened.catalog.head(T) == head


def test_a_column_that_comes_later(tmp_path: Path) -> None:
    """A declared column that the table lacks is awaited: files without it are refused, the one that has it is taken."""
    lake = declare(tmp_path, "[]")
    land(lake, "a.csv", "id\n1\n")
    run(lake)
    declare(lake, "[country]")
    land(lake, "b.csv", "id,country\n2,FR\n3,DE\n")
    run(lake)
    land(lake, "c.csv", "id,country\n4,FR\n5,DE\n")
    run(lake)
    counted = assert_laid_out(lake)
    assert sum(counted.values()) == 5
    assert {partition for partition in counted if partition} >= {'1:["FR"]', '1:["DE"]'}
    assert ask(lake, "SELECT id FROM t WHERE country = 'FR' ORDER BY id") == [(2,), (4,)]


def test_a_column_that_grows(tmp_path: Path) -> None:
    """A column that a table is partitioned by may grow in place: old partitions stay true, and are found."""
    lake = declare(tmp_path, '[n, "bucket(4, m)"]')
    (lake / "lake.yaml").write_text((lake / "lake.yaml").read_text().replace("'*.csv'", "'*.parquet'"))
    small, large = pa.int32(), pa.int64()
    pq.write_table(pa.table({"n": pa.array([1, -2], small), "m": pa.array([1, 2], small)}), lake / "raw" / "a.parquet")
    run(lake)
    assert [column.type for column in head_of(lake).columns] == ["INTEGER", "INTEGER"]
    pq.write_table(
        pa.table({"n": pa.array([1, 2**40], large), "m": pa.array([1, 2**40], large)}), lake / "raw" / "b.parquet"
    )
    run(lake)
    assert [column.type for column in head_of(lake).columns] == ["BIGINT", "BIGINT"]
    assert sum(assert_laid_out(lake).values()) == 4
    table = iceberg(lake)
    for condition, ids in [("n = 1", 2), ("n = -2", 1), (f"n = {2**40}", 1), ("m = 1", 2)]:
        scan = table.scan(row_filter=condition)
        assert scan.to_arrow().num_rows == ids
        assert len(list(scan.plan_files())) < len(list(table.scan().plan_files()))


def test_a_column_that_would_be_replaced(tmp_path: Path) -> None:
    """Where the column would have to become another one, its values are set aside; others are still rewritten."""
    lake = declare(tmp_path, "[n]")
    land(lake, "a.csv", "n,m\n1,1\n2,2\n")
    run(lake)
    land(lake, "b.csv", "n,m\n1,1.5\n2.5,2\n3,3\n")
    run(lake)
    types = {column.name: column.type for column in head_of(lake).columns}
    assert types["n"] == "BIGINT"
    assert types["m"] != "BIGINT"
    assert assert_laid_out(lake) == {"0:[1]": 2, "0:[2]": 1, "0:[3]": 1}
    assert ask(lake, "SELECT n, m::DOUBLE FROM t ORDER BY ALL") == [(1, 1.0), (1, 1.5), (2, 2.0), (3, 3.0)]
    ((column, count),) = ask(lake, "SELECT column_name, count(*) FROM penstock.quarantine GROUP BY 1")
    assert (column, count) == ("n", 1)


def test_a_column_called_like_a_partition(tmp_path: Path) -> None:
    """The format forbids a column called as a partition is: the file says so, and the others go on."""
    lake = declare(tmp_path, "[month(at)]")
    land(lake, "a.csv", "id,at\n1,2024-01-01\n")
    run(lake)
    land(lake, "b.csv", "id,at,at_month\n2,2024-01-01,1\n")
    with penstock.open(lake) as opened:
        (dead,) = opened.run().dead
    assert 'the table\'s partitions are called "at_month", so no column can be' in str(dead.reason)
    land(lake, "c.csv", "id,at\n3,2024-01-01\n")
    run(lake)
    assert ask(lake, "SELECT id FROM t ORDER BY id") == [(1,), (3,)]


def test_processing_again_with_a_file_that_changed(tmp_path: Path) -> None:
    """Asked to process everything again, a run takes the new version of a file that changed meanwhile, and ends."""
    lake = declare(tmp_path, "[country]")
    land(lake, "a.csv", f"{HEADER}1,2024-01-05,FR\n")
    land(lake, "b.csv", f"{HEADER}2,2024-01-05,FR\n")
    run(lake)
    land(lake, "a.csv", f"{HEADER}3,2024-01-05,DE\n")
    run(lake, reprocess=["t"])
    assert ask(lake, "SELECT id FROM t ORDER BY id") == [(2,), (3,)]
    assert assert_laid_out(lake) == {'0:["DE"]': 1, '0:["FR"]': 1}
