"""Which SQL expressions steps may hold, and what is said of the others."""

from __future__ import annotations

import pytest

from penstock.steps import check_expression

SOUND = [
    "a + 1",
    "a -- a comment",
    "a /* another */ + b",
    "a\n  + 1",
    '"A b"',
    "a.field",
    "date '2020-01-01' + interval 1 day",
    "CAST(a AS DECIMAL(12, 2))",
    "a::INTEGER",
    "try_cast(a AS DATE)",
    "CASE WHEN a > 1 THEN 'x' ELSE NULL END",
    "a IN (1, 2)",
    "a BETWEEN 1 AND 2 AND b LIKE 'x%'",
    "greatest(a, b)",
    "list_transform([1], lambda x: x + a)",
    "list_sum([a, b])",
    "year(d) * 100 + month(d)",
    "strftime(d, '%Y-%m')",
    "age(d, e)",
    "regexp_extract(a, '[0-9]+')",
    "'; DROP TABLE x'",
]
QUERY = "may not hold a query of its own: it sees one row; use a SQL table for that"
WINDOW = "may not look at other rows; use a SQL table for window functions"
UNSOUND = [
    ("", 'is not a SQL expression: syntax error at or near ")"', 1),
    ("a +", 'is not a SQL expression: syntax error at or near ")"', 4),
    ("a b", 'is not a SQL expression: syntax error at or near "b"', 2),
    ("(a", "is not a SQL expression: syntax error at end of input", 4),
    ("a)", 'is not a SQL expression: syntax error at or near ")"', 3),
    ("a) + (1", 'is not a SQL expression: syntax error at or near ")"', None),
    ("a) AS x, (b", 'is not a SQL expression: syntax error at or near ")"', None),
    ("a AS b", 'is not a SQL expression: syntax error at or near "AS"', 2),
    ("a; DROP TABLE x", 'is not a SQL expression: syntax error at or near ";"', 1),
    ("1 FROM t", 'is not a SQL expression: syntax error at or near "FROM"', 2),
    ("1 LIMIT 1", 'is not a SQL expression: syntax error at or near "LIMIT"', 2),
    ("a, b", "must be one SQL expression, found several", None),
    ("a) FROM (SELECT 1", "must be one SQL expression over the row's columns", None),
    ("1) UNION (SELECT 2", "must be one SQL expression over the row's columns", None),
    ("SELECT 1", QUERY, None),
    ("(SELECT 1)", QUERY, None),
    ("a IN (SELECT 1)", QUERY, None),
    ("a = ANY(SELECT 1)", QUERY, None),
    ("EXISTS (SELECT 1)", QUERY, None),
    ("row_number() OVER ()", WINDOW, None),
    ("1 + lag(a) OVER (ORDER BY b)", WINDOW, None),
    ("*", "may not hold *; name the columns", None),
    ("t.*", "may not hold *; name the columns", None),
    ("COLUMNS('a.*')", "may not hold *; name the columns", None),
    ("a = $1", "may not hold parameters; write the value", None),
    ("a = ?", "may not hold parameters; write the value", None),
    ("1 + sum(a)", "sum() adds up many rows, an expression sees one; use a SQL table for that", None),
    ("first(a)", "first() adds up many rows, an expression sees one; use a SQL table for that", None),
    ("unnest([1, 2])", "unnest() gives several rows, an expression gives one value", None),
    ("yaer(d)", 'unknown function yaer(); did you mean "year"?', None),
]
CHANGING = [
    ("random()", "random()"),
    ("uuid()", "uuid()"),
    ("now()", "now()"),
    ("today() - d", "today()"),
    ("CURRENT_DATE", "CURRENT_DATE"),
    ("current_timestamp", "current_timestamp"),
    ("localtimestamp", "localtimestamp"),
    ("age(d)", "age() of one moment"),
    ("nextval('s')", "nextval()"),
]


@pytest.mark.parametrize("expression", SOUND)
def test_sound_expressions(expression: str) -> None:
    """Anything that gives one value for one row, the same each time, is allowed."""
    assert check_expression(expression) is None


@pytest.mark.parametrize(("expression", "text", "offset"), UNSOUND)
def test_unsound_expressions(expression: str, text: str, offset: int | None) -> None:
    """Anything else is told with the rule and, for syntax, with how many characters into it."""
    problem = check_expression(expression)
    assert problem is not None
    expected = (problem.text, problem.offset) if offset is not None else (problem.text, None)
    assert expected == (text, offset)


@pytest.mark.parametrize(("expression", "what"), CHANGING)
def test_what_changes_is_refused(expression: str, what: str) -> None:
    """The same file gives the same rows on every day: what depends on the moment or on chance is refused."""
    problem = check_expression(expression)
    assert problem is not None
    rule = "gives another value each time; the same file must always give the same rows"
    assert problem.text.lower() == f"{what} {rule}".lower()
