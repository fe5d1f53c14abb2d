"""Saved queries in `lake.yaml`: their names, their SQL, and what is wrong with either, told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.declaration import SavedQuery, examine, sql_of
from penstock.wiring.soundness import looked_at

LAKE = "lake: x\ntables: {orders: {files: '*.csv'}, ref.codes: {files: 'codes/*.csv'}}\n"


def problems(text: str, folder: Path | None = None) -> list[str]:
    """What is wrong with a declaration: with its text alone, or with everything that can be looked at."""
    examined = examine(LAKE + text, environment={})
    found = examined.problems if folder is None else looked_at(folder, examined)[0]
    return [str(problem) for problem in sorted(found)]


def test_both_forms_are_read() -> None:
    """A query is written as its SELECT, or as a mapping; the order is kept."""
    declaration = examine(
        "lake: x\nqueries:\n  one: SELECT 1\n  two: {file: q/two.sql, description: Two}\n", environment={}
    ).declaration
    assert declaration is not None
    assert declaration.saved_queries == {
        "one": SavedQuery(sql="SELECT 1"),
        "two": SavedQuery(file="q/two.sql", description="Two"),
    }
    assert sql_of(declaration.saved_queries["one"], Path()) == "SELECT 1"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("orders: SELECT 1", "queries.orders: is the name of a table, and results never become tables"),
        ("all: SELECT 1", 'queries.all: "all" cannot name a query: it means every saved query'),
        ("results: SELECT 1", 'queries.results: "results" cannot name a query: Athena keeps its own results'),
        ("Sales: SELECT 1", 'queries.Sales: "Sales" cannot name a query; it is called by lower-case letters'),
        ("a.b: SELECT 1", 'queries.a.b: "a.b" cannot name a query'),
        (f"{'a' * 101}: SELECT 1", "100 of them at most"),
        ("q: {sql: SELECT 1, file: q.sql}", "queries.q: a saved query has its SELECT in sql or in a file; found both"),
        ("q: {description: x}", "queries.q: a saved query has its SELECT in sql or in a file; found neither"),
        ("q: {file: ../q.sql}", "queries.q.file: must be a file below the lake's folder"),
        ("q: {file: /etc/q.sql}", "queries.q.file: must be a file below the lake's folder"),
        ("q: {sqll: SELECT 1}", 'queries.q: unknown key "sqll"; did you mean "sql"?'),
        ('q: ""', "queries.q: must not be empty"),
        ("q: 5", "queries.q: must be text or a mapping of names to values; found the number 5"),
    ],
)
def test_what_is_wrong_with_a_query_is_said_at_its_place(query: str, expected: str) -> None:
    """Every mistake is named with line, column, path and rule."""
    (problem,) = problems(f"queries:\n  {query}\n")
    assert problem.startswith("lake.yaml:4:")
    assert expected in problem


def test_a_result_may_be_called_like_a_table_of_another_layer() -> None:
    """`codes` is no table; `ref.codes` is."""
    assert problems("queries: {codes: SELECT 1}\n") == []


def test_names_in_other_parts_are_known() -> None:
    """Workflows and `here_only` name queries; a misspelt one is told with the nearest."""
    text = (
        "queries: {sales: SELECT 1}\n"
        "workflows: {w: {cron: '0 2 * * *', save: [sale]}, v: {cron: '0 2 * * *', save: [all, sales]}}\n"
        "aws: {here_only: [queries.sale, queries.sales]}\n"
    )
    assert [problem.partition(" ")[2] for problem in problems(text)] == [
        'workflows.w.save[0]: no query "sale" is declared; did you mean "sales"?',
        "workflows.v.save[0]: all stands alone; it means every query",
        'aws.here_only[0]: names no workflow, no notice and no query: "queries.sale"; did you mean "queries.sales"?',
    ]


SOUND = [
    "SELECT price + 1 AS a, a * 2 AS b FROM orders",
    "WITH few AS (SELECT * FROM orders) SELECT id FROM few GROUP BY ALL ORDER BY ALL",
    "FROM orders",
    "VALUES (1)",
    "SELECT o.id, c.name FROM orders o JOIN ref.codes AS c ON c.code = o.id",
    "SELECT one.year FROM (SELECT {'year': 1} AS one)",
    "SELECT sum(price), date_trunc('month', CAST(day AS DATE)) AS m FROM orders GROUP BY m",
    "SELECT file FROM penstock.arrivals",
    "SELECT line FROM quarantine.orders",
    'SELECT line FROM quarantine."ref.codes"',
    "SELECT * FROM read_csv('raw/a.csv')",
    "SELECT * FROM 'raw/a.csv'",
    "SELECT table_name FROM information_schema.tables",
]
UNSOUND = [
    ("SELECT id FROM ordrs", (4, 20), 'no table "ordrs" is declared; did you mean "orders"?'),
    ("SELECT id FROM other.orders", (4, 20), 'no table "other.orders" is declared; did you mean "orders"?'),
    ("SELECT id FROM penstock.runz", (4, 20), 'no table "penstock.runz" is declared; did you mean "penstock.runs"?'),
    ("SELECT id FROM quarantine.ordrs", (4, 20), 'did you mean "quarantine.orders"?'),
    ("SELECT prise FROM orders", (4, 12), 'no column "prise"; did you mean "price"?'),
    ("WITH f AS (SELECT id FROM orders) SELECT price FROM f", (4, 46), 'no column "price"; there are id'),
    ("DROP TABLE orders", (4, 5), "must be one SELECT: queries only read"),
    ("SELECT 1; SELECT 2", (4, 5), "must be one SELECT, found 2"),
    ("SELECT id FORM orders x", (4, 5), "is not a SELECT: syntax error"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake's folder with a file of each table, none of which was taken in."""
    made = tmp_path_factory.mktemp("declared")
    (made / "raw" / "codes").mkdir(parents=True)
    (made / "raw" / "a.csv").write_text("id,price,day\n1,2.5,2024-01-05\n")
    (made / "raw" / "codes" / "c.csv").write_text("code,name\n1,x\n")
    return made


