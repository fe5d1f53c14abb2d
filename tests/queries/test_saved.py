"""Saved queries: asked by name, and what they found last is a Parquet file of the zone enriched, always whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import penstock
from penstock.clock import HeldClock
from penstock.errors import AccessError, IntegrityError, QueryError
from penstock.lake import Lake
from tests.cli.conftest import call

DECLARATION = """
lake: shop
access:
  finance: {query: [sales]}
  guest: {}
tables:
  sales: {files: "sales*.csv", steps: [{parse: {day: date, price: {type: decimal, precision: 10, scale: 2}}}]}
  ref.codes: {files: "codes/*.csv"}
queries:
  per_code:
    description: What was sold of each code
    sql: SELECT code, sum(price) AS sold, count(*) AS n FROM sales GROUP BY code ORDER BY code
  named: {file: queries/named.sql}
  nothing: SELECT code, day FROM sales WHERE false
  files: SELECT file, rows_out FROM penstock.arrivals ORDER BY file
  raw: SELECT count(*) AS lines FROM read_csv('raw/sales.csv')
  failing: SELECT error('stop') AS x FROM sales
workflows:
  renew: {on: {committed: sales}, save: [per_code, nothing]}
  broken: {on: {committed: ref.codes}, save: all, retry: {attempts: 1}}
"""
NAMED = "-- with names\nSELECT s.id, c.name FROM sales AS s JOIN ref.codes AS c ON c.code = s.code ORDER BY s.id\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A lake with rows."""
    made = tmp_path / "lake"
    (made / "raw" / "codes").mkdir(parents=True)
    (made / "queries").mkdir()
    (made / "lake.yaml").write_text(DECLARATION)
    (made / "queries" / "named.sql").write_text(NAMED)
    (made / "raw" / "sales.csv").write_text("id,code,day,price\n1,a,2024-01-05,2.50\n2,b,,3.00\n3,a,2024-02-01,4.25\n")
    (made / "raw" / "codes" / "c.csv").write_text("code,name\na,Alpha\nb,Beta\n")
    with penstock.open(made) as lake:
        lake.run()
    return made


@pytest.fixture
def lake(folder: Path) -> Iterator[Lake]:
    """The same lake, open, where time stands still."""
    with Lake(folder, HeldClock()) as opened:
        yield opened


def kept(folder: Path, name: str) -> Path:
    """Where the rows of a query are."""
    return folder / "enriched" / name / f"{name}.parquet"


def facts_of(file: Path) -> dict[str, str]:
    """What stands with the rows."""
    told = pq.read_metadata(file).metadata or {}
    return {
        key.decode().removeprefix("penstock."): text.decode()
        for key, text in told.items()
        if key.startswith(b"penstock.")
    }


# --- The road ---------------------------------------------------------------------------------


def test_rows_are_kept_with_what_they_are(folder: Path, lake: Lake) -> None:
    """The rows are those of the query with their types; beside them stand the SQL, the time and the snapshots read."""
    saved = lake.save("per_code")
    found = pq.read_table(kept(folder, "per_code"))
    assert found.to_pylist() == [
        {"code": "a", "sold": Decimal("6.75"), "n": 2},
        {"code": "b", "sold": Decimal("3.00"), "n": 1},
    ]
    assert str(found.schema.field("sold").type) == "decimal128(38, 2)"
    facts = facts_of(kept(folder, "per_code"))
    head = lake.catalog.head(next(name for name in lake.catalog.tables() if name.name == "sales"))
    assert head is not None
    assert json.loads(facts["snapshots"]) == {"sales": str(head.snapshot)} == dict(saved.snapshots)
    assert facts["sql"] == "SELECT code, sum(price) AS sold, count(*) AS n FROM sales GROUP BY code ORDER BY code"
    assert (facts["query"], facts["engine"]) == ("per_code", "duckdb")
    assert (saved.rows, saved.bytes) == (2, kept(folder, "per_code").stat().st_size)
    assert lake.saved().last("per_code") == saved


