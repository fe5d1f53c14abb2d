"""The steps that put declared values in the place of others, against their plain meaning: fill, map, clip."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from penstock.declaration import Step
from penstock.errors import BadFileError
from tests.steps.table import AsideError, Bench, Row, check, expected, warned

TYPES = {"n": "BIGINT", "Word": "VARCHAR"}
KEYS = ["", "O", "o", "C", "it's", "%\\", "É", "é", " O", "NULL", "007"]
NUMBERS = ["", "0", "1", "-1", "7", "120", "121", "-9223372036854775808", "9223372036854775807"]
few = settings(max_examples=20)  # each example holds many rows
ROWS = st.lists(st.tuples(st.sampled_from(NUMBERS), st.sampled_from(KEYS)).map(list), max_size=25)


@few
@given(ROWS)
def test_fill(bench: Bench, rows: list[list[str]]) -> None:
    """Null becomes the value, and nothing else does: not even a blank text."""
    steps: list[dict[str, Any]] = [{"fill": {"N": -5, "WORD": "it's \"%\\"}}]

    def step(row: Row) -> Row:
        return {
            "n": -5 if row["n"] is None else row["n"],
            "Word": "it's \"%\\" if row["Word"] is None else row["Word"],
        }

    check(bench.run(TYPES, rows, steps), expected(TYPES, rows, [step]))


@pytest.mark.parametrize(
    ("expression", "value", "filled"),
    [
        ("CAST(NULL AS DOUBLE)", 0.1, 0.1),
        ("CAST(NULL AS DOUBLE)", 3, 3.0),
        ("CAST(NULL AS DECIMAL(6,2))", 1.5, Decimal("1.50")),
        ("CAST(NULL AS BOOLEAN)", False, False),
        ("CAST(NULL AS DATE)", "2024-02-29", date(2024, 2, 29)),
        ("CAST(NULL AS INTEGER)", 2.0, 2),
        ("CAST(NULL AS VARCHAR)", "x", "x"),
    ],
)
def test_fill_of_every_type(bench: Bench, expression: str, value: Any, filled: Any) -> None:
    """The value is one of the column's type, whatever that is."""
    steps: list[dict[str, Any]] = [{"derive": {"a": expression}}, {"fill": {"a": value}}, {"keep": ["a"]}]
    assert list(bench.run(TYPES, [["1", "x"]], steps).kept) == [(filled,)]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("n", 0.5),
        ("n", "0"),
        ("n", True),
        ("n", 2**63),
        ("word", 0),
        ("CAST(n AS DOUBLE)", 2**53 + 1),
        ("CAST(n AS DECIMAL(6,2))", 1.555),
        ("CAST(n AS DECIMAL(6,2))", 10_000),
        ("CAST(n AS INTEGER)", 2**31),
        ("DATE '2024-01-01'", "2024-02-30"),
        ("TIMESTAMP '2024-01-01'", "2024-02-30 10:00:00"),
        ("TIME '10:00:00'", "25:00"),
        ("make_timestamptz(0)", "2024-01-01 10:00:00"),
        ("[n]", 1),
    ],
)
def test_fill_with_what_is_no_value(bench: Bench, expression: str, value: Any) -> None:
    """A value that the column's type does not have, or only rounded, is refused before rows are touched."""
    with pytest.raises(BadFileError, match=r'tables\.t\.steps\[1\]\.fill: the column "a" holds .* none of its values'):
        bench.run(TYPES, [["1", "x"]], [{"derive": {"a": expression}}, {"fill": {"a": value}}])


VALUES: dict[str, Any] = {"O": "open", "it's": "%\\'", "%\\": None, "007": "bond", "É": "e"}


@pytest.mark.parametrize("otherwise", ["keep", "null", "quarantine"])
@pytest.mark.parametrize("ignore_case", [False, True])
@few
@given(ROWS)
def test_map(bench: Bench, ignore_case: bool, otherwise: str, rows: list[list[str]]) -> None:  # noqa: FBT001 - an example
    """Listed values become others, null stays null, and what is not listed does what is declared."""
    rule = {"values": VALUES, "ignore_case": ignore_case, "otherwise": otherwise}

    def step(row: Row) -> Row:
        text = row["Word"]
        key = text.lower() if ignore_case and text is not None else text
        known = {name.lower() if ignore_case else name: value for name, value in VALUES.items()}
        if text is None or key in known:
            return row | {"Word": None if text is None else known[key]}
        if otherwise == "quarantine":
            raise AsideError("map WORD")
        return warned(row | {"Word": None}, "map WORD") if otherwise == "null" else row

    check(bench.run(TYPES, rows, [{"map": {"WORD": rule}}]), expected(TYPES, rows, [step]))


