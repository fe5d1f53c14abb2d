"""Queries put to Athena: compiled so that they mean the same, or refused; and rows that come back as they are here.

Moto runs no query: it answers with rows that it was given. What Athena itself makes of a statement only AWS can show.
"""

from __future__ import annotations

import json
import urllib.request
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from penstock import aws
from penstock.clock import HeldClock
from penstock.deployed import Deployed
from penstock.errors import AwsError, QueryError
from penstock.naming import TableName
from penstock.queries.athena import compiled, tables_of
from penstock.queries.aws import LONGEST_ROW, AthenaAsker
from penstock.state.store import Column
from tests.aws import cloud
from tests.aws.lines import Line

ORDERS, CODES = TableName.parse("orders"), TableName.parse("curated.codes")
SCHEMA = {
    ORDERS: [
        Column(1, "id", "BIGINT"),
        Column(2, "name", "VARCHAR"),
        Column(3, "day", "TIMESTAMP"),
        Column(4, "price", "DECIMAL(12,2)"),
    ],
    CODES: [Column(1, "id", "BIGINT"), Column(2, "code", "VARCHAR"), Column(3, "born", "DATE")],
}
TAKEN = [
    "SELECT name, COUNT(*) FROM orders GROUP BY name",
    "SELECT name, count(*) AS n, sum(price) FROM orders GROUP BY ALL HAVING n > 1 ORDER BY n DESC LIMIT 10",
    "SELECT * EXCLUDE (price) FROM orders",
    "FROM orders SELECT id",
    "SELECT o.id, c.code FROM orders o LEFT JOIN curated.codes c USING (id)",
    "WITH few AS (SELECT * FROM orders WHERE id < 9) SELECT count(*) FROM few",
    "SELECT date_trunc('month', day) AS month, avg(price) FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT id, row_number() OVER (PARTITION BY name ORDER BY day) AS place FROM orders QUALIFY place = 1",
    "SELECT id / 2, name ILIKE 'a%', coalesce(name, '?') || 'x', CAST(day AS DATE) FROM orders WHERE day >= '2024-1-1'",
    "SELECT id FROM orders UNION ALL SELECT id FROM curated.codes",
    "SELECT any_value(name), count(*) FILTER (price > 1) FROM orders",
    "SELECT concat(name, id), CAST(price AS VARCHAR) || CAST(day AS DATE), substr(name, 2, 3) FROM orders",
]
REFUSED = [
    ("SELECT median(id) FROM orders", "no known equal of MEDIAN"),
    ("SELECT id // 2 FROM orders", "no known equal of"),
    ("SELECT greatest(id, 1) FROM orders", "no known equal of GREATEST"),
    ("SELECT hash(id) FROM orders", "no known equal of HASH"),
    ("SELECT strftime(day, '%Y') FROM orders", "no known equal of STRFTIME"),
    ("SELECT max_by(name, price) FROM orders", "no known equal of ARG_MAX"),
    ("SELECT trim(name) FROM orders", "no known equal of TRIM"),
    ("SELECT reverse(name) FROM orders", "no known equal of REVERSE"),
    ("SELECT ln(id) FROM orders", "no known equal of LN"),
    ("SELECT sqrt(id) FROM orders", "no known equal of SQRT"),
    ("SELECT substr(name, 0, 2) FROM orders", "no known equal of SUBSTR"),
    ("SELECT substr(name, -2) FROM orders", "no known equal of SUBSTR"),
    ("SELECT replace(name, '', 'x') FROM orders", "no known equal of REPLACE"),
    ("SELECT extract(dow FROM day) FROM orders", "no known equal of EXTRACT"),
    ("SELECT CAST(id / 2 AS BIGINT) FROM orders", "no known equal of CAST"),
    ("SELECT CAST(day AS VARCHAR) FROM orders", "no known equal of CAST"),
    ("SELECT TRY_CAST(name AS BIGINT) FROM orders", "no known equal of TRY_CAST"),
    ("SELECT day || name FROM orders", "no known equal of"),
    ("SELECT concat(id / 2, name) FROM orders", "no known equal of CONCAT"),
    ("SELECT id FROM orders WHERE NOT ((name = 'a') IS TRUE)", "no known equal of"),
    ("SELECT DISTINCT ON (name) id FROM orders ORDER BY name, id LIMIT 3", "no known equal of"),
    ("SELECT id FROM orders QUALIFY row_number() OVER (ORDER BY id) > 1 ORDER BY id LIMIT 3", "no known equal of"),
    ("SELECT id FROM orders UNION BY NAME SELECT id FROM curated.codes", "no known equal of"),
    ("SELECT [id, 1] FROM orders", "no known equal of"),
    ("SELECT unnest([1, 2])", "no known equal of"),
    ("SELECT id FROM orders USING SAMPLE 10", "no known equal of"),
    ("SELECT id FROM orders ORDER BY ALL", "ORDER BY ALL"),
    ("SELECT id FROM orders LIMIT 10%", "no known equal of LIMIT 10 PERCENT"),
    ("SELECT id FROM orders LIMIT (SELECT 5)", "no known equal of LIMIT"),
    ("SELECT id FROM orders LIMIT 2.5", "no known equal of LIMIT 2.5"),
    ("SELECT id FROM orders WHERE name = 5", "no known equal of orders.name = 5"),
    ("SELECT id FROM orders WHERE (id > 1) = 1", "no known equal of (orders.id > 1) = 1"),
    ("SELECT day - day FROM orders", "no known equal of orders.day - orders.day"),
    ("SELECT '5' + id FROM orders", "no known equal of '5' + orders.id"),
    ("SELECT id FROM orders WHERE day > 'yesterday'", '"yesterday"'),
    ("SELECT id FROM orders WHERE id = 'x'", "Could not convert string 'x' to INT64"),
    ("SELECT id FROM orders WHERE price * id > '5'", "no known equal of"),
    ("SELECT id FROM ordrs", 'did you mean "orders"?'),
    ("SELECT ide FROM orders", 'Referenced column "ide" not found'),
    ("SELECT * FROM penstock.runs", "Athena does not know penstock.runs"),
    ("SELECT * FROM quarantine.orders", "Athena does not know quarantine.orders"),
    ("SELECT * FROM read_csv('/etc/passwd')", "reads no table of the lake"),
    ("SELECT * FROM 'raw/x.csv'", "no table"),
    ("DROP TABLE orders", "queries only read; DROP"),
    ("SELECT 1; SELECT 2", "expected one SQL statement, found 2"),
    ("SELEC 1", ""),
]


