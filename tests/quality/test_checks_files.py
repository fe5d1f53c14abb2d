"""Checks of whole files, and what came of every check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.declaration import Check
from penstock.engines import Rule, Written
from penstock.errors import BadFileError, CheckHaltedError
from penstock.naming import ArrivalName, TableName
from penstock.quality.checks import (
    Ask,
    Finding,
    assert_not_halted,
    breach_rows,
    check_outcomes,
    file_breaches,
    look,
    needs_lease,
    notes_of,
    unique_broken,
)
from penstock.state import DataFile, Head, NoHeads
from penstock.state.store import Column
from penstock.tables import LocalCatalog, Staged
from penstock.tables.others import Relation, beside, no_others, others_of, relation_of

NOON = 1_704_628_800.0
"""2024-01-07 12:00 UTC."""
T = TableName.parse("t")
Parquet = Callable[..., str]


@pytest.fixture
def parquet(tmp_path: Path) -> Parquet:
    """Write the rows of a SELECT as a Parquet file."""

    def write(select: str, name: str = "out") -> str:
        path = str(tmp_path / f"{name}.parquet")
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
        return path

    return write


def ask(sql: str) -> list[tuple[Any, ...]]:
    """Run a SELECT."""
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


def checks(*declared: dict[str, Any]) -> list[Check]:
    """Checks as declared."""
    return [Check.model_validate(check) for check in declared]


def written(rows_in: int = 3, rows_out: int = 3, by_rule: tuple[int, ...] = ()) -> Written:
    """What became of a file's rows."""
    return Written(rows_in, rows_out, by_rule, (), 0)


def held(rows_in: int = 3, rows_out: int = 3) -> Written:
    """The same, where no rule was broken."""
    return written(rows_in, rows_out)


# --- Counts and dates --------------------------------------------------------------------------


def breaches(check: dict[str, Any], path: str, kind: str = "DATE", **rows: int) -> list[str]:
    """Reasons for which a file breaks a check as a whole; its column is `d`."""
    columns = (Column(1, "D", kind),)
    return [found.reason for found in file_breaches(checks(check), held(**rows), columns, path, "t", ask, NOON)]


@pytest.mark.parametrize(
    ("limits", "when", "rows", "reasons"),
    [
        ([1, None], "after", {"rows_out": 0}, ["the file gives 0 rows, at least 1 expected"]),
        ([1, None], "after", {"rows_out": 1}, []),
        ([None, 2000], "after", {"rows_out": 2001}, ["the file gives 2,001 rows, at most 2,000 expected"]),
        ([None, 2], "after", {"rows_in": 3, "rows_out": 2}, []),
        ([2, 2], "before", {"rows_in": 1, "rows_out": 2}, ["the file holds 1 row, at least 2 expected"]),
    ],
)
def test_rows_are_counted(limits: list[Any], when: str, rows: dict[str, int], reasons: list[str]) -> None:
    """After the steps the rows that go to the table count, before them those of the file; bounds are inclusive."""
    assert breaches({"row_count": limits, "when": when}, "", "DATE", **rows) == reasons


@pytest.mark.parametrize(
    ("newest", "kind", "reason"),
    [
        ("DATE '2024-01-05'", "DATE", None),  # over a day and a half ago it ended
        ("DATE '2024-01-04'", "DATE", "the newest D is 2024-01-04, older than 2d"),
        ("DATE '2030-01-01'", "DATE", None),
        ("TIMESTAMP '2024-01-05 12:00:00'", "TIMESTAMP", None),
        ("TIMESTAMP '2024-01-05 11:59:59'", "TIMESTAMP", "the newest D is 2024-01-05T11:59:59.000Z, older than 2d"),
        ("TIMESTAMPTZ '2024-01-05 13:00:00+01'", "TIMESTAMP WITH TIME ZONE", None),
        (
            "TIMESTAMPTZ '2024-01-05 12:59:59+01'",
            "TIMESTAMP WITH TIME ZONE",
            "the newest D is 2024-01-05T11:59:59.000Z, older than 2d",
        ),
        ("CAST(NULL AS DATE)", "DATE", "D has no value in the whole file, so nothing in it is fresh"),
    ],
)
def test_the_newest_value_is_fresh(parquet: Parquet, newest: str, kind: str, reason: str | None) -> None:
    """A moment is as old as the clock says, a date as old as the end of its day; no value at all is not fresh."""
    path = parquet(f"SELECT unnest([{newest}, {newest} - INTERVAL 40 DAY, NULL])::{kind} AS D")
    assert breaches({"fresh": {"column": "d", "within": "2d"}}, path, kind) == ([reason] if reason else [])