@few
@given(ROWS)
def test_short_map(bench: Bench, rows: list[list[str]]) -> None:
    """The short form lists values only and keeps the others; an integer is looked up by its digits."""

    def step(row: Row) -> Row:
        return {
            "n": {1: 100, -1: None}.get(row["n"], row["n"]),
            "Word": {"O": "open"}.get(row["Word"], row["Word"]),
        }

    steps = [{"map": {"N": {"1": 100, "-1": None}, "word": {"O": "open"}}}]
    check(bench.run(TYPES, rows, steps), expected(TYPES, rows, [step]))


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({"O": 1, "C": 2}, 1),
        ({"O": 1, "C": 2.5}, 1.0),
        ({"O": True, "C": False}, True),
        ({"O": "a", "C": None}, "a"),
        ({"O": None}, None),
    ],
)
def test_the_type_of_a_map(bench: Bench, values: dict[str, Any], kept: Any) -> None:
    """The new values' type is the column's, where no old value stays."""
    steps = [{"map": {"word": {"values": values, "otherwise": "quarantine"}}}]
    (row,) = bench.run(TYPES, [["1", "O"]], steps).kept
    assert row == (1, kept)
    assert type(row[1]) is type(kept)


@pytest.mark.parametrize("values", [{"1": "one"}, {"1": 1.5}, {"1": True}, {"1": 2**63 - 1, "2": "x"}])
def test_a_column_has_one_type(bench: Bench, values: dict[str, Any]) -> None:
    """New values of another type than those that stay are refused, by the declaration or before rows are touched."""
    with pytest.raises((BadFileError, ValidationError)) as caught:
        bench.run(TYPES, [["1", "x"]], [{"map": {"n": values}}])
    assert "beside the values that stay" in str(caught.value) or "are of two types" in str(caught.value)


def ranged(name: str, low: Any, high: Any) -> Callable[[Row], Row]:
    """The plain meaning of clip."""

    def step(row: Row) -> Row:
        value = row[name]
        if value is not None and low is not None:
            value = max(value, low)
        if value is not None and high is not None:
            value = min(value, high)
        return row | {name: value}

    return step


@pytest.mark.parametrize(
    ("low", "high"), [(0, 120), (None, 7), (-1, None), (0, 2**63), (-1e30, 1e30), (2**62 + 1, None), (7, 7)]
)
@few
@given(ROWS)
def test_clip(bench: Bench, low: float | None, high: float | None, rows: list[list[str]]) -> None:
    """Numbers beyond an end become the end, digit by digit; an end that no number can pass does nothing."""
    found = bench.run(TYPES, rows, [{"clip": {"N": [low, high]}}])
    check(found, expected(TYPES, rows, [ranged("n", low, high)]))


@pytest.mark.parametrize(
    ("expression", "bounds", "kept"),
    [
        ("1.25::DOUBLE", [0, 0.1], 0.1),
        ("1.25::DECIMAL(6,2)", [1.5, 3], Decimal("1.50")),
        ("12.25::DECIMAL(6,2)", [None, 3], Decimal("3.00")),
        ("300::SMALLINT", [0, 255], 255),
        ("CAST('nan' AS DOUBLE)", [0, 1], 1.0),
        ("CAST('-inf' AS DOUBLE)", [0, 1], 0.0),
    ],
)
def test_clip_of_every_number(bench: Bench, expression: str, bounds: list[Any], kept: Any) -> None:
    """The type stays what it was; what is no number (NaN) counts as greater than any."""
    steps: list[dict[str, Any]] = [{"derive": {"a": expression}}, {"clip": {"a": bounds}}, {"keep": ["a"]}]
    assert list(bench.run(TYPES, [["1", "x"]], steps).kept) == [(kept,)]


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"clip": {"word": [0, 1]}}, 'clip: the column "Word" holds text (VARCHAR), and clip works on numbers'),
        ({"clip": {"n": [0.5, 1]}}, 'clip: the column "n" holds BIGINT, and 0.5 is none of its values'),
        (
            {"clip": {"n": [9.3e18, None]}},
            'clip: the column "n" holds BIGINT, and 9.3e+18 is none of its values',
        ),
        ({"clip": {"n": [0, 1], "N": [0, 1]}}, 'clip: the column "n" is named twice'),
    ],
    ids=str,
)
def test_what_clip_cannot_do(bench: Bench, step: dict[str, Any], text: str) -> None:
    """Ends that the column cannot hold, and columns without numbers, are refused before rows are touched."""
    with pytest.raises(BadFileError) as caught:
        bench.run(TYPES, [["1", "x"]], [step])
    assert caught.value.what == f"tables.t.steps[0].{text}"


def test_ends_are_read_digit_by_digit() -> None:
    """A large integer as the end of a range is not rounded on its way."""
    step = Step.model_validate({"clip": {"n": [0, 9007199254740993]}})
    assert step.body == {"n": [0, 9007199254740993]}
