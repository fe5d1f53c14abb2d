"""Types as a tree, as DuckDB names them."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from penstock.formats.nested import List, Map, Scalar, Struct, arrow_type, is_nested, parse_type, parts, scalars

ODD = ["A", "é", "a b", 'q"x', '"', "1a", "_a", "a$", "a.b", "x,y", "(", "a)", "[]", "'"]


def test_every_name_of_a_field_comes_back() -> None:
    """Whatever a field is called, DuckDB reads the name that we write, and we read the one that it writes."""
    with duckdb.connect() as connection:
        words = [str(row[0]) for row in connection.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()]
        kind = Struct(tuple((name, List(Scalar("DECIMAL(5,2)"))) for name in dict.fromkeys([*words, *ODD])))
        ((said,),) = connection.execute(f"SELECT typeof(CAST(NULL AS {kind}))").fetchall()
    assert parse_type(said) == kind
    assert parse_type(str(kind)) == kind


@pytest.mark.parametrize(
    ("text", "kind", "written"),
    [
        ("BIGINT", Scalar("BIGINT"), "BIGINT"),
        ("TIMESTAMP WITH TIME ZONE", Scalar("TIMESTAMP WITH TIME ZONE"), "TIMESTAMP WITH TIME ZONE"),
        ("DECIMAL(12, 3)[]", List(Scalar("DECIMAL(12,3)")), "DECIMAL(12,3)[]"),
        ("INTEGER[3][]", List(List(Scalar("INTEGER"))), "INTEGER[][]"),
        ("MAP(VARCHAR, STRUCT(a DATE)[])", Map(Scalar("VARCHAR"), List(Struct((("a", Scalar("DATE")),)))), None),
        ("ENUM('a)', 'b''c')", Scalar("ENUM('a)', 'b''c')"), None),
        ("UNION(k INTEGER, v VARCHAR)", Scalar("UNION(k INTEGER, v VARCHAR)"), None),
    ],
)
def test_types_are_read_and_written(text: str, kind: object, written: str | None) -> None:
    """Nesting, fixed lengths, decimals; what has parts of another kind stays one scalar."""
    assert parse_type(text) == kind
    assert str(parse_type(text)) == (written or text)


@pytest.mark.parametrize("text", ["", "STRUCT(a)", "STRUCT(a BIGINT", "BIGINT]", "MAP(VARCHAR)", "BIGINT[x]"])
def test_what_is_no_type(text: str) -> None:
    """Text that names no type is refused."""
    with pytest.raises(ValueError, match="no type"):
        parse_type(text)


def test_parts_and_scalars() -> None:
    """What a type is made of, by Iceberg's names, and the paths of its scalars."""
    kind = parse_type("STRUCT(a BIGINT, l STRUCT(x DATE)[], m MAP(VARCHAR, TIME))")
    assert [name for name, _ in parts(kind)] == ["a", "l", "m"]
    assert [name for _, below in parts(kind) for name, _ in parts(below)] == ["element", "key", "value"]
    assert [path for path, _ in scalars(kind, "s")] == ["s.a", "s.l[].x", "s.m.key", "s.m.value"]
    assert is_nested("BIGINT[]")
    assert not is_nested("DECIMAL(3,1)")


def test_arrow_types() -> None:
    """Arrow's types for what files are read with."""
    wanted = pa.struct([("a", pa.list_(pa.decimal128(38, 2))), ("b", pa.timestamp("us"))])
    assert arrow_type(parse_type("STRUCT(a DECIMAL(38,2)[], b TIMESTAMP)")) == wanted
