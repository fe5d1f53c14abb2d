"""Names of columns, followed through the steps: what is told beforehand is what compiling the steps would find."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.declaration import Table
from penstock.errors import BadFileError
from penstock.naming import TableName
from penstock.steps import SourceColumn, compile_steps
from penstock.steps.expressions import references_of
from penstock.steps.names import misnomers, names_after
from penstock.steps.selects import select_names

COLUMNS = ["a", "B", "c"]
NAMES = st.sampled_from(["a", "A", "b", "c", "d", "e", "E"])
LISTS = st.lists(NAMES, min_size=1, max_size=3)
STEPS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"keep": LISTS}),
    st.fixed_dictionaries({"drop": LISTS}),
    st.fixed_dictionaries({"require": LISTS}),
    st.fixed_dictionaries({"derive": st.dictionaries(NAMES, NAMES.map(lambda name: f"{name} || 'é'"), min_size=1)}),
    st.fixed_dictionaries({"filter": NAMES.map(lambda name: f"{name} = 'x'")}),
    st.fixed_dictionaries(
        {"rename": st.dictionaries(NAMES, NAMES, min_size=1, max_size=2).filter(
            lambda names: len({name.lower() for name in names}) == len({name.lower() for name in names.values()})
            == len(names)
        )}
    ),
    st.fixed_dictionaries({"fill": st.dictionaries(NAMES, st.just("x"), min_size=1, max_size=2)}),
    st.builds(lambda column, into: {"split": {"column": column, "on": ",", "into": [into, "q"]}}, NAMES, NAMES),
    st.builds(lambda column, into: {"bucket": {"column": column, "into": into, "upto": {"x": 1}}}, NAMES, NAMES),
)  # fmt: skip


def table(*steps: dict[str, Any], **more: Any) -> Table:
    """A table with these steps."""
    return Table.model_validate({"files": "x", "steps": list(steps), **more})


@settings(deadline=None, max_examples=200)
@given(st.lists(STEPS, max_size=5))
def test_told_beforehand_is_what_compiling_finds(steps: list[dict[str, Any]]) -> None:
    """The steps compile exactly where no name is wrong, and then they give the columns that were foretold."""
    declared = table(*steps)
    found = misnomers(declared, COLUMNS, {})
    columns = [SourceColumn(name, "VARCHAR", at) for at, name in enumerate(COLUMNS)]
    try:
        compiled = compile_steps("t", declared.steps, columns, 3, lambda _select: defaultdict(lambda: "VARCHAR"))
    except BadFileError:
        assert found
    else:
        assert not found
        given_names = names_after(declared, COLUMNS)
        assert given_names is not None
        assert [name.lower() for name in given_names] == [field.name.lower() for field in compiled.fields]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("a + b", [("a", 0), ("b", 4)]),
        ("'é' || \"ü x\" || b", [("ü x", 7), ("b", 16)]),
        ("s.field + a", [("s", 0), ("a", 10)]),
        ("list_transform(l, lambda x: x + a)", [("l", 15), ("a", 32)]),
        ("[x + a for x in l if x > b]", [("a", 5), ("l", 16), ("b", 25)]),
        ("case when a then 'a' end -- b", [("a", 10)]),
        ("a +", []),
    ],
)
def test_references(expression: str, found: list[tuple[str, int]]) -> None:
    """Columns that an expression reads, with their characters; arguments of lambdas are none."""
    assert [(reference.name, reference.offset) for reference in references_of(expression)] == found


@pytest.mark.parametrize(
    ("sql", "missing", "names"),
    [
        ("SELECT * FROM input", [], ["a", "B", "c"]),
        ("FROM input", [], ["a", "B", "c"]),
        ("SELECT a AS x, input.b, c FROM input WHERE x > 1 ORDER BY B", [], ["x", "b", "c"]),
        ("SELECT i.a, i.z FROM input i", ["z"], ["a", "z"]),
        ("SELECT * EXCLUDE (a, z) REPLACE (y AS b) FROM input", ["y", "z"], ["B", "c"]),
        ("SELECT * RENAME (a AS x) FROM input", [], ["x", "B", "c"]),
        ("SELECT upper(a) FROM input WHERE z", ["z"], None),
        ("SELECT COLUMNS('a.*') FROM input", [], None),
        ("SELECT z FROM input JOIN other USING (k)", [], None),
        ("WITH t AS (SELECT z FROM input) SELECT * FROM t", [], None),
        ("SELECT (SELECT z) AS x FROM input", [], ["x"]),
        ("SELECT a FROM input UNION ALL SELECT z FROM input", [], None),
    ],
)
def test_selects(sql: str, missing: list[str], names: list[str] | None) -> None:
    """A plain SELECT is looked into; of anything else nothing is claimed."""
    found = select_names(sql, COLUMNS)
    assert (sorted(reference.name for reference in found.missing), found.names) == (missing, names)


def test_checks_and_contracts() -> None:
    """Checks see the columns before or after the steps; contracts speak of the files' columns."""
    declared = table(
        {"rename": {"a": "x"}},
        checks=[
            {"not_null": "a", "when": "before"},
            {"not_null": "a"},
            {"in": {"x": ["1"], "y": ["1"]}},
            {"fresh": {"column": "z", "within": "1d"}},
            {"row_count": [1, None]},
            {"references": {"c": "other.id", "x": "xyz.id"}},
        ],
        columns={"c": {"contract": "freeze"}, "q": {"contract": "freeze"}},
    )
    tables: dict[TableName, list[str] | None] = {TableName.parse("other"): ["key"], TableName.parse("some"): None}
    found = {".".join(map(str, misnomer.path)): misnomer.text for misnomer in misnomers(declared, COLUMNS, tables)}
    assert found == {
        "columns.q": 'no column "q"; there are a, B, c',
        "checks.1.not_null": 'no column "a" any more: steps[0] renames it to "x"',
        "checks.2.in.y": 'no column "y"; there are x, B, c',
        "checks.3.fresh.column": 'no column "z"; there are x, B, c',
        "checks.5.references.c": 'no column "id"; there are key in other',
        "checks.5.references.x": 'no table "xyz"; there are other, some',
    }


def test_many_columns_are_quick_and_not_all_listed() -> None:
    """Five thousand columns are followed at once, and an error names a dozen of them."""
    columns = [f"column {at}" for at in range(5000)]
    (found,) = misnomers(table({"keep": [*columns, "zzz"]}, {"drop": columns[1:]}), columns, {})
    assert found.text.endswith("column 11 and 4,988 more")
