"""Asking: one read-only statement over the lake's tables, confined to the lake's own files.

Only the tables that a statement names are opened. The statement may read, nothing else: results never become tables,
and files outside the zones are out of reach.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from penstock.errors import QueryError
from penstock.naming import DEFAULT_LAYER, TableName, did_you_mean, identifier, literal, printable
from penstock.queries.system import QUARANTINE, SYSTEM_TABLES, quarantine_sql
from penstock.state import State
from penstock.storage import Zone
from penstock.tables import Catalog, scan_sql

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")
SYSTEM_LAYER = "penstock"
READING = ("SELECT", "EXPLAIN")
SHOWN_ROWS = 50


class Result:
    """The rows of a query, read on demand and once.

    Take them with one of `arrow`, `polars`, `pandas`, `fetchall` or by iterating over rows.
    """

    def __init__(self, relation: duckdb.DuckDBPyRelation, connection: duckdb.DuckDBPyConnection) -> None:
        """Hold on to the connection for as long as rows may be read."""
        self._relation = relation
        self._connection = connection

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._relation.columns)

    @property
    def types(self) -> list[str]:
        """DuckDB types of the columns."""
        return [str(kind) for kind in self._relation.types]

    def arrow(self) -> pa.Table:
        """All rows as a pyarrow Table."""
        return _run(self._relation.to_arrow_table)

    def polars(self) -> pl.DataFrame:
        """All rows as a Polars DataFrame; needs `penstock[polars]`."""
        return _run(self._relation.pl)

    def pandas(self) -> pd.DataFrame:
        """All rows as a pandas DataFrame; needs `penstock[pandas]`."""
        return _run(self._relation.df)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows as plain tuples."""
        return _run(self._relation.fetchall)

    def fetchmany(self, count: int) -> list[tuple[Any, ...]]:
        """The next `count` rows; an empty list at the end."""
        return _run(lambda: self._relation.fetchmany(count))

    def write_parquet(self, path: str) -> None:
        """Write all rows to a new Parquet file, Snappy-compressed."""
        _run(lambda: self._relation.write_parquet(path, compression="snappy"))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Rows as plain tuples, streamed."""
        while rows := self.fetchmany(1000):
            yield from rows

    def __repr__(self) -> str:
        """The first rows as a text table."""
        return str(self._relation.limit(SHOWN_ROWS))

    def _repr_html_(self) -> str:
        """The first rows as an HTML table, for notebooks; values are escaped."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        rows = _run(lambda: self._relation.limit(SHOWN_ROWS).fetchall())
        body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Asker:
    """Answers queries over one lake."""

    def __init__(
        self, catalog: Catalog, state: State, processed: Zone, folders: list[Path], memory: str = "1GB"
    ) -> None:
        """Read tables of `catalog`; SQL may also read files below `folders`."""
        self._catalog, self._state, self._processed = catalog, state, processed
        self._folders = folders
        self._memory = memory

    def ask(self, sql: str) -> Result:
        """Run one statement that reads.

        Raises:
            QueryError: It is no valid SQL, is more than one statement, would change something, or names what is not
            there.
        """
        connection = duckdb.connect(config={"memory_limit": self._memory, "autoinstall_known_extensions": "false"})
        statement = self._one_statement(connection, sql)
        self._open_tables(connection, statement)
        self._confine(connection)
        return Result(_run(lambda: connection.sql(statement), self._known_names), connection)

    def _one_statement(self, connection: duckdb.DuckDBPyConnection, sql: str) -> str:
        statements = _run(lambda: connection.extract_statements(sql))
        if len(statements) != 1:
            message = "expected one SQL statement, found " + (str(len(statements)) if statements else "none")
            raise QueryError(message, hint='such as: penstock query "SELECT * FROM penstock.tables"')
        kind = statements[0].type.name
        if kind not in READING:
            raise QueryError(
                f"queries only read; {kind} is not possible here",
                hint="tables change through files and the declaration; keep a query's rows with --format parquet",
            )
        return str(statements[0].query)

    def _open_tables(self, connection: duckdb.DuckDBPyConnection, statement: str) -> None:
        """Make views for the tables that the statement names, and only for them."""
        try:
            named = connection.get_table_names(statement, qualified=True)
        except duckdb.Error:
            named = set()  # the statement is wrong: running it says where
        tables = {TableName(layer, name) for layer, name in map(_split, named)}
        connection.execute(f"CREATE SCHEMA {SYSTEM_LAYER}")
        for table in tables:
            if table.layer == SYSTEM_LAYER:
                self._open_system_table(connection, table.name)
            elif (head := self._catalog.head(table)) is not None:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(table.layer)}")
                view = f"{identifier(table.layer)}.{identifier(table.name)}"
                connection.execute(f"CREATE VIEW {view} AS {scan_sql(head)}")

    def _open_system_table(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        if name == QUARANTINE:
            connection.execute(
                f"CREATE VIEW {SYSTEM_LAYER}.{QUARANTINE} AS {quarantine_sql(self._state, self._processed)}"
            )
        elif name in SYSTEM_TABLES:
            table = SYSTEM_TABLES[name]
            columns = ", ".join(f"{identifier(column)} {kind}" for column, kind in table.columns)
            target = f"{SYSTEM_LAYER}.{identifier(name)}"
            connection.execute(f"CREATE TABLE {target} ({columns})")
            rows = list(table.rows(self._state, self._catalog))
            if rows:
                marks = ", ".join("?" * len(table.columns))
                connection.executemany(f"INSERT INTO {target} VALUES ({marks})", rows)

    def _confine(self, connection: duckdb.DuckDBPyConnection) -> None:
        folders = ", ".join(literal(f"{folder}/") for folder in self._folders)
        connection.execute(f"SET allowed_directories=[{folders}]")
        connection.execute("SET enable_external_access=false")
        connection.execute("SET lock_configuration=true")

    def _known_names(self) -> list[str]:
        own = [f"{SYSTEM_LAYER}.{name}" for name in [*SYSTEM_TABLES, QUARANTINE]]
        return [*map(str, self._catalog.tables()), *own]


def _split(name: str) -> tuple[str, str]:
    """Cut a name as the engine gives it (`layer.name`, parts quoted where needed) into layer and name, lower case."""
    parts = [part.strip('"').lower() for part in name.split(".")]
    return (parts[-2] if len(parts) > 1 else DEFAULT_LAYER), parts[-1]


def _run(call: Callable[[], T], known: Callable[[], list[str]] | None = None) -> T:
    """Call the engine; its errors become ours, with the closest table name where one was missed."""
    try:
        return call()
    except duckdb.CatalogException as error:
        text = _message(error)
        if known is not None and "Table with name" in text:
            missing = text.split("Table with name ", 1)[1].split(" ", 1)[0]
            names = known()
            where = did_you_mean(missing, names) or did_you_mean(missing, [name.rpartition(".")[2] for name in names])
            there = ", ".join(names[:12]) or "none yet; run `penstock run`"
            raise QueryError(f'no table "{missing}"{where}', hint=f"tables: {there}") from None
        raise QueryError(text) from None
    except duckdb.PermissionException as error:
        raise QueryError(_message(error), hint="queries may read files of the lake's own zones only") from None
    except ImportError as error:
        missing = error.name or "a package"
        raise QueryError(
            f"{missing} is not installed", hint=f'install it with: pip install "penstock[{missing}]"'
        ) from None
    except duckdb.Error as error:
        raise QueryError(_message(error)) from None


def _message(error: duckdb.Error) -> str:
    return str(error).strip()


def _cell(value: Any) -> str:
    return "<i>null</i>" if value is None else html.escape(printable(str(value)))
