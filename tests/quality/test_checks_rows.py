"""Checks of single rows: each means what a plain reading in Python says, and every row is accounted for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.engines import DuckDBEngine
from penstock.errors import BadFileError, ExpressionError
from penstock.steps.check_values import between_sql
from penstock.tables.others import Relation, no_others
from tests.quality.checked import CheckBench, Judged, Plain

TYPES = {
    "n": "BIGINT",
    "x": "DOUBLE",
    "s": "VARCHAR",
    "b": "BOOLEAN",
    "d": "DATE",
    "t": "TIMESTAMP",
}
READERS: dict[str, Callable[[str], Any]] = {
    "n": int,
    "x": float,
    "s": str,
    "b": lambda text: text == "true",
    "d": date.fromisoformat,
    "t": datetime.fromisoformat,
}
DAYS = st.dates(date(2023, 12, 30), date(2024, 1, 3))
MOMENTS = st.datetimes(datetime(2023, 12, 30), datetime(2024, 1, 3)).map(lambda m: m.replace(microsecond=0))  # noqa: DTZ001 - the column has no zone
CELLS = {
    "n": st.integers(-5, 5).map(str),
    "x": st.sampled_from([-2.5, -0.5, 0.0, 0.1, 0.5, 1.0, 2.5, 1e300]).map(repr),
    "s": st.text(st.sampled_from("abé\n,\"'🙂"), min_size=1, max_size=4),
    "b": st.sampled_from(["true", "false"]),
    "d": DAYS.map(str),
    "t": MOMENTS.map(lambda moment: moment.isoformat(" ")),
}
ROWS = st.lists(st.tuples(*(st.just("") | cell for cell in CELLS.values())).map(list), max_size=6)
NUMBERS = st.one_of(st.integers(-6, 6), st.sampled_from([-0.5, 0.1, 0.5, 2.5, 3.7, 1e30, -1e30]))


def ordered(bounds: tuple[Any, Any]) -> list[Any]:
    """Two bounds, the lower one first."""
    return sorted(bounds)


def bounds(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Two bounds, of which one may be open."""
    both = st.tuples(values, values).map(ordered)
    return st.one_of(both, values.map(lambda low: [low, None]), values.map(lambda high: [None, high]))


def outside(value: Any, limits: list[Any]) -> bool:
    """Whether a value lies outside of bounds; a null does not."""
    low, high = limits
    return value is not None and ((low is not None and value < low) or (high is not None and value > high))


def outside_days(value: datetime | None, limits: list[str | None]) -> bool:
    """The same for a moment and days: the last day counts whole."""
    low, high = (datetime.fromisoformat(bound) if bound else None for bound in limits)
    end = high + timedelta(days=1) if high else None
    return value is not None and ((low is not None and value < low) or (end is not None and value >= end))


def between(column: str, values: st.SearchStrategy[Any], read: Callable[[Any], Any]) -> st.SearchStrategy[Any]:
    """A check and its plain reading."""

    def stated(limits: list[Any]) -> tuple[dict[str, Any], Plain]:
        plain = [None if bound is None else read(bound) for bound in limits]
        return {"between": {column: limits}}, lambda row: outside(row[column], plain)

    return bounds(values).map(stated)


def fixed(check: dict[str, Any], plain: Plain) -> st.SearchStrategy[Any]:
    """A check that is always the same, with its plain reading."""
    return st.just((check, plain))


def lengths(limits: list[int | None]) -> tuple[dict[str, Any], Plain]:
    """A check of lengths and its plain reading."""
    return {"length": {"s": limits}}, lambda row: row["s"] is not None and outside(len(row["s"]), limits)