@pytest.mark.parametrize("sql", TAKEN)
def test_what_has_an_equal_is_compiled_with_full_names(sql: str) -> None:
    """Every table has its database, every column its table, and the text is a statement of Athena's dialect."""
    found = compiled(sql, "shop", SCHEMA)
    tree = sqlglot.parse_one(found.sql, read="athena")
    assert isinstance(tree, sqlglot.exp.Query)
    inner = {cte.alias for cte in tree.find_all(sqlglot.exp.CTE)}
    tables = [table for table in tree.find_all(sqlglot.exp.Table) if table.name not in inner]
    assert tables
    assert {(table.db, table.name) for table in tables} <= {("shop_main", "orders"), ("shop_curated", "codes")}
    assert "*" not in found.sql.replace("COUNT(*)", "")
    assert len(found.names) == len(found.types) == len(tree.selects)


@pytest.mark.parametrize(("sql", "why"), REFUSED)
def test_what_has_no_known_equal_is_refused(sql: str, why: str) -> None:
    """It is said what cannot be asked there, and how it can be asked here; nothing is left out."""
    with pytest.raises(QueryError) as refused:
        compiled(sql, "shop", SCHEMA)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("sql", "written"),
    [
        ("SELECT price / id FROM orders", 'CAST("orders"."price" AS DOUBLE) / "orders"."id"'),
        ("SELECT 1 / (id / 2) FROM orders", 'CAST(1 AS DOUBLE) / (CAST("orders"."id" AS DOUBLE) / 2)'),
        ("SELECT avg(price) FROM orders", 'AVG(CAST("orders"."price" AS DOUBLE))'),
        ("SELECT avg(DISTINCT price) FROM orders", 'AVG(DISTINCT CAST("orders"."price" AS DOUBLE))'),
        ("SELECT sum(id) / count(*) FROM orders", 'CAST(SUM("orders"."id") AS DOUBLE) / COUNT(*)'),
        (
            "SELECT id FROM orders WHERE day > TIMESTAMP '2024-01-01 10:00:00.123456'",
            "CAST('2024-01-01 10:00:00.123456' AS TIMESTAMP(6))",
        ),
    ],
)
def test_what_would_be_rounded_is_written_out(sql: str, written: str) -> None:
    """Athena divides and averages decimals to their own scale, and a timestamp that says nothing has milliseconds."""
    assert written in compiled(sql, "shop", SCHEMA).sql


