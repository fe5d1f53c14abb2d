"""Types that are decided by the last of very many rows."""

from __future__ import annotations

from pathlib import Path

from tests.road.lakes import ask
from tests.road.schemas import lake_of, run, types

MILLION = 1_000_000


def test_a_type_change_in_row_one_million(tmp_path: Path) -> None:
    """The last of a million rows decides the type: in the first file, and in a later one, with its line."""
    lake = lake_of(tmp_path)
    lines = "\n".join(map(str, range(MILLION - 1)))
    run(lake, a_csv=f"n\n{lines}\n0.5\n")
    assert types(lake) == {"n": "DOUBLE"}
    assert ask(lake, "SELECT count(*), sum(n) FROM t") == [(MILLION, sum(range(MILLION - 1)) + 0.5)]
    other = lake_of(tmp_path / "other")
    run(other, a_csv="n\n1\n")
    run(other, b_csv=f"n\n{lines}\n0.5\n")
    assert types(other) == {"n": "DOUBLE"}
    assert ask(other, "SELECT count(*), sum(n) FROM t") == [(MILLION + 1, sum(range(MILLION - 1)) + 1.5)]
    for one, file in ((lake, "a.csv"), (other, "b.csv")):
        (last,) = ask(one, "SELECT file, line, value FROM penstock.schema_history ORDER BY schema_id DESC LIMIT 1")
        assert last == (file, MILLION + 1, "0.5")
