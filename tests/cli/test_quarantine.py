"""`penstock quarantine`: list, show, export, readmit, purge."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import call

Make = Callable[[str, dict[str, str]], Path]
ORDERS = 'lake: shop\ntables:\n  orders: {files: "o*.csv", steps: [{parse: {n: integer}}]}\n'
BAD = 'n,word\n1,a\nx,"\x1b[31mred\n=1+1"\n3\n'


@pytest.fixture
def lake(make: Make) -> Path:
    """A lake with two rows in quarantine."""
    folder = make(ORDERS, {"o1.csv": BAD})
    assert call("-C", folder, "run").code == 0
    return folder


def test_list_counts_by_file_and_rule(lake: Path) -> None:
    """Number of rows, first reason and since when; one closing line and what to do next."""
    human = call("-C", lake, "quarantine", "list")
    assert "orders  o1.csv  parse n       1  20" in human.out
    assert "2 rows in quarantine, of 1 file" in human.out
    assert f"penstock -C {lake} quarantine show orders" in human.out
    facts = call("-C", lake, "quarantine", "list", "orders", "--json").json()
    assert [(found["rule"], found["rows"], found["first_line"]) for found in facts] == [
        ("malformed", 1, 5),
        ("parse n", 1, 3),
    ]
    assert set(facts[0]) == {"table", "file", "rule", "rows", "first_line", "first_reason", "since"}
    assert facts[0]["since"].endswith("Z")


def test_show_is_harmless_on_screen(lake: Path) -> None:
    """Place, reason and raw text of each row; control characters are only shown."""
    human = call("-C", lake, "quarantine", "show", "orders", "--rule", "parse n")
    assert "orders  o1.csv, line 3, byte 11  parse n" in human.out
    assert 'x,"\\x1b[31mred\\n=1+1"' in human.out
    assert "\x1b" not in human.out
    assert "1 row in quarantine" in human.out
    (row,) = call("-C", lake, "quarantine", "show", "orders", "--rule", "malformed", "--json").json()
    assert row == {
        "id": row["id"],
        "table": "orders",
        "file": "o1.csv",
        "line": 5,
        "byte_offset": 29,
        "column": None,
        "rule": "malformed",
        "reason": "too few fields: 2 expected, 1 found",
        "raw": "3",
    }
    assert call("-C", lake, "quarantine", "show", row["id"], "--json").json() == [row]
    assert "1 not shown" in call("-C", lake, "quarantine", "show", "orders", "--limit", "1").out
    assert call("-C", lake, "quarantine", "show", "orders", "--file", "none").out.startswith("no such row")
    missing = call("-C", lake, "quarantine", "show", "orders/none")
    assert (missing.code, missing.out.splitlines()[0]) == (1, "no row orders/none is in quarantine")


def test_export_correct_readmit(lake: Path) -> None:
    """Rows go out byte for byte, come back corrected, and cannot come back twice."""
    out = call("-C", lake, "quarantine", "export", "orders")
    header, bad, short = csv.reader(io.StringIO(out.out, newline=""))
    assert header == ["_id", "_file", "_line", "_reason", "n", "word", "_raw"]
    assert (bad[1:3], bad[4:]) == (["o1.csv", "3"], ["x", "\x1b[31mred\n=1+1", ""])
    assert (short[1:3], short[4:]) == (["o1.csv", "5"], ["", "", "3"])
    assert out.err == "2 rows of orders in quarantine\n"
    file = lake / "fix.csv"
    with file.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text).writerows([header, [*bad[:4], "2", *bad[5:]], short])
    trial = call("-C", lake, "quarantine", "readmit", "orders", file, "--dry-run")
    assert "1 of 2 rows would come back into orders, 1 stays in quarantine" in trial.out
    assert f"penstock -C {lake} quarantine readmit orders {file}\n" in trial.out
    done = call("-C", lake, "quarantine", "readmit", "orders", file)
    assert done.code == 0
    assert "row 2 (o1.csv, line 5): _raw has too few fields: 2 expected, 1 found" in done.out
    assert "1 of 2 rows came back into orders, 1 stays in quarantine" in done.out
    again = call("-C", lake, "quarantine", "readmit", "orders", file, "--json")
    facts = again.json()
    assert (again.code, facts["rows"], facts["readmitted"]) == (1, 2, 0)
    assert [refused["why"] for refused in facts["refused"]] == ["readmitted", "unfit"]
    rows = call("-C", lake, "query", "SELECT n, word FROM orders ORDER BY n", "--format", "json").json()
    assert rows == [{"n": 1, "word": "a"}, {"n": 2, "word": "\x1b[31mred\n=1+1"}]
    log = call("-C", lake, "logs").out.splitlines()[-1]
    assert "orders  fix.csv  1 row came back" in log


def test_export_to_files(lake: Path) -> None:
    """JSON and Parquet hold the same; another ending is refused, and no half-written file is left."""
    for name in ("q.json", "q.parquet"):
        done = call("-C", lake, "quarantine", "export", "orders", "--to", lake / name)
        assert (done.code, done.out) == (0, "")
        assert f"2 rows of orders in quarantine, written to {lake / name}" in done.err
    plain = json.loads((lake / "q.json").read_text(encoding="utf-8"))
    assert pq.read_table(lake / "q.parquet").to_pylist() == plain
    refused = call("-C", lake, "quarantine", "export", "orders", "--to", lake / "q.txt")
    assert (refused.code, "must end in .csv, .json or .parquet" in refused.err) == (1, True)
    assert sorted(path.name for path in lake.glob("*q*")) == ["q.json", "q.parquet"]


def test_rows_of_one_table_as_sql(lake: Path) -> None:
    """`quarantine.orders` has the file's own columns as text; a misspelled one is suggested."""
    sql = "SELECT _line, n FROM quarantine.orders ORDER BY 1"
    assert call("-C", lake, "query", sql, "--format", "json").json() == [
        {"_line": 3, "n": "x"},
        {"_line": 5, "n": None},
    ]
    assert "quarantine.orders" in call("-C", lake, "query", "SELECT * FROM quarantine.ordrs").err


def test_readmit_says_what_is_wrong(lake: Path) -> None:
    """A missing file, an unknown table, and a file that names nothing end with 1 and with words."""
    missing = call("-C", lake, "quarantine", "readmit", "orders", lake / "no.csv", "--json")
    assert (missing.code, missing.json()["error"]["code"]) == (1, "quarantine")
    assert 'no table "order"; did you mean "orders"?' in call("-C", lake, "quarantine", "readmit", "order", "x.csv").err
    (lake / "empty.csv").write_text("_id,n\n", encoding="utf-8")
    empty = call("-C", lake, "quarantine", "readmit", "orders", lake / "empty.csv")
    assert (empty.code, empty.out.splitlines()[0]) == (1, "0 of 0 rows came back into orders")


def test_purge_needs_a_declaration(lake: Path, make: Make) -> None:
    """Without one nothing is removed and it is said how to declare it; with one, what is old goes."""
    kept = call("-C", lake, "quarantine", "purge")
    assert (kept.code, kept.out.splitlines()[0]) == (0, "0 rows removed from quarantine")
    assert "quarantine: {keep: 90d}" in kept.out
    make(ORDERS.replace("files:", "quarantine: {keep: 0d}, files:"), {})
    (fact,) = call("-C", lake, "quarantine", "purge", "orders", "--json").json()
    assert (fact["table"], fact["file"], fact["rows"]) == ("orders", "o1.csv", 2)
    assert call("-C", lake, "quarantine", "list").out == "no row is in quarantine\n"
