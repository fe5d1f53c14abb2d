"""The step `python`: functions of the lake's own, between steps in SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.arrivals import Summary

DECLARATION = """
lake: x
tables:
  t:
    files: "*.csv"
    steps:
      - require: [n]
      - python: steps.py:change
      - parse: {{text: integer}}
      - derive: {{double: n * 2}}
    checks: {checks}
"""
KEEP_ODD = """
import pyarrow.compute as pc

def change(batch):
    odd = batch.filter(pc.equal(pc.bit_wise_and(batch["n"], 1), 1))
    return odd.append_column("made", pc.multiply(odd["n"], 10))
"""


def lake(folder: Path, code: str, content: str, checks: str = "[]") -> Path:
    """Make a lake with one file and one function."""
    (folder / "raw").mkdir()
    (folder / "lake.yaml").write_text(DECLARATION.format(checks=checks), encoding="utf-8")
    (folder / "steps.py").write_text(code, encoding="utf-8")
    (folder / "raw" / "a.csv").write_text(content, encoding="utf-8")
    return folder


def run(folder: Path) -> Summary:
    """Process what waits."""
    with penstock.open(folder) as opened:
        return opened.run()


def ask(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask the lake."""
    with penstock.open(folder) as opened:
        return opened.query(sql).fetchall()


def test_a_function_changes_rows_between_steps(tmp_path: Path) -> None:
    """Rows before, in and after the function are all accounted for; what it gives goes through the later steps."""
    folder = lake(tmp_path, KEEP_ODD, "n,text\n1,5\n2,6\n,7\n3,x\n5,8\n")
    (account,) = run(folder).accounts.values()
    assert ask(folder, "FROM t ORDER BY n") == [(1, 5, 10, 2), (5, 8, 50, 10)]
    assert (account.rows_in, account.rows_out, account.quarantined) == (5, 2, 1)
    assert account.dropped == {"require n": 1, "python steps.py:change": 1}
    assert account.adds_up
    (aside,) = ask(folder, "SELECT line, rule, raw FROM penstock.quarantine")
    assert aside == (None, "parse text", '{"n": "3", "text": "x", "made": "30"}')


def test_rows_that_a_function_adds_are_counted(tmp_path: Path) -> None:
    """A function may give more rows than it took, as a table of several batches."""
    code = "import pyarrow as pa\ndef change(batch):\n    return pa.Table.from_batches([batch, batch])\n"
    folder = lake(tmp_path, code, "n,text\n1,5\n2,6\n")
    (account,) = run(folder).accounts.values()
    assert (account.rows_in, account.added, account.rows_out) == (2, 2, 4)
    assert ask(folder, "SELECT n, count(*) FROM t GROUP BY n ORDER BY n") == [(1, 2), (2, 2)]


def test_a_function_that_gives_no_row(tmp_path: Path) -> None:
    """Nothing is written, and the account says who let the rows go."""
    folder = lake(tmp_path, "def change(batch):\n    return batch.slice(0, 0)\n", "n,text\n1,5\n2,6\n")
    (account,) = run(folder).accounts.values()
    assert account.dropped == {"python steps.py:change": 2}
    assert ask(folder, "SELECT count(*) FROM penstock.tables") == [(0,)]


def test_checks_stand_at_both_ends(tmp_path: Path) -> None:
    """Checks before the steps see the file's rows, those after them what the last step gave."""
    checks = "[{between: {n: [0, 2]}, when: before}, {between: {double: [0, 4]}, on_breach: quarantine}]"
    folder = lake(tmp_path, KEEP_ODD, "n,text\n1,5\n3,6\n", checks)
    run(folder)
    assert ask(folder, "SELECT n FROM t") == [(1,)]
    found = "SELECT line, rule FROM penstock."
    assert ask(folder, f"{found}warnings") == [(3, "check between n 0..2")]
    assert ask(folder, f"{found}quarantine") == [(None, "check between double 0..4")]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def other(batch):\n    return batch\n", "steps.py has no function change; it has: other"),
        ("def change(batch:\n", "importing steps.py raised SyntaxError"),
        ("def change(batch):\n    return batch['m']\n", "steps.py:change raised KeyError"),
        ("def change(batch):\n    return [1]\n", "gave a list; it must return a pyarrow RecordBatch or Table"),
        (
            "def change(batch):\n    return batch.rename_columns(['a', 'A'])\n",
            'gave two columns called "A"; names must differ by more than upper and lower case',
        ),
        (
            "def change(batch):\n    return batch.rename_columns(['a', '__penstock_fate'])\n",
            'gave a column called "__penstock_fate"',
        ),
        ("def change(batch):\n    raise SystemExit(3)\n", "steps.py:change raised SystemExit: 3"),
    ],
)
def test_a_function_that_fails_is_told(tmp_path: Path, code: str, reason: str) -> None:
    """The file is a dead letter whose reason names the step, the function, what went wrong and where."""
    folder = lake(tmp_path, code, "n,text\n1,5\n")
    (dead,) = run(folder).dead
    assert str(dead.reason).startswith("tables.t.steps[1].python: ")
    assert reason in str(dead.reason)


def test_a_corrected_function_brings_its_files_back(tmp_path: Path) -> None:
    """Dead letters try again when the function's file has changed."""
    folder = lake(tmp_path, "def change(batch):\n    return 1 / 0\n", "n,text\n1,5\n")
    assert len(run(folder).dead) == 1
    assert run(folder).dead == []
    (folder / "steps.py").write_text(KEEP_ODD)
    assert run(folder).dead == []
    assert ask(folder, "SELECT n FROM t") == [(1,)]


def test_a_function_outside_the_lake_is_out_of_reach(tmp_path: Path) -> None:
    """A path that leads out of the lake's folder names no function."""
    folder = lake(tmp_path, KEEP_ODD, "n,text\n1,5\n")
    text = (folder / "lake.yaml").read_text().replace("steps.py:change", "../steps.py:change")
    (folder / "lake.yaml").write_text(text)
    assert "no file ../steps.py in the lake's folder" in str(run(folder).dead[0].reason)
