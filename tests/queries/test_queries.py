"""Queries read the lake's tables and nothing else, and give rows in the form that is asked for."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import penstock
from penstock.errors import QueryError
from penstock.lake import Lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake with two tables, one of them in a layer of its own, and a quarantined row."""
    folder = tmp_path_factory.mktemp("queries")
    (folder / "raw" / "codes").mkdir(parents=True)
    (folder / "lake.yaml").write_text(
        "lake: q\ntables:\n"
        '  sales: {files: "sales*.csv", steps: [{parse: {day: date}}]}\n'
        '  ref.codes: {files: "codes/*.csv"}\n'
    )
    (folder / "raw" / "sales.csv").write_text("id,code,day\n1,a,2024-01-05\n2,b,\n3,<b>,2024-02-30\n4,<i>,2024-03-01\n")
    (folder / "raw" / "codes" / "c.csv").write_text("code,name\na,Alpha\nb,Beta\n")
    (folder / "elsewhere.csv").write_text("secret\n1\n")
    with penstock.open(folder) as opened:
        opened.run()
        yield opened


def test_tables_of_two_layers_join(lake: Lake) -> None:
    """Tables are found by name or layer.name, in any case, also behind USING, sub-queries and common expressions."""
    sql = "WITH c AS (SELECT * FROM REF.codes) SELECT id, name FROM sales JOIN c USING (code) ORDER BY id"
    assert lake.query(sql).fetchall() == [(1, "Alpha"), (2, "Beta")]
    assert lake.query("SELECT name FROM ref.codes WHERE code IN (SELECT code FROM Sales WHERE id = 1)").fetchall() == [
        ("Alpha",)
    ]


def test_rows_come_in_every_form(lake: Lake) -> None:
    """Arrow, Polars, pandas, plain rows and iteration give the same rows with the same types."""
    sql = "SELECT id, day FROM sales ORDER BY id"
    expected = [(1, dt.date(2024, 1, 5)), (2, None), (4, dt.date(2024, 3, 1))]
    assert lake.query(sql).fetchall() == expected
    assert list(lake.query(sql)) == expected
    arrow = lake.query(sql).arrow()
    assert isinstance(arrow, pa.Table)
    assert arrow.schema.field("day").type == pa.date32()
    assert arrow.to_pylist() == [{"id": id_, "day": day} for id_, day in expected]
    polars = lake.query(sql).polars()
    assert isinstance(polars, pl.DataFrame)
    assert polars.rows() == expected
    pandas = lake.query(sql).pandas()
    assert isinstance(pandas, pd.DataFrame)
    assert pandas["id"].tolist() == [1, 2, 4]
    assert lake.query(sql).columns == ["id", "day"]
    assert lake.query(sql).types == ["BIGINT", "DATE"]


def test_the_notebook_form_escapes_values(lake: Lake) -> None:
    """A value that looks like HTML is shown as text; null is marked."""
    shown = lake.query("SELECT code, day FROM sales WHERE id IN (2, 4)")._repr_html_()
    assert "&lt;i&gt;" in shown
    assert "<i>null</i>" in shown
    assert "<td><i></td>" not in shown


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE sales",
        "CREATE TABLE x AS SELECT 1",
        "CREATE VIEW x AS SELECT 1",
        "INSERT INTO sales VALUES (1)",
        "COPY sales TO 'raw/x.csv'",
        "EXPLAIN ANALYZE COPY sales TO 'raw/x.csv'",
        "EXPLAIN (ANALYZE, FORMAT json) COPY sales TO 'raw/x.csv'",
        "/* c */ EXPLAIN ANALYZE COPY sales TO 'raw/x.csv'",
        "EXPORT DATABASE 'raw'",
        "ATTACH 'x.db'",
        "SET memory_limit='99GB'",
        "RESET allowed_directories",
        "CALL pragma_version()",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PREPARE x AS SELECT 1",
        "SELECT 1; DROP TABLE sales",
        "",
        "SELECT 1; SELECT 2",
    ],
)
def test_only_one_reading_statement_is_accepted(lake: Lake, sql: str) -> None:
    """Whatever would change something, or is not exactly one statement, is refused before it runs."""
    before = sorted(lake.folder.rglob("*"))
    with pytest.raises(QueryError, match=r"queries only read|expected one SQL statement"):
        lake.query(sql).fetchall()
    assert sorted(lake.folder.rglob("*")) == before


