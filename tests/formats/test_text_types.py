"""What a text stands for: the SQL that runs and the plain meaning agree on every text."""

from __future__ import annotations

import math
from datetime import date, datetime

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.formats import INFERRED_TYPES, holds_sql, infer_from_sample, is_type, narrowest, value_sql
from penstock.formats.text_types import WORDS

KINDS = [kind for kind in INFERRED_TYPES if kind != "VARCHAR"]
ADVERSARIAL = [
    "0", "5", "-5", "+5", "-0", "+0", "00", "007", "-007", "1_000", "1,000", "1 000", "0x10", "0b1", "0o7", "5-", "--5",
    "+-5", "-+5", "++5", "1.5", "+1.5", "-1.5", ".5", "-.5", "+.5", "5.", "-5.", ".", "-", "+", "+.", "1..5", "1.5.5",
    "00.5", "-00.5", "0.50", "01.5", "1e5", "1E5", "12E4", "1e+5", "1e-5", "1.5e5", "1.5E+5", "1.e5", ".5e5", "1.5e",
    "e5", "1e5.5", "1e400", "1e+400", "-1e+400", "1e-400", "1e+308", "2e+308", "nan", "NaN", "-nan", "inf",
    "Inf", "-inf", "+inf", "infinity", "-infinity", "Infinity", " 5", "5 ", "5\t", "\t5", "5\n", "\n5",
    "5\r", "5\x0b", "5\x0c",
    "5\u00a0", "\u00a05", " ", "", "\u00a0", "\u3000", "\u0661\u0662", "\uff15", "5\u0301", "\u22125", "1.5 ", "1.5\n",
    "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993", "900719925474099.1",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "12345678901234567890", "99999999999999999999", "123456789012345678.5", "0.1234567890123456789",
    "0.00000000000000000001", "1.0000000000000000", "1.0000000000000", "1000000000000000.0", "1e+16",
    "10000000000000000",
    "1.2345678901234567e+25", "0.30000000000000004", "3.141592653589793", "-3.141592653589793", "2.5e-17",
    "true", "True", "TRUE", "tRue", "false", "FALSE", "t", "f", "yes", "no", "1", "true ", " true", "true\n",
    "epoch", "now", "today", "2023-01-05", "2023-1-5", "2023-01-05x", "2023-02-30", "2024-02-29", "2023-02-29",
    "1900-02-29", "2000-02-29", "2023-13-01", "2023-00-10", "2023-01-00", "0000-01-01", "0001-01-01", "9999-12-31",
    "10000-01-01", "-2023-01-05", "+2023-01-05", "2023/01/05", "20230105", "05-01-2023", "2023-01-05 ", " 2023-01-05",
    "2023-01-05\n", "0044-03-15 (BC)", "5881580-07-10", "2023-W01-1", "2023-005", "2023-01-05 10", "2023-01-05 10:00",
    "2023-01-05T10:00", "2023-01-05t10:00", "2023-01-05  10:00", "2023-01-05 10:00:00", "2023-01-05 10:00:59.1",
    "2023-01-05 10:00:00.123456", "2023-01-05 10:00:00.1234567", "2023-01-05 10:00:00.", "2023-01-05 24:00:00",
    "2023-01-05 23:59:60", "2023-01-05 23:60:00", "2023-01-05 10:00:00Z", "2023-01-05 10:00:00+02", "2023-01-05 1:00",
    "2023-01-05 10:00:00\n", "2023-02-30 10:00:00", "0000-01-01 10:00", "0001-01-01 00:00",
    "9999-12-31T23:59:59.999999",
    "2023-01-05 10:00 (BC)", "10000-01-01 10:00", "12:00", "'", '"', "\\", "%", "null", "NULL", "None",
]  # fmt: skip
NUMBERLIKE = st.text("0123456789+-.eE_ ", max_size=20)
DATELIKE = st.from_regex(r"\A[0-9]{4,5}-[0-9]{1,2}-[0-9]{1,2}([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,7})?)?)?\Z")
REAL_DATES = st.one_of(st.dates().map(str), st.datetimes().map(str), st.datetimes().map(datetime.isoformat))
NUMBERS = st.one_of(
    st.integers(-(2**64), 2**64).map(str),
    st.floats().map(repr),
    st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str),
)
ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
TEXTS = st.lists(st.one_of(NUMBERLIKE, DATELIKE, REAL_DATES, NUMBERS, ANY, st.sampled_from(ADVERSARIAL)), max_size=40)


def asked(texts: list[str], kind: str) -> list[tuple[str, bool, object]]:
    """Text, whether the engine says that it has the type, and the value that the engine makes of it."""
    sql = f"SELECT t, {holds_sql(kind, 't')}, {value_sql(kind, 't')} FROM (SELECT unnest($1::VARCHAR[]) AS t)"
    with duckdb.connect() as connection:
        if kind in {"DATE", "TIMESTAMP"}:  # years that Python has no dates for
            sql = f"SELECT t, h, CASE WHEN h THEN v END FROM ({sql}) AS q(t, h, v)"
        return connection.execute(sql, [texts]).fetchall()


