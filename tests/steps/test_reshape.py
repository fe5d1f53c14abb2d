"""Steps that change how many rows there are, against a plain reading of what each means."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.errors import BadFileError
from tests.steps.table import Bench

TYPES = {"id": "VARCHAR", "at": "BIGINT", "text": "VARCHAR"}
KEYS = st.sampled_from(["", "a", "b", "A", "é", "a;b", "'"])
ROWS = st.lists(st.tuples(KEYS, st.sampled_from(["", "1", "2", "3"]), st.sampled_from(["", "x", "y;z", ";", "x;;y"])))


def plain_dedupe(rows: list[tuple[str, str, str]], keep: str) -> tuple[list[tuple[str, str, str]], int]:
    """The row kept of each key, and how many are not."""
    kept: dict[str, tuple[int, tuple[str, str, str]]] = {}
    alone = [row for row in rows if not row[0]]
    for place, row in enumerate(rows):
        key = row[0]
        if key and (key not in kept or _beats((place, row), kept[key], keep)):
            kept[key] = (place, row)
    found = [*alone, *(row for _, row in kept.values())]
    return found, len(rows) - len(found)


def _beats(new: tuple[int, tuple[str, str, str]], old: tuple[int, tuple[str, str, str]], keep: str) -> bool:
    """Whether a later row takes the place of an earlier one: never where they are equally new."""
    if keep in {"first", "last"}:
        return keep == "last"
    ages = [int(row[1][1]) if row[1][1] else None for row in (new, old)]
    if ages[0] is None or ages[1] is None:
        return ages[0] is not None
    return ages[0] > ages[1] if keep == "newest" else ages[0] < ages[1]


def values(row: tuple[str, ...]) -> tuple[Any, ...]:
    """A record's values: text, a whole number, text."""
    return (row[0] or None, int(row[1]) if row[1] else None, *(cell or None for cell in row[2:]))


@pytest.mark.parametrize("keep", ["first", "last", "newest", "oldest"])
@given(ROWS)
@example([("a", "1", "x"), ("a", "1", "y;z"), ("a", "", ";")])
def test_dedupe_keeps_one_row_of_each_key(bench: Bench, keep: str, rows: list[tuple[str, str, str]]) -> None:
    """The row that is kept follows from the file alone; rows without a key are all kept; the others are counted."""
    step: dict[str, Any] = {"key": ["ID"], "keep": keep} | ({"by": "at"} if keep in {"newest", "oldest"} else {})
    found = bench.run(TYPES, [list(row) for row in rows], [{"dedupe": step}])
    kept, dropped = plain_dedupe(rows, keep)
    assert found.kept == Counter(values(row) for row in kept)
    assert found.dropped == ({"dedupe ID": dropped} if dropped else {})


@given(ROWS)
def test_rows_that_are_gone_are_nobodys_double(bench: Bench, rows: list[tuple[str, str, str]]) -> None:
    """A row that an earlier step dropped does not count: the next one of its key is kept."""
    steps: list[dict[str, Any]] = [{"filter": '"at" > 1'}, {"dedupe": {"key": ["id"]}}]
    found = bench.run(TYPES, [list(row) for row in rows], steps)
    kept, _ = plain_dedupe([row for row in rows if row[1] in {"2", "3"}], "first")
    assert found.kept == Counter(values(row) for row in kept)


@given(ROWS)
@example([("a", "1", "x;;y"), ("b", "", "p;q")])
def test_explode_makes_a_row_of_each_element(bench: Bench, rows: list[tuple[str, str, str]]) -> None:
    """Every part is a row; a row without parts stays; rows that a later rule sets aside were added all the same."""
    steps: list[dict[str, Any]] = [
        {"explode": {"column": "text", "on": ";", "into": "part"}},
        {"filter": "part is null or part <> 'z'"},
    ]
    found = bench.run(TYPES, [list(row) for row in rows], steps)
    parts = [(row, part) for row in rows for part in (row[2].split(";") if row[2] else [None])]
    expected = Counter((*values(row), part) for row, part in parts if part != "z")
    assert found.kept == expected
    assert found.added == len(parts) - len(rows)
    assert sum(found.dropped.values()) == len(parts) - sum(expected.values())


@given(ROWS)
def test_exploded_rows_set_aside_keep_their_record(bench: Bench, rows: list[tuple[str, str, str]]) -> None:
    """Each row that an exploded record gives can be set aside on its own, with the record's cells."""
    steps = [{"explode": {"column": "text", "on": ";"}}, {"parse": {"text": "integer"}}]
    found = bench.run(TYPES, [list(row) for row in rows], steps)
    bad = [row for row in rows for part in row[2].split(";") if part]
    assert found.aside == [("parse text", tuple(cell or None for cell in row)) for row in bad]


@given(ROWS)
def test_sql_counts_the_difference(bench: Bench, rows: list[tuple[str, str, str]]) -> None:
    """A SELECT over the rows so far; rows that it lets go are counted by the step, rows that it adds as well."""
    steps: list[dict[str, Any]] = [
        {"require": ["id"]},
        {"sql": "SELECT id, count(*) AS n FROM input GROUP BY id UNION ALL SELECT 'all', count(*) FROM input"},
        {"derive": {"double": "n * 2"}},
    ]
    found = bench.run(TYPES, [list(row) for row in rows], steps)
    counts = Counter(row[0] for row in rows if row[0])
    assert found.kept == Counter(
        [*((key, n, n * 2) for key, n in counts.items()), ("all", counts.total(), counts.total() * 2)]
    )
    change = counts.total() - len(counts) - 1
    missing = {"require id": len(rows) - counts.total(), "sql steps[1]": max(change, 0)}
    assert found.dropped == {rule: count for rule, count in missing.items() if count}
    assert found.added == max(-change, 0)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"explode": {"column": "at", "on": ";"}}, 'tables.t.steps[0].explode: "at" is BIGINT'),
        ({"explode": {"column": "text"}}, 'tables.t.steps[0].explode: "text" is VARCHAR'),
        ({"dedupe": {"key": ["idd"]}}, 'tables.t.steps[0].dedupe: no column "idd"; did you mean "id"?'),
        ({"sql": "SELECT 1 AS __penstock_x FROM input"}, 'the name "__penstock_x" is taken by the system'),
    ],
)
def test_a_step_that_does_not_fit_is_named(bench: Bench, step: dict[str, Any], reason: str) -> None:
    """The step, the column, and what it needs, before any row is touched."""
    with pytest.raises(BadFileError) as caught:
        bench.run(TYPES, [["a", "1", "x"]], [step])
    assert reason in caught.value.what
