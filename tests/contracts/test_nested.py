"""Structs, lists and maps in tables, on every catalog."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from penstock.errors import BadFileError, PlanOutdatedError
from penstock.naming import TableName, literal
from penstock.state import Head
from penstock.state.store import Column
from penstock.tables import Catalog, Change, DataFile, field_ids_sql, planned_columns, widened_type
from tests.contracts.conftest import Catalogs
from tests.contracts.parquet import add_columns, arrival, rows

T = TableName.parse("t")
ADDRESS = "STRUCT(street VARCHAR, zip BIGINT)"
LINES = "STRUCT(sku VARCHAR, tags VARCHAR[], price DECIMAL(12,2))[]"
COLUMNS = [("id", "BIGINT"), ("address", ADDRESS), ("lines", LINES), ("more", "MAP(VARCHAR, STRUCT(n BIGINT)[])")]
FIRST = (
    "SELECT 1 AS id, {'street': 'é', 'zip': 7} AS address, "
    "[{'sku': 'a', 'tags': ['x', NULL], 'price': 1.5}, NULL] AS lines, MAP {'k': [{'n': 3}]} AS more"
)
ONE = {
    "id": 1,
    "address": {"street": "é", "zip": 7},
    "lines": [{"sku": "a", "tags": ["x", None], "price": 1.5}, None],
    "more": [("k", [{"n": 3}])],
}


def write(folder: Path, columns: tuple[Column, ...], key: str, select: str) -> DataFile:
    """Write a data file as an engine does: cast to the stored types, with the ids of everything that is nested."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{arrival(key).stem('0' * 8)}.parquet"
    cells = ", ".join(f'CAST("{column.name}" AS {column.type}) AS "{column.name}"' for column in columns)
    with duckdb.connect() as connection:
        ((count,),) = connection.execute(
            f"COPY (SELECT {cells} FROM ({select})) TO {literal(str(path))} "
            f"(FORMAT parquet, FIELD_IDS {field_ids_sql(columns)})"
        ).fetchall()
    return DataFile(str(path), count, path.stat().st_size)


def add(catalog: Catalog, base: Head, file: DataFile) -> Head:
    """Commit a file."""
    return catalog.commit(Change(base, (file,), (), {"penstock.arrivals": "x"}))


def scanned(catalog: Any, order: str = "id") -> list[dict[str, Any]]:
    """The rows as the table format's own reader gives them."""
    table = catalog._catalog().load_table(catalog.identifier(T))
    found: list[dict[str, Any]] = table.scan().to_arrow().sort_by(order).to_pylist()
    return found


@pytest.fixture
def head(catalog: Catalog, tmp_path: Path) -> Head:
    """A table with nested columns and one row."""
    head = catalog.create(T, COLUMNS, {})
    return add(catalog, head, write(tmp_path / "data", head.columns, "a", FIRST))


def test_ids_are_known_before_the_table_is_made(catalog: Catalog) -> None:
    """The catalog gives a new table the ids that were planned, and every nested part has one of its own."""
    head = catalog.create(T, COLUMNS, {})
    assert head.columns == planned_columns(COLUMNS)
    assert [(column.name, column.type) for column in head.columns] == COLUMNS
    ids = [at for column in head.columns for at in (column.id, *column.nested)]
    assert sorted(ids) == list(range(1, 16))


def test_the_cache_keeps_nested_ids(catalogs: Catalogs) -> None:
    """A head that comes from the cache equals the one that was read anew."""
    catalogs.open().create(T, COLUMNS, {})
    assert catalogs.open().head(T) == catalogs.open("lost").head(T)
    assert (catalogs.open().head(T) or pytest.fail("no table")).columns[1].nested


def test_nested_rows_come_back(catalog: Catalog, head: Head) -> None:
    """Written by DuckDB with ids, read by our scan and by the table format's own: the same values."""
    assert [dict(zip(ONE, row, strict=True)) for row in rows(head)] == [ONE | {"more": {"k": [{"n": 3}]}}]
    assert scanned(catalog) == [ONE]


def test_a_struct_gets_fields(catalog: Catalog, head: Head, tmp_path: Path) -> None:
    """Fields that later files bring, at any depth, are added after the others; they are null in older rows."""
    wanted = [
        ("address", "STRUCT(zip BIGINT, geo STRUCT(lat DOUBLE, lon DOUBLE), street VARCHAR)"),
        ("lines", "STRUCT(qty BIGINT, tags VARCHAR[])[]"),
        ("more", "MAP(VARCHAR, STRUCT(n BIGINT, m VARCHAR[])[])"),
        ("new", "STRUCT(a STRUCT(b BIGINT[]))"),
    ]
    planned = planned_columns(wanted, head.columns)
    grown = add_columns(catalog, head, [(column.name, column.type) for column in planned], {})
    assert grown.columns[1:] == planned
    assert planned[0].type == "STRUCT(street VARCHAR, zip BIGINT, geo STRUCT(lat DOUBLE, lon DOUBLE))"
    assert planned[0].nested[:2] == head.columns[1].nested
    later = (
        "SELECT 2 AS id, {'street': 's', 'zip': 8, 'geo': {'lat': 1.5, 'lon': 2.5}} AS address, "
        "[{'sku': 'b', 'tags': NULL, 'price': 2, 'qty': 4}] AS lines, "
        "MAP {'l': [{'n': 1, 'm': ['y']}]} AS more, {'a': {'b': [1, NULL]}} AS new"
    )
    last = add(catalog, grown, write(tmp_path / "data", grown.columns, "b", later))
    old = {
        "id": 1,
        "address": {"street": "é", "zip": 7, "geo": None},
        "lines": [{"sku": "a", "tags": ["x", None], "price": 1.5, "qty": None}, None],
        "more": {"k": [{"n": 3, "m": None}]},
        "new": None,
    }
    new = {
        "id": 2,
        "address": {"street": "s", "zip": 8, "geo": {"lat": 1.5, "lon": 2.5}},
        "lines": [{"sku": "b", "tags": None, "price": 2, "qty": 4}],
        "more": {"l": [{"n": 1, "m": ["y"]}]},
        "new": {"a": {"b": [1, None]}},
    }
    assert [dict(zip(old, row, strict=True)) for row in rows(last)] == [old, new]
    listed = [{**row, "more": list(row["more"].items())} for row in (old, new)]  # type: ignore[attr-defined]
    assert scanned(catalog) == listed


