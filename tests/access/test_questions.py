"""Every row of the reviewed table, on a real lake; and what is refused is refused by each barrier alone."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from penstock.access.functions import FUNCTIONS, TABLE_FUNCTIONS
from penstock.errors import AccessError, PenstockError, QueryError
from penstock.lake import Lake
from penstock.naming import TableName
from penstock.queries import Asker
from tests.access.conftest import MARK
from tests.access.questions import ALLOWED, QUESTIONS, REFUSED, Question

HERE = Path(__file__).parent


def filled(lake: Lake, sql: str) -> str:
    """The statement with the lake's own paths."""

    def file_of(table: str) -> str:
        head = lake.catalog.head(TableName.parse(table))
        assert head is not None
        return head.files[0].path

    if not any(name in sql for name in ("{raw}", "{data}", "{file}", "{own}")):
        return sql
    paths = {"{raw}": str(lake.raw.root), "{data}": str(lake.processed.root)}
    paths |= {"{file}": file_of("salaries"), "{own}": file_of("annonces")}
    for name, path in paths.items():
        sql = sql.replace(name, path)
    return sql


def asked_alone(lake: Lake, question: Question) -> str:
    """What comes of a statement with the check of its text switched off: rows, names of columns, or the error."""
    asker = Asker(lake.catalog, lake.state, lake.processed, [lake.raw.root, lake.processed.root], lake.history)
    sql = filled(lake, question.sql)
    try:
        result = asker.ask(sql, only=lake.grant(question.role).tables)
        return f"{result.columns} {result.fetchall()}"
    except QueryError as error:
        return str(error).replace(sql, "")


def test_the_table_is_large_enough() -> None:
    """The reviewed table has more than 150 rows of both kinds, none twice, each with its reason."""
    assert len(ALLOWED) >= 80
    assert len(REFUSED) >= 200
    assert len({(question.role, question.sql) for question in QUESTIONS}) == len(QUESTIONS)
    assert all(question.why for question in QUESTIONS)


@pytest.mark.parametrize("question", ALLOWED, ids=lambda question: f"{question.role}: {question.sql[:60]}")
def test_what_is_granted_is_answered(agency: Lake, question: Question) -> None:
    """A statement over granted tables gives the rows that it gives without a role."""
    sql = filled(agency, question.sql)
    answer = agency.query(sql, role=question.role)
    same = agency.query(sql)
    assert (answer.columns, answer.types) == (same.columns, same.types)
    assert len(answer.fetchall()) == len(same.fetchall())


@pytest.mark.parametrize("question", REFUSED, ids=lambda question: f"{question.role}: {question.sql[:60]}")
def test_what_is_not_granted_is_refused(agency: Lake, question: Question) -> None:
    """A statement that reads anything else is refused; the error names the role and what it may query."""
    with pytest.raises(AccessError) as caught:
        agency.query(filled(agency, question.sql), role=question.role)
    assert f'the role "{question.role}" may not ' in caught.value.what
    assert caught.value.hint.startswith("it may query")


@pytest.mark.parametrize("question", REFUSED, ids=lambda question: f"{question.role}: {question.sql[:60]}")
def test_the_connection_alone_shows_nothing(agency: Lake, question: Question) -> None:
    """With the check of the text switched off, no refused statement shows a value or a name of what is not granted."""
    found = asked_alone(agency, question)
    if question.role == "finance":
        assert MARK not in found
        assert "4711" not in found
        assert "4712" not in found
        assert "wage" not in found


def test_the_mark_is_there_to_be_seen(agency: Lake) -> None:
    """Without a role a quarter of the same statements shows the secret, so that its absence says something."""
    seen = 0
    for question in REFUSED[::4]:
        try:
            seen += MARK in str(agency.query(filled(agency, question.sql)).fetchall())
        except PenstockError:
            continue
    assert seen >= 12


def test_every_function_of_the_engine_was_looked_at() -> None:
    """Each function of values is allowed or refused with a reason; a new version of the engine brings no gap."""
    text = (HERE / "refused_functions.txt").read_text(encoding="utf-8")
    refused = {name for line in text.splitlines() if not line.startswith("#") for name in line.split()}
    there = duckdb.connect().execute(
        "SELECT DISTINCT lower(function_name), function_type = 'table' OR function_type = 'table_macro' "
        "FROM duckdb_functions() WHERE regexp_matches(function_name, '^[A-Za-z]')"
        " AND function_type <> 'pragma' AND NOT starts_with(function_name, 'icu_collate_')"
    )
    rows = there.fetchall()
    values = {name for name, of_tables in rows if not of_tables}
    assert values - FUNCTIONS == refused
    assert not FUNCTIONS & refused
    assert {name for name, of_tables in rows if of_tables} >= TABLE_FUNCTIONS
