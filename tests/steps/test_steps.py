"""Every step against its plain meaning, over small tables that run through the real engine."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BadFileError, ExpressionError
from penstock.formats import is_type
from tests.steps.table import AsideError, Bench, DroppedError, Outcome, Row, check, expected, plain

BLANKS = "\t\n\v\f\r \u00a0\u202f\u3000"
BLANK = st.text(st.sampled_from(BLANKS), max_size=3)
NUMBER = st.one_of(
    st.just(""),
    st.integers(-20, 20).map(str),
    st.sampled_from(["0", "12", "13", "64", "65", "9223372036854775807", "-9223372036854775808"]),
)
WORD = st.one_of(BLANK, st.sampled_from(["x", "é", "X", " x ", "\u00a0y", "0", "NULL", "\u2003"]))
ROWS = st.lists(st.tuples(NUMBER, WORD).map(list), max_size=12)
MODES = ["plain", "guarded"]
TYPES = {"n": "BIGINT", "Word": "VARCHAR"}


def text_rows(*texts: str) -> st.SearchStrategy[list[list[str]]]:
    """Rows of one text column, padded with blanks now and then."""
    padded = st.tuples(BLANK, st.sampled_from(texts), BLANK).map("".join)
    return st.lists(st.one_of(st.sampled_from(texts), padded, WORD).map(lambda text: [text]), max_size=12)


# --- require, keep, drop, rename ---------------------------------------------------------------


@given(ROWS)
def test_require(bench: Bench, rows: list[list[str]]) -> None:
    """A row with a null, or a text that is empty or white space of any kind, is dropped and counted."""

    def step(row: Row) -> Row:
        for name, key in (("WORD", "Word"), ("n", "n")):
            value = row[key]
            if value is None or (isinstance(value, str) and not value.strip(BLANKS)):
                raise DroppedError(f"require {name}")
        return row

    check(bench.run(TYPES, rows, [{"require": ["WORD", "n"]}]), expected(TYPES, rows, [step]))


@given(ROWS)
def test_columns_are_chosen_and_named(bench: Bench, rows: list[list[str]]) -> None:
    """Renaming, also in a circle and of names that are not there, keeping in order, and leaving out lose no value."""
    steps: list[dict[str, Any]] = [
        {"rename": {"N": "Word", "word": "n", "nowhere": "x"}},
        {"keep": ["n", "WORD"]},
        {"drop": ["word"]},
    ]
    renamed: Callable[[Row], Row] = lambda row: {"Word": row["n"], "n": row["Word"]}  # noqa: E731
    wanted = expected(TYPES, rows, [renamed, lambda row: {"n": row["n"], "Word": row["Word"]}])
    check(bench.run(TYPES, rows, steps[:2]), wanted)
    check(bench.run(TYPES, rows, steps), expected(TYPES, rows, [renamed, lambda row: {"n": row["n"]}]))


# --- parse, cast -------------------------------------------------------------------------------

DATE = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
STAMP = re.compile(DATE.pattern + r"(?:[ T]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?)?")


def read_number(text: str) -> int:
    """An integer, with its sign and leading zeros."""
    if not re.fullmatch(r"[-+]?[0-9]+", text) or not -(2**63) <= int(text) < 2**63:
        raise ValueError(text)
    return int(text)


def read_double(text: str) -> float:
    """A number that is finite."""
    if not re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", text) or abs(float(text)) == float("inf"):
        raise ValueError(text)
    return float(text)


def read_boolean(text: str) -> bool:
    """True or false, in letters of any size."""
    return {"true": True, "false": False}[text.lower()]


def read_date(text: str) -> date:
    """Year, month, day."""
    match = DATE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return date(*map(int, match.groups()))


def read_stamp(text: str) -> datetime:
    """Year, month, day, and perhaps a time."""
    match = STAMP.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second, fraction = match.groups(default="0")
    moment = map(int, (year, month, day, hour, minute, second, fraction.ljust(6, "0")))
    return datetime(*moment)  # type: ignore[arg-type] # noqa: DTZ001 - tables hold plain times


def read_layout(text: str) -> date:
    """Day/month/year."""
    if not re.fullmatch(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}", text):
        raise ValueError(text)
    return datetime.strptime(text, "%d/%m/%Y").date()  # noqa: DTZ007 - a date has no zone


def read_decimal(text: str) -> Decimal:
    """At most two digits behind the point and six in all."""
    if not re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)", text):
        raise ValueError(text)
    value = Decimal(text)
    if value != value.quantize(Decimal("0.01")) or abs(value) >= 10_000:
        raise ValueError(text)
    return value.quantize(Decimal("0.01"))


def reading(rule: str, reader: Callable[[str], Any]) -> Callable[[Row], Row]:
    """The plain meaning of a step that reads text: blanks are null, white space around does not matter."""

    def step(row: Row) -> Row:
        text = (row["a"] or "").strip(BLANKS)
        try:
            return row | {"a": reader(text) if text else None}
        except (ValueError, KeyError):
            raise AsideError(rule) from None

    return step


NUMBERS = ("7", "007", "-5", "+5", "1.5", ".5", "5.", "1e3", "1_000", "--1", "+-5", "x", "9223372036854775807",
           "9223372036854775808", "nan", "inf", "1e999", "0x10", "\u0661", "1,5", "1 5", "0")  # fmt: skip
DATES = ("2023-01-05", "2023-1-5", "2023-02-30", "2024-02-29", "0000-01-01", "0001-01-01", "9999-12-31",
         "10000-01-01", "epoch", "infinity", "-infinity", "2023-01-05x", "2023-01-05 (BC)", "05/01/2023", "20230105",
         "2023-01-05 10:00",
         "2023-01-05T9:05:07.5", "2023-01-05 24:00:00", "2023-01-05 10:60", "2023-01-05 10:00:60", "2023-01-05 10",
         "2023-01-05 10:00:00Z", "2023-01-05 10:00:00+02", "2023-01-05 10:00:00.1234567")  # fmt: skip
LAYOUTS = ("05/01/2023", "5/1/2023", "30/02/2023", "29/02/2024", "epoch", "infinity", "01/01/0001", "x", "2023-01-05")
BOOLEANS = ("true", "FALSE", "True", "t", "yes", "1", "0", "falsee")
DECIMALS = ("1.5", "1.55", "1.555", "1.550", "9999.99", "10000", "-9999.99", "+1", ".5", "5.", "1e2", "x", "1_0", ".")


@pytest.mark.parametrize(
    ("step", "reader", "texts"),
    [
        ({"parse": {"A": "integer"}}, read_number, NUMBERS),
        ({"parse": {"A": "double"}}, read_double, NUMBERS),
        ({"parse": {"A": "boolean"}}, read_boolean, BOOLEANS),
        ({"parse": {"A": "date"}}, read_date, DATES),
        ({"parse": {"A": "timestamp"}}, read_stamp, DATES),
        ({"parse": {"A": {"type": "date", "format": "%d/%m/%Y"}}}, read_layout, LAYOUTS),
        ({"cast": {"A": "integer"}}, read_number, NUMBERS),
        ({"cast": {"A": "date"}}, read_date, DATES),
        ({"cast": {"A": "decimal(6,2)"}}, read_decimal, DECIMALS),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_reading_text(bench: Bench, step: dict[str, Any], reader: Callable[[str], Any], texts: tuple[str, ...]) -> None:
    """Parse and cast read exactly the texts that stand for a value; the others go to quarantine, blanks are null."""
    rule = f"{next(iter(step))} A"

    @given(text_rows(*texts))
    def property_(rows: list[list[str]]) -> None:
        check(bench.run({"a": "VARCHAR"}, rows, [step]), expected({"a": "VARCHAR"}, rows, [reading(rule, reader)]))

    check(
        bench.run({"a": "VARCHAR"}, [[text] for text in texts], [step]),
        expected({"a": "VARCHAR"}, [[text] for text in texts], [reading(rule, reader)]),
    )
    property_()


@pytest.mark.parametrize(
    ("kind", "texts", "target", "kept"),
    [
        ("DOUBLE", ["1.0", "1.5", "1e+19", ""], "integer", [1, None]),
        ("BIGINT", ["9007199254740992", "9007199254740993", ""], "double", [9007199254740992.0, None]),
        ("BIGINT", ["0", "1", "5"], "boolean", [False, True]),
        ("DOUBLE", ["1.5", "1.555", "123456.5"], "decimal(6,2)", [Decimal("1.50")]),
        ("TIMESTAMP", ["2023-01-05 00:00:00", "2023-01-05 10:00:00"], "date", [date(2023, 1, 5)]),
        ("DATE", ["2023-01-05"], "timestamp", [datetime(2023, 1, 5)]),  # noqa: DTZ001 - tables hold plain times
        ("BIGINT", ["5", ""], "text", ["5", None]),
        ("BOOLEAN", ["true", ""], "integer", [1, None]),
    ],
)
def test_cast_never_loses(bench: Bench, kind: str, texts: list[str], target: str, kept: list[object]) -> None:
    """A value that would not come back from the other type goes to quarantine; null stays null."""
    assert all(not text or is_type(kind, text) for text in texts)
    steps: list[dict[str, Any]] = [{"derive": {"b": "a"}}, {"cast": {"b": target}}, {"keep": ["b"]}]
    outcome = bench.run({"a": kind}, [[text] for text in texts], steps)
    assert sorted(outcome.kept, key=str) == sorted([(value,) for value in kept], key=str)
    assert {rule for rule, _ in outcome.aside} <= {"cast b"}
    assert len(outcome.aside) == len(texts) - len(kept)


# --- bucket ------------------------------------------------------------------------------------

OPEN: dict[str, float | None] = {"child": 12, "it's": 17.5, "adult": 64, "old": None}
CLOSED: dict[str, float | None] = {"child": 12, "adult": 64}


def bucketing(upto: dict[str, float | None]) -> Callable[[Row], Row]:
    """The plain meaning of bucket: the first label whose bound is not below the number."""

    def step(row: Row) -> Row:
        number = row["n"]
        if number is None:
            return row | {"group": None}
        for label, bound in upto.items():
            if bound is None or number <= bound:
                return row | {"group": label}
        raise AsideError("bucket group")

    return step


@pytest.mark.parametrize("upto", [OPEN, CLOSED], ids=["open", "closed"])
@given(ROWS)
def test_bucket(bench: Bench, upto: dict[str, float | None], rows: list[list[str]]) -> None:
    """Bounds are inclusive, null stays null, and a number above every bound goes to quarantine."""
    found = bench.run(TYPES, rows, [{"bucket": {"column": "N", "into": "group", "upto": upto}}])
    check(found, expected(TYPES, rows, [bucketing(upto)]))


@pytest.mark.parametrize("upto", [OPEN, CLOSED], ids=["open", "closed"])
@given(text_rows("12", "12.0", "12.5", "17.5", "17.6", "64", "65", "-3", "x", "1e1", "nan"))
def test_bucket_of_text(bench: Bench, upto: dict[str, float | None], rows: list[list[str]]) -> None:
    """Text is read as a number first; text that is none goes to quarantine under the bucket's name."""
    types = {"n": "VARCHAR"}

    def step(row: Row) -> Row:
        text = (row["n"] or "").strip(BLANKS)
        try:
            number = read_double(text) if text else None
        except ValueError:
            raise AsideError("bucket group") from None
        return row | {"group": bucketing(upto)({"n": number})["group"]}

    found = bench.run(types, rows, [{"bucket": {"column": "n", "into": "group", "upto": upto}}])
    check(found, expected(types, rows, [step]))