PATTERN = "[ab]+|é.*"
STATED = st.one_of(
    fixed({"not_null": "n"}, lambda row: row["n"] is None),
    fixed({"not_null": "s"}, lambda row: row["s"] is None),
    between("n", NUMBERS, lambda bound: Decimal(str(bound))),
    between("x", NUMBERS, float),
    between("s", st.sampled_from(["a", "ab", "b", "é", "🙂"]), str),
    between("d", DAYS.map(str), date.fromisoformat),
    between("t", MOMENTS.map(str), datetime.fromisoformat),
    bounds(DAYS.map(str)).map(
        lambda limits: ({"between": {"t": limits}}, lambda row: outside_days(row["t"], limits)),
    ),
    st.lists(NUMBERS, min_size=1, max_size=4).map(
        lambda values: ({"in": {"n": values}}, lambda row: row["n"] is not None and row["n"] not in values)
    ),
    st.lists(st.sampled_from([0.1, 0.5, 1, -2.5]), min_size=1).map(
        lambda values: ({"in": {"x": values}}, lambda row: row["x"] is not None and row["x"] not in values)
    ),
    st.lists(st.sampled_from(["a", "b", "ab", "'", "é"]), min_size=1).map(
        lambda values: ({"in": {"s": values}}, lambda row: row["s"] is not None and row["s"] not in values)
    ),
    fixed({"in": {"b": [True]}}, lambda row: row["b"] is False),
    fixed({"in": {"d": ["2024-01-01"]}}, lambda row: row["d"] not in {None, date(2024, 1, 1)}),
    fixed({"matches": {"s": PATTERN}}, lambda row: row["s"] is not None and not re.fullmatch(PATTERN, row["s"])),
    bounds(st.integers(0, 5)).map(lengths),
    fixed({"length": {"s": 2}}, lambda row: row["s"] is not None and len(row["s"]) != 2),
    fixed({"sql": "n > 0 or s = 'a' -- text"}, lambda row: _either(row) is False),
)


def _either(row: dict[str, Any]) -> bool | None:
    """SQL's OR over three values."""
    sides = [None if row["n"] is None else row["n"] > 0, None if row["s"] is None else row["s"] == "a"]
    return True if True in sides else None if None in sides else False


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckBench]:
    """One engine for the examples of a module."""
    folder = tmp_path_factory.mktemp("bench")
    engine = DuckDBEngine(folder / "spill", threads=2)
    yield CheckBench(engine, folder)
    engine.close()


def read(cells: list[str]) -> dict[str, Any]:
    """A row as plain values."""
    return {name: READERS[name](cell) if cell else None for name, cell in zip(TYPES, cells, strict=True)}


def as_tuples(rows: list[list[str]]) -> Counter[tuple[Any, ...]]:
    """Rows as the table holds them."""
    return Counter(tuple(read(cells).values()) for cells in rows)


FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(rows=ROWS, stated=STATED)
def test_a_check_means_what_python_says(bench: CheckBench, rows: list[list[str]], stated: Any) -> None:
    """Rows that break it are set aside, counted and kept, or refuse the file, as it is declared; nulls pass."""
    check, plain = stated
    broken = [cells for cells in rows if plain(read(cells))]
    held = [cells for cells in rows if not plain(read(cells))]
    aside = bench.judge(TYPES, rows, [{**check, "on_breach": "quarantine"}])
    assert aside.kept == as_tuples(held)
    assert [cells for _, _, cells in aside.aside] == [tuple(cell or None for cell in cells) for cells in broken]
    warned = bench.judge(TYPES, rows, [check])
    assert warned.kept == as_tuples(rows)
    assert sum(warned.counts.values()) == len(broken)
    halted = bench.judge(TYPES, rows, [{**check, "on_breach": "halt"}], when="after")
    assert halted.kept == as_tuples(held)
    assert sum(halted.counts.values()) == len(broken)


@FEW
@given(rows=ROWS, several=st.lists(st.tuples(STATED, st.sampled_from(["warn", "quarantine", "halt"])), max_size=4))
def test_checks_together(bench: CheckBench, rows: list[list[str]], several: list[Any]) -> None:
    """Checks that halt look first, then those that quarantine, then those that warn, and only at rows that stay."""
    checks = [{**check, "on_breach": done, "name": f"c{at}"} for at, ((check, _), done) in enumerate(several)]
    plains = [(f"check c{at}", plain, done) for at, ((_, plain), done) in enumerate(several)]
    leaving = sorted((one for one in plains if one[2] != "warn"), key=lambda one: one[2] != "halt")
    counts: Counter[str] = Counter()
    kept = []
    for cells in rows:
        row = read(cells)
        first = next((name for name, plain, _ in leaving if plain(row)), None)
        if first is not None:
            counts[first] += 1
            continue
        kept.append(cells)
        counts.update(name for name, plain, done in plains if done == "warn" and plain(row))
    found = bench.judge(TYPES, rows, checks)
    assert found.counts == dict(counts)
    assert found.kept == as_tuples(kept)
    assert found.written.rows_in == len(rows)


