"""Saved queries of a deployed lake: asked through Athena, kept in the bucket of the zone enriched, as here.

Moto runs no query: it answers with rows that it was given. What Athena itself makes of a statement only AWS can show.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock
from penstock import aws
from penstock.declaration import examine
from penstock.deployment.deployable import refusals
from penstock.deployment.synth import synthesise
from penstock.errors import QueryError
from penstock.lake import Lake
from penstock.naming import TableName
from penstock.queries.named import compiled_unseen
from penstock.site.aws import AwsSite
from penstock.wiring.asking import ask_athena, settled
from tests.aws.lakes import CloudLake, deploy
from tests.aws.pump import Pump
from tests.aws.test_athena import will_answer
from tests.aws.test_laptop import put_stack
from tests.cli.conftest import call
from tests.told import count

DECLARATION = """
lake: shop
access:
  finance: {query: [sales]}
tables:
  sales: {files: "sales*.csv", steps: [{parse: {day: date, price: {type: decimal, precision: 10, scale: 2}}}]}
queries:
  per_code:
    description: What was sold of each code
    sql: SELECT code, sum(price) AS sold, count(*) AS n FROM sales GROUP BY code ORDER BY code
  nothing: SELECT code, day FROM sales WHERE false
  files: SELECT file, rows_out FROM penstock.arrivals ORDER BY file
  failing: SELECT error('stop') AS x FROM sales
