"""Saved queries as Athena's console has them: compiled from the declaration alone.

A template knows the tables, but not their columns, which the files bring. So every column has to say by itself whose it
is, and what depends on its type is refused. `penstock query --aws --saved` looks the columns up, and can do more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from penstock.deployed import database_name
from penstock.errors import QueryError
from penstock.naming import TableName
from penstock.queries.athena import assert_there, name_of, parsed, tables_read, translated

UNKNOWN = "UNKNOWN"
Needed = tuple[TableName, str]
"""A table, and a column that it has to have."""


def compiled_unseen(sql: str, lake: str, tables: Iterable[TableName]) -> str:
    """A statement for Athena, whose tables nobody has looked at.

    Args:
        sql: One statement, in DuckDB's dialect.
        lake: The lake's name, which its databases begin with.
        tables: The tables that are declared.

    Raises:
        QueryError: It is not valid, names what is not there, has no known equal in Athena's dialect, or none as long as
            the columns are not known.
    """
    tree, declared = parsed(sql), dict.fromkeys(tables, ())
    for table in tables_read(tree):
        assert_there(table, declared)
    if tree.find(exp.Star) and any(not isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star)):
        message = "* stands for columns that are not known before there are files; name them"
        raise QueryError(message)
    columns: dict[str, dict[str, dict[str, str]]] = {}
    for table in tables_read(tree):
        columns.setdefault(database_name(lake, name_of(table).layer), {}).setdefault(name_of(table).name, {})
    try:
        for owner, column in _needed(tree):
            columns[database_name(lake, owner.layer)][owner.name][column] = UNKNOWN
    except SqlglotError as error:
        raise QueryError(str(error).splitlines()[0]) from None
    with_some = {
        database: {name: there or {"_": UNKNOWN} for name, there in found.items()}
        for database, found in columns.items()
    }
    return translated(tree, lake, with_some)


def _needed(tree: exp.Query) -> Iterator[Needed]:
    """The columns that the tables of a statement have to have."""
    for scope in traverse_scope(tree):
        query = scope.expression
        aliases = {one.alias.lower() for one in _selects(query) if isinstance(one, exp.Alias)}
        tables, joins = _tables(scope), query.args.get("joins") or ()
        shared = {one.name.lower() for join in joins for one in join.args.get("using") or ()}
        yield from ((name_of(table), name) for table in tables for name in shared)
        for column in scope.columns:
            if column.name.lower() in shared and not column.table:
                continue
            owner = _owner(column, scope, aliases)
            if owner is not None:
                yield name_of(owner), column.name.lower()


def _selects(query: exp.Expr) -> list[exp.Expr]:
    return list(query.selects) if isinstance(query, exp.Query) else []


def _tables(scope: Scope) -> list[exp.Table]:
    return [source for source in scope.sources.values() if isinstance(source, exp.Table)]


def _owner(column: exp.Column, scope: Scope, aliases: set[str]) -> exp.Table | None:
    """The table that a column is of; None where it is of what the statement itself defines."""
    sources = {name.lower(): source for name, source in scope.sources.items()}
    if column.table:
        found = sources.get(column.table.lower())
        return found if isinstance(found, exp.Table) else None
    name = column.name.lower()
    if name in aliases and not column.find_ancestor(exp.Alias):
        return None
    tables = _tables(scope)
    inner = [source.expression for source in sources.values() if isinstance(source, Scope)]
    if any(name == one.alias_or_name.lower() for query in inner for one in _selects(query)):
        return None
    if len(tables) > 1:
        message = f'say whose column "{column.name}" is, like {tables[0].alias_or_name}.{column.name}'
        raise QueryError(message)
    return tables[0] if tables else None