# --- derive, filter ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@given(ROWS)
def test_derive(bench: Bench, mode: str, rows: list[list[str]]) -> None:
    """Expressions see the columns so far, also those derived before; a name that is there is replaced in its place."""
    steps: list[dict[str, Any]] = [{"derive": {"low": "least(N, 5)", "N": "low - 1 -- a comment", "none": "n // 0"}}]

    def step(row: Row) -> Row:
        low = 5 if row["n"] is None else min(row["n"], 5)
        return row | {"low": low, "n": low - 1, "none": None}

    rows = [row for row in rows if row[0] != "-9223372036854775808"]
    found = bench.run(TYPES, rows, steps, guarded=mode == "guarded")
    wanted = expected(TYPES, rows, [step])
    wanted.columns = ["N" if name == "n" else name for name in wanted.columns]
    check(found, wanted)


@pytest.mark.parametrize("mode", MODES)
@given(ROWS)
def test_filter(bench: Bench, mode: str, rows: list[list[str]]) -> None:
    """Rows for which the condition is false or null are dropped and counted under the condition itself."""

    def step(row: Row) -> Row:
        if row["n"] is None or row["n"] <= 3:
            raise DroppedError("filter n > 3")
        return row

    check(bench.run(TYPES, rows, [{"filter": "n > 3"}], guarded=mode == "guarded"), expected(TYPES, rows, [step]))


