"""Hostile column names: taken in exactly as they are written, or refused with the line and the column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import penstock
from tests.hostile.hostile import Became, Case, assert_became, become, lake_of

GIVE = "; give every column a name of its own, or declare the names: csv: {header: 0, skip: 1, columns: [...]}"
DIFFER = "; names must differ by more than upper and lower case"


def _file(*names: str) -> bytes:
    quoted = ('"' + name.replace('"', '""') + '"' if set(name) & set(',"\n') else name for name in names)
    return (",".join(quoted) + "\n" + ",".join(["5"] * len(names)) + "\n").encode()


NAMES: dict[str, tuple[str, ...]] = {
    "long": ("id", "n" * 300, "amount"),
    "very_long": ("id", "n" * 10_000, "amount"),
    "emoji": ("id", "😀", "👩‍👩‍👧"),
    "sql": ("id", "select", "from", "where", "order", "null", "table"),
    "columns": ("id", "_arrival", "file_row_number", "filename", "rowid", "ordinal"),
    "quotes": ("id", 'a"b', "o'hara", "`x`"),
    "dots": ("id", "a.b", "*", "main.t.id", "$1", "?"),
    "injection": ("id", ";DROP TABLE t;--", "'); DROP TABLE t; --", "{value}", "%s", "{0}"),
    "python": ("id", "constructor", "__proto__", "__class__", "self", "None", "nan"),
    "control": ("id", "\x1b]0;title\x07", "a\u202eb", "a\u200bb"),
    "normal_forms": ("id", "é", "e\u0301"),
    "turkish": ("id", "\u0131", "\u0130"),
    "line_end": ("id", "a\nb", "amount"),
    "paths": ("id", "../../etc/passwd", "file:///etc/passwd", "a/b"),
    "inner_space": ("id", "first name", "a\tb"),
}
TAKEN = {name: Case(_file(*names), rows=[(5,) * len(names)], alone=True) for name, names in NAMES.items()}
REFUSED = {
    "twice": Case(_file("id", "name", "id"), dead='line 1: columns 1 and 3 are both called "id"' + DIFFER, alone=True),
    "case_twins": Case(
        _file("id", "Name", "NAME"),
        dead='line 1: columns 2 and 3 are both called "NAME" (column 2 as "Name")' + DIFFER,
        alone=True,
    ),
    "unnamed": Case(_file("id", "", "amount"), dead="line 1: column 2 has no name" + GIVE, alone=True),
    "blank": Case(_file("id", "   ", "amount"), dead="line 1: column 2 has no name" + GIVE, alone=True),
    "systems": Case(
        _file("id", "__penstock_fate", "amount"),
        dead='line 1: the name "__penstock_fate" is taken by the system; names must not start with __penstock_',
        alone=True,
    ),
    "systems_upper": Case(
        _file("id", "__PENSTOCK_FATE"), dead='line 1: the name "__PENSTOCK_FATE" is taken by the system', alone=True
    ),
    "no_names": Case(b"1,2,3\n4,5,6\n", dead="line 1 should name the columns, but looks like a row", alone=True),
    "nothing": Case(b",,\n1,2,3\n", dead="line ", alone=True),
    "nul": Case(b"id,a\0b,c\n1,2,3\n", dead="line ", alone=True),
    "json_empty": Case(
        b'{"": 1, "a": 2}\n',
        key="bad.json",
        dead="none of its 1 records can be read; the first, in line 1: a key is empty",
        alone=True,
    ),
    "json_systems": Case(b'{"__penstock_row": 1}\n', key="bad.json", dead="none of its 1 records", alone=True),
}
CASES = {**TAKEN, **REFUSED}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a table for each set of names."""
    return lake_of(tmp_path_factory.mktemp("headers"), CASES)


@pytest.fixture(scope="module")
def became(lake: Path) -> dict[str, Became]:
    """What became of all cases."""
    return become(lake, CASES)


@pytest.mark.parametrize("name", CASES)
def test_names(became: dict[str, Became], name: str) -> None:
    """A name that can be a column's is one; any other is refused, and the reason says where and why."""
    assert_became(CASES[name], became[name])


@pytest.mark.parametrize("name", NAMES)
def test_names_stay_as_they_are_written(became: dict[str, Became], lake: Path, name: str) -> None:
    """A column is called exactly what the file calls it: in the catalog, in results, in Arrow and in Parquet."""
    assert became[name].dead is None
    with penstock.open(lake) as opened:
        table = opened.query(f"SELECT * FROM {name}").arrow()
        listed = opened.query(f"SELECT column_name FROM penstock.columns WHERE table_name = '{name}'").fetchall()
    assert tuple(table.schema.names) == NAMES[name]
    assert [row[0] for row in listed] == list(NAMES[name])
    assert json.dumps(table.to_pylist()) == json.dumps([dict.fromkeys(NAMES[name], 5)])