"""
SALES = b"id,code,day,price\n1,a,2024-01-05,2.50\n2,b,,3.00\n3,a,2024-02-01,4.25\n"
KEY = "per_code/per_code.parquet"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> CloudLake:
    """A deployed lake with rows, and the workgroup of whoever asks."""
    lake = deploy(tmp_path_factory.mktemp("cloud") / "lake", DECLARATION)
    put_stack(lake)
    place = {"ResultConfiguration": {"OutputLocation": f"s3://{lake.deployed.enriched_bucket}/results/"}}
    aws.client("athena").create_work_group(Name=lake.deployed.workgroup, Configuration=place)
    lake.land("sales.csv", SALES)
    Pump(lake.deployed.intake_queue, lake.runtime().take).drain()
    return lake


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, deployed: CloudLake) -> Path:
    """The same lake on this machine."""
    folder = tmp_path_factory.mktemp("here") / "lake"
    (folder / "raw").mkdir(parents=True)
    (folder / "lake.yaml").write_text((deployed.folder / "lake.yaml").read_text())
    (folder / "raw" / "sales.csv").write_bytes(SALES)
    with penstock.open(folder) as lake:
        lake.run()
    return folder


def result(lake: CloudLake, key: str = KEY) -> tuple[pa.Table, dict[str, str]]:
    """What is in the bucket: the rows, and what stands with them."""
    body = aws.client("s3").get_object(Bucket=lake.deployed.enriched_bucket, Key=key)["Body"].read()
    table = pq.read_table(io.BytesIO(body))
    told = {key.decode(): text.decode() for key, text in (table.schema.metadata or {}).items()}
    return table.replace_schema_metadata(), {key.removeprefix("penstock."): text for key, text in told.items()}


def answer() -> None:
    """Give moto the rows that Athena would find."""
    will_answer(["code", "sold", "n"], [["a", "6.75", "2"], ["b", "3.00", "1"]])


@pytest.mark.parametrize("engine", ["duckdb", "athena"])
def test_the_same_file_lands_whoever_answers(deployed: CloudLake, here: Path, engine: str) -> None:
    """Rows, names and types of the object are those of the file that the same lake has on this machine."""
    if engine == "athena":
        answer()
    with deployed.open() as lake:
        saved = lake.save("per_code", engine)
        head = lake.catalog.head(TableName.parse("sales"))
    with penstock.open(here) as lake:
        lake.save("per_code")
    there, facts = result(deployed)
    assert there.equals(pq.read_table(here / "enriched" / KEY).replace_schema_metadata())
    assert head is not None
    assert json.loads(facts["snapshots"]) == {"sales": str(head.snapshot)}
    assert (facts["engine"], facts["query"], saved.rows) == (engine, "per_code", 2)
    assert (saved.scanned is None) == (engine == "duckdb")
    count("saved queries", engine, unit="results in S3 that are as here")


def test_another_laptop_sees_what_was_kept_last(deployed: CloudLake, tmp_path: Path) -> None:
    """What is listed is what is in the bucket, also where an older copy is on the disk."""

    def other() -> Lake:
        return Lake(deployed.folder, site=lambda lake: AwsSite(deployed.deployed, tmp_path / "other", lake.note_sealed))

    with deployed.open() as lake, other() as second:
        first = lake.save("per_code", "duckdb")
        assert second.saved().last("per_code") == first
        again = lake.save("per_code", "duckdb")
        assert second.saved().last("per_code") == again
        assert again.saved > first.saved
        assert second.query(second.saved().reading(again)).fetchall()[0][0] == "a"
        assert second.saved().last("nothing") is None


def test_a_query_that_fails_keeps_the_object(deployed: CloudLake) -> None:
    """Nothing is put where nothing was found; the rows from before stay."""
    with deployed.open() as lake:
        before = lake.save("per_code", "duckdb")
        with pytest.raises(QueryError, match="ERROR"):
            lake.save("failing")
        with pytest.raises(QueryError, match="stop"):
            lake.save("failing", "duckdb")
        assert lake.saved().last("per_code") == before
        assert lake.saved().last("failing") is None


def test_what_athena_read_is_told_as_far_as_it_is_known(deployed: CloudLake) -> None:
    """Where a table is written to meanwhile, both snapshots are named, one of which was read."""
    answer()
    with deployed.open() as lake:
        asked = ask_athena(lake, lake.saved().sql("per_code"))
        assert settled(lake, asked.snapshots) == asked.snapshots
        deployed.land("sales-2.csv", b"id,code,day,price\n4,c,2024-03-01,1.00\n")
        Pump(deployed.deployed.intake_queue, deployed.runtime().take).drain()
        before = asked.snapshots[TableName.parse("sales")]
        after = settled(lake, asked.snapshots)[TableName.parse("sales")]
        assert after.startswith(f"{before} to ")
        assert after != f"{before} to {before}"


# --- At the command line ----------------------------------------------------------------------


def test_athena_answers_at_the_command_line(deployed: CloudLake) -> None:
    """`query --aws` asks Athena, shows its rows as here, and says what was read."""
    answer()
    sql = "SELECT code, sum(price) AS sold, count(*) AS n FROM sales GROUP BY code ORDER BY code"
    outcome = call("-C", deployed.folder, "--aws", "query", sql)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[2:] == ["a     6.75  2", "b     3.00  1"]
    assert "2 rows in " in outcome.err
    assert "; Athena read " in outcome.err
    refused = call("-C", deployed.folder, "--aws", "query", "SELECT median(price) FROM sales")
    assert refused.code == 1
    assert "no known equal of MEDIAN" in refused.err
    assert "--engine duckdb" in refused.err


def test_a_saved_query_is_kept_at_the_command_line(deployed: CloudLake) -> None:
    """`query --aws --saved` asks Athena, shows what was kept, and says where; `queries --aws` lists it."""
    answer()
    outcome = call("-C", deployed.folder, "query", "--aws", "--saved", "per_code")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[2:] == ["a     6.75  2", "b     3.00  1"]
    place = f"s3://{deployed.deployed.enriched_bucket}/{KEY}"
    assert f"kept: 2 rows in {place}; Athena read " in outcome.err
    facts = {one["query"]: one for one in call("-C", deployed.folder, "queries", "--aws", "--json").json()}
    assert (facts["per_code"]["engine"], facts["per_code"]["place"]) == ("athena", place)
    assert facts["failing"]["saved"] is None


def test_several_are_kept_by_whoever_can_answer(deployed: CloudLake) -> None:
    """What Athena does not know is answered on this machine; one that fails is told, and stops no other."""
    answer()
    outcome = call(
        "-C", deployed.folder, "query", "--aws", "--saved", "per_code", "--saved", "files", "--saved", "failing"
    )
    assert outcome.code == 1
    assert [line.split(":")[0] for line in outcome.out.splitlines()] == ["per_code", "files"]
    assert "error: queries.failing: Athena has no known equal of ERROR" in outcome.err
    assert result(deployed, "files/files.parquet")[1]["engine"] == "duckdb"


def test_a_role_asks_and_does_not_keep(deployed: CloudLake) -> None:
    """With --role nothing is put into the bucket, through whichever engine it is asked."""
    with deployed.open() as lake:
        before = lake.save("per_code", "duckdb")
    outcome = call(
        "-C", deployed.folder, "query", "--aws", "--saved", "per_code", "--role", "finance", "--engine", "duckdb"
    )
    assert outcome.code == 0, outcome.err
    assert "not kept" in outcome.err
    with deployed.open() as lake:
        assert lake.saved().last("per_code") == before


# --- In the template --------------------------------------------------------------------------

TABLES = [TableName.parse(name) for name in ("orders", "ref.customers")]


@pytest.mark.parametrize(
    ("sql", "written"),
    [
        ("SELECT id FROM orders", 'SELECT "orders"."id" AS "id" FROM "shop_main"."orders" AS "orders"'),
        ("SELECT sum(a) / count(*) AS x FROM orders", 'CAST(SUM("orders"."a") AS DOUBLE) / COUNT(*)'),
        ("SELECT date_trunc('month', d) AS m FROM orders GROUP BY m", 'GROUP BY DATE_TRUNC(\'MONTH\', "orders"."d")'),
        ("SELECT upper(name) AS name, count(*) FROM orders GROUP BY ALL", 'GROUP BY UPPER("orders"."name")'),
        (
            "SELECT o.id, c.name FROM orders o JOIN ref.customers c ON c.id = o.customer",
            '"shop_ref"."customers" AS "c"',
        ),
        ("SELECT c.name FROM orders o JOIN ref.customers c USING (id)", 'ON "o"."id" = "c"."id"'),
        ("WITH m AS (SELECT a, sum(b) AS s FROM orders GROUP BY a) SELECT a, s FROM m WHERE s > 3", '"m"."s" > 3'),
        ("SELECT count(*) AS n FROM orders WHERE d > DATE '2024-01-05'", "CAST('2024-01-05' AS DATE)"),
        ("SELECT 1 AS one", 'SELECT 1 AS "one"'),
    ],
)
def test_a_query_is_compiled_before_its_columns_are_known(sql: str, written: str) -> None:
    """Each column is of the one table that it can be of, and no type is needed."""
    assert written in compiled_unseen(sql, "shop", TABLES)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT * FROM orders", r"\* stands for columns"),
        ("SELECT name FROM orders o JOIN ref.customers c ON c.id = o.id", 'say whose column "name" is, like o.name'),
        ("SELECT cast(a AS varchar) FROM orders", "no known equal of CAST"),
        ("SELECT a || b FROM orders", "no known equal of"),
        ("SELECT median(a) FROM orders", "no known equal of MEDIAN"),
        ("SELECT file FROM penstock.arrivals", "Athena does not know penstock.arrivals"),
        ("SELECT a FROM read_csv('raw/a.csv')", "reads no table of the lake"),
        ("SELECT a FROM ordrs", 'no table "ordrs"; did you mean "orders"'),
    ],
)
def test_what_depends_on_columns_is_refused(sql: str, why: str) -> None:
    """Nothing is guessed of columns that nobody has seen."""
    with pytest.raises(QueryError, match=why):
        compiled_unseen(sql, "shop", TABLES)


WITH_QUERIES = """
lake: shop
tables: {orders: {files: "*.csv"}}
queries:
  sales: SELECT region, sum(amount) AS sales FROM orders GROUP BY region
  middle: SELECT median(amount) AS middle FROM orders
  beside: {file: queries/beside.sql, description: From a file}
