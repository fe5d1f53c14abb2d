"""What a statement reads, told from its text alone.

sqlglot parses the statement in the engine's dialect and qualifies its tables. Everything in the tree must be known to
be harmless: a statement of another kind, a table function, a function that is not on the list, or anything that cannot
be parsed is refused. A name without a layer is a table unless both sqlglot and the rule of scopes here say that a
common table expression stands for it. What this overlooks is still not there to be read: the query runs where only
granted tables are (see `queries`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from penstock.access.functions import FUNCTIONS, TABLE_FUNCTIONS, UNNAMED
from penstock.naming import DEFAULT_LAYER, TableName

if TYPE_CHECKING:
    from sqlglot import Dialect, exp

BEGINNINGS = frozenset("SELECT FROM WITH VALUES TABLE PIVOT UNPIVOT DESCRIBE DESC SUMMARIZE (".split())  # noqa: SIM905
"""With what statements begin that may be asked by a role."""
CATALOGS = frozenset({"", "memory"})
"""How the database that a query runs in is called, in names of three parts."""
_NAME = "duckdb_name"


@dataclass(frozen=True)
class Reads:
    """What a statement reads.

    Attributes:
        tables: The tables, in the order in which they are found.
        refused: Why no role may ask it that may not ask everything; empty when nothing speaks against it.
    """

    tables: tuple[TableName, ...] = ()
    refused: str = ""


class _RefusedError(Exception):
    """Something that roles may not use."""


def reads_of(sql: str) -> Reads:
    """Tell what a statement reads."""
    try:
        return Reads(tuple(dict.fromkeys(_tables(_parsed(sql)))))
    except _RefusedError as refused:
        return Reads(refused=str(refused))
    except Exception as error:  # noqa: BLE001 - whatever goes wrong with a statement, it is refused
        reason = str(error).split("\n", 1)[0].split(" but got <", 1)[0].rstrip(". ") or type(error).__name__
        return Reads(refused=f"what it reads cannot be told ({reason})")


@cache
def _dialect() -> Dialect:
    """DuckDB's dialect, which keeps the names that functions have in the text."""
    from sqlglot.dialects.duckdb import DuckDB

    class Named(DuckDB):
        ORIGINAL_NAME_META_KEY = _NAME

    return Named()


def _parsed(sql: str) -> exp.Expr:
    from sqlglot import ErrorLevel, exp

    tokens = _dialect().tokenize(sql)
    first = tokens[0].text.upper() if tokens else ""
    if first not in BEGINNINGS:
        message = f"{first} is not for roles; SELECT, DESCRIBE and SUMMARIZE are" if first else "it is empty"
        raise _RefusedError(message)
    trees = [tree for tree in _dialect().parse(sql, error_level=ErrorLevel.RAISE) if tree is not None]
    if len(trees) != 1:
        message = f"expected one statement, found {len(trees)}"
        raise _RefusedError(message)
    if not isinstance(trees[0], (exp.Query, exp.Values, exp.Pivot, exp.Describe, exp.Summarize)):
        message = f"{first} is not understood here"
        raise _RefusedError(message)
    return trees[0]


def _tables(tree: exp.Expr) -> list[TableName]:
    from sqlglot import exp
    from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
    from sqlglot.optimizer.qualify_tables import qualify_tables

    _assert_harmless(tree)
    qualified = qualify_tables(normalize_identifiers(tree, dialect=_dialect()), db=DEFAULT_LAYER, dialect=_dialect())
    return [
        _table_name(table)
        for table in qualified.find_all(exp.Table)
        if not isinstance(table.this, exp.Func) and not _is_common(table)
    ]


def _table_name(table: exp.Table) -> TableName:
    from sqlglot import exp

    if not isinstance(table.this, exp.Identifier):
        message = f"{table.sql(_dialect())} is no table's name"
        raise _RefusedError(message)
    if table.catalog.lower() not in CATALOGS:
        message = f'"{table.catalog}" is not the lake'
        raise _RefusedError(message)
    return TableName((table.db or DEFAULT_LAYER).lower(), table.name.lower())


# --- Functions and kinds of statements --------------------------------------------------------


def _assert_harmless(tree: exp.Expr) -> None:
    from sqlglot import exp

    for node in tree.walk():
        if isinstance(node, (exp.Command, exp.DDL, exp.DML, exp.Into, exp.Show, exp.Pragma, exp.Set, exp.Attach)):
            if not isinstance(node, exp.Query):
                message = f"{type(node).__name__.upper()} is no reading of tables"
                raise _RefusedError(message)
        elif isinstance(node, (exp.Describe, exp.Summarize)):
            if not isinstance(node.this, (exp.Query, exp.Table)):
                message = "what it describes is neither a table nor a query; `penstock tables --role` lists tables"
                raise _RefusedError(message)
        elif isinstance(node, exp.Func):
            _assert_allowed(node)


def _assert_allowed(function: exp.Func) -> None:
    from sqlglot import exp

    name = function.name if isinstance(function, exp.Anonymous) else str(function.meta.get(_NAME, ""))
    name = name.lower()
    if isinstance(function.parent, (exp.Table, exp.Lateral, exp.From, exp.Join, exp.Describe, exp.Summarize)):
        name = name or function.sql_name().lower()
        if name not in TABLE_FUNCTIONS:
            message = f"{name}() may not stand in place of a table"
            raise _RefusedError(message)
    elif name and name not in FUNCTIONS:
        message = f"{name}() is none of the functions for roles"
        raise _RefusedError(message)
    elif not name and type(function).__name__ not in UNNAMED:
        message = f"{function.sql_name().lower()}() is none of the functions for roles"
        raise _RefusedError(message)


# --- Common table expressions -----------------------------------------------------------------


def _is_common(table: exp.Table) -> bool:
    """Whether a name stands for a common table expression that is in scope where it is used."""
    if table.db or table.catalog:
        return False
    name, outer = table.name.lower(), table.parent
    inner: exp.Expr = table
    while outer is not None:
        if any(cte.alias.lower() == name for cte in _in_scope(inner, outer)):
            return True
        inner, outer = outer, outer.parent
    return False


def _in_scope(inner: exp.Expr, outer: exp.Expr) -> list[exp.Expr]:
    """The common table expressions of `outer` that its part `inner` sees."""
    from sqlglot import exp

    if isinstance(outer, exp.With):
        at = next(at for at, cte in enumerate(outer.expressions) if cte is inner)
        return list(outer.expressions[: at + 1 if outer.recursive else at])
    found = outer.args.get("with_")
    return list(found.expressions) if isinstance(found, exp.With) and found is not inner else []