@pytest.mark.parametrize("sql", SOUND)
def test_what_can_be_asked_is_sound(sql: str, folder: Path) -> None:
    """Nothing is said of a query that only waits for files."""
    assert problems(f"queries:\n  q: |\n    {sql}\n", folder) == []


@pytest.mark.parametrize(("sql", "place", "expected"), UNSOUND)
def test_what_cannot_be_asked_is_told(sql: str, place: tuple[int, int], expected: str, folder: Path) -> None:
    """It is told at its character, also in a block and in a file of its own."""
    line, column = place
    (problem,) = problems(f"queries:\n  q: {sql}\n", folder)
    assert expected in problem
    at = 0 if "syntax" in expected else column + 1
    assert problem.startswith(f"lake.yaml:{line}:{at or ''}")
    (folder / "q.sql").write_text(f"-- one\n{sql}\n")
    (beside,) = problems("queries: {q: {file: q.sql}}\n", folder)
    assert beside.startswith("q.sql:")
    assert expected in beside


def test_columns_of_a_table_that_is_there_have_types(tmp_path: Path) -> None:
    """Once a table is there, what does not fit the types is told, too."""
    import penstock

    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.csv").write_text("id,price\n1,2.5\n")
    (tmp_path / "lake.yaml").write_text("lake: x\ntables: {orders: {files: '*.csv'}}\n")
    with penstock.open(tmp_path) as lake:
        lake.run()
    text = (
        "lake: x\ntables: {orders: {files: '*.csv'}}\nqueries: {q: \"SELECT date_trunc('month', price) FROM orders\"}\n"
    )
    found = looked_at(tmp_path, examine(text, environment={}))[0]
    assert [str(problem) for problem in found] != []
    assert "No function matches" in str(found[0])
