"""Files become rows in partitions, exactly, whatever their values are and whatever becomes of them later."""

from __future__ import annotations

import signal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock
from penstock import faults
from penstock.declaration import parse_transform
from penstock.engines.packs import Packer
from penstock.errors import AccountingError
from penstock.naming import arrival_of, is_pack, part_of
from penstock.wiring.workers import workshop
from tests.cli.conftest import call
from tests.partitioning.layouts import T, ask, assert_laid_out, declare, head_of, iceberg, land, run
from tests.road.lakes import start

HEADER = "id,at,country\n"
FIRST = f"{HEADER}1,2024-01-05,FR\n2,2024-02-05,FR\n3,1969-12-31,DE\n4,,\n5,2024-01-09,FR\n6,2024-01-09,\n"


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake whose table is partitioned by month and country, with one file in it."""
    folder = declare(tmp_path / "lake", "[month(at), country]")
    land(folder, "a.csv", FIRST)
    run(folder)
    return folder


def test_one_file_for_each_partition(lake: Path) -> None:
    """The rows of an arrival stand in as many files as partitions occur, null being one; all carry its name."""
    counted = assert_laid_out(lake)
    assert counted == {
        '0:[648, "FR"]': 2,
        '0:[649, "FR"]': 1,
        '0:[-1, "DE"]': 1,
        "0:[null, null]": 1,
        "0:[648, null]": 1,
    }
    paths = [Path(file.path) for file in head_of(lake).files]
    assert len({arrival_of(str(path)) for path in paths}) == 1
    assert sorted(path.stem.rpartition("-")[2] for path in paths) == ["x1", "x2", "x3", "x4", "x5"]
    assert {path.parent.name for path in paths} == {"data"}
    ((rows, size),) = ask(lake, "SELECT rows_out, bytes_out FROM penstock.runs")
    assert rows == 6
    assert size == sum(path.stat().st_size for path in paths)


def test_a_file_of_one_partition_stays_whole(lake: Path) -> None:
    """A delivery that falls into one partition is not cut: one file, named as in any table."""
    land(lake, "b.csv", f"{HEADER}7,2024-05-01,FR\n8,2024-05-31,FR\n")
    run(lake)
    (new,) = [file for file in head_of(lake).files if file.partition == '0:[652, "FR"]']
    assert new.rows == 2
    assert "-x" not in Path(new.path).name
    assert_laid_out(lake)


def test_odd_values(tmp_path: Path) -> None:
    """No value of a partition reaches a path: quotes, slashes, dots, line ends, any script, thousands of characters."""
    values = [
        "a/b",
        "../../out",
        "..",
        ".",
        "O'Hara",
        'say "x"',
        "é🇫🇷",
        "line\nbreak",
        "tab\t",
        "x" * 3000,
        "%2F",
        "a=b",
    ]
    lake = declare(tmp_path / "lake", '["truncate(4000, word)"]', "    csv: {delimiter: ','}\n")
    pq.write_table(pa.table({"word": [*values, None, ""]}), tmp_path / "lake" / "raw" / "a.parquet")
    (lake / "lake.yaml").write_text((lake / "lake.yaml").read_text().replace("'*.csv'", "'*.parquet'"))
    run(lake)
    assert sorted(word or "" for (word,) in ask(lake, "SELECT word FROM t")) == sorted([*values, "", ""])
    assert len(assert_laid_out(lake)) == len(values) + 2
    data = lake / "processed" / "main" / "t" / "data"
    assert {Path(file.path).parent for file in head_of(lake).files} == {data.absolute()}
    for value in values:
        quoted = value.replace("'", "''")
        assert ask(lake, f"SELECT count(*) FROM t WHERE word = '{quoted}'") == [(1,)]


def test_too_many_partitions_end_dead(tmp_path: Path) -> None:
    """A file that falls into more partitions than one file may is refused whole, with the rule and what to do."""
    lake = declare(tmp_path / "lake", "[id]")
    land(lake, "a.csv", "id\n" + "".join(f"{at}\n" for at in range(1001)))
    with penstock.open(lake) as opened:
        (dead,) = opened.run().dead
    assert "more than 1,000 partitions of id" in str(dead.reason)
    assert list((lake / "processed").rglob("*.parquet")) == []
    land(lake, "a.csv", "id\n" + "".join(f"{at}\n" for at in range(30)))
    run(lake)
    assert len(assert_laid_out(lake)) == 30


def test_a_column_that_is_missing(lake: Path) -> None:
    """A first file without the column is refused, as nothing could be partitioned; in a later one it is null."""
    other = declare(lake.parent / "other", "[month(at), country]")
    land(other, "a.csv", "id,at\n1,2024-01-01\n")
    with penstock.open(other) as opened:
        opened.discover()
        (dead,) = opened.worker().drain(opened.declared).dead
    assert 'partitioned by country, but has no column "country"; there are id, at' in str(dead.reason)
    land(lake, "b.csv", "id,at\n7,2024-01-31\n")
    run(lake)
    assert assert_laid_out(lake)["0:[648, null]"] == 2


def test_a_new_version_replaces_all_files_of_the_old(lake: Path) -> None:
    """Rows of the earlier version leave every partition in the commit that brings the new ones."""
    land(lake, "a.csv", f"{HEADER}1,2024-01-05,US\n9,2023-01-01,US\n")
    run(lake)
    assert assert_laid_out(lake) == {'0:[648, "US"]': 1, '0:[636, "US"]': 1}
    assert ask(lake, "SELECT id FROM t ORDER BY id") == [(1,), (9,)]


def test_processed_again(lake: Path) -> None:
    """Processing everything again gives the same rows in the same partitions, once."""
    before = assert_laid_out(lake)
    rows = ask(lake, "SELECT * FROM t ORDER BY id")
    run(lake, reprocess=["t"])
    assert assert_laid_out(lake) == before
    assert ask(lake, "SELECT * FROM t ORDER BY id") == rows


def test_small_files_share_packs_of_one_partition(lake: Path) -> None:
    """Small files processed together become one pack for each partition; a new version is cut out of each of them."""
    for name in "bcd":
        land(lake, f"{name}.csv", f"{HEADER}1{ord(name)},2024-01-05,FR\n2{ord(name)},2024-03-05,FR\n")
    run(lake)
    packs = [file for file in head_of(lake).files if is_pack(file.path)]
    assert sorted(file.partition for file in packs) == ['0:[648, "FR"]', '0:[650, "FR"]']
    assert all(len(file.members) == 3 for file in packs)
    assert_laid_out(lake)
    land(lake, "c.csv", f"{HEADER}33,2024-03-05,FR\n")
    run(lake)
    assert assert_laid_out(lake)['0:[650, "FR"]'] == 3
    found = [len(file.members) for file in head_of(lake).files if is_pack(file.path)]
    assert found == [2, 2]
    assert len(ask(lake, "SELECT DISTINCT id FROM t")) == 6 + 2 + 1 + 2


def test_packs_hold_one_partition(lake: Path) -> None:
    """Files of several partitions are never written as one."""
    with penstock.open(lake) as opened:
        head = opened.catalog.head(T)
        assert head is not None
        worker = workshop(opened)
        packer = Packer(worker.bench.engine, opened.processed)
        with pytest.raises(AccountingError, match="of several partitions"):
            packer.pack(head, head.files)
        worker.bench.engine.close()


def test_rows_that_come_back(tmp_path: Path) -> None:
    """Corrected rows of the quarantine become parts, cut by partition; processed again, they come back once more."""
    lake = declare(
        tmp_path / "lake",
        "[month(at)]",
        "    steps: [{require: [at]}]\n    checks: [{between: {n: [0, 50]}, on_breach: quarantine}]\n",
    )
    land(lake, "a.csv", "n,at\n1,2024-01-01\n60,2024-01-02\n70,2024-02-02\n80,2024-02-03\n")
    run(lake)
    fixed = tmp_path / "fixed.csv"
    with penstock.open(lake) as opened:
        rows = opened.query("SELECT * FROM penstock.quarantine").fetchall()
        assert len(rows) == 3
    assert call("-C", lake, "quarantine", "export", "t", "--to", fixed).code == 0
    fixed.write_text(fixed.read_text().replace(",60,", ",6,").replace(",70,", ",7,").replace(",80,", ",8,"))
    with penstock.open(lake) as opened:
        back = opened.readmit("t", fixed)
        assert (back.readmitted, back.refused) == (3, ())
    assert assert_laid_out(lake) == {"0:[648]": 2, "0:[649]": 2}
    parts = [file for file in head_of(lake).files if part_of(file.path) is not None]
    assert len(parts) == 2
    run(lake, reprocess=["t"])
    assert assert_laid_out(lake) == {"0:[648]": 2, "0:[649]": 2}
    assert ask(lake, "SELECT n FROM t ORDER BY n") == [(1,), (6,), (7,), (8,)]


def test_checks_that_compare_rows(tmp_path: Path) -> None:
    """`unique` looks at the whole file and the whole table, whatever partitions the rows are in."""
    lake = declare(tmp_path / "lake", "[month(at)]", "    checks: [{unique: id, on_breach: quarantine}]\n")
    land(lake, "a.csv", "id,at\n1,2024-01-01\n1,2024-02-02\n2,2024-02-02\n")
    run(lake)
    land(lake, "b.csv", "id,at\n2,2024-07-01\n3,2024-07-02\n")
    run(lake)
    assert_laid_out(lake)
    assert ask(lake, "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]
    assert ask(lake, "SELECT count(*) FROM penstock.quarantine") == [(2,)]


@pytest.mark.parametrize("place", ["engine.write", "storage.rename"])
def test_an_attempt_that_fails_midway_leaves_nothing(tmp_path: Path, place: str) -> None:
    """When the third of many files cannot be written, those before it are removed, and the next attempt is whole."""
    lake = declare(tmp_path / "lake", "[month(at), country]")
    land(lake, "a.csv", FIRST)
    reached, listed = 0, list[str]()

    def fail(found: str) -> None:
        nonlocal reached
        if found == place:
            reached += 1
            if reached == 3:
                message = "the disk is full"
                raise OSError(message)
        if found == "scratch.delete":
            listed.append(" ".join(path.name for path in (lake / "processed").rglob("*.parquet")))

    faults.install(fail)
    run(lake)
    assert reached > 3
    assert listed[0] == ""
    assert sum(assert_laid_out(lake).values()) == 6
    assert len(list((lake / "processed").rglob("*.parquet"))) == 5


def test_other_readers_read_fewer_files(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pyiceberg and Polars get the same rows, and for a filter on the columns plan only the files that can match."""
    land(lake, "b.csv", f"{HEADER}7,2024-05-01,FR\n8,2024-06-01,DE\n")
    run(lake)
    table = iceberg(lake)
    everything = ask(lake, "SELECT id FROM t ORDER BY id")
    assert sorted(table.scan().to_arrow().column("id").to_pylist()) == [at for (at,) in everything]
    for condition, files, ids in [
        ("at >= '2024-02-01' and at < '2024-03-01'", 1, [2]),
        ("country = 'DE'", 2, [3, 8]),
        ("at is null", 1, [4]),
        ("country is null", 2, [4, 6]),
    ]:
        scan = table.scan(row_filter=condition)
        assert len(list(scan.plan_files())) == files
        assert sorted(scan.to_arrow().column("id").to_pylist()) == ids
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    lazy = pl.scan_iceberg(table)
    assert sorted(lazy.filter(pl.col("country") == "DE").collect()["id"]) == [3, 8]
    assert lazy.select(pl.len()).collect().item() == len(everything)