@pytest.mark.parametrize(
    ("sql", "written"),
    [
        ("SELECT id FROM orders WHERE day >= '2024-1-1'", "\"day\" >= CAST('2024-01-01 00:00:00' AS TIMESTAMP(6))"),
        ("SELECT id FROM curated.codes WHERE '2024-1-1' < born", "CAST('2024-01-01' AS DATE) < "),
        (
            "SELECT id FROM curated.codes WHERE born BETWEEN '2024-1-1' AND '2024-2-1'",
            "BETWEEN CAST('2024-01-01' AS DATE) AND CAST('2024-02-01' AS DATE)",
        ),
        ("SELECT max(born) FROM curated.codes HAVING max(born) IN ('2024-1-1')", "IN (CAST('2024-01-01' AS DATE))"),
        (
            "SELECT coalesce(born, '2024-1-1') FROM curated.codes",
            'COALESCE("codes"."born", CAST(\'2024-01-01\' AS DATE))',
        ),
        ("SELECT id FROM orders WHERE id = '7' AND price < '5'", "\"id\" = CAST('7' AS BIGINT)"),
        ("SELECT id FROM orders WHERE id = '7' AND price < '5'", "\"price\" < CAST('5.00' AS DECIMAL(12, 2))"),
        ("SELECT born + 1 FROM curated.codes", 'DATE_ADD(\'DAY\', 1, "codes"."born")'),
        ("SELECT born - 1 FROM curated.codes", 'DATE_ADD(\'DAY\', -1, "codes"."born")'),
        (
            "SELECT id FROM curated.codes WHERE current_date - born > 7",
            'DATE_DIFF(\'DAY\', "codes"."born", CURRENT_DATE) > 7',
        ),
        ("SELECT max(born - (born - 1)) + 1 FROM curated.codes", ")) + 1 AS"),
        ("SELECT id FROM orders WHERE name = 'x' AND name IN ('y')", '"name" = \'x\' AND "orders"."name" IN (\'y\')'),
        ("SELECT id FROM orders WHERE id = 2.5 LIMIT 3 OFFSET 1", '"id" = 2.5 OFFSET 1 LIMIT 3'),
    ],
)
def test_what_is_made_one_kind_here_is_written_out(sql: str, written: str) -> None:
    """A text beside a date is read as a date here and refused there, and days are added by a function there."""
    assert written in compiled(sql, "shop", SCHEMA).sql


def test_names_of_columns_are_those_of_this_machine() -> None:
    """An answer has the same head, whoever gave it."""
    found = compiled("SELECT name, COUNT(*), sum(price) + 1 FROM orders GROUP BY name", "shop", SCHEMA)
    assert found.names == ("name", "count_star()", "(sum(price) + 1)")
    assert found.types == ("VARCHAR", "BIGINT", "DECIMAL(38,2)")


