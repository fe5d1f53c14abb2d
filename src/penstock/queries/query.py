"""Asking: one read-only statement over the lake's tables, confined to the lake's own files.

Only the tables that a statement names are opened. The statement may read, nothing else: results never become tables,
and files outside the zones are out of reach.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from penstock.errors import IntegrityError, QueryError
from penstock.naming import DEFAULT_LAYER, TableName, did_you_mean, identifier, literal, printable
from penstock.queries.aside import QUARANTINE_LAYER, Aside
from penstock.queries.system import FATES, READMITTED, SYSTEM_TABLES
from penstock.state import Head, State
from penstock.storage import Zone
from penstock.tables import Catalog, scan_sql
from penstock.tables.history import History
from penstock.tables.sealed import assert_whole

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from duckdb.sqltypes import DuckDBPyType

T = TypeVar("T")
SYSTEM_LAYER = "penstock"
_EXPLAIN = re.compile(r"^\s*EXPLAIN\s+(?:ANALYZE\s+)?(?:\([^)]*\)\s*)?", re.IGNORECASE)
_LISTS_TABLES = re.compile(
    r"^\s*(?:SHOW|SUMMARIZE)\b|information_schema|duckdb_(?:tables|views|columns)", re.IGNORECASE
)
SHOWN_ROWS = 50
SHOWN_NAMES = 16
FEW_ROWS = 200


class Result:
    """The rows of a query, read on demand and once.

    Take them with one of `arrow`, `polars`, `pandas`, `fetchall` or by iterating over rows.
    """

    def __init__(
        self,
        relation: duckdb.DuckDBPyRelation,
        connection: duckdb.DuckDBPyConnection,
        snapshots: Mapping[TableName, str] | None = None,
    ) -> None:
        """Hold on to the connection for as long as rows may be read; `snapshots` are those of the tables read."""
        self._relation = relation
        self._connection = connection
        self.snapshots = dict(snapshots or {})

    def stop(self) -> None:
        """Have whoever takes the rows, in another thread, fail soon."""
        self._connection.interrupt()

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._relation.columns)

    @property
    def types(self) -> list[str]:
        """DuckDB types of the columns."""
        return [str(kind) for kind in self._relation.types]

    @property
    def kinds(self) -> list[DuckDBPyType]:
        """The same, as DuckDB has them."""
        return list(self._relation.types)

    def arrow(self) -> pa.Table:
        """All rows as a pyarrow Table."""
        return _run(self._relation.to_arrow_table)

    def batches(self, rows: int = 100_000) -> pa.RecordBatchReader:
        """All rows as a reader of Arrow record batches of up to `rows` rows; memory does not grow with the result."""
        return _run(lambda: self._relation.to_arrow_reader(rows))

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
        self,
        catalog: Catalog,
        state: State,
        processed: Zone,
        folders: list[Path],
        history: History | None = None,
        memory: str = "1GB",
    ) -> None:
        """Read tables of `catalog`, and of their `history`; SQL may also read files below `folders`."""
        self._catalog, self._state, self._processed = catalog, state, processed
        self._aside = Aside(state, catalog, processed)
        self._folders = folders
        self._history = history
        self._memory = memory

    def ask(self, sql: str, at: str | None = None, only: Collection[TableName] | None = None) -> Result:
        """Run one statement that reads.

        Args:
            sql: The statement.
            at: The moment as of which tables are read: a snapshot's id, a tag, a time in ISO 8601; now, when left out.
            only: Tables of the lake outside which nothing is there to be read, no files either; all, when left out.

        Raises:
            SnapshotError: A table did not exist then, or nothing is called so.
            IntegrityError: A file of a table is not as it was written.
            QueryError: It is no valid SQL, is more than one statement, would change something, or names what is not
            there.
        """
        connection = duckdb.connect(
            config={
                "memory_limit": self._memory,
                "autoinstall_known_extensions": "false",
                "python_enable_replacements": "false",  # a name in SQL is never a variable of this process
            }
        )
        connection.execute("SET enable_progress_bar=false")  # it would write over the answer
        connection.execute("SET TimeZone='UTC'")  # an answer must not depend on the machine
        statement = self._one_statement(connection, sql)
        opened = self._open_tables(connection, statement, at, only)
        self._confine(connection, None if only is None else opened)
        known = self._known_names if only is None else lambda: [str(name) for name in sorted(only)]
        snapshots = {head.table: str(head.snapshot) for head in opened if head.snapshot is not None}
        return Result(_run(lambda: connection.sql(statement), known), connection, snapshots)

    def _one_statement(self, connection: duckdb.DuckDBPyConnection, sql: str) -> str:
        try:
            sql.encode("utf-8")
        except UnicodeEncodeError as error:
            raise QueryError(f"character {error.start + 1} of the statement is no Unicode character") from None
        statements = _run(lambda: connection.extract_statements(sql))
        if len(statements) != 1:
            message = "expected one SQL statement, found " + (str(len(statements)) if statements else "none")
            raise QueryError(message, hint='such as: penstock query "SELECT * FROM penstock.tables"')
        statement = str(statements[0].query)
        kind = statements[0].type.name
        if kind == "EXPLAIN":  # EXPLAIN ANALYZE runs what it explains
            explained = _run(lambda: connection.extract_statements(_EXPLAIN.sub("", statement)))
            kind = explained[0].type.name if explained else kind
        if kind != "SELECT":
            raise QueryError(
                f"queries only read; {kind} is not possible here",
                hint="tables change through files and the declaration; keep a query's rows with --format parquet",
            )
        return statement

    def _open_tables(
        self,
        connection: duckdb.DuckDBPyConnection,
        statement: str,
        at: str | None,
        only: Collection[TableName] | None,
    ) -> list[Head]:
        """Make views for the tables that the statement names, and only for them; give those of the lake."""
        tables = _named_tables(connection, _EXPLAIN.sub("", statement))
        if tables is None or _LISTS_TABLES.search(statement):
            tables = {*(tables or ()), *self._catalog.tables()}
        if only is not None:
            tables &= set(only)
        past = self._past(tables, at) if at is not None else {}
        connection.execute(f"CREATE SCHEMA {SYSTEM_LAYER}")
        opened = []
        for table in tables:
            if table.layer == SYSTEM_LAYER:
                self._open_system_table(connection, table.name)
            elif (head := past.get(table) or self._head(table)) is not None:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(table.layer)}")
                view = f"{identifier(table.layer)}.{identifier(table.name)}"
                connection.execute(f"CREATE VIEW {view} AS {scan_sql(head)}")
                opened.append(head)
            elif table.layer == QUARANTINE_LAYER:
                self._open_quarantine(connection, TableName.parse(table.name))
        return opened

    def _head(self, table: TableName) -> Head | None:
        """What a table holds, in files that are as they were written."""
        while (head := self._catalog.head(table)) is not None:
            try:
                assert_whole(self._catalog.seals, head)
            except IntegrityError:
                if self._catalog.pointer(table) == head.pointer:  # else upkeep took away what it replaced
                    raise
            else:
                break
        return head

    def _past(self, tables: Iterable[TableName], at: str) -> dict[TableName, Head]:
        """What the tables of a statement held at a moment."""
        there = set(self._catalog.tables())
        now_only = [table for table in tables if table.layer in {SYSTEM_LAYER, QUARANTINE_LAYER} and table not in there]
        if now_only:
            raise QueryError(
                f"{now_only[0]} is known as it is now only",
                hint="ask for tables of the lake at a past moment, and for this one without --at",
            )
        if self._history is None or not there.intersection(tables):
            return {}
        past = self._history.heads(sorted(there.intersection(tables)), at)
        for head in past.values():
            assert_whole(self._catalog.seals, head)
        return past

    def _open_quarantine(self, connection: duckdb.DuckDBPyConnection, name: TableName) -> None:
        """Make the view over the rows of one table in quarantine, by the columns of its files."""
        if name not in self._aside.tables():
            return
        rows = self._aside.of_table(name, lambda sql: connection.execute(sql).fetchall())
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {QUARANTINE_LAYER}")
        connection.execute(f"CREATE VIEW {QUARANTINE_LAYER}.{identifier(str(name))} AS {rows}")

    def _open_system_table(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        if name in FATES:
            connection.execute(f"CREATE VIEW {SYSTEM_LAYER}.{name} AS {self._aside.rows(FATES[name])}")
        elif name == READMITTED:
            connection.execute(f"CREATE VIEW {SYSTEM_LAYER}.{name} AS {self._aside.readmitted()}")
        elif name in SYSTEM_TABLES:
            table = SYSTEM_TABLES[name]
            columns = ", ".join(f"{identifier(column)} {kind}" for column, kind in table.columns)
            target = f"{SYSTEM_LAYER}.{identifier(name)}"
            connection.execute(f"CREATE TABLE {target} ({columns})")
            _insert(connection, target, [name for name, _ in table.columns], table.rows(self._state, self._catalog))

    def _confine(self, connection: duckdb.DuckDBPyConnection, heads: list[Head] | None) -> None:
        """Leave within reach what is below the zones, or only the data files of some tables."""
        if heads is None:
            folders = ", ".join(literal(f"{folder}/") for folder in self._folders)
            connection.execute(f"SET allowed_directories=[{folders}]")
        else:
            files = ", ".join(literal(file.path) for head in heads for file in head.files)
            connection.execute(f"SET allowed_paths=[{files}]")
        connection.execute("SET enable_external_access=false")
        connection.execute("SET lock_configuration=true")

    def _known_names(self) -> list[str]:
        own = [f"{SYSTEM_LAYER}.{name}" for name in [*SYSTEM_TABLES, *FATES, READMITTED]]
        aside = [f"{QUARANTINE_LAYER}.{_spelled(name)}" for name in self._aside.tables()]
        return [*map(str, self._catalog.tables()), *own, *aside]


def _named_tables(connection: duckdb.DuckDBPyConnection, statement: str) -> set[TableName] | None:
    """Tables that a statement names, common table expressions included; None when that cannot be told."""
    row = connection.execute(f"SELECT json_serialize_sql({literal(statement)})").fetchone()
    tree = json.loads(row[0]) if row else {}
    return None if tree.get("error", True) else set(_base_tables(tree["statements"]))


def _base_tables(node: Any) -> Iterator[TableName]:
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE":
            yield TableName(str(node["schema_name"] or DEFAULT_LAYER).lower(), str(node["table_name"]).lower())
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _base_tables(child)


def _spelled(name: TableName) -> str:
    """A table's name as one identifier in SQL."""
    return identifier(str(name)) if "." in str(name) else str(name)


