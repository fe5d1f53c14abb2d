"""The cache of what tables hold."""

from __future__ import annotations

import json
import logging
import sqlite3

from penstock.naming import TableName
from penstock.state.files import DataFile
from penstock.state.specs import Spec, SpecField
from penstock.state.sqlite import sums
from penstock.state.sqlite.database import Database
from penstock.state.store import Column, Head

log = logging.getLogger("penstock.state")

_FILE = sums.FILE


class Heads:
    """The cache of heads; keeps the contract of `Heads`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._latest: dict[TableName, Head] = {}

    def get(self, table: TableName, pointer: str) -> Head | None:
        """The head for exactly this pointer."""
        latest = self._latest.get(table)
        if latest is not None and latest.pointer == pointer:
            return latest
        found = self._read(table, pointer)
        if found is not None:
            self._latest[table] = found
        return found

    def _read(self, table: TableName, pointer: str) -> Head | None:
        rows = self._database.rows(  # one statement, so that no commit comes between
            f'SELECT h.*, {_FILE} FROM heads h LEFT JOIN live_files f USING ("table") '
            'WHERE "table"=? AND pointer=? ORDER BY path',
            str(table),
            pointer,
        )
        if not rows:
            return None
        first = rows[0]
        files = [tuple(row)[-5:] for row in rows if row["path"] is not None]
        if not sums.is_sound(first, "heads") or first["files_sum"] != sums.sum_of_files(files):
            self._drop(table)
            return None
        columns = tuple(Column(at, name, kind, tuple(ids)) for at, name, kind, *ids in json.loads(first["columns"]))
        live = tuple(DataFile(*row) for row in files)
        last, displaced = first["last_column_id"], first["displaced"]
        specs = tuple(
            Spec(at, tuple(SpecField(*field) for field in fields)) for at, *fields in json.loads(first["specs"])
        )
        return Head(table, pointer, first["snapshot"], first["committed_at"], columns, live, last, displaced, specs)

    def _drop(self, table: TableName) -> None:
        """Forget what is damaged; the catalog knows it."""
        log.warning("what was remembered of the table %s is damaged; it is read from the catalog again", table)
        with self._database.transaction() as sql:
            sql.execute('DELETE FROM heads WHERE "table"=?', (str(table),))
            sql.execute('DELETE FROM live_files WHERE "table"=?', (str(table),))

    def forget(self) -> None:
        """Forget all tables; the catalog knows them."""
        self._latest.clear()
        with self._database.transaction() as sql:
            sql.execute("DELETE FROM heads")
            sql.execute("DELETE FROM live_files")

    def put(self, head: Head) -> None:
        """Keep a head in place of the table's earlier one."""
        with self._database.transaction() as sql:
            total = _replace_files(sql, str(head.table), {file.path: file for file in head.files})
            columns = json.dumps([[column.id, column.name, column.type, *column.nested] for column in head.columns])
            specs = [[spec.id, *((of.transform, of.column, of.name) for of in spec.fields)] for spec in head.specs]
            sql.execute(
                'INSERT OR REPLACE INTO heads ("table", pointer, snapshot, committed_at, columns, last_column_id, '
                "displaced, specs, files_sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    str(head.table),
                    head.pointer,
                    head.snapshot,
                    head.committed_at,
                    columns,
                    head.last_column_id,
                    head.displaced,
                    json.dumps(specs),
                    total,
                ),
            )
        self._latest[head.table] = head


def _replace_files(sql: sqlite3.Connection, table: str, wanted: dict[str, DataFile]) -> int:
    """Keep exactly the files wanted, touching only what differs; gives their sum."""
    total = 0
    known = {row["path"] for row in sql.execute('SELECT path FROM live_files WHERE "table"=?', (table,))}
    if known:
        row = sql.execute('SELECT files_sum FROM heads WHERE "table"=?', (table,)).fetchone()
        if row is None or row["files_sum"] is None:
            sql.execute('DELETE FROM live_files WHERE "table"=?', (table,))
            known = set()
        else:
            total = row["files_sum"]
    for path in known - wanted.keys():
        gone = sql.execute(f'DELETE FROM live_files WHERE "table"=? AND path=? RETURNING {_FILE}', (table, path))
        total -= sums.sum_of_files(gone.fetchall())
    new = [
        (file.path, file.rows, file.bytes, file.packed, file.partition)
        for path, file in wanted.items()
        if path not in known
    ]
    sql.executemany(
        f'INSERT INTO live_files ("table", {_FILE}) VALUES (?, ?, ?, ?, ?, ?)', [(table, *row) for row in new]
    )
    return total + sums.sum_of_files(new)