@given(ROWS.filter(lambda rows: any(row[1] for row in rows)))
def test_expressions_that_fail(bench: Bench, rows: list[list[str]]) -> None:
    """Guarded, a row for which an expression fails goes to quarantine and a null value stays; the others are kept."""
    steps: list[dict[str, Any]] = [
        {"derive": {"m": "CAST(word AS INTEGER)"}},
        {"filter": "CAST(CAST(n AS VARCHAR) AS TINYINT) > 0"},
    ]

    def derived(row: Row) -> Row:
        text = (row["Word"] or "").strip(" \t\n\v\f\r")
        if row["Word"] is not None and not re.fullmatch("[0-9]+", text):
            raise AsideError("derive m")
        return row | {"m": int(text) if row["Word"] is not None else None}

    def filtered(row: Row) -> Row:
        rule = f"filter {steps[1]['filter']}"
        if row["n"] is not None and not -128 <= row["n"] <= 127:
            raise AsideError(rule)
        if row["n"] is None or row["n"] <= 0:
            raise DroppedError(rule)
        return row

    wanted = expected(TYPES, rows, [derived, filtered])
    check(bench.run(TYPES, rows, steps, guarded=True), wanted)
    if wanted.aside:
        with pytest.raises(ExpressionError):
            bench.run(TYPES, rows, steps)


