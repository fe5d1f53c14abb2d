"""The page on other programs: what it says to type works, in the programs that it names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.docs.replay import replay
from tests.interop.duckdb_side import __file__ as duckdb_side
from tests.interop.environments import duckdb_python
from tests.interop.everything import Spark, metadata_of, other_writer

pytestmark = pytest.mark.timeout(600)
PAGE = ROOT / "docs" / "interop.md"


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """The lake of the page, after all that it does by itself; the rest is written down there as files."""
    replay(PAGE, tmp_path)
    return tmp_path / "clinic"


def test_duckdb_runs_what_the_page_says(lake: Path) -> None:
    """The SQL of the page, once the metadata's path stands in it and the extensions are found as packages."""
    sql = (lake / "with_duckdb.sql").read_text(encoding="utf-8")
    sql = sql.replace("METADATA", metadata_of(lake, "consultations"))
    program = "import sys, duckdb_side\nprint(duckdb_side.answer(sys.argv[1]))"
    here = str(Path(duckdb_side).parent)
    done = subprocess.run(
        [str(duckdb_python()), "-c", program, sql],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": here},
    )
    assert done.stdout == "[(1962,)]\n", done.stderr


def test_spark_runs_what_the_page_says(lake: Path, spark: Spark) -> None:
    """The program of the page, in a Spark that has the packages already and knows no lake yet; paths are made whole."""
    program = (lake / "with_spark.py").read_text(encoding="utf-8")
    program = program.replace('"jdbc:sqlite:processed', f'"jdbc:sqlite:{lake}/processed')
    program = program.replace('"processed"', f'"{lake}/processed"')
    expected = other_writer(lake, "consultations").scan(row_filter="age_group = 'senior'").to_arrow().num_rows
    assert f"|{expected}|" in spark.printed(program).replace(" ", "")


def test_what_is_to_be_rewritten_is(lake: Path) -> None:
    """The page's way out of a table that Penstock refuses keeps every row."""
    (block,) = [block for block in blocks(PAGE) if block.title == "rewrite.py"]
    table = other_writer(lake, "consultations")
    before = table.scan().to_arrow().num_rows
    exec(block.text, {"table": table})  # noqa: S102 - the page is the program
    assert table.refresh().scan().to_arrow().num_rows == before == 1962
