"""Checks say exactly one thing each, with bounds that can hold, under names that differ."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.declaration import Check
from penstock.declaration.checks import Statement, statements
from penstock.declaration.validate import examine


def stated(*checks: dict[str, Any]) -> list[Statement]:
    """The statements of checks."""
    return statements([Check.model_validate(check) for check in checks])


def problems(check: str) -> list[str]:
    """What is wrong with a check in a declaration."""
    text = f'lake: l\ntables:\n  t:\n    files: "*.csv"\n    checks:\n      - {check}\n'
    return [str(problem) for problem in examine(text).problems]


@pytest.mark.parametrize(
    ("check", "names"),
    [
        ({"not_null": "a"}, ["not_null a"]),
        ({"not_null": ["a", "b"]}, ["not_null a", "not_null b"]),
        ({"unique": ["a", "b"]}, ["unique a, b"]),
        ({"in": {"status": ["open"]}}, ["in status"]),
        ({"between": {"age": [0, 120], "price": [0.5, None]}}, ["between age 0..120", "between price 0.5.."]),
        ({"between": {"day": [None, "2024-12-31"]}}, ["between day ..2024-12-31"]),
        ({"matches": {"email": ".+@.+"}}, ["matches email"]),
        ({"length": {"code": 3}}, ["length code 3"]),
        ({"length": {"code": [3, 5]}}, ["length code 3..5"]),
        ({"row_count": [1, None]}, ["row_count 1.."]),
        ({"fresh": {"column": "at", "within": "36h"}}, ["fresh at 36h"]),
        ({"references": {"c": "layer.customers.id"}}, ["references c layer.customers.id"]),
        ({"sql": "price > 0"}, ["sql price > 0"]),
        ({"sql": "price > 0", "name": "paid"}, ["paid"]),
        ({"not_null": ["a", "b"], "name": "whole"}, ["whole: a", "whole: b"]),
    ],
)
def test_names_say_what_is_checked(check: dict[str, Any], names: list[str]) -> None:
    """A check over several columns says one thing of each; a declared name goes before the column's."""
    assert [statement.name for statement in stated(check)] == names


def test_names_differ() -> None:
    """The same check twice, as before and after the steps, is told apart by a number."""
    found = stated({"not_null": "a", "when": "before"}, {"not_null": "a"}, {"not_null": "b", "name": "not_null a (2)"})
    assert [statement.rule for statement in found] == [
        "check not_null a",
        "check not_null a (2)",
        "check not_null a (2) (2)",
    ]
    assert [statement.place for statement in found] == [
        "checks[0].not_null",
        "checks[1].not_null",
        "checks[2].not_null",
    ]


def test_what_is_left_out() -> None:
    """A check looks after the steps and warns, unless it says otherwise."""
    (plain,) = stated({"unique": "id"})
    assert (plain.columns, plain.when, plain.on_breach, plain.about_rows) == (("id",), "after", "warn", True)
    (count,) = stated({"row_count": [1, 5], "when": "before", "on_breach": "halt"})
    assert (count.columns, count.when, count.on_breach, count.about_rows) == ((), "before", "halt", False)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ("{on_breach: halt}", "a check states exactly one thing, found none"),
        ("{not_null: a, unique: a}", "a check states exactly one thing, found not_null, unique"),
        ("{not_null: }", "nothing stands under not_null"),
        ("{not_nul: a}", 'unknown check "not_nul"; did you mean "not_null"?'),
        ("{in: {a: []}}", "must not be empty"),
        ("{between: {a: [0]}}", "must have at least 2 entries; found 1"),
        ("{between: {a: [5, 1]}}", "a: the first bound 5 is above the second, 1"),
        ("{between: {a: [2024-02-01, 2024-01-01]}}", "a: the first bound 2024-02-01 is above the second, 2024-01-01"),
        ("{between: {a: [1, x]}}", "a has a number and a text as bounds; both must be of one kind"),
        ("{between: {a: [null, null]}}", "a has no bound; give at least one of the two"),
        ("{length: {a: [null, null]}}", "a has no bound; give at least one of the two"),
        ("{length: {a: [5, 1]}}", "a: the first bound 5 is above the second, 1"),
        ("{row_count: [null, null]}", "row_count has no bound; give at least one of the two"),
        ("{row_count: [5, 1]}", "row_count: the first bound 5 is above the second, 1"),
        (
            "{row_count: [1, 5], on_breach: quarantine}",
            "row_count is about the file as a whole: no row can be set aside",
        ),
        (
            "{fresh: {column: a, within: 2 days}}",
            '"2 days" is not a duration; write a whole number and s, m, h, d or w',
        ),
        (
            "{fresh: {column: a, within: 2d}, when: before}",
            "fresh looks at what a file gives: leave out `when: before`",
        ),
        ('{matches: {a: "("}}', '"(" is not a regular expression (RE2): missing ): ('),
        ('{matches: {a: "(?=x)"}}', '"(?=x)" is not a regular expression (RE2): invalid perl operator: (?='),
        ("{references: {a: customers}}", '"customers" is not a column of a table; write table.column or'),
        ("{references: {a: 1bad.x}}", '"1bad.x" is not a column of a table'),
    ],
)
def test_checks_that_cannot_hold_are_problems(check: str, text: str) -> None:
    """Each is named with its place, before anything runs."""
    found = problems(check)
    assert len(found) == 1
    assert found[0].startswith("lake.yaml:6:")
    assert "tables.t.checks[0]" in found[0]
    assert text in found[0]


@pytest.mark.parametrize(
    "check",
    [
        r'{matches: {a: "\\pL+[[:alpha:]]\\z"}}',
        "{between: {a: [9007199254740993, null]}}",
        "{between: {a: [0.5, 2]}, when: before}",
        "{length: {a: 3}}",
        "{fresh: {column: a, within: 90 d}, on_breach: halt}",
    ],
)
def test_checks_that_are_sound(check: str) -> None:
    """What RE2 knows and Python does not is sound, too, and no number loses a digit."""
    assert problems(check) == []
    bound = stated({"between": {"a": [9007199254740993, None]}})[0].body[0]
    assert bound == 9007199254740993
    assert isinstance(bound, int)