KEYS = {"k": "BIGINT", "l": "VARCHAR", "v": "VARCHAR"}
KEYED = st.lists(
    st.tuples(st.sampled_from(["", "1", "2", "3"]), st.sampled_from(["", "a", "b"]), st.sampled_from("xyz")).map(list),
    max_size=8,
)


@FEW
@given(
    rows=KEYED,
    live=st.lists(st.tuples(st.sampled_from([None, 1, 2]), st.sampled_from([None, "a"])), max_size=3) | st.none(),
    keys=st.sampled_from([["k"], ["k", "l"], ["L"]]),
)
def test_unique_means_what_python_says(
    bench: CheckBench, rows: list[list[str]], live: list[tuple[Any, ...]] | None, keys: list[str]
) -> None:
    """A row leaves when the table holds its key, or an earlier row of the file does; keys with a null pass."""
    table = None if live is None else bench.live({"K": "BIGINT", "l": "VARCHAR"}, live)
    places = [list(KEYS).index(key.lower()) for key in keys]
    there = {tuple(row[at] for at in places) for row in live or []}
    seen = set[tuple[Any, ...]]()
    broken: list[tuple[str | None, ...]] = []
    held: list[tuple[str | None, ...]] = []
    for cells in rows:
        values = [int(cells[0]) if cells[0] else None, cells[1] or None]
        key = tuple(values[at] for at in places)
        again = None not in key and (key in there or key in seen)
        (broken if again else held).append(tuple(cell or None for cell in cells))
        seen.add(key)
    check = {"unique": keys, "on_breach": "quarantine"}
    found = bench.judge(KEYS, rows, [check], others=lambda name: table if name == "t" else None)
    assert [cells for _, _, cells in found.aside] == broken
    assert found.kept == Counter((int(cells[0]) if cells[0] else None, *cells[1:]) for cells in held)
    warned = bench.judge(KEYS, rows, [{"unique": keys}], others=lambda _: table)
    assert sum(warned.counts.values()) == len(broken)


def test_unique_says_where_the_other_row_is(bench: CheckBench) -> None:
    """The reason tells a row of the table from an earlier row of the file; rows that left are nobody's double."""
    table = bench.live({"k": "BIGINT"}, [(7,)])
    rows = [["7", "a", "x"], ["1", "a", ""], ["1", "a", "x"], ["1", "a", "x"]]
    checks: list[dict[str, Any]] = [
        {"unique": "k", "on_breach": "quarantine"},
        {"not_null": "v", "on_breach": "quarantine"},
    ]
    found = bench.judge(KEYS, rows, checks, others=lambda _: table)
    assert [(rule, reason) for rule, reason, _ in found.aside] == [
        ("check unique k", 'k: "{value}" is in the table already'),
        ("check not_null v", "v has no value"),
        ("check unique k", 'k: "{value}" is in an earlier row of the file'),
    ]
    assert found.kept == Counter([(1, "a", "x")])


def test_the_cheap_pass_leaves_unique_out(bench: CheckBench) -> None:
    """Without `unique` the SELECT looks at each row alone, yet a column that is not there is refused all the same."""
    rows = [["1", "a", "x"], ["1", "a", "x"]]
    found = bench.judge(KEYS, rows, [{"unique": "k", "on_breach": "halt"}], unique=False)
    assert sum(found.kept.values()) == 2
    assert not found.work.ordered
    with pytest.raises(BadFileError, match=r'^tables\.t\.checks\[0\]\.unique: no column "kk"; did you mean "k"\?'):
        bench.judge(KEYS, rows, [{"unique": "kk"}], unique=False)