def test_a_result_is_replaced_by_the_next(folder: Path, lake: Lake) -> None:
    """New rows of the table are in the next result, and one file is left."""
    lake.save("per_code")
    (folder / "raw" / "sales-2.csv").write_text("id,code,day,price\n4,c,2024-03-01,1.00\n")
    lake.run()
    assert lake.save("per_code").rows == 3
    assert [file.name for file in (folder / "enriched").rglob("*") if file.is_file()] == ["per_code.parquet"]


def test_results_never_become_tables(folder: Path, lake: Lake) -> None:
    """A result is read as the file that it is; there is no table of its name."""
    lake.save("per_code")
    assert set(lake.tables) == {"ref.codes", "sales"}
    with pytest.raises(QueryError, match='no table "per_code"'):
        lake.query("SELECT * FROM per_code")
    file = kept(folder, "per_code")
    assert lake.query(f"SELECT sum(n) FROM '{file}'").fetchall() == [(3,)]
    assert not lake.verify().findings


def test_sql_in_a_file_of_its_own(folder: Path, lake: Lake) -> None:
    """The SQL may stand beside `lake.yaml`; a file that is gone, no text or a link out of the folder is refused."""
    assert lake.save("named").rows == 3
    assert set(lake.saved().last("named").snapshots) == {"sales", "ref.codes"}  # type: ignore[union-attr]
    file = folder / "queries" / "named.sql"
    for content, why in [(b"\xff", "is not UTF-8 text"), (None, "cannot be read: no such file")]:
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(QueryError, match=why):
            lake.save("named")
    (folder.parent / "elsewhere.sql").write_text("SELECT 1 AS one")
    file.symlink_to(folder.parent / "elsewhere.sql")
    with pytest.raises(QueryError, match="leads out of the lake's folder"):
        lake.save("named")
    assert pq.read_metadata(kept(folder, "named")).num_rows == 3


def test_an_empty_result_is_a_result(folder: Path, lake: Lake) -> None:
    """No rows are kept with the names and types of their columns."""
    assert lake.save("nothing").rows == 0
    found = pq.read_table(kept(folder, "nothing"))
    assert (found.num_rows, found.column_names, str(found.schema.field("day").type)) == (
        0,
        ["code", "day"],
        "date32[day]",
    )


def test_whatever_a_query_may_ask_can_be_kept(folder: Path, lake: Lake) -> None:
    """Also what Penstock knows of itself, and raw files: for these there is no snapshot to name."""
    assert lake.save("files").rows == 2
    assert lake.save("files").snapshots == {}
    with pytest.raises(QueryError, match=r"raw/sales\.csv"):
        lake.save("raw")  # a path is below the folder that one stands in
    assert not kept(folder, "raw").exists()


VALUES = [
    ("CAST(9 AS HUGEINT)", "DECIMAL(38,0)"),
    ("CAST(1.5 AS DECIMAL(38,10))", "DECIMAL(38,10)"),
    ("TIMESTAMP '2024-01-01 10:00:00.123456'", "TIMESTAMP"),
    ("TIMESTAMPTZ '2024-01-01 10:00:00+02'", "TIMESTAMP WITH TIME ZONE"),
    ("TIME '10:00:00'", "TIME"),
    ("CAST('nan' AS DOUBLE)", "DOUBLE"),
    ("'é\"\\n' || chr(0)", "VARCHAR"),
    ("'\\xFF'::BLOB", "BLOB"),
    ("[1, NULL]", "INTEGER[]"),
    ("{'a': [{'b': DATE '2024-01-01'}]}", "STRUCT(a STRUCT(b DATE)[])"),
    ("MAP {'k': 1}", "MAP(VARCHAR, INTEGER)"),
    ("CAST(NULL AS BOOLEAN)", "BOOLEAN"),
]