def test_files_outside_the_zones_are_out_of_reach(lake: Lake) -> None:
    """Raw files can be read; files beside the zones, of the system, or behind .. cannot."""
    assert lake.query(f"SELECT count(*) FROM read_csv('{lake.folder}/raw/sales.csv')").fetchall() == [(4,)]
    for path in ("/etc/passwd", f"{lake.folder}/elsewhere.csv", f"{lake.folder}/raw/../elsewhere.csv"):
        for function in ("read_csv", "read_text", "glob"):
            with pytest.raises(QueryError):
                lake.query(f"SELECT * FROM {function}('{path}')").fetchall()


def test_variables_of_the_process_are_no_tables(lake: Lake) -> None:
    """A name in SQL is never looked up among Python's variables."""
    frame = pd.DataFrame({"leak": [1]})
    with pytest.raises(QueryError, match='no table "frame"'):
        lake.query("SELECT * FROM frame").fetchall()
    assert len(frame) == 1


def test_a_mistyped_table_gets_a_suggestion(lake: Lake) -> None:
    """The closest table is named, and all of them are listed."""
    with pytest.raises(QueryError) as caught:
        lake.query("SELECT * FROM sale")
    assert str(caught.value).startswith('no table "sale"; did you mean "sales"?\n  tables: sales, ref.codes, penstock.')


def test_system_tables_tell_what_happened(lake: Lake) -> None:
    """Runs, arrivals, tables, columns, quarantine and dead letters are tables of the layer `penstock`."""
    assert lake.query("SELECT file, line, raw FROM penstock.quarantine").fetchall() == [
        ("sales.csv", 4, "3,<b>,2024-02-30")
    ]
    assert lake.query("SELECT name, rows FROM penstock.tables ORDER BY name").fetchall() == [("codes", 2), ("sales", 3)]
    assert lake.query("SELECT sum(rows_in) FROM penstock.runs WHERE table_name = $$sales$$").fetchall() == [(4,)]
    assert lake.query("SELECT count(*) FROM penstock.arrivals WHERE state = 'finished'").fetchall() == [(2,)]
    assert lake.query("SELECT count(*) FROM penstock.dead_letters").fetchall() == [(0,)]
    assert ("codes",) in lake.query("SELECT table_name FROM information_schema.tables").fetchall()


def test_a_query_imports_neither_the_catalogs_library_nor_data_frames(lake: Lake) -> None:
    """Asking stays fast because pyiceberg, pyarrow, pandas and sqlglot are not imported for it."""
    program = (
        "import sys, penstock\n"
        f"with penstock.open({str(lake.folder)!r}) as lake:\n"
        "    lake.query('SELECT code, count(*) FROM sales GROUP BY code').fetchall()\n"
        "    lake.query('SELECT * FROM penstock.runs').fetchall()\n"
        "print([name for name in ('pyiceberg', 'pyarrow', 'pandas', 'sqlglot', 'sqlalchemy') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_times_with_a_zone_come_as_rows(lake: Lake) -> None:
    """A timestamp with time zone can be fetched."""
    ((moment,),) = lake.query("SELECT TIMESTAMPTZ '2024-01-05 10:00:00+02'").fetchall()
    assert moment.astimezone(dt.UTC) == dt.datetime(2024, 1, 5, 8, tzinfo=dt.UTC)


def test_rows_stream_as_batches(lake: Lake) -> None:
    """A large result is read batch by batch."""
    batches = list(lake.query("SELECT * FROM range(250000)").batches(100_000))
    assert len(batches) > 1
    assert sum(batch.num_rows for batch in batches) == 250_000


def test_a_statement_that_is_no_text_is_refused(lake: Lake) -> None:
    """A lone surrogate in SQL is an error with its place, not a crash."""
    with pytest.raises(QueryError, match="character 9 of the statement"):
        lake.query("SELECT '\udc80'")