@pytest.mark.parametrize("sql", ["SELECT id, name FROM orders", "SELECT * FROM orders LIMIT 5", "SELECT 1 AS one"])
def test_tables_that_are_not_named_need_no_columns(sql: str) -> None:
    """A lake has more tables than a statement names, and only of those are the columns looked up."""
    named: dict[TableName, list[Column]] = {ORDERS: SCHEMA[ORDERS] if "orders" in sql else [], CODES: []}
    assert compiled(sql, "shop", named) == compiled(sql, "shop", SCHEMA)


def test_the_tables_of_a_statement() -> None:
    """Those that a statement defines itself are none of the lake's."""
    sql = (
        "WITH a AS (SELECT * FROM orders) SELECT * FROM a JOIN curated.codes c USING (id) JOIN penstock.runs r ON true"
    )
    assert tables_of(sql) == {ORDERS, CODES, TableName("penstock", "runs")}


# --- Rows -------------------------------------------------------------------------------------


def deployed() -> Deployed:
    """A lake of which only the workgroup and the bucket of results are there."""
    cloud.start()
    group, results = f"group-{uuid.uuid4().hex[:8]}", cloud.bucket()
    configuration = {"ResultConfiguration": {"OutputLocation": f"s3://{results}/results/"}}
    aws.client("athena").create_work_group(Name=group, Configuration=configuration)
    facts = dict.fromkeys(Deployed.__dataclass_fields__, "-")
    return Deployed(**{**facts, "lake": "shop", "workgroup": group, "region": cloud.REGION, "enriched_bucket": results})


def will_answer(columns: list[str], rows: list[list[str | None]]) -> None:
    """Have moto answer the next query with these rows."""
    head: list[str | None] = [*columns]
    told = {"region": cloud.REGION, "results": [{"rows": [_data(row) for row in [head, *rows]], "column_info": []}]}
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{cloud.start()}/moto-api/static/athena/query-results",
        json.dumps(told).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).close()  # noqa: S310


def _data(row: list[Any]) -> dict[str, Any]:
    return {"Data": [{} if value is None else {"VarCharValue": value} for value in row]}


def test_rows_come_back_with_their_types() -> None:
    """Athena's texts become values of the types that the same query has here, by place and not by name."""
    place = deployed()
    will_answer(["_col_0", "_col_1", "_col_2", "_col_3"], [["1", "a,b", "2024-01-05 10:00:00.000", "12.50"]])
    asker = AthenaAsker(place, SCHEMA, HeldClock())
    answer = asker.ask("SELECT id, name, day, price FROM orders")
    assert answer.columns == ["id", "name", "day", "price"]
    assert answer.types == ["BIGINT", "VARCHAR", "TIMESTAMP", "DECIMAL(12,2)"]
    moment = datetime(2024, 1, 5, 10, tzinfo=UTC).replace(tzinfo=None)
    assert answer.fetchall() == [(1, "a,b", moment, Decimal("12.50"))]
    assert answer.told.id
    assert answer.told.rows == 1, "counted from what came, not by another query"


def test_a_failed_query_says_why_and_is_not_paid_for_twice() -> None:
    """A workgroup that is not there is AWS's refusal, with what was asked for."""
    place = deployed()
    with pytest.raises(AwsError, match="run a query"):
        AthenaAsker(place, SCHEMA, HeldClock()).ask("SELECT id FROM orders", role="nobody")


ASKED = 'it was asked: SELECT "orders"."id" AS "id" FROM "shop_main"."orders" AS "orders"'


def test_what_athena_refuses_is_told_with_the_statement_that_it_got() -> None:
    """A query that fails there: Athena's own words, what it was asked, and how it can be asked here."""
    status = {"State": "FAILED", "StateChangeReason": "COLUMN_NOT_FOUND: line 1:8: no column"}
    place = deployed()
    with Line("athena", "GetQueryExecution", place.region) as line:
        line.instead = [(200, {"QueryExecution": {"QueryExecutionId": "7", "Status": status}})]
        with pytest.raises(QueryError) as refused:
            AthenaAsker(place, SCHEMA, HeldClock()).ask("SELECT id FROM orders")
    assert ": Athena: COLUMN_NOT_FOUND: line 1:8: no column\n" in str(refused.value)
    assert ASKED in refused.value.what
    assert "--engine duckdb" in refused.value.hint