def test_a_file_without_rows_is_not_looked_at_for_freshness() -> None:
    """No row, no breach: how many there must be is for row_count to say."""
    assert breaches({"fresh": {"column": "d", "within": "2d"}}, "none.parquet", rows_out=0) == []


@pytest.mark.parametrize(
    ("column", "kind", "text"),
    [
        ("d", "VARCHAR", "tables.t.checks[0].fresh: D holds VARCHAR, not dates or timestamps"),
        ("dd", "DATE", 'tables.t.checks[0].fresh: no column "dd"; did you mean "D"?'),
        ("other", "DATE", 'tables.t.checks[0].fresh: no column "other"; there are D'),
    ],
)
def test_freshness_of_what_is_no_date_is_refused(column: str, kind: str, text: str) -> None:
    """The check is named; nothing is converted."""
    with pytest.raises(BadFileError) as raised:
        breaches({"fresh": {"column": column, "within": "1h"}}, "", kind)
    assert raised.value.what == text


# --- Values that stand twice --------------------------------------------------------------------

COLUMNS = (Column(1, "Id", "BIGINT"), Column(2, "name", "VARCHAR"))


@pytest.mark.parametrize(
    ("rows", "keys", "live", "broken"),
    [
        ("(1, 'a'), (2, 'a')", ["id"], None, False),
        ("(1, 'a'), (1, 'b')", ["id"], None, True),
        ("(1, 'a'), (1, 'b')", ["id", "name"], None, False),
        ("(NULL, 'a'), (NULL, 'a')", ["id", "name"], None, False),
        ("(1, 'a')", ["id"], "SELECT 1 AS ID", True),
        ("(1, 'a')", ["id"], "SELECT 2 AS ID", False),
        ("(NULL, 'a')", ["id"], "SELECT CAST(NULL AS BIGINT) AS ID", False),
        ("(1, 'a')", ["id", "name"], "SELECT 1 AS ID", False),  # the table does not have the other column yet
        ("(1, 'a')", ["id", "name"], "SELECT 1 AS ID, 'a' AS name", True),
    ],
)
def test_the_finished_file_tells_whether_values_stand_twice(
    parquet: Parquet, rows: str, keys: list[str], live: str | None, *, broken: bool
) -> None:
    """Within the file, or beside the table's rows; nulls are passed over."""
    path = parquet(f'SELECT CAST(i AS BIGINT) AS "Id", n AS name FROM (VALUES {rows}) t(i, n)')
    names = {"ID": "BIGINT", "name": "VARCHAR"} if live and "name" in live else {"ID": "BIGINT"}
    table = Relation(live, names) if live else None
    asked: list[str] = []

    def noting(sql: str) -> list[tuple[Any, ...]]:
        asked.append(sql)
        return ask(sql)

    found = unique_broken(checks({"unique": keys}), COLUMNS, path, lambda _: table, "t", noting)
    assert found is broken
    assert all("name" not in sql for sql in asked) or "name" in keys  # only the key columns are read