@pytest.mark.parametrize("mode", MODES)
def test_rows_that_are_set_aside_are_not_computed(bench: Bench, mode: str) -> None:
    """A row that an earlier step dropped cannot fail a later expression."""
    steps: list[dict[str, Any]] = [{"filter": "word <> 'x'"}, {"derive": {"m": "CAST(word AS INTEGER)"}}]
    outcome = bench.run(TYPES, [["1", "x"], ["2", "5"]], steps, guarded=mode == "guarded")
    assert (list(outcome.kept), outcome.dropped) == ([(2, "5", 5)], {"filter word <> 'x'": 1})


def test_a_condition_that_is_no_boolean(bench: Bench) -> None:
    """A condition whose value is text is read as a boolean; rows where that fails go to quarantine."""
    rows = [["1", "true"], ["2", "x"], ["3", "false"], ["4", ""]]
    outcome = bench.run(TYPES, rows, [{"filter": "word"}], guarded=True)
    assert list(outcome.kept) == [(1, "true")]
    assert (outcome.dropped, outcome.aside) == ({"filter word": 2}, [("filter word", ("2", "x"))])


# --- any steps together ------------------------------------------------------------------------

STEPS: list[tuple[dict[str, Any], Callable[[Row], Row]]] = [
    ({"bucket": {"column": "n", "into": "group", "upto": CLOSED}}, bucketing(CLOSED)),
    ({"derive": {"m": "n % 7"}}, lambda row: row | {"m": _rest(row["n"])}),
    ({"drop": ["word"]}, lambda row: {name: value for name, value in row.items() if name != "Word"}),
]


def _rest(number: int | None) -> int | None:
    return None if number is None else (abs(number) % 7) * (1 if number >= 0 else -1)


def _required(row: Row) -> Row:
    if row["n"] is None:
        raise DroppedError("require n")
    return row