@pytest.mark.parametrize("text", ["bucket(8, id)", "truncate(1, country)", "day(at)", "year(at)"])
def test_other_readers_prune_by_every_transform(tmp_path: Path, text: str) -> None:
    """A filter on the source column plans fewer files, and still finds the row."""
    lake = declare(tmp_path / "lake", f'["{text}"]')
    land(lake, "a.csv", HEADER + "".join(f"{at},20{at:02}-01-{at:02},{chr(65 + at)}x\n" for at in range(1, 25)))
    run(lake)
    assert_laid_out(lake)
    table = iceberg(lake)
    condition = {"id": "id = 7", "country": "country = 'Hx'", "at": "at = '2007-01-07'"}[parse_transform(text).column]
    scan = table.scan(row_filter=condition)
    planned = len(list(scan.plan_files()))
    assert 1 <= planned < len(list(table.scan().plan_files()))
    assert scan.to_arrow().column("id").to_pylist() == [7]


def test_show_says_how_files_are_laid_out(lake: Path) -> None:
    """`penstock show` names what a table is partitioned by, and how many partitions there are."""
    assert "layout:  by month(at), country; 5 partitions" in call("-C", lake, "show", "t").out
    facts = call("-C", lake, "show", "t", "--json").json()
    assert (facts["partition"], facts["partitions"]) == ("month(at), country", 5)


def test_killed_at_any_place(tmp_path: Path) -> None:
    """A process that is killed while it writes or commits partitions leaves nothing half: the next run ends whole."""
    for at in (15, 40, 65):
        lake = declare(tmp_path / str(at), "[month(at), country]")
        land(lake, "a.csv", FIRST)
        killed = start(lake, kill_at=at)
        killed.join()
        assert killed.exitcode == -signal.SIGKILL
        run(lake)
        assert sum(assert_laid_out(lake).values()) == 6
        assert ask(lake, "SELECT id FROM t ORDER BY id") == [(at,) for at in range(1, 7)]