def test_only_unique_after_the_steps_is_probed() -> None:
    """Other checks, and `unique` before the steps, ask nothing of the finished file."""

    def never(_sql: str) -> list[tuple[Any, ...]]:
        raise AssertionError

    asked: Ask = never
    declared = checks({"unique": "id", "when": "before"}, {"not_null": "id"})
    assert not unique_broken(declared, COLUMNS, "", no_others, "t", asked)
    assert needs_lease(declared)
    assert not needs_lease(checks({"not_null": "id"}, {"references": {"id": "others.id"}}))


# --- What came of it ---------------------------------------------------------------------------

RULES = (
    Rule("type n", "quarantined", "no"),
    Rule("check between n 0..9", "warned", 'n: "{value}" is not between 0 and 9', "n", 0),
    Rule("check unique n", "halted", 'n: "{value}" is in the table already', "n", 0),
    Rule("check unique n", "halted", 'n: "{value}" is in an earlier row of the file', "n", 0),
)
DECLARED = checks(
    {"unique": "n", "on_breach": "halt"},
    {"between": {"n": [0, 9]}},
    {"row_count": [5, None]},
    {"not_null": "n", "on_breach": "quarantine"},
)


def findings(by_rule: tuple[int, ...] = (1, 2, 3, 4), rows_out: int = 3) -> list[Finding]:
    """What came of the checks declared above."""
    came = written(10, rows_out, by_rule)
    return look(DECLARED, RULES, came, file_breaches(DECLARED, came, (), "", "t", ask, NOON))


def test_every_check_is_spoken_of() -> None:
    """In declared order, those that hold included; rules of the same check are added up."""
    assert [(found.name, found.breaches, found.reason) for found in findings((1, 2, 0, 0))] == [
        ("unique n", 0, None),
        ("between n 0..9", 2, "n: its value is not between 0 and 9"),
        ("row_count 5..", 1, "the file gives 3 rows, at least 5 expected"),
        ("not_null n", 0, None),
    ]
    outcomes = check_outcomes(findings((1, 2, 0, 0)), T, "a.csv", "r1", 5.0)
    assert [found.result for found in outcomes] == ["held", "warned", "warned", "held"]
    assert {(found.table, found.file, found.run, found.at, found.rows) for found in outcomes} == {
        (T, "a.csv", "r1", 5.0, 10)
    }


def test_of_a_refused_file_only_what_refused_it_is_told() -> None:
    """Rows that refuse it are not counted as missing, and no row of it was kept with a warning."""
    assert [(found.name, found.breaches, found.reason) for found in findings()] == [
        ("unique n", 7, "n: its value is in the table already"),
        ("between n 0..9", 2, "n: its value is not between 0 and 9"),
        ("row_count 5..", 0, None),
        ("not_null n", 0, None),
    ]
    outcomes = check_outcomes(findings(), T, "a.csv", "r1", 5.0)
    assert [(found.name, found.result) for found in outcomes] == [("unique n", "halted")]


def test_a_halted_file_says_why() -> None:
    """The reason names the check, the number of rows, and the first example with its line."""
    example = {"rule": "check unique n", "line": 12, "reason": 'n: "7" is in the table already'}
    with pytest.raises(CheckHaltedError) as raised:
        assert_not_halted(findings(), example)
    assert raised.value.what == 'check unique n: 7 rows break it, line 12: n: "7" is in the table already'
    with pytest.raises(
        CheckHaltedError, match=r"^check unique n: 1 row breaks it: n: its value is in the table already"
    ):
        assert_not_halted(findings((0, 0, 1, 0)), None)
    with pytest.raises(CheckHaltedError, match=r"^check unique n: 1 row breaks it, such as: n:"):
        assert_not_halted(findings((0, 0, 1, 0)), {**example, "line": None})
    assert_not_halted(findings((1, 2, 0, 0)), None)