def meaning(kind: str, text: str) -> object:
    """The value that a text of the type stands for, as Python reads it."""
    match kind:
        case "BOOLEAN":
            return text.lower() == "true"
        case "BIGINT":
            return int(text)
        case "DOUBLE":
            return float(text)
        case "DATE":
            return date.fromisoformat(text)
        case _:
            return datetime.fromisoformat(text)


@pytest.mark.parametrize("kind", KINDS)
def test_sql_and_plain_meaning_agree_on_traps(kind: str) -> None:
    """Texts that casts are known to misread: both sides say the same, and the value is the plain one."""
    for text, holds, value in asked(ADVERSARIAL, kind):
        assert holds == is_type(kind, text), (kind, text, value)
        if holds:
            assert value == meaning(kind, text), (kind, text)


@given(TEXTS)
def test_sql_and_plain_meaning_agree(texts: list[str]) -> None:
    """The same for texts that nobody thought of."""
    for kind in KINDS:
        for text, holds, value in asked(texts, kind):
            assert holds == is_type(kind, text), (kind, text, value)
            if holds:
                assert value == meaning(kind, text), (kind, text)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("5", {"BIGINT", "DOUBLE"}),
        ("+5", {"DOUBLE"}),
        ("007", set()),
        ("1.5", {"DOUBLE"}),
        ("12E4", set()),
        ("1e+5", {"DOUBLE"}),
        ("1_000", set()),
        ("nan", set()),
        ("inf", set()),
        (" 5", set()),
        ("5\t", set()),
        ("+-5", set()),
        ("12345678901234567890", set()),
        ("9007199254740993", {"BIGINT"}),
        ("2023-02-30", set()),
        ("2023-01-05", {"DATE"}),
        ("2023-01-05x", set()),
        ("2023-01-05 10:00", {"TIMESTAMP"}),
        ("2023-01-05 24:00:00", set()),
        ("infinity", set()),
        ("epoch", set()),
        ("10000-01-01", set()),
        ("True", {"BOOLEAN"}),
        ("yes", set()),
        ("0x10", set()),
        ("\u0661", set()),
    ],
)
def test_which_types_a_text_has(text: str, kinds: set[str]) -> None:
    """The rules in examples: a type is only seen where the value would print as the same text, more or less."""
    assert {kind for kind in KINDS if is_type(kind, text)} == kinds
    assert is_type("VARCHAR", text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_that_python_prints_is_read_without_loss(number: float) -> None:
    """What another program printed with all digits comes back as the very same number, if it is seen as one."""
    ((_, holds, value),) = asked([repr(number)], "DOUBLE")
    if holds:
        assert isinstance(value, float)
        assert math.copysign(1, value) == math.copysign(1, number)
        assert value == number


@pytest.mark.parametrize(("kind", "text"), [("BIGINT", "x"), ("DATE", "x"), ("BOOLEAN", "x"), ("TIMESTAMP", "2023")])
def test_what_cannot_be_read_is_null(kind: str, text: str) -> None:
    """`value_sql` never fails: what is not of the type gives null."""
    assert asked([text], kind) == [(text, False, None)]


def widths(texts: list[str]) -> str:
    """The narrowest type that every text has, found by trying all of them."""
    return next(kind for kind in INFERRED_TYPES if all(is_type(kind, text) for text in texts))


COLUMN = st.lists(
    st.one_of(
        st.just(""), st.sampled_from(["1", "-7", "1.5", "2e+3", "true", "2023-01-05", "2023-01-05 10:00", "x", "01"])
    ),
    max_size=6,
)


@given(COLUMN)
def test_the_guess_is_the_narrowest_type(column: list[str]) -> None:
    """From a sample: the first type that all its values have; none for a sample without values."""
    guess = infer_from_sample(["a", "b"], [(line, [text, "ü"]) for line, text in enumerate(column, 2)])
    values = [text for text in column if text]
    assert (guess["a"].type if guess["a"] else None) == (widths(values) if values else None)
    assert guess["a"] is None or guess["a"].certain == (guess["a"].type == "VARCHAR")
    assert (guess["b"] is None) == (not column)


@given(COLUMN.filter(any))
def test_the_decision_is_the_narrowest_type(column: list[str]) -> None:
    """From the whole file: the same, with a reason in words."""
    values = [text for text in column if text]
    fits = {kind: all(is_type(kind, text) for text in values) for kind in KINDS}
    decided = narrowest(fits, "an example")
    assert (decided.type, decided.certain) == (widths(values), True)
    assert (WORDS[decided.type] if decided.type != "VARCHAR" else 'for one "an example"') in decided.reason


def test_ragged_records_do_not_decide() -> None:
    """A record with too few or too many fields says nothing about the columns."""
    guess = infer_from_sample(["a", "b"], [(2, ["x"]), (3, ["1", "2"]), (4, ["y", "z", "w"])])
    assert {name: inferred and inferred.type for name, inferred in guess.items()} == {"a": "BIGINT", "b": "BIGINT"}