def _odd(row: Row) -> Row:
    if row["n"] is None or row["n"] % 2 == 0:
        raise DroppedError("filter n % 2 <> 0")
    return row


STEPS += [({"require": ["n"]}, _required), ({"filter": "n % 2 <> 0"}, _odd)]


@pytest.mark.parametrize("mode", MODES)
@given(ROWS, st.permutations(range(len(STEPS))), st.integers(0, len(STEPS)))
def test_steps_in_any_order(bench: Bench, mode: str, rows: list[list[str]], order: list[int], count: int) -> None:
    """Whatever the order, every row is kept, dropped or set aside by the first step that says so, and by no other."""
    chosen = [STEPS[at] for at in order[:count]]
    found = bench.run(TYPES, rows, [step for step, _ in chosen], guarded=mode == "guarded")
    check(found, expected(TYPES, rows, [meaning for _, meaning in chosen]))


def test_values_that_are_not_of_the_type(bench: Bench) -> None:
    """A value that does not fit its column's type is set aside by the column's own rule, before any step."""
    rows = [["1", "a"], ["x", "b"], ["1.5", "c"], ["", "d"]]
    outcome = bench.run(TYPES, rows, [{"require": ["n"]}])
    assert list(outcome.kept) == [(1, "a")]
    assert outcome.aside == [("type n", ("x", "b")), ("type n", ("1.5", "c"))]
    assert outcome.dropped == {"require n": 1}


# --- what cannot be done -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"require": ["wrod"]}, 'tables.t.steps[0].require: no column "wrod"; did you mean "Word"?'),
        ({"keep": ["nope"]}, 'tables.t.steps[0].keep: no column "nope"; there are n, Word'),
        ({"drop": ["nope"]}, 'tables.t.steps[0].drop: no column "nope"; there are n, Word'),
        ({"parse": {"nope": "date"}}, 'tables.t.steps[0].parse: no column "nope"; there are n, Word'),
        ({"cast": {"nope": "date"}}, 'tables.t.steps[0].cast: no column "nope"; there are n, Word'),
        ({"derive": {"x": "n + wrd"}}, 'tables.t.steps[0].derive: no column "wrd"; did you mean "Word"?'),
        ({"filter": "wrd > 1"}, 'tables.t.steps[0].filter: no column "wrd"; did you mean "Word"?'),
        (
            {"bucket": {"column": "nope", "into": "x", "upto": {"a": 1}}},
            'tables.t.steps[0].bucket: no column "nope"; there are n, Word',
        ),
        ({"rename": {"n": "word"}}, 'tables.t.steps[0].rename: after renaming, two columns are called "word"'),
        ({"rename": {"n": "x", "N": "y"}}, 'tables.t.steps[0].rename: the column "N" gets two names'),
        ({"keep": ["n", "N"]}, "tables.t.steps[0].keep: a column is named twice"),
        (
            {"derive": {"__penstock_fate": "1"}},
            'tables.t.steps[0].derive: the name "__penstock_fate" is taken by the system',
        ),
        ({"rename": {"n": "__penstock_x"}}, 'tables.t.steps[0].rename: the name "__penstock_x" is taken by the system'),
        (
            {"bucket": {"column": "n", "into": "__penstock_x", "upto": {"a": 1}}},
            'tables.t.steps[0].bucket: the name "__penstock_x" is taken by the system',
        ),
    ],
    ids=str,
)
def test_what_does_not_go(bench: Bench, step: dict[str, Any], text: str) -> None:
    """A step that needs what is not there says which step, what, and the nearest name."""
    with pytest.raises(BadFileError) as caught:
        bench.run(TYPES, [["1", "x"]], [step])
    assert caught.value.what == text


def test_plain_reads_types() -> None:
    """The plain reading itself: empty is null, the rest as Python reads it."""
    assert [plain("BIGINT", ""), plain("BIGINT", "5"), plain("BOOLEAN", "True"), plain("VARCHAR", " ")] == [
        None, 5, True, " ",
    ]  # fmt: skip
    assert Outcome(kept=expected({}, [], []).kept, columns=[], dropped={}, aside=[]) == expected({}, [], [])