def test_values_come_back(folder: Path) -> None:
    """What was asked is what is read from the file, type and value."""
    for at, (value, _) in enumerate(VALUES):
        with_query(folder, f"SELECT {value} AS v", f"value_{at}")
    with penstock.open(folder) as lake:
        for at, (value, kind) in enumerate(VALUES):
            asked = lake.query(f"SELECT {value} AS v").fetchall()
            lake.save(f"value_{at}")
            read = lake.query(f"SELECT v FROM '{kept(folder, f'value_{at}')}'")
            assert read.types == [kind]
            assert repr(read.fetchall()).replace("Decimal('9')", "9") == repr(asked)


def with_query(folder: Path, sql: str, name: str = "asked") -> None:
    """Declare one more query."""
    text = (folder / "lake.yaml").read_text()
    told = text.replace("queries:\n", f"queries:\n  {name}: {json.dumps(sql, ensure_ascii=False)}\n")
    (folder / "lake.yaml").write_text(told)


UNKEPT = [
    "INTERVAL 1 DAY",
    "CAST('10:00:00+02' AS TIMETZ)",
    "CAST('101' AS BIT)",
    "{'a': [INTERVAL 1 DAY]}",
    "MAP {'k': CAST('101' AS BIT)}",
    "union_value(a := 1)",
]


def test_what_parquet_does_not_have_is_refused(folder: Path) -> None:
    """Nothing comes back as something else: a type without an equal is named, with what to do."""
    for at, value in enumerate(UNKEPT):
        with_query(folder, f"SELECT {value} AS v", f"value_{at}")
    with penstock.open(folder) as lake:
        for at in range(len(UNKEPT)):
            with pytest.raises(QueryError, match="which Parquet does not have") as refused:
                lake.save(f"value_{at}")
            assert "CAST(v AS VARCHAR)" in refused.value.hint
    assert not (folder / "enriched").exists()


def test_two_columns_of_one_name_are_refused(folder: Path) -> None:
    """A file whose columns cannot be told apart is of no use."""
    with_query(folder, "SELECT 1 AS a, 2 AS A")
    with penstock.open(folder) as lake, pytest.raises(QueryError, match='two columns are called "A"'):
        lake.save("asked")


# --- What goes wrong --------------------------------------------------------------------------


def test_a_query_that_fails_leaves_what_was_there(folder: Path) -> None:
    """The rows from before stay as they are, byte for byte, and nothing is left beside them."""
    with_query(folder, "SELECT code FROM sales")
    with penstock.open(folder) as lake:
        lake.save("asked")
    before = kept(folder, "asked").read_bytes()
    text = (
        (folder / "lake.yaml").read_text().replace('"SELECT code FROM sales"', "SELECT error('stop') AS x FROM sales")
    )
    (folder / "lake.yaml").write_text(text)
    with penstock.open(folder) as lake, pytest.raises(QueryError, match="stop"):
        lake.save("asked")
    assert kept(folder, "asked").read_bytes() == before
    assert [file.name for file in kept(folder, "asked").parent.iterdir()] == ["asked.parquet"]


def test_a_table_that_is_not_whole_is_not_read(folder: Path, lake: Lake) -> None:
    """A damaged file of a table gives no result; the one from before stays."""
    lake.save("per_code")
    before = kept(folder, "per_code").read_bytes()
    data = next((folder / "processed" / "main" / "sales" / "data").glob("*.parquet"))
    data.write_bytes(data.read_bytes()[:-1] + b"?")
    with pytest.raises(IntegrityError):
        lake.save("per_code")
    assert kept(folder, "per_code").read_bytes() == before


def test_a_foreign_file_in_its_place_is_told(folder: Path, lake: Lake) -> None:
    """What stands under the name and was not saved is no result; saving replaces it."""
    for content in (b"", b"text"):
        kept(folder, "per_code").parent.mkdir(parents=True, exist_ok=True)
        kept(folder, "per_code").write_bytes(content)
        with pytest.raises(QueryError, match="is no result that was saved"):
            lake.saved().last("per_code")
    assert lake.save("per_code").rows == 2