def test_nested_numbers_grow(catalog: Catalog, tmp_path: Path) -> None:
    """An integer of 32 bits inside a struct becomes one of 64 bits; older rows keep their values."""
    base = catalog.create(T, [("s", "STRUCT(n INTEGER, f FLOAT)")], {})
    base = add(catalog, base, write(tmp_path / "data", base.columns, "a", "SELECT {'n': 1, 'f': 1.5} AS s"))
    planned = planned_columns([("s", "STRUCT(n BIGINT, f DOUBLE)")], base.columns)
    head = add_columns(catalog, base, [(column.name, column.type) for column in planned], {})
    assert head.columns == planned
    assert planned[0].nested == base.columns[0].nested
    assert rows(head) == [({"n": 1, "f": 1.5},)]


def test_widening_a_stale_table_changes_nothing(catalog: Catalog, head: Head, tmp_path: Path) -> None:
    """As for new columns: a table that has moved on is planned against anew."""
    last = add(catalog, head, write(tmp_path / "data", head.columns, "b", FIRST))
    with pytest.raises(PlanOutdatedError):
        add_columns(catalog, head, [("address", "STRUCT(street VARCHAR, zip BIGINT, x BIGINT)")], {})
    now = catalog.head(T)
    assert now is not None
    assert (now.pointer, now.columns) == (last.pointer, head.columns)


def test_names_with_dots(catalog: Catalog, tmp_path: Path) -> None:
    """Columns and fields may have any name, also when they come later."""
    base = catalog.create(T, [("a", 'STRUCT("x.y" BIGINT)')], {})
    wanted = [("a", 'STRUCT("x.y" BIGINT, "é ""q" BIGINT, "select" BIGINT)'), ("b.c", 'STRUCT("1" BIGINT)')]
    head = add_columns(catalog, base, wanted, {})
    assert head.columns == planned_columns(wanted, base.columns)
    select = """SELECT {'x.y': 1, 'é "q': 2, 'select': 3} AS a, {'1': 4} AS "b.c" """
    head = add(catalog, head, write(tmp_path / "data", head.columns, "a", select))
    assert rows(head) == [({"x.y": 1, 'é "q': 2, "select": 3}, {"1": 4})]


def test_ambiguous_names_are_refused() -> None:
    """A column `a.b` beside a struct `a` with a field `b` would be one name in the table's metadata."""
    with pytest.raises(BadFileError, match=r'columns "a" and "a.b" both hold what tables call "a.b"'):
        planned_columns([("a", "STRUCT(b BIGINT)"), ("a.b", "BIGINT")])


@pytest.mark.parametrize(
    ("there", "wanted"),
    [("STRUCT(a BIGINT)", "BIGINT"), ("BIGINT[]", "VARCHAR[]"), ("STRUCT(a DATE)", "STRUCT(a BIGINT, b BIGINT)")],
)
def test_what_does_not_fit_is_refused(there: str, wanted: str) -> None:
    """Where no wider type holds old and new values, the plan fails and says both types."""
    assert widened_type(there, wanted) is None
    with pytest.raises(BadFileError, match=r"is .* in the table, but the steps now give"):
        planned_columns([("c", wanted)], (Column(1, "c", there, (2,)),))


def test_types_of_fifty_levels(catalog: Catalog, tmp_path: Path) -> None:
    """The deepest type that files may bring is stored and read."""
    kind, value = "BIGINT", "1"
    for _ in range(50):
        kind, value = f"STRUCT(a {kind})", f"{{'a': {value}}}"
    head = catalog.create(T, [("s", kind)], {})
    assert head.columns == planned_columns([("s", kind)])
    head = add(catalog, head, write(tmp_path / "data", head.columns, "a", f"SELECT {value} AS s"))
    assert str(rows(head)[0][0]).count("a") == 50


def test_planned_ids_come_after_those_of_columns_that_are_gone(catalog: Catalog) -> None:
    """A table never gives an id twice: the head tells the last, also when its column is gone."""
    base = catalog.create(T, [("a", "BIGINT"), ("b", "STRUCT(c BIGINT)")], {})
    wide = add_columns(catalog, base, [("d", "STRUCT(e BIGINT[])")], {})
    assert wide.last_column_id == max(wide.columns[-1].nested) == 6
    dropped = replace(wide, columns=wide.columns[:1])
    (planned,) = planned_columns([("f", "STRUCT(g DATE)")], dropped.columns, dropped.last_column_id)
    assert (planned.id, planned.nested) == (7, (8,))
    (kept,) = planned_columns([("a", "BIGINT")], dropped.columns, dropped.last_column_id)
    assert kept == wide.columns[0]
