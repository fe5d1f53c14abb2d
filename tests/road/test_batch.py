"""Small files that are processed together end as if each had been processed alone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import penstock
from penstock.arrivals.staging import batch
from penstock.arrivals.staging import stage as staging
from penstock.naming import TableName, is_pack
from penstock.state import Accounting
from tests.road.lakes import contents

T = TableName.parse("t")
LAKE = """
lake: small
upkeep: {automatic: false}
tables:
  t:
    files: "*.csv"
    steps:
      - parse: {at: date}
      - derive: {twice: n * 2}
      - require: [name]
    checks:
      - {between: {n: [0, 900]}, on_breach: quarantine}
      - {not_null: at}
"""


def make(folder: Path, declaration: str = LAKE) -> Path:
    """A lake whose table is there already, so that the files that follow are like its own."""
    (folder / "raw").mkdir(parents=True)
    (folder / "lake.yaml").write_text(declaration)
    land(folder, "0.csv", "0,x,2024-01-05,1")
    with penstock.open(folder) as lake:
        lake.run()
    return folder


def land(folder: Path, key: str, *rows: str, header: str = "n,name,at,k", end: str = "\n") -> None:
    """Let a file land."""
    (folder / "raw" / key).write_bytes((end.join([header, *rows]) + end).encode())


def packs(lake: penstock.Lake) -> list[int]:
    """How many arrivals each pack of the table holds."""
    head = lake.catalog.head(T)
    return [len(file.members) for file in (head.files if head else ()) if is_pack(file.path)]


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file be processed alone."""
    monkeypatch.setattr(batch, "MOST_BYTES", 0)


def test_files_of_one_kind_share_a_pack(tmp_path: Path) -> None:
    """Forty small files become one data file, and each has its own account."""
    folder = make(tmp_path)
    for at in range(40):
        land(
            folder, f"f{at}.csv", *(f"{n},{'' if n % 3 == 0 else 'x'},2024-02-0{1 + n % 9},{at}" for n in range(at + 1))
        )
    with penstock.open(folder) as lake:
        assert lake.run().dead == []
        assert packs(lake) == [40 - 1]  # the file with one row, which is dropped, leaves no rows
        accounts = {arrival.key: arrival.accounting for arrival in lake.state.arrivals.find(T)}
        for at in range(40):
            found, dropped = accounts[f"f{at}.csv"], at // 3 + 1
            assert (found.rows_in, found.rows_out) == (at + 1, at + 1 - dropped)
            assert found.dropped == {"require name": dropped}
        rows = lake.query("SELECT k, count(*), sum(twice) FROM t WHERE k > 0 GROUP BY k").fetchall()
        wanted = {at: [n for n in range(at + 1) if n % 3] for at in range(2, 40)}
        assert {k: (count, total) for k, count, total in rows if k != 1 or total} | {} == {
            **{at: (len(ns), 2 * sum(ns)) for at, ns in wanted.items()},
            1: (2, 2),
        }


def test_bytes_of_a_pack_are_shared_out(tmp_path: Path) -> None:
    """What the files of a pack account for is about its size, and a file without rows accounts for none."""
    folder = make(tmp_path)
    for at in range(8):
        land(folder, f"f{at}.csv", *(f"{n},{'x' if at else ''},2024-02-01,{at}" for n in range(50)))
    with penstock.open(folder) as lake:
        lake.run()
        head = lake.catalog.head(T)
        assert head is not None
        size = next(file.bytes for file in head.files if is_pack(file.path))
        total = sum((a.accounting for a in lake.state.arrivals.find(T) if a.key != "0.csv"), Accounting())
        assert abs(total.bytes_out - size) <= 8


TOGETHER = ["1,x", "950,x,2024-01-01,1", '1,"a\nb",2024-01-01,1', "1,,2024-01-01,1", "1,x,2024-01-01,1,"]
ALONE = ["1,x,,1", "1.5,x,2024-01-01,1", '1,"a"b,2024-01-01,1', "total,1,2,3"]


