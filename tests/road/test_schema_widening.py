"""Types that grow: by rule, without loss, and for old files too."""

from __future__ import annotations

import json
import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.road.lakes import ask
from tests.road.schemas import aside, column, declare, lake_of, rows, run, types

BIG = 2**53 + 1
CASES: dict[str, tuple[list[str], list[str], str, list[Any]]] = {
    "integer to number": (["1", "2"], ["1.5", "3"], "DOUBLE", [1.0, 2.0, 1.5, 3.0]),
    "integer no double holds": ([str(BIG)], ["1.25"], "DECIMAL(21,2)", [Decimal(f"{BIG}.00"), Decimal("1.25")]),
    "later integer no double holds": (["1"], ["1.5", str(BIG)], "DECIMAL(20,1)", [Decimal(1), Decimal("1.5"), BIG]),
    "integer of 20 digits": (["1"], ["12345678901234567890"], "DECIMAL(20,0)", [Decimal(1), 12345678901234567890]),
    "date to timestamp": (
        ["2024-01-05"],
        ["2024-01-06 10:00", "2024-01-07"],
        "TIMESTAMP",
        [datetime(2024, 1, 5), datetime(2024, 1, 6, 10), datetime(2024, 1, 7)],  # noqa: DTZ001 - tables know no zone
    ),
    "no value yet, then numbers": ([""], ["1.5", ""], "DOUBLE", [None, 1.5, None]),
    "no value yet, then text": ([""], ["x"], "VARCHAR", [None, "x"]),
    "no value yet, still none": ([""], [""], "VARCHAR", [None, None]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_type_widens(tmp_path: Path, case: str) -> None:
    """A later file's values widen the column; every value of every file reads as before, by two readers."""
    first, later, kind, expected = CASES[case]
    lake = lake_of(tmp_path)
    run(lake, a_csv=column(first))
    run(lake, b_csv=column(later))
    assert types(lake)["v"] == kind
    found = [row[1] for row in rows(lake)]
    assert sorted(value for value in found if value is not None) == sorted(v for v in expected if v is not None)
    assert len(found) == len(expected)
    assert aside(lake) == []
    assert list(types(lake)) == ["id", "v"], "the column keeps its place"


@pytest.mark.parametrize(
    ("first", "later", "reason"),
    [
        ("1", "x", 'v: "x" is not an integer'),
        ("1.5", "x", 'v: "x" is not a number'),
        ("2024-01-01", "12", 'v: "12" is not a date (YYYY-MM-DD)'),
        ("true", "1", 'v: "1" is not true or false'),
    ],
)
def test_nothing_becomes_text_by_itself(tmp_path: Path, first: str, later: str, reason: str) -> None:
    """A value that no wider type holds is set aside; the column stays."""
    lake = lake_of(tmp_path)
    run(lake, a_csv=column([first]))
    before = types(lake)
    run(lake, b_csv=column([later, first]))
    assert types(lake) == before
    assert aside(lake) == [("b.csv", 2, "type v", reason)]
    assert len(rows(lake)) == 2


def test_what_fits_nothing_stays_aside_beside_what_widens(tmp_path: Path) -> None:
    """One value that widens the column saves its row; one that does not is set aside, with its line."""
    lake = lake_of(tmp_path)
    run(lake, a_csv="v,w\n1,1\n")
    run(lake, b_csv="v,w\nx,1\n1.5,2\ny,2.5\n3,z\n4,4.5\n")
    assert types(lake) == {"v": "DOUBLE", "w": "DOUBLE"}
    assert [found[1:3] for found in aside(lake)] == [(2, "type v"), (4, "type v"), (5, "type w")]
    assert rows(lake) == [(1.0, 1.0), (1.5, 2.0), (4.0, 4.5)]


def test_columns_of_steps_follow(tmp_path: Path) -> None:
    """What steps compute from a widened column widens with it."""
    lake = lake_of(tmp_path, "steps: [{derive: {twice: v * 2}}, {rename: {v: value}}]")
    run(lake, a_csv=column(["1"]))
    assert types(lake) == {"id": "BIGINT", "value": "BIGINT", "twice": "BIGINT"}
    run(lake, b_csv=column(["1.5"]))
    assert types(lake) == {"id": "BIGINT", "value": "DOUBLE", "twice": "DOUBLE"}
    assert rows(lake, "value, twice") == [(1.0, 2.0), (1.5, 3.0)]


def test_a_step_says_decimal(tmp_path: Path) -> None:
    """A cast that is declared later widens an integer to a decimal; the table's rows stay."""
    lake = lake_of(tmp_path)
    run(lake, a_csv=column(["1"]))
    declare(lake, 'steps: [{cast: {v: "decimal(12,2)"}}]')
    run(lake, b_csv=column(["1.25"]))
    assert types(lake)["v"] == "DECIMAL(21,2)"
    assert rows(lake, "v") == [(Decimal("1.00"),), (Decimal("1.25"),)]


def test_a_step_that_changes_the_type_otherwise_is_refused(tmp_path: Path) -> None:
    """No rule leads from a number to text: the file ends as a dead letter, the table stays."""
    lake = lake_of(tmp_path)
    run(lake, a_csv=column(["1"]))
    declare(lake, "steps: [{cast: {v: text}}]")
    (dead,) = run(lake, b_csv=column(["x"])).dead
    assert 'column "v" is BIGINT in the table, but the steps now give VARCHAR' in str(dead.reason)
    assert rows(lake) == [(0, 1)]


def test_a_file_that_widens_stands_among_others(tmp_path: Path) -> None:
    """One run takes in files before and after the one that widens; a new version replaces rewritten rows."""
    lake = lake_of(tmp_path)
    run(lake, a_csv=column(["1"]))
    summary = run(lake, b_csv=column(["2"]), c_csv=column(["2.5"]), d_csv=column(["3"]), e_csv=column(["x", "4"]))
    assert summary.dead == []
    assert rows(lake, "v") == [(1.0,), (2.0,), (2.5,), (3.0,), (4.0,)]
    run(lake, a_csv=column(["9"]), b_csv=column(["8"]))
    assert rows(lake, "v") == [(2.5,), (3.0,), (4.0,), (8.0,), (9.0,)]


def test_a_struct_gets_more_fields(tmp_path: Path) -> None:
    """An object with a new key widens the struct; old rows have null there."""
    lake = lake_of(tmp_path)
    run(lake, a_json='[{"id": 1, "who": {"name": "x", "age": 1}}]')
    run(lake, b_json='[{"id": 2, "who": {"name": "y", "age": 2, "mail": "m"}}]')
    assert rows(lake, "id, who.name, who.age, who.mail") == [(1, "x", 1, None), (2, "y", 2, "m")]
    assert aside(lake) == []


def test_columns_of_parquet_widen_together(tmp_path: Path) -> None:
    """Columns whose files give them wider types take them, as far as a value asks for it; each says where."""
    lake = lake_of(tmp_path)
    first = {"i": pa.array([1], pa.int32()), "j": pa.array([1], pa.int32()), "n": pa.nulls(1)}
    first |= {"d": pa.array([Decimal("1.50")], pa.decimal128(5, 2)), "day": pa.array([date(2024, 1, 5)])}
    later = {"i": pa.array([2**40]), "j": pa.array([2.0]), "n": pa.array(["x"])}
    later |= {"d": pa.array([Decimal("123456.789")]), "day": pa.array([datetime(2024, 1, 5, 10)])}  # noqa: DTZ001
    for name, columns in (("a", first), ("b", later)):
        pq.write_table(pa.table(columns), lake / "raw" / f"{name}.parquet")
        run(lake)
    assert types(lake) == {"i": "BIGINT", "j": "INTEGER", "n": "VARCHAR", "d": "DECIMAL(9,3)", "day": "TIMESTAMP"}
    assert (len(rows(lake)), aside(lake)) == (2, [])
    widened = "SELECT column_name, line, value FROM penstock.schema_history WHERE change = 'widened' ORDER BY ALL"
    expected = [("d", 1, "123456.789"), ("day", 1, "2024-01-05 10:00:00"), ("i", 1, "1099511627776")]
    assert ask(lake, widened) == expected


def test_the_history_is_kept_with_the_table(tmp_path: Path) -> None:
    """Each change stands there with its file, line and value, and survives the loss of the state store."""
    lake = lake_of(tmp_path)
    run(lake, a_csv="v,day,none\n1,2024-01-01,\n")
    run(lake, b_csv="v,day,none,new\n1.5,2024-01-01,x,true\n")
    shutil.rmtree(lake / ".penstock")
    sql = "SELECT column_name, change, was, type, file, line, value FROM penstock.schema_history"
    assert ask(lake, sql) == [
        ("v", "created", None, "BIGINT", "a.csv", 2, "1"),
        ("day", "created", None, "DATE", "a.csv", 2, "2024-01-01"),
        ("none", "created", None, "VARCHAR", "a.csv", None, None),
        ("v", "widened", "BIGINT", "DOUBLE", "b.csv", 2, "1.5"),
        ("none", "decided", "VARCHAR", "VARCHAR", "b.csv", 2, "x"),
        ("new", "added", None, "BOOLEAN", "b.csv", 2, "true"),
    ]


def test_dates_stay_dates(tmp_path: Path) -> None:
    """Nothing widens that has no reason to."""
    lake = lake_of(tmp_path)
    run(lake, a_csv=column(["2024-01-01"]))
    run(lake, b_csv=column(["2024-01-02"]))
    assert rows(lake, "v") == [(date(2024, 1, 1),), (date(2024, 1, 2),)]
    assert json.loads(json.dumps(types(lake))) == {"id": "BIGINT", "v": "DATE"}