@pytest.mark.parametrize("place", ["storage.sync", "storage.rename", "batches"])
def test_killed_while_saving(folder: Path, place: str) -> None:
    """SIGKILL while rows are written, or just before they take their place, leaves the old file whole."""
    with penstock.open(folder) as lake:
        lake.save("per_code")
    before = kept(folder, "per_code").read_bytes()
    text = (folder / "lake.yaml").read_text().replace("ORDER BY code", "ORDER BY code, sold")
    (folder / "lake.yaml").write_text(text)
    process = subprocess.run([sys.executable, "-P", "-c", _KILLED, str(folder), place], check=False, timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert kept(folder, "per_code").read_bytes() == before
    left = [file for file in kept(folder, "per_code").parent.iterdir() if file.name.startswith(".")]
    assert len(left) == 1, "the process was killed while a file was there"
    with penstock.open(folder) as lake:
        assert lake.save("per_code").sql.endswith("ORDER BY code, sold")
        assert left[0].exists(), "it could be somebody's who is at work"
        old = time.time() - 7_200
        os.utime(left[0], (old, old))
        lake.save("per_code")
    assert [file.name for file in kept(folder, "per_code").parent.iterdir()] == ["per_code.parquet"]


_KILLED = """
import os, signal, sys
import pyarrow.parquet as pq
import penstock
from penstock import faults

folder, place = sys.argv[1:]

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

with penstock.open(folder) as lake:
    if place == "batches":
        write = pq.ParquetWriter.write_batch
        pq.ParquetWriter.write_batch = lambda self, batch: (write(self, batch), kill())
    else:
        faults.install(lambda reached: kill() if reached == place else None)
    lake.save("per_code")
"""


# --- At the command line ----------------------------------------------------------------------


def test_a_saved_query_is_shown_and_kept(folder: Path) -> None:
    """`query --saved` shows the rows as `query` does, in every format, and says in one line what was kept."""
    outcome = call("-C", folder, "query", "--saved", "per_code")
    assert outcome.code == 0
    assert outcome.out.splitlines()[2:] == ["a     6.75  2", "b     3.00  1"]
    assert outcome.err.splitlines()[-1] == "kept: 2 rows in enriched/per_code/per_code.parquet"
    as_json = call("-C", folder, "query", "--saved", "per_code", "--format", "json")
    assert as_json.json() == [{"code": "a", "sold": 6.75, "n": 2}, {"code": "b", "sold": 3.0, "n": 1}]
    limited = call("-C", folder, "query", "--saved", "per_code", "--format", "csv", "--limit", "1")
    assert limited.out.splitlines() == ["code,sold,n", "a,6.75,2"]
    assert pq.read_metadata(kept(folder, "per_code")).num_rows == 2, "what is shown is limited, not what is kept"
    assert "kept: 0 rows in enriched/nothing/nothing.parquet" in call("-C", folder, "query", "--saved", "nothing").err


def test_all_are_kept_whatever_happens_to_one(folder: Path) -> None:
    """Several are kept and not shown; one that fails is told with its name, stops no other, and is the exit code."""
    outcome = call("-C", folder, "query", "--saved", "all", cwd=folder)
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["per_code", "named", "nothing", "files", "raw"]
    assert lines[0].endswith("kept in enriched/per_code/per_code.parquet")
    assert "error: queries.failing: " in outcome.err
    two = call("-C", folder, "query", "--saved", "named", "--saved", "per_code", "--saved", "named")
    assert [line.split(":")[0] for line in two.out.splitlines()] == ["named", "per_code"]


def test_the_list_of_saved_queries(folder: Path) -> None:
    """`queries` lists what is declared, with what each found last, and what is wrong with one."""
    (folder / "queries" / "named.sql").unlink()
    assert call("-C", folder, "query", "--saved", "per_code").code == 0
    outcome = call("-C", folder, "queries")
    assert outcome.code == 0
    rows = {line.split()[0]: line for line in outcome.out.splitlines()[2:8]}
    assert "just now" in rows["per_code"]
    assert "What was sold of each code" in rows["per_code"]
    assert "never" in rows["nothing"]
    assert "queries/named.sql: cannot be read" in rows["named"]
    facts = call("-C", folder, "queries", "--json").json()
    assert [one["query"] for one in facts] == ["per_code", "named", "nothing", "files", "raw", "failing"]
    assert (facts[0]["rows"], facts[0]["engine"], facts[0]["problem"]) == (2, "duckdb", None)
    assert facts[0]["place"] == "enriched/per_code/per_code.parquet"


def test_a_role_asks_and_does_not_keep(folder: Path) -> None:
    """A role is shown what its tables allow, and nothing is kept for it: what is kept is the lake's."""
    outcome = call("-C", folder, "query", "--saved", "per_code", "--role", "finance")
    assert (outcome.code, len(outcome.out.splitlines())) == (0, 4)
    assert outcome.err.splitlines()[-1] == "not kept: with --at or --role a saved query is only asked"
    assert not (folder / "enriched").exists()
    refused = call("-C", folder, "query", "--saved", "named", "--role", "finance")
    assert refused.code == 1
    assert 'the role "finance" may not query "ref.codes"' in refused.err
    with penstock.open(folder) as lake, pytest.raises(AccessError):
        lake.query(lake.saved().sql("per_code"), role="guest")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ([], 2, "missing argument 'SQL'; or name a saved query with --saved"),
        (["SELECT 1", "--saved", "per_code"], 2, "a saved query has its own SQL"),
        (["--saved", "all", "--format", "csv"], 2, "several saved queries are kept and not shown"),
        (["--saved", "named", "--saved", "per_code", "--role", "finance"], 2, "several saved queries are kept"),
        (["--saved", "per_cod"], 1, 'no saved query "per_cod" is declared; did you mean "per_code"?'),
        (["--saved", "per_code", "--at", "yesterday"], 1, "yesterday"),
        (["--saved", "per_code", "--engine", "athena"], 2, "it goes with --aws"),
    ],
)
def test_what_cannot_be_asked_is_told(folder: Path, arguments: list[str], code: int, text: str) -> None:
    """Wrong usage ends with 2, a name that is not there with the nearest one."""
    outcome = call("-C", folder, "query", *arguments)
    assert outcome.code == code
    assert text in outcome.err
    assert not (folder / "enriched").exists()