def test_a_file_that_breaks_a_check_as_a_whole_is_noted() -> None:
    """Where the check warns: as a note, and as a warning without a line."""
    halting = checks({"row_count": [5, None], "on_breach": "halt"})
    found = file_breaches([*DECLARED, *halting], written(), (), "", "t", ask, NOON)
    assert len(found) == 2
    assert notes_of(found) == ("check row_count 5..: the file gives 3 rows, at least 5 expected",)
    (row,) = breach_rows(found)
    assert (row["rule"], row["line"], row["fate"]) == ("check row_count 5..", None, "warned")
    with pytest.raises(CheckHaltedError, match=r"^check row_count 5\.\. \(2\): the file gives 3 rows, at least 5"):
        assert_not_halted(look([*DECLARED, *halting], (), written(), found), None)


# --- The table beside a file -------------------------------------------------------------------


def name_of(key: str, version: str, generation: int = 0) -> ArrivalName:
    """An arrival; versions are told apart by one letter."""
    return ArrivalName.of(key, version * 64, generation)


def data(arrival: ArrivalName) -> str:
    """Path of an arrival's data file."""
    return f"/t/{arrival.stem('00000000')}.parquet"


def head_of(*arrivals: ArrivalName) -> Head:
    """A table that holds the rows of some arrivals."""
    files = tuple(DataFile(data(arrival), 1, 1) for arrival in arrivals)
    return Head(T, "pointer", 1, 1.0, (Column(1, "Id", "BIGINT"),), files)


def staged(arrival: ArrivalName, on_reupload: str) -> Staged:
    """A file of the same group that will be committed before."""
    return Staged(arrival, (DataFile(data(arrival), 1, 1),), on_reupload)


VERSIONS = st.builds(name_of, st.sampled_from("abc"), st.sampled_from("123"), st.integers(0, 1))


@settings(max_examples=200, deadline=None)
@given(
    there=st.lists(VERSIONS, max_size=4, unique=True),
    group=st.lists(VERSIONS, max_size=2, unique=True),
    arrival=VERSIONS,
    on_reupload=st.sampled_from(["replace", "append", "ignore"]),
)
def test_the_table_beside_a_file_is_what_will_be_there(
    there: list[ArrivalName], group: list[ArrivalName], arrival: ArrivalName, on_reupload: str
) -> None:
    """Replaced versions of the file are out, files of the group are in, and no row of other files is ever left out."""
    found = beside(head_of(*there), [staged(one, on_reupload) for one in group], arrival, on_reupload)
    assert found is not None
    live = {member.arrival for file in found.files for member in file.members}
    own = {one for one in live if one.key_id == arrival.key_id}
    if on_reupload == "replace":
        assert not own
    assert all(one.version_id != arrival.version_id for one in own)
    others = {one.key_id for one in [*there, *group]} - {arrival.key_id}
    assert {one.key_id for one in live - own} == others
    if on_reupload == "append":
        versions = {(one.key_id, one.version_id) for one in [*there, *group]}
        kept = {(one.key_id, one.version_id) for one in live}
        assert versions - {(arrival.key_id, arrival.version_id)} <= kept | {(arrival.key_id, arrival.version_id)}


def test_a_table_that_is_not_there_has_nothing_beside_it() -> None:
    """The first file of a table stands alone."""
    assert beside(None, [], name_of("a", "1"), "replace") is None


def test_other_tables_are_found_in_the_catalog(tmp_path: Path) -> None:
    """The table itself is what stands beside the file; another is its head; what is not there is None."""
    catalog = LocalCatalog(tmp_path, NoHeads())
    customers = catalog.create(TableName.parse("customers"), [("Id", "BIGINT")], {})
    own = catalog.create(T, [("Id", "BIGINT"), ("n", "VARCHAR")], {})
    beside_it = replace(own, columns=own.columns[:1])
    others = others_of(catalog, T, lambda: beside_it)
    assert others("main.t") == relation_of(beside_it)
    assert others("customers") == relation_of(customers)
    assert others("suppliers") is None
    assert relation_of(own).columns == {"Id": "BIGINT", "n": "VARCHAR"}
