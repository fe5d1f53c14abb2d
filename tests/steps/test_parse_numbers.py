"""Parse of numbers and booleans as people write them, against a reading by hand, character by character."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.steps.table import AsideError, Bench, Row, check, expected, warned

BLANKS = "\t\n\v\f\r \u00a0\u202f\u3000"
TYPES = {"a": "VARCHAR"}
MARKS = {
    "en": (".", ","),
    "fr": (",", " \u00a0\u202f"),
    "de": (",", "."),
    "ch": (".", "'\u2019"),
}
few = settings(max_examples=12)  # each example holds many rows


def digits(text: str) -> str:
    """The text, which is made of digits and is not empty."""
    if not text or not all("0" <= char <= "9" for char in text):
        raise ValueError(text)
    return text


def whole(text: str, groups: str) -> str:
    """Digits, or one to three of them and then groups of three."""
    for mark in groups:
        text = text.replace(mark, "\0")
    first, *others = text.split("\0")
    if others and (len(first) > 3 or any(len(other) != 3 for other in others)):
        raise ValueError(text)
    return "".join(digits(part) for part in [first, *others])


def number(text: str, kind: str, decimal: str, groups: str) -> str:
    """The number in digits with a point, or ValueError."""
    sign, text = (text[0], text[1:]) if text[:1] in {"+", "-"} else ("", text)
    exponent = ""
    if kind == "double" and "e" in text.lower():
        text, exponent = text.lower().split("e")
        digits(exponent.removeprefix("+") if exponent[:1] == "+" else exponent.removeprefix("-"))
    if kind == "integer":
        return sign + whole(text, groups)
    front, mark, behind = text.partition(decimal)
    if not front and not behind:
        raise ValueError(text)
    front = whole(front, groups) if front else "0"
    behind = digits(behind) if behind else ""
    return f"{sign}{front}{'.' if mark else ''}{behind}{'e' + exponent if exponent else ''}"


def value_of(text: str, kind: str) -> Any:
    """The value of a number in digits, or ValueError where the type has none."""
    if kind == "integer":
        if not -(2**63) <= int(text) < 2**63:
            raise ValueError(text)
        return int(text)
    if kind == "double":
        if not math.isfinite(float(text)):
            raise ValueError(text)
        return float(text)
    value = Decimal(text)
    if value != round(value, 2) or abs(value) >= 10**6:
        raise ValueError(text)
    return round(value, 2)


def without_unit(text: str, units: list[str]) -> str:
    """The text without the longest unit behind it, else before it, where a sign may come first."""
    ordered = sorted(units, key=len, reverse=True)
    for unit in ordered:
        if text.endswith(unit):
            return text.removesuffix(unit).strip(BLANKS)
    for unit in ordered:
        for sign in ("", "-", "+"):
            if text.startswith(sign + unit) and not unit[-1].isdigit():
                return sign + text.removeprefix(sign + unit).strip(BLANKS)
    return text


UNITS = ["€", "EUR", "m²", "m2", "m", "%", "'\\"]
PIECE = st.sampled_from(["1", "12", "123", "000", "0", "5", ",", ".", " ", "\u00a0", "\u202f", "'", "\u2019", "-", "+",
                         "e3", "x", "_", "\u0661", *UNITS])  # fmt: skip
LIKELY = st.builds(
    lambda sign, groups, mark, rest, unit: sign + mark[0].join(groups) + mark[1] + rest + unit,
    st.sampled_from(["", "-", "+", "€", "€ ", "-€"]),
    st.lists(st.sampled_from(["1", "12", "123", "000", "999"]), min_size=1, max_size=4),
    st.tuples(st.sampled_from([" ", ",", ".", "'", "\u202f", "\u2019", ""]), st.sampled_from([",", ".", ""])),
    st.sampled_from(["", "5", "50", "000", "005"]),
    st.sampled_from(["", "€", " €", "\u00a0EUR", "m2", " m²", "%"]),
)
TEXTS = st.one_of(LIKELY, st.lists(PIECE, max_size=6).map("".join), st.text(st.sampled_from(BLANKS), max_size=2))
ROWS = st.lists(TEXTS.map(lambda text: [text]), max_size=60)
WAYS: list[tuple[dict[str, Any], str, str]] = [
    *(({"locale": locale}, *marks) for locale, marks in MARKS.items()),
    ({"decimal": ","}, ",", ""),
    ({"decimal": "'", "thousands": " "}, "'", " \u00a0\u202f"),
    ({}, ".", ""),
]


@pytest.mark.parametrize("kind", ["integer", "double", "decimal"])
@pytest.mark.parametrize(("way", "decimal", "groups"), WAYS, ids=str)
@few
@given(ROWS)
def test_numbers(
    bench: Bench, way: dict[str, Any], decimal: str, groups: str, kind: str, rows: list[list[str]]
) -> None:
    """Marks stand where they belong, a unit may stand on either side, and everything else goes to quarantine."""
    rule = {"type": kind, "units": UNITS, **way} | ({"precision": 8, "scale": 2} if kind == "decimal" else {})

    def step(row: Row) -> Row:
        text = (row["a"] or "").strip(BLANKS)
        try:
            found = value_of(number(without_unit(text, UNITS), kind, decimal, groups), kind) if text else None
        except ValueError:
            raise AsideError("parse A") from None
        return {"a": found}

    check(bench.run(TYPES, rows, [{"parse": {"A": rule}}]), expected(TYPES, rows, [step]))


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        ({"type": "decimal", "locale": "fr", "units": ["€"]}, "120 000 €", Decimal("120000.00")),
        ({"type": "decimal", "locale": "fr", "units": ["€"]}, "€120", Decimal("120.00")),
        ({"type": "double", "locale": "fr", "units": ["m²", "m2"]}, "85,5 m2", 85.5),
        ({"type": "double", "locale": "fr", "units": ["m²", "m2"]}, "85\u00a0m²", 85.0),
        ({"type": "integer", "locale": "ch"}, "-1\u2019234'567", -1234567),
        ({"type": "integer", "locale": "fr", "units": ["€"]}, "-€ 1 000", -1000),
        ({"type": "decimal", "precision": 38, "scale": 0}, "9" * 38, Decimal("9" * 38)),
        ({"type": "decimal", "scale": 3}, "1.1230", Decimal("1.123")),
    ],
    ids=str,
)
def test_numbers_that_are_read(bench: Bench, rule: dict[str, Any], text: str, value: Any) -> None:
    """Prices and surfaces as they stand in French and Swiss files."""
    assert list(bench.run(TYPES, [[text]], [{"parse": {"a": rule}}]).kept) == [(value,)]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"type": "double", "locale": "fr"}, "1 23,5"),
        ({"type": "double", "locale": "fr"}, "1,234.5"),
        ({"type": "double", "locale": "en"}, "1.234,5"),
        ({"type": "double", "locale": "de"}, "1.5"),
        ({"type": "double", "locale": "fr"}, "(12)"),
        ({"type": "double", "units": ["€"]}, "€"),
        ({"type": "double", "units": ["€"]}, "€12€"),
        ({"type": "double", "units": ["€"]}, "12-"),
        ({"type": "double", "units": ["€"]}, "- 12 €"),
        ({"type": "double", "units": ["m2"]}, "m25"),
        ({"type": "decimal", "scale": 2}, "1.234"),
        ({"type": "decimal"}, "1e3"),
        ({"type": "decimal", "precision": 4, "scale": 2}, "100"),
    ],
    ids=str,
)
def test_numbers_that_are_not_read(bench: Bench, rule: dict[str, Any], text: str) -> None:
    """What could be meant in another way, or would be rounded, is not guessed."""
    outcome = bench.run(TYPES, [[text]], [{"parse": {"a": rule}}])
    assert (list(outcome.kept), outcome.aside) == ([], [("parse a", (text,))])


WORDS = st.sampled_from(["oui", "OUI", "Oui ", "o", "1", "non", "\u00a0Non", "n", "0", "true", "peut-être", "", " ",
                         "-", "N/A", "n/a", "it's", "É", "é"])  # fmt: skip


@pytest.mark.parametrize("otherwise", ["quarantine", "null"])
@few
@given(st.lists(WORDS.map(lambda word: [word]), max_size=30))
def test_booleans_by_words(bench: Bench, otherwise: str, rows: list[list[str]]) -> None:
    """Only the words listed are read, whatever their case; those for no value are null without a warning."""
    rule = {
        "type": "boolean",
        "true": ["oui", "O", "1", "é"],
        "false": ["non", "n", "0"],
        "nulls": ["n/a", "-", "it's"],
        "otherwise": otherwise,
    }

    def step(row: Row) -> Row:
        word = (row["a"] or "").strip(BLANKS).lower()
        if word in {"", "n/a", "-", "it's"}:
            return {"a": None}
        if word in {"oui", "o", "1", "é", "non", "n", "0"}:
            return {"a": word in {"oui", "o", "1", "é"}}
        if otherwise == "null":
            return warned({"a": None}, "parse a")
        raise AsideError("parse a")

    check(bench.run(TYPES, rows, [{"parse": {"a": rule}}]), expected(TYPES, rows, [step]))


def test_words_for_no_value_before_units(bench: Bench) -> None:
    """Words for no value are looked for in the whole text; a unit alone is no number."""
    rule = {"type": "double", "locale": "fr", "units": ["€"], "nulls": ["n. c.", "- €"], "otherwise": "null"}
    outcome = bench.run(TYPES, [["N. C."], [" - € "], ["€"], ["12 €"]], [{"parse": {"a": rule}}])
    assert (outcome.kept, outcome.warned) == ({(None,): 3, (12.0,): 1}, {"parse a": 1})


def test_numbers_that_are_there_already(bench: Bench) -> None:
    """A column of numbers is not read as text: it is converted as cast does, without loss."""
    steps = [{"parse": {"a": {"type": "integer", "locale": "fr"}}}]
    outcome = bench.run({"a": "DOUBLE"}, [["12.0"], ["1.5"], [""]], steps)
    assert (sorted(outcome.kept, key=str), outcome.aside) == ([(12,), (None,)], [("parse a", ("1.5",))])
