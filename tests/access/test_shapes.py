"""However a table that is not granted is wrapped, the statement is refused: shapes by chance, each with a seed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.access import Grant
from penstock.access.statement import reads_of
from penstock.errors import AccessError
from penstock.naming import TableName

FINANCE = Grant("finance", frozenset({TableName("main", "annonces"), TableName("sales", "orders")}))
GRANTED = ("annonces", "sales.orders", '"Annonces"', "main.annonces", "memory.main.annonces")
SECRET = ("salaries", "hr.people", '"Salaries"', "main.SALARIES", "penstock.arrivals", "'raw/x.csv'", "read_csv('x')")
INNER = (
    "SELECT * FROM {inner}",
    "FROM {inner}",
    "(SELECT * FROM {inner})",
    "WITH c AS (SELECT * FROM {inner}) SELECT * FROM c",
    "WITH d AS (FROM {inner}), salaries AS (SELECT 1 AS x) SELECT * FROM d, salaries",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r, {inner} WHERE n < 3) FROM r",
    "SELECT * FROM {other} WHERE id IN (SELECT id FROM {inner})",
    "SELECT * FROM {other} a WHERE EXISTS (FROM {inner} b WHERE b.id = a.id)",
    "SELECT (SELECT count(*) FROM {inner}) FROM {other}",
    "SELECT * FROM {other} JOIN {inner} AS j USING (id)",
    "SELECT * FROM {other}, {inner} AS k",
    "SELECT * FROM {other} a, LATERAL (SELECT * FROM {inner}) AS l",
    "SELECT id FROM {other} UNION ALL SELECT id FROM {inner}",
    "FROM {inner} EXCEPT FROM {other}",
    "SELECT CASE WHEN EXISTS (FROM {inner}) THEN 1 END FROM {other}",
    "SELECT coalesce((SELECT max(id) FROM {inner}), 1), [(SELECT 1 FROM {inner})], {{'a': (FROM {inner} SELECT 1)}}",
    "SELECT * FROM {other} ORDER BY (SELECT max(id) FROM {inner}) LIMIT 3",
    "SELECT * FROM {other} QUALIFY row_number() OVER (ORDER BY (SELECT 1 FROM {inner})) = 1",
    "SELECT sum(id) FILTER (WHERE id = (SELECT 1 FROM {inner})) FROM {other}",
    "VALUES ((SELECT 1 FROM {inner}))",
    "SELECT * FROM (VALUES ((SELECT 1 FROM {inner}))) AS v(a)",
    "SELECT * FROM {inner} PIVOT (sum(id) FOR name IN ('a'))",
    "SELECT list_transform([1], x -> x + (SELECT 1 FROM {inner}))",
)
OUTER = ("{sql}", "{sql};", "-- {{\n{sql}", "DESCRIBE {sql}", "SUMMARIZE {sql}", "SELECT * FROM ({sql}) AS z")


@st.composite
def statements(draw: st.DrawFn, bottom: tuple[str, ...]) -> str:
    """A statement with one of the tables at its bottom and granted ones around it."""
    sql = draw(st.sampled_from(bottom))
    for shape in draw(st.lists(st.sampled_from(INNER), min_size=1, max_size=4)):
        inner = sql if sql in bottom else f"({sql})"
        sql = shape.format(inner=inner, other=draw(st.sampled_from(GRANTED)))
    return draw(st.sampled_from(OUTER)).format(sql=sql)


def _spelled(draw: st.DataObject, sql: str) -> str:
    """The statement with its words in another case, and other blanks between them."""
    words = [draw.draw(st.sampled_from((word, word.upper(), word.lower()))) for word in sql.split(" ")]
    return draw.draw(st.sampled_from((" ", "\n", "\t", " /* */ "))).join(words)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(data=st.data(), sql=statements(SECRET))
def test_a_wrapped_table_is_always_refused(data: st.DataObject, sql: str) -> None:
    """No shape around a table that is not granted, and no spelling of it, is let through."""
    statement = _spelled(data, sql)
    try:
        FINANCE.assert_allows(statement)
    except AccessError:
        return
    raise AssertionError(statement)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(sql=statements(GRANTED))
def test_the_same_shapes_over_granted_tables_are_allowed(sql: str) -> None:
    """It is the table that is refused, and not the shape: `salaries` stands for a common table expression there."""
    assert not reads_of(sql).refused
    FINANCE.assert_allows(sql)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(text=st.text(max_size=60))
def test_any_text_is_allowed_or_refused(text: str) -> None:
    """Text by chance never makes anything but a decision."""
    try:
        FINANCE.assert_allows(f"SELECT * FROM salaries {text}")
    except AccessError:
        return
    raise AssertionError(text)


def test_a_statement_nested_too_deeply_is_refused() -> None:
    """What exhausts the parser is refused like everything else that cannot be told."""
    assert "cannot be told" in reads_of("SELECT " + "(" * 5000 + "1" + ")" * 5000).refused
