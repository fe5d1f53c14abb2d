"""The steps that change texts against their plain meaning: trim, case, replace, extract, split, hash, mask."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import BadFileError
from tests.steps.table import AsideError, Bench, Row, check, expected, warned

BLANKS = "\t\n\v\f\r \u00a0\u202f\u3000"
TYPES = {"n": "BIGINT", "City": "VARCHAR"}
ODD = (
    "'",
    '"',
    "%",
    "\\",
    "{}",
    "$$",
    "--",
    "/*",
    "\u200b",
    "\u2003",
    "😀",
    "e\u0301",
    "ß",
    "İ",
    "ŉ",
    "ﬁ",
    "\u0391Σ",
    "́",
)
TEXT = st.one_of(
    st.text(st.sampled_from("aAbéÉ1 -'\u2019;,\u00a0"), max_size=8),
    st.lists(st.sampled_from([*ODD, *BLANKS, "a", "B", "é", "12"]), max_size=5).map("".join),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
)
few = settings(max_examples=12)  # each example holds many rows
ROWS = st.lists(st.tuples(st.sampled_from(["", "1", "-5"]), TEXT).map(list), max_size=25)


def each(change: Callable[[str], str | None]) -> Callable[[Row], Row]:
    """The plain meaning of a step that changes one text: null stays null."""
    return lambda row: row | {"City": None if row["City"] is None else change(row["City"])}


def upper(text: str) -> str:
    """Every character for itself: one that has no single capital stays."""
    return "".join("ẞ" if char == "ß" else char.upper() if len(char.upper()) == 1 else char for char in text)


def lower(text: str) -> str:
    """Every character for itself."""
    return "".join("i" if char == "İ" else char.lower() for char in text)


def is_letter(char: str) -> bool:
    """A letter or number, after which a word goes on."""
    return unicodedata.category(char)[0] in "LN"


def title(text: str) -> str:
    """A capital wherever a letter or number follows neither one nor a mark or an apostrophe of the same word."""
    out, inside = "", False
    for char in lower(text):
        starts = is_letter(char)
        out += char if inside or not starts else upper(char)
        inside = starts or (inside and (char in "'\u2019" or unicodedata.category(char)[0] == "M"))
    return out


def masked(first: int, last: int, char: str) -> Callable[[str], str]:
    """Everything but the ends; all of it where the ends are the whole."""

    def change(text: str) -> str:
        hidden = len(text) - first - last
        return char * len(text) if hidden <= 0 else text[:first] + char * hidden + text[len(text) - last :]

    return change


KNOWN = "aAbBéÉßŉﬁİ\u0391Σ\u03c312 -'\u2019\u0301;,"  # characters whose case is the same for everyone
CASED = st.lists(st.tuples(st.just(""), st.text(st.sampled_from(KNOWN), max_size=9)).map(list), max_size=25)


@pytest.mark.parametrize("how", ["lower", "upper", "title"])
@few
@given(CASED)
def test_case(bench: Bench, how: str, rows: list[list[str]]) -> None:
    """Lower and upper go character by character, title gives each word a capital; null stays null."""
    change = {"lower": lower, "upper": upper, "title": title}[how]
    check(bench.run(TYPES, rows, [{"case": {"CITY": how}}]), expected(TYPES, rows, [each(change)]))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("JEAN-PIERRE d'ormesson", "Jean-Pierre D'ormesson"),
        ("l\u2019hôpital saint-étienne", "L\u2019hôpital Saint-Étienne"),
        ("éric ŒUVRE", "Éric Œuvre"),
        ("e\u0301ric", "E\u0301ric"),
        ("3ème étage(b)", "3ème Étage(B)"),
        ("'tis o'neil's", "'Tis O'neil's"),
    ],
)
def test_title(bench: Bench, text: str, written: str) -> None:
    """A word goes on after an apostrophe or a mark, and ends at anything else that is no letter or number."""
    assert list(bench.run(TYPES, [["1", text]], [{"case": {"city": "title"}}]).kept) == [(1, written)]


@few
@given(ROWS)
def test_trim(bench: Bench, rows: list[list[str]]) -> None:
    """White space goes from both ends, and what is nothing else becomes null; other columns stay as they are."""
    check(
        bench.run(TYPES, rows, [{"trim": ["CITY"]}]), expected(TYPES, rows, [each(lambda t: t.strip(BLANKS) or None)])
    )


@pytest.mark.parametrize(
    ("pattern", "by"),
    [
        ("[^0-9+]", ""),
        ("a", "''"),
        (r"([a-z])\s*([A-Z])", r"\2-\1"),
        ("'|\"|%", r"\\"),
        (r"\\", "{}"),
        ("(?i)é+", r"<\0>"),
        (r"\{\}|\$\$", '"%s"'),
    ],
)
@few
@given(ROWS)
def test_replace(bench: Bench, pattern: str, by: str, rows: list[list[str]]) -> None:
    """Every match is replaced, groups are put in, and what is left empty is an empty text."""
    plain_by = by.replace(r"\0", r"\g<0>")
    change = each(lambda text: re.sub(pattern.replace(r"\s", "[\t\n\f\r ]"), plain_by, text))
    check(
        bench.run(TYPES, rows, [{"replace": {"CITY": {"pattern": pattern, "by": by}}}]), expected(TYPES, rows, [change])
    )


@pytest.mark.parametrize("otherwise", ["quarantine", "null"])
@few
@given(ROWS)
def test_extract(bench: Bench, otherwise: str, rows: list[list[str]]) -> None:
    """Groups of the first match become columns; an empty one is null, and a text that does not match is set aside."""
    pattern = "([a-z]+)(['\u2019])?([0-9%]*)"
    declared = {"column": "CITY", "pattern": pattern, "into": ["It's", "n", 'a"b'], "otherwise": otherwise}

    def step(row: Row) -> Row:
        empty: Row = {"n": None, "City": row["City"], "It's": None, 'a"b': None}
        if row["City"] is None:
            return empty
        match = re.search(pattern, row["City"])
        if match is None:
            if otherwise == "null":
                return warned(empty, "extract CITY")
            raise AsideError("extract CITY")
        word, mark, digits = match.groups()
        return {"n": mark or None, "City": row["City"], "It's": word, 'a"b': digits or None}

    check(bench.run(TYPES, rows, [{"extract": declared}]), expected(TYPES, rows, [step]))


@few
@given(ROWS)
def test_split_into_a_list(bench: Bench, rows: list[list[str]]) -> None:
    """The parts between separators, empty ones as null; null stays null."""

    def step(row: Row) -> Row:
        parts = None if row["City"] is None else [part or None for part in row["City"].split("'")]
        return row | {"parts": parts}

    found = bench.run(TYPES, rows, [{"split": {"column": "CITY", "on": "'", "into": "parts"}}])
    check(found, expected(TYPES, rows, [step]))


@pytest.mark.parametrize("otherwise", ["quarantine", "null"])
@pytest.mark.parametrize("on", [" ", "-", "\\", "%", "é"])
@few
@given(ROWS)
def test_split_into_columns(bench: Bench, on: str, otherwise: str, rows: list[list[str]]) -> None:
    """Each part becomes a column; another number of parts sets the row aside, or leaves the columns null."""
    declared = {"column": "CITY", "on": on, "into": ["city", "b"], "otherwise": otherwise}

    def step(row: Row) -> Row:
        if row["City"] is None:
            return {"n": row["n"], "city": None, "b": None}
        parts = row["City"].split(on)
        if len(parts) == 2:
            return {"n": row["n"], "city": parts[0] or None, "b": parts[1] or None}
        if otherwise == "null":
            return warned({"n": row["n"], "city": None, "b": None}, "split CITY")
        raise AsideError("split CITY")

    check(bench.run(TYPES, rows, [{"split": declared}]), expected(TYPES, rows, [step]))


@pytest.mark.parametrize("salt", ["", "it's %s\\"])
@few
@given(ROWS)
def test_hash(bench: Bench, salt: str, rows: list[list[str]]) -> None:
    """SHA-256 of the salt and the text, in lower-case digits; null stays null, and an integer is its digits."""

    def digest(value: Any) -> str | None:
        return None if value is None else hashlib.sha256(f"{salt}{value}".encode()).hexdigest()

    step: dict[str, Any] = {"hash": {"columns": ["n", "CITY"], "salt": salt} if salt else ["n", "CITY"]}
    wanted = expected(TYPES, rows, [lambda row: {name: digest(value) for name, value in row.items()}])
    check(bench.run(TYPES, rows, [step]), wanted)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("true", "true"),
        ("1.50", "1.50"),
        ("CAST(12 AS DOUBLE)", "12.0"),
        ("CAST(1e16 AS DOUBLE)", "1e+16"),
        ("DATE '2024-02-29'", "2024-02-29"),
        ("TIMESTAMP '2024-02-29 10:00:00.5'", "2024-02-29 10:00:00.5"),
        ("TIME '10:00:00'", "10:00:00"),
        ("make_timestamptz(0)", "1970-01-01 00:00:00+00"),
    ],
)
def test_the_text_of_a_value(bench: Bench, expression: str, text: str) -> None:
    """Values of every type have one text, which is hashed and looked up by map."""
    steps: list[dict[str, Any]] = [{"derive": {"a": expression, "b": "a"}}, {"hash": ["a"]}, {"keep": ["a", "b"]}]
    steps.append({"map": {"b": {"values": {text: "found"}, "otherwise": "quarantine"}}})
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert list(bench.run(TYPES, [["1", "x"]], steps).kept) == [(digest, "found")]


@pytest.mark.parametrize(("first", "last", "char"), [(0, 0, "*"), (2, 1, "•"), (0, 4, "'"), (3, 0, "%")])
@few
@given(ROWS)
def test_mask(bench: Bench, first: int, last: int, char: str, rows: list[list[str]]) -> None:
    """Only the ends are shown, and nothing of a text that is no longer than they are; null stays null."""
    rule = {"keep_first": first, "keep_last": last, "char": char}
    step: dict[str, Any] = {"mask": {"CITY": rule} if first or last else ["CITY"]}
    check(bench.run(TYPES, rows, [step]), expected(TYPES, rows, [each(masked(first, last, char))]))


@pytest.mark.parametrize(
    "step",
    [
        {"trim": ["City"]},
        {"case": {"city": "title"}},
        {"replace": {"city": {"pattern": "x", "by": ""}}},
        {"mask": ["city"]},
        {"extract": {"column": "city", "pattern": "(a)", "into": ["x"]}},
        {"split": {"column": "city", "on": ";", "into": "x"}},
    ],
    ids=lambda step: next(iter(step)),
)
def test_only_texts_are_changed(bench: Bench, step: dict[str, Any]) -> None:
    """A text step on a column of another type says which step, which column, and what it holds."""
    kind = next(iter(step))
    with pytest.raises(BadFileError) as caught:
        bench.run({"city": "DOUBLE"}, [["1.5"]], [{"require": ["city"]}, step])
    assert caught.value.what == (
        f'tables.t.steps[1].{kind}: the column "city" holds a number (DOUBLE), and {kind} works on text'
    )


def test_a_column_named_twice(bench: Bench) -> None:
    """Upper and lower case are alike, so a column stands twice in this step; it is refused before rows are touched."""
    with pytest.raises(BadFileError, match=r'tables\.t\.steps\[0\]\.case: the column "City" is named twice'):
        bench.run(TYPES, [["1", "x"]], [{"case": {"City": "lower", "city": "upper"}}])


def test_hostile_names_and_texts(bench: Bench) -> None:
    """Quotes, percent signs, backslashes, braces and NULs in names, patterns and values are only text."""
    name = "a\"'%\\{}$1"
    steps: list[dict[str, Any]] = [
        {"fill": {name: "'\0\"%\\{}"}},
        {"replace": {name: {"pattern": "[%]", "by": "'\"\\\\"}}},
        {"map": {name: {"'\0\"'\"\\\\{}": "it's \0 100 % \\"}}},
    ]
    outcome = bench.run({name: "VARCHAR"}, [[""], ["it's"]], steps)
    assert sorted(outcome.kept) == [("it's",), ("it's \0 100 % \\",)]
    assert outcome.columns == [name]