def test_a_lake_without_saved_queries(tmp_path: Path) -> None:
    """It says so, and how to declare one."""
    (tmp_path / "lake.yaml").write_text("lake: plain\n")
    assert call("-C", tmp_path, "queries").out.startswith("no query is saved\n")
    assert call("-C", tmp_path, "queries", "--json").json() == []
    assert "none; declare some below queries:" in call("-C", tmp_path, "query", "--saved", "x").err


# --- In workflows -----------------------------------------------------------------------------


def run_workflow(folder: Path, name: str) -> Any:
    """Run a workflow by hand."""
    return call("-C", folder, "workflow", "run", name)


def test_a_workflow_renews_results(folder: Path) -> None:
    """The step `save` asks the queries that it names, and its run says how many and how many rows."""
    outcome = run_workflow(folder, "renew")
    assert outcome.code == 0, outcome.err
    assert kept(folder, "per_code").exists()
    assert kept(folder, "nothing").exists()
    assert not kept(folder, "named").exists()
    shown = call("-C", folder, "query", "SELECT steps FROM penstock.workflow_runs", "--format", "json").out
    assert "save per_code, nothing" in shown


def test_a_workflow_says_which_query_failed(folder: Path) -> None:
    """The others are kept; the step fails with the name and the reason of the one that failed."""
    outcome = run_workflow(folder, "broken")
    assert outcome.code != 0
    assert "failing: " in outcome.out + outcome.err
    assert kept(folder, "files").exists(), "which comes before it"