@FEW
@given(rows=KEYED, there=st.lists(st.sampled_from([None, 1, 2]), max_size=3) | st.none())
def test_references_mean_what_python_says(
    bench: CheckBench, rows: list[list[str]], there: list[int | None] | None
) -> None:
    """A value must be in the other table as it is now; a table that does not exist yet holds none; nulls pass."""
    other = None if there is None else bench.live({"Id": "BIGINT"}, [(value,) for value in there])
    check = {"references": {"k": "layer.others.id"}, "on_breach": "quarantine"}
    found = bench.judge(KEYS, rows, [check], others=lambda name: other if name == "layer.others" else None)
    broken = [cells for cells in rows if cells[0] and int(cells[0]) not in (there or [])]
    assert [cells for _, _, cells in found.aside] == [tuple(cell or None for cell in cells) for cells in broken]
    reasons = {reason for _, reason, _ in found.aside}
    missing = 'k: "{value}" cannot be in layer.others: that table does not exist yet'
    assert reasons <= {missing if there is None else 'k: "{value}" is not in layer.others.Id'}


def test_an_expression_that_cannot_be_computed(bench: CheckBench) -> None:
    """It fails the query; computed with care, only its rows break the check, for a reason of their own."""
    rows = [["1", "5", "x"], ["2", "six", "x"], ["3", "-7", "x"], ["4", "", "x"]]
    check = {"sql": "cast(l as integer) > 0", "on_breach": "quarantine"}
    with pytest.raises(ExpressionError):
        bench.judge(KEYS, rows, [check])
    found = bench.judge(KEYS, rows, [check], guarded=True)
    assert [(reason, cells[0]) for _, reason, cells in found.aside] == [
        ("cast(l as integer) > 0 cannot be computed", "2"),
        ("cast(l as integer) > 0 is not true", "3"),
    ]
    warned = bench.judge(KEYS, rows, [{"sql": "cast(l as integer) > 0"}], guarded=True)
    assert warned.counts == {"check sql cast(l as integer) > 0": 2}


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ({"between": {"s": [0, 1]}}, "between: 0 is not text, but the column holds VARCHAR"),
        ({"between": {"n": ["a", "b"]}}, 'between: the text "a" is not a number, but the column holds BIGINT'),
        ({"between": {"d": ["2024-02-30", None]}}, 'between: the text "2024-02-30" is not a date'),
        ({"between": {"d": ["2024-01-01 10:00", None]}}, 'between: the text "2024-01-01 10:00" is not a date'),
        ({"between": {"t": ["2024-01-01T10:00+02:00", None]}}, "names a time zone, but the column has none"),
        ({"between": {"b": [0, 1]}}, "between: 0 is not true or false"),
        ({"in": {"n": [1, "2"]}}, 'in: the text "2" is not a number, but the column holds BIGINT'),
        ({"in": {"n": [True]}}, "in: true is not a number"),
        ({"in": {"b": ["true"]}}, 'in: the text "true" is not true or false'),
        ({"in": {"t": ["2024-01-01"]}}, "in: 2024-01-01 is a day, not a moment; write 2024-01-01 00:00:00"),
        ({"matches": {"n": "1.*"}}, "matches: a regular expression needs text, but n holds BIGINT"),
        ({"length": {"n": 2}}, "length: only text has a length, but n holds BIGINT"),
        ({"references": {"n": "people.name"}}, "references: n holds BIGINT, people.name holds VARCHAR; these cannot"),
        ({"references": {"n": "people.nam"}}, 'the table people has no column "nam"; did you mean "name"?'),
        ({"references": {"n": "main.t.id"}}, "references: t cannot refer to itself"),
        ({"not_null": ["n", "m"]}, 'not_null: no column "m"; there are n, x, s, b, d, t'),
        ({"sql": "nn > 1"}, 'sql: no column "nn"; did you mean "n"?'),
        ({"sql": "d + t > 1"}, "sql: No function matches"),
        ({"sql": "n"}, "sql: n gives BIGINT, not true or false"),
        ({"unique": ["n", "m"]}, 'unique: no column "m"'),
    ],
)
def test_checks_that_do_not_fit_are_refused(bench: CheckBench, check: dict[str, Any], text: str) -> None:
    """A number is not compared with a text, nor a check put on a column that is not there; the check is named."""
    people = Relation("SELECT 'x' AS name", {"name": "VARCHAR"})
    others = {"people": people}.get
    with pytest.raises(BadFileError) as raised:
        bench.judge(TYPES, [["1", "1", "s", "true", "2024-01-01", "2024-01-01 00:00:00"]], [check], others=others)
    assert str(raised.value).startswith("tables.t.checks[0].")
    assert text in str(raised.value)
    assert "correct the check" in raised.value.hint


