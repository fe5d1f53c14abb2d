"""Contracts: what becomes of files that differ from the table's earlier ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.road.lakes import ask
from tests.road.schemas import aside, declare, lake_of, rows, run, types

FIRST = "id,price,day\n1,12,2024-01-01\n2,13,2024-01-02\n"


def lake_with(folder: Path, declaration: str = "") -> Path:
    """A lake that has taken in its first file."""
    lake = lake_of(folder, declaration)
    run(lake, a_csv=FIRST)
    return lake


@pytest.mark.parametrize("contract", ["evolve", "freeze", "quarantine"])
def test_the_order_of_columns_never_matters(tmp_path: Path, contract: str) -> None:
    """Columns are matched by name, upper and lower case alike, under every contract."""
    lake = lake_with(tmp_path, f"contract: {contract}")
    summary = run(lake, b_csv="DAY,id,Price\n2024-02-01,3,14\n")
    assert (summary.dead, summary.notes, aside(lake)) == ([], [], [])
    assert rows(lake, "id, price, CAST(day AS VARCHAR)")[2] == (3, 14, "2024-02-01")


def test_evolve_takes_new_columns_in(tmp_path: Path) -> None:
    """A new column is null for earlier rows, a missing one for its own; a similar name is pointed out."""
    lake = lake_with(tmp_path)
    notes = [note for _, note in run(lake, b_csv="id,prices\n3,14\n").notes]
    assert notes == [
        'new column "prices"; did you mean "price"?',
        'column "price" is missing; its values are null',
        'column "day" is missing; its values are null',
    ]
    assert rows(lake, "id, price, prices") == [(1, 12, None), (2, 13, None), (3, None, 14)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "id,prices,day\n3,14,2024-01-03\n",
            'the contract is freeze, and the file has the new column "prices"; did you mean "price"?',
        ),
        ("id,price,day,more\n3,14,2024-01-03,\n", 'the contract is freeze, and the file has the new column "more"'),
        ("id,price\n3,14\n", 'the contract is freeze, and the file has no column "day"'),
        (
            "id,price,day\n3,14,2024-01-03\n4,1.5,2024-01-03\n",
            'line 3: price: "1.5" is not an integer; the contract is freeze',
        ),
    ],
)
def test_freeze_refuses_the_file(tmp_path: Path, content: str, reason: str) -> None:
    """Any difference makes the file a dead letter that names column, line and value; the table stays as it was."""
    lake = lake_with(tmp_path, "contract: freeze")
    before = ask(lake, "SELECT * FROM penstock.tables")
    (dead,) = run(lake, b_csv=content).dead
    assert str(dead.reason).startswith(reason)
    assert ask(lake, "SELECT * FROM penstock.tables") == before
    assert aside(lake) == []
    declare(lake, "contract: evolve")
    assert run(lake).dead == [], "a changed contract lets the dead letter try again"
    assert len(rows(lake)) > 2


def test_freeze_says_nothing_of_the_first_file(tmp_path: Path) -> None:
    """The first file decides what is frozen, also where its sample guesses a type wrongly."""
    lake = lake_of(tmp_path, "contract: freeze")
    run(lake, a_csv="id\n" + "".join(f"{at}\n" for at in range(1_500)) + "x\n")
    assert (len(rows(lake)), types(lake)) == (1_501, {"id": "VARCHAR"})


def test_quarantine_sets_rows_aside(tmp_path: Path) -> None:
    """Rows with a value in an unknown column, or one that does not fit, are set aside; the others are kept."""
    lake = lake_with(tmp_path, "contract: quarantine")
    content = "id,price,day,more\n3,14,2024-01-03,\n4,1.5,2024-01-03,\n5,15,2024-01-03,x\n6,16,2024-01-03,\n"
    (note,) = [note for _, note in run(lake, b_csv=content).notes]
    assert note == 'new column "more"; rows with a value in it are set aside'
    assert [row[0] for row in rows(lake)] == [1, 2, 3, 6]
    assert types(lake) == {"id": "BIGINT", "price": "BIGINT", "day": "DATE"}
    assert aside(lake) == [
        ("b.csv", 3, "contract price", 'price: "1.5" is not an integer'),
        ("b.csv", 4, "contract more", '"x" stands in the new column "more"'),
    ]


def test_quarantine_sets_files_aside_that_miss_a_column(tmp_path: Path) -> None:
    """Every row of a file without the column lacks it: all are set aside."""
    lake = lake_with(tmp_path, "contract: quarantine")
    summary = run(lake, b_csv="id,price\n3,14\n4,15\n")
    assert [note for _, note in summary.notes] == ['column "day" is missing; all rows are set aside']
    assert aside(lake) == [("b.csv", line, "contract day", 'the file has no column "day"') for line in (2, 3)]
    assert len(rows(lake)) == 2


def test_a_column_has_a_contract_of_its_own(tmp_path: Path) -> None:
    """The column's contract goes before the table's."""
    own = "contract: freeze\ncolumns: {Price: {contract: evolve}, day: {contract: quarantine}}"
    lake = lake_with(tmp_path, own)
    assert run(lake, b_csv="id,price,day\n3,1.5,2024-01-03\n4,2,x\n").dead == []
    assert rows(lake, "id, price") == [(1, 12.0), (2, 13.0), (3, 1.5)]
    assert [found[2] for found in aside(lake)] == ["contract day"]
    (dead,) = run(lake, c_csv="id,price,day\nx,1,\n").dead
    assert str(dead.reason).startswith('line 2: id: "x" is not an integer')


def test_columns_of_json_have_contracts(tmp_path: Path) -> None:
    """Contracts hold for values that come with types, and for what stands within objects."""
    lake = lake_of(tmp_path, "contract: freeze")
    run(lake, a_json='[{"id": 1, "who": {"age": 1}}]')
    bad = {
        "b": ('[{"id": 2, "who": null}, {"id": "y", "who": null}]', "line 1: id: "),
        "c": ('[{"id": 2}]', 'the contract is freeze, and the file has no column "who"'),
        "d": ('[{"id": 1, "who": {"age": 1}}, {"id": 2, "who": {"age": "x"}}]', "line 1: "),
        "e": ('[{"id": 2, "who": {"age": 2, "more": 3}}]', "line 1: who: "),
    }
    dead = run(lake, **{f"{name}_json": text for name, (text, _) in bad.items()}).dead
    assert [str(one.reason).startswith(bad[one.key[0]][1]) for one in dead] == [True] * 4, [d.reason for d in dead]
    assert rows(lake, "id, who.age") == [(1, 1)]