"""


def test_what_athena_cannot_have_is_told_before(tmp_path: Path) -> None:
    """It is refused with its place and the way out; with that, it stays here, and `synth` says so."""
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "beside.sql").write_text("SELECT count(*) AS n FROM orders")
    problems = refusals(examine(WITH_QUERIES, environment={}), tmp_path)
    (problem,) = problems
    assert str(problem) == (
        "lake.yaml:6:3 queries.middle: cannot be put into Athena's console: Athena has no known equal of "
        "MEDIAN(orders.amount); if it is to stay on this machine, say so: aws: {here_only: [queries.middle]}"
    )
    kept = examine(WITH_QUERIES + "aws: {here_only: [queries.middle]}\n", environment={})
    made = synthesise(kept, folder=tmp_path)
    named = {name: one["Properties"] for name, one in made.resources.items() if "NamedQuery" in one["Type"]}
    assert list(named) == ["SavedQueryBeside", "SavedQuerySales"]
    assert named["SavedQueryBeside"]["Description"] == "From a file"
    assert "queries.middle stays on this machine: aws.here_only says so" in made.notes
    outcome = call("-C", _lake(tmp_path, "aws: {region: eu-west-3}\n"), "check")
    assert "cannot be deployed: lake.yaml:6:3 queries.middle: " in outcome.out


def _lake(folder: Path, more: str) -> Path:
    (folder / "lake.yaml").write_text(WITH_QUERIES + more)
    return folder


def test_a_missing_file_is_told_before(tmp_path: Path) -> None:
    """The SQL of a file that is not there cannot be deployed."""
    (problem,) = [
        one for one in refusals(examine(WITH_QUERIES, environment={}), tmp_path) if one.path == "queries.beside"
    ]
    assert "cannot be read: no such file" in problem.text


def test_what_is_removed_need_not_be_compiled() -> None:
    """`destroy` looks at the template of a lake that could not be deployed today."""
    assert synthesise(examine(WITH_QUERIES, environment={}), to_deploy=False).resources


def test_queries_are_called_apart_in_the_template() -> None:
    """Two names that CloudFormation cannot tell apart are refused."""
    text = "lake: x\nqueries: {a_b: SELECT 1 AS n, ab: SELECT 1 AS n, a__b: SELECT 1 AS n}\n"
    found = [problem.text for problem in refusals(examine(text, environment={}))]
    assert any('"a__b" is the same as "a_b"' in told for told in found)