def _value_sql(value: str | float | None) -> str:
    if value is None:
        return "NULL"
    return literal(value) if isinstance(value, str) else repr(value)


def _insert(
    connection: duckdb.DuckDBPyConnection, target: str, columns: list[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Fill a table; many rows go through Arrow, whose import takes longer than inserting a few.

    Values are quoted rather than bound: binding makes the engine import pandas where it is installed, a second lost.
    """
    found = list(rows)
    if len(found) <= FEW_ROWS:
        for row in found:
            connection.execute(f"INSERT INTO {target} VALUES ({', '.join(map(_value_sql, row))})")
        return
    import pyarrow as pa

    arrow = pa.table(dict(zip(columns, map(list, zip(*found, strict=True)), strict=True)))
    connection.register("penstock_rows", arrow)
    connection.execute(f"INSERT INTO {target} SELECT * FROM penstock_rows")
    connection.unregister("penstock_rows")


def _run(call: Callable[[], T], known: Callable[[], list[str]] | None = None) -> T:
    """Call the engine; its errors become ours, with the closest table name where one was missed."""
    try:
        return call()
    except duckdb.CatalogException as error:
        text = _message(error)
        if known is not None and "Table with name" in text:
            missing = text.split("Table with name ", 1)[1].split(" ", 1)[0]
            names = known()
            tails = [tail for name in names if (tail := name.rpartition(".")[2]) != missing]
            where = did_you_mean(missing, names) or did_you_mean(missing, tails)
            there = ", ".join(names[:SHOWN_NAMES]) or "none yet; run `penstock run`"
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
