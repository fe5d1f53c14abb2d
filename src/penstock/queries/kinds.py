"""Values of several kinds in one comparison or sum: what DuckDB makes one kind by itself, and Athena refuses.

A text that stands in a statement is what it is compared with: in `day >= '2024-1-1'` a date. It is written out as
DuckDB reads it. Days that are added to a date, and the days between two, have functions of their own there. Every other
mixture is refused before anything is asked.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb
from sqlglot import exp

from penstock.errors import QueryError

WHOLE = frozenset({exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT})
TEXTS = frozenset({exp.DType.VARCHAR, exp.DType.TEXT})
MOMENTS = frozenset({exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ, exp.DType.DATETIME})
_KINDS: dict[exp.DType, str] = {
    **dict.fromkeys(TEXTS, "text"),
    **dict.fromkeys((*WHOLE, exp.DType.INT128, exp.DType.DECIMAL, exp.DType.FLOAT, exp.DType.DOUBLE), "number"),
    **dict.fromkeys((*MOMENTS, exp.DType.TIMESTAMPTZ, exp.DType.DATE), "time"),
    exp.DType.BOOLEAN: "truth",
}
_READ = WHOLE | MOMENTS | {exp.DType.DATE, exp.DType.BOOLEAN, exp.DType.DOUBLE, exp.DType.FLOAT}
"""Types as which a text is read alike, whatever it is compared with; of a decimal, only a column tells the scale."""
COMPARISONS: tuple[type[exp.Expr], ...] = (
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.In),
    *(exp.Coalesce, exp.Nullif),
)
"""What takes values of one kind."""
SUMS: tuple[type[exp.Expr], ...] = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)
WRITTEN = "penstock"
"""Marks what is written here, not by whoever asks."""


def count_days(tree: exp.Query, annotate: Callable[[exp.Query], exp.Query]) -> exp.Query:
    """Write out what is counted in days; `annotate` tells the types anew, which may have become others."""
    while True:
        tree = annotate(tree)
        written = ((node, _days(node)) for node in reversed(list(tree.find_all(exp.Add, exp.Sub))))
        node, days = next(((node, days) for node, days in written if days is not None), (None, None))
        if node is None:
            return tree
        node.replace(days)


def _days(node: exp.Binary) -> exp.Expr | None:
    """What Athena counts days by, in place of a sum; None for any other sum."""
    left, right = node.left, node.right
    day: exp.Expr
    if isinstance(node, exp.Add) and left.is_type(*WHOLE) and right.is_type(exp.DType.DATE):
        left, right = right, left
    if not left.is_type(exp.DType.DATE):
        return None
    if right.is_type(*WHOLE):
        many = right.copy() if isinstance(node, exp.Add) else _less(right.copy())
        day = exp.DateAdd(this=left.copy(), expression=many, unit=exp.var("DAY"))
    elif right.is_type(exp.DType.DATE) and isinstance(node, exp.Sub):
        day = exp.DateDiff(this=left.copy(), expression=right.copy(), unit=exp.var("DAY"))
    else:
        return None
    day.meta[WRITTEN] = True
    return day


def _less(many: exp.Expr) -> exp.Expr:
    return exp.Neg(this=many if isinstance(many, exp.Literal) else exp.paren(many))


def is_mixed(node: exp.Expr) -> bool:
    """Whether a comparison or a sum is of several kinds, and nothing makes them one."""
    if isinstance(node, SUMS):
        return bool({_kind(one) for one in _operands(node)} & {"text", "time", "truth"})
    values = [one for one in _operands(node) if not _is_text(one)]
    kinds = {_kind(one) for one in values} - {""}
    written = len(values) < len(_operands(node))
    return len(kinds) > 1 or (written and kinds not in (set(), {"text"}) and _read_as(values) is None)


def write_out(node: exp.Expr) -> None:
    """Let texts in a comparison be what they are compared with.

    Raises:
        QueryError: One cannot be read as that.
    """
    values = [one for one in _operands(node) if not _is_text(one)]
    if (kind := _read_as(values)) is not None:
        for text in [one for one in _operands(node) if _is_text(one)]:
            text.replace(exp.cast(exp.Literal.string(_as(text.name, kind)), kind.copy()))


def _read_as(values: list[exp.Expr]) -> exp.DataType | None:
    """The type as which texts beside these values are read."""
    for one in values:
        kind = one.type
        exact = isinstance(one, exp.Column) and one.is_type(exp.DType.DECIMAL)
        if isinstance(kind, exp.DataType) and (one.is_type(*_READ) or exact):
            return kind
    return None


def _as(text: str, kind: exp.DataType) -> str:
    """A text as DuckDB writes what it reads in it."""
    name = kind.sql("duckdb")
    try:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone='UTC'")
            ((found,),) = connection.execute(f"SELECT CAST(CAST($1 AS {name}) AS VARCHAR)", [text]).fetchall()
    except duckdb.Error as error:
        raise QueryError(str(error).strip().splitlines()[0]) from None
    return str(found)


def _operands(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Between):
        return [node.this, node.args["low"], node.args["high"]]
    if isinstance(node, (exp.In, exp.Coalesce)):
        return [node.this, *node.expressions]
    return [node.this, node.expression]


def _is_text(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and bool(node.is_string)


def _kind(node: exp.Expr) -> str:
    """What sort of value it is; empty where that is not known."""
    kind = node.type
    return _KINDS.get(kind.this, "") if isinstance(kind, exp.DataType) else ""