@pytest.mark.parametrize(
    ("kind", "limits", "held", "broken"),
    [
        ("DECIMAL(38,2)", [0, 0.001], ["0.00"], ["0.01", "-0.01", "999999999999999999999999999999999999.99"]),
        ("DECIMAL(5,2)", [-1e30, 1e30], ["0.00", "999.99", "-999.99"], []),
        ("DECIMAL(5,2)", [1e30, None], [], ["0.00", "-0.01"]),
        ("BIGINT", [0.5, 2.5], ["1", "2"], ["0", "3"]),
        ("BIGINT", [9007199254740993, None], ["9007199254740993"], ["9007199254740992"]),
        ("BIGINT", [None, 9223372036854775807], ["9223372036854775807"], []),
        ("BIGINT", [10**20, None], [], ["1"]),
        ("DOUBLE", [0, None], ["0", "-0.0", "inf"], ["-1e-300", "nan"]),
        ("DOUBLE", [None, 0], ["0", "-inf"], ["1e-300", "nan"]),
        ("TIME", ["08:00", "12:30:00"], ["08:00:00", "12:30:00"], ["07:59:59", "12:30:01"]),
        (
            "TIMESTAMP WITH TIME ZONE",
            ["2024-01-01", "2024-01-02"],
            ["2024-01-01 00:00:00+00", "2024-01-02 23:59:59.999999+00"],
            ["2023-12-31 23:59:59+00", "2024-01-03 00:00:00+00"],
        ),
        (
            "TIMESTAMP WITH TIME ZONE",
            ["2024-01-01T01:00+01:00", None],
            ["2024-01-01 00:00:00+00"],
            ["2023-12-31 23:59:59+00"],
        ),
    ],
)
def test_bounds_are_exact(bench: CheckBench, kind: str, limits: list[Any], held: list[str], broken: list[str]) -> None:
    """Bounds are never rounded towards letting more through, whatever the digits of the column; NaN lies nowhere."""
    listed = ", ".join(f"('{value}')" for value in [*held, *broken])
    values = f"SELECT s, CAST(s AS {kind}) AS v FROM (VALUES {listed}) t(s)"
    outside = bench.engine.ask(f"SELECT s FROM ({values}) WHERE {between_sql('v', kind, *limits)}")
    assert [text for (text,) in outside] == broken


def test_rules_name_the_check_and_the_file_s_column(bench: CheckBench) -> None:
    """A rule says what was found, in which column of the file, and by which check."""
    checks: list[dict[str, Any]] = [
        {"between": {"n": [0, 120]}},
        {"between": {"n": [None, 3]}, "name": "small"},
        {"length": {"s": [1, 3]}, "on_breach": "quarantine"},
        {"in": {"s": [str(at) for at in range(10)]}},
    ]
    found: Judged = bench.judge(TYPES, [], checks)
    assert [(rule.name, rule.fate, rule.reason, rule.column, rule.cell) for rule in found.work.rules[-4:]] == [
        ("check length s 1..3", "quarantined", 's: "{value}" does not have 1 to 3 characters', "s", 2),
        ("check between n 0..120", "warned", 'n: "{value}" is not between 0 and 120', "n", 0),
        ("check small", "warned", 'n: "{value}" is not 3 or less', "n", 0),
        ("check in s", "warned", 's: "{value}" is none of 0, 1, 2, 3, 4, 5, 6, 7 and 2 more', "s", 2),
    ]


def test_no_table_exists_unless_told(bench: CheckBench) -> None:
    """Without other tables every reference dangles, and nothing is in the table at hand."""
    assert no_others("t") is None
    found = bench.judge(KEYS, [["1", "a", "x"]], [{"references": {"l": "codes.code"}}, {"unique": "k"}])
    assert found.counts == {"check references l codes.code": 1}