def test_a_statement_that_athena_cannot_read_is_told_as_one() -> None:
    """It refuses such a statement before it runs it; that is no trouble with AWS, and other refusals are."""
    place = deployed()
    asker = AthenaAsker(place, SCHEMA, HeldClock())
    with Line("athena", "StartQueryExecution", place.region) as line:
        said = "line 1:8: mismatched input 'x'. Expecting: '*'"
        line.instead = [
            (400, {"__type": "InvalidRequestException", "message": said}),
            (400, {"__type": "InvalidRequestException", "message": "WorkGroup group is not found."}),
        ]
        with pytest.raises(QueryError, match="mismatched input") as refused:
            asker.ask("SELECT id FROM orders")
        assert ASKED in refused.value.what
        with pytest.raises(AwsError, match=r"AWS could not run a query: .*WorkGroup group"):
            asker.ask("SELECT id FROM orders")


def test_a_value_of_many_megabytes_is_read() -> None:
    """Athena's rows have 32 MB at most; a text of half of that comes back whole. Moto does not write quotes twice."""
    place, text = deployed(), "a, b" * 4_000_000
    will_answer(["id", "name"], [["1", text], ["2", None]])
    answer = AthenaAsker(place, SCHEMA, HeldClock()).ask("SELECT id, name FROM orders")
    assert answer.fetchall() == [(1, text), (2, None)]


def test_rows_that_cannot_be_read_are_an_error_that_says_where_they_are() -> None:
    """Text in place of a number, and a row longer than Athena's can be."""
    place = deployed()
    will_answer(["id"], [["1"], ["one"]])
    asker = AthenaAsker(place, SCHEMA, HeldClock())
    with pytest.raises(QueryError, match=r"cannot be read: .*'one'") as refused:
        asker.ask("SELECT id FROM orders")
    assert refused.value.where.startswith(f"s3://{place.enriched_bucket}/")
    will_answer(["name"], [["x" * (LONGEST_ROW + 1)]])
    with pytest.raises(QueryError, match="a row is longer than 70 MB"):
        asker.ask("SELECT name FROM orders")


CELLS = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12))


@given(st.lists(CELLS, min_size=1, max_size=8))
def test_texts_and_nulls_survive_the_file(cells: list[str | None]) -> None:
    """As Athena writes its file, every text comes back as it is, and a null is not an empty text."""
    import tempfile
    from pathlib import Path

    import duckdb

    from penstock.queries.athena import Compiled
    from penstock.queries.aws import _reading

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            out.write('"id","name"\n')
            for at, cell in enumerate(cells):
                quoted = "" if cell is None else '"' + cell.replace('"', '""') + '"'
                out.write(f'"{at}",{quoted}\n')
        with duckdb.connect() as connection:
            connection.execute(_reading(str(file), Compiled("", ("id", "name"), ("BIGINT", "VARCHAR"))))
            rows = connection.execute("SELECT name FROM answer ORDER BY id").fetchall()
    assert [row[0] for row in rows] == cells


def test_dates_and_truth_are_read(tmp_path: Any) -> None:
    """The other types that Athena writes as text."""
    import duckdb

    from penstock.queries.athena import Compiled
    from penstock.queries.aws import _reading

    file = tmp_path / "rows.csv"
    file.write_text('"a","b","c","d","e"\n"2024-01-05","true","1.5E10","2024-01-05 10:00:00.000 UTC","00 ff"\n')
    kinds = ("DATE", "BOOLEAN", "DOUBLE", "TIMESTAMP WITH TIME ZONE", "BLOB")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        connection.execute(_reading(str(file), Compiled("", tuple("abcde"), kinds)))
        (row,) = connection.execute("SELECT a, b, c, epoch(d), e FROM answer").fetchall()
    assert row == (date(2024, 1, 5), True, 1.5e10, datetime(2024, 1, 5, 10, tzinfo=UTC).timestamp(), b"\x00\xff")