@pytest.mark.parametrize("odd", ["", *TOGETHER, *ALONE])
def test_odd_rows(tmp_path: Path, odd: str) -> None:
    """Files with rows that are quarantined or dropped share the pack; those with others are processed alone."""
    folder = make(tmp_path)
    for at in range(16):
        land(folder, f"f{at:02}.csv", "1,x,2024-01-01,1", *([odd] if at == 5 else []), "2,x,2024-01-01,1")
    with penstock.open(folder) as lake:
        lake.run()
        assert max(packs(lake)) == (15 if odd in ALONE else 16)  # a column that widens makes packs, too
    again = make(tmp_path / "again")
    for file in (folder / "raw").glob("f*.csv"):
        (again / "raw" / file.name).write_bytes(file.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        alone(patch)
        with penstock.open(again) as lake:
            lake.run()
            assert max(packs(lake), default=0) <= 1
    assert comparable(folder) == comparable(again)


def comparable(folder: Path) -> dict[str, Any]:
    """Everything that must not depend on how files were processed; ids of quarantined rows hold the attempt."""
    found = contents(folder)
    del found["quarantine"]
    with penstock.open(folder) as lake:
        # how many fields too many there are, the engine's own reader does not count
        reason = "regexp_replace(reason, '(too many.*), [0-9]+ found', '\\1')"
        aside = f"SELECT table_name, file, line, column_name, rule, {reason}, raw FROM penstock.{{}}"
        for name in ("quarantine", "warnings"):
            found[name] = sorted(map(repr, lake.query(aside.format(name)).fetchall()))
        checks = "SELECT table_name, file, check_name, result, rows_in, breaches, reason FROM penstock.checks"
        found["checks"] = sorted(map(repr, lake.query(checks).fetchall()))
    return found


CELLS = st.sampled_from(["1", "5", "900", "950", "x", "", "2024-01-05", "2024-02-30", '"a, b"', '"a\nb"', "é", "1,2"])
ROWS = st.lists(st.lists(CELLS, min_size=4, max_size=4).map(",".join), max_size=4)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(ROWS, min_size=2, max_size=12), ends=st.sampled_from(["\n", "\r\n"]))
def test_together_or_alone_is_the_same(
    files: list[list[str]], ends: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Rows, quarantine, warnings, checks and accounts do not depend on whether files are processed together."""
    found = []
    for together in (True, False):
        folder = make(tmp_path_factory.mktemp("lake"))
        for at, rows in enumerate(files):
            land(folder, f"f{at}.csv", "1,x,2024-01-01,1", *rows, end=ends)
        with pytest.MonkeyPatch.context() as patch:
            if not together:
                alone(patch)
            with penstock.open(folder) as lake:
                lake.run()
        found.append(comparable(folder))
    assert found[0] == found[1]


def test_replacing_a_file_leaves_the_rest_of_its_pack(tmp_path: Path) -> None:
    """New versions of three of thirty packed files replace those rows and no others; another pack takes them in."""
    folder = make(tmp_path)
    for at in range(30):
        land(folder, f"f{at}.csv", f"{at},x,2024-01-01,1", f"{at},y,2024-01-01,1")
    with penstock.open(folder) as lake:
        lake.run()
    for at in (3, 4, 29):
        land(folder, f"f{at}.csv", f"{at + 100},z,2024-01-01,1")
    with penstock.open(folder) as lake:
        lake.run()
        rows = sorted(lake.query("SELECT n, name FROM t WHERE n > 0").fetchall())
        kept = [at for at in range(30) if at not in (3, 4, 29)]
        assert rows == sorted(
            [(at, name) for at in kept if at for name in "xy"] + [(at + 100, "z") for at in (3, 4, 29)]
        )
        assert sorted(packs(lake)) == [3, 27]
        assert lake.run().files == {}


def test_a_lost_state_store_knows_what_packs_hold(tmp_path: Path) -> None:
    """After the state store was deleted, packed files add no row, and a mix of known and new files adds the new."""
    folder = make(tmp_path)
    chance = random.Random(5)
    for at in range(20):
        land(folder, f"f{at}.csv", *(f"{chance.randint(0, 9)},x,2024-01-01,{at}" for _ in range(3)))
    with penstock.open(folder) as lake:
        lake.run()
        before = sorted(lake.query("SELECT * FROM t").fetchall())
    for file in (folder / ".penstock").glob("state.db*"):
        file.unlink()
    for at in range(20, 24):
        land(folder, f"f{at}.csv", f"7,x,2024-01-01,{at}")
    with penstock.open(folder) as lake:
        lake.run()
        after = sorted(lake.query("SELECT * FROM t WHERE k < 20").fetchall())
        assert after == before
        assert lake.query("SELECT count(*) FROM t WHERE k >= 20").fetchall() == [(4,)]
        data = list((folder / "processed/main/t/data").glob("*.parquet"))
        head = lake.catalog.head(T)
        assert head is not None
        assert {str(path) for path in data} == {file.path for file in head.files}


def test_what_people_should_know_is_said_of_each_file(tmp_path: Path) -> None:
    """What a run notes of files that are processed together is what it notes of each alone."""
    found = []
    for together in (True, False):
        folder = make(tmp_path / str(together))
        for at in range(4):
            land(folder, f"f{at}.csv", f"{at},x,2024-01-01", header="n,name,at")
        with pytest.MonkeyPatch.context() as patch:
            if not together:
                alone(patch)
            with penstock.open(folder) as lake:
                found.append(sorted(lake.run().notes))
                assert packs(lake) == ([4] if together else [])
    assert found[0] == found[1]
    assert [file for file, _ in found[0]] == [f"f{at}.csv" for at in range(4)]


def test_rows_that_came_back_and_are_replaced_are_spoken_of(tmp_path: Path) -> None:
    """New versions that are processed together say how many readmitted rows of the earlier ones they replace."""
    folder = make(tmp_path)
    for at in range(3):
        land(folder, f"f{at}.csv", f"{at},x,2024-01-01,1", "950,y,2024-01-01,1")
    with penstock.open(folder) as lake:
        lake.run()
        (row,) = lake.query("SELECT id FROM penstock.quarantine WHERE file = 'f1.csv'").fetchall()
        (folder / "fixed.csv").write_text(f"_id,n,name,at,k\n{row[0]},9,y,2024-01-01,1\n")
        assert lake.readmit("t", folder / "fixed.csv").readmitted == 1
    for at in range(3):
        land(folder, f"f{at}.csv", f"{at},z,2024-01-01,1")
    with penstock.open(folder) as lake:
        notes = lake.run().notes
        assert packs(lake) == [3]
        assert [file for file, note in notes if "readmitted into the version before" in note] == ["f1.csv"]
        assert lake.query("SELECT name FROM t WHERE k = 1").fetchall().count(("z",)) == 3


def test_a_batch_that_fails_leaves_each_file_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong with a batch, its files are processed one by one, and nothing of the attempt stays."""
    folder = make(tmp_path)
    for at in range(4):
        land(folder, f"f{at}.csv", f"{at},x,2024-01-01,1", "950,y,2024-01-01,1")
    aside = staging.set_aside
    calls = []

    def failing(shop: Any, arrival: Any, *rest: Any) -> str | None:
        calls.append(arrival.key)
        if len(calls) == 3:
            raise OSError(5, "input/output error")
        stem: str | None = aside(shop, arrival, *rest)
        return stem

    monkeypatch.setattr(batch, "set_aside", failing)
    with penstock.open(folder) as lake:
        summary = lake.run()
        assert (summary.dead, len(calls)) == ([], 3)
        assert summary.files == {T: 4}
        assert packs(lake) == []
        head = lake.catalog.head(T)
        assert head is not None
        assert {str(path) for path in (folder / "processed/main/t/data").iterdir()} == {
            file.path for file in head.files
        }
        assert len(list((folder / "processed/_quarantine/main/t").iterdir())) == 4
        assert len(lake.query("SELECT * FROM penstock.quarantine").fetchall()) == 4
