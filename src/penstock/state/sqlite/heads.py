"""The cache of what tables hold."""

from __future__ import annotations

import json

from penstock.naming import TableName
from penstock.state.sqlite.database import Database
from penstock.state.store import Column, Head, LiveFile


class Heads:
    """The cache of heads; keeps the contract of `Heads`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, table: TableName, pointer: str) -> Head | None:
        """The head for exactly this pointer."""
        rows = self._database.rows(
            "SELECT h.snapshot, h.committed_at, h.columns, f.path, f.rows, f.bytes FROM heads h "
            'LEFT JOIN live_files f USING ("table") WHERE "table"=? AND pointer=? ORDER BY f.path',
            str(table),
            pointer,
        )
        if not rows:
            return None
        columns = tuple(Column(at, name, kind, tuple(ids)) for at, name, kind, *ids in json.loads(rows[0]["columns"]))
        live = tuple(LiveFile(row["path"], row["rows"], row["bytes"]) for row in rows if row["path"] is not None)
        return Head(table, pointer, rows[0]["snapshot"], rows[0]["committed_at"], columns, live)

    def put(self, head: Head) -> None:
        """Keep a head in place of the table's earlier one."""
        table = str(head.table)
        with self._database.transaction() as sql:
            known = {row["path"] for row in sql.execute('SELECT path FROM live_files WHERE "table"=?', (table,))}
            wanted = {file.path: file for file in head.files}
            sql.executemany(
                'DELETE FROM live_files WHERE "table"=? AND path=?', [(table, path) for path in known - wanted.keys()]
            )
            sql.executemany(
                "INSERT INTO live_files VALUES (?, ?, ?, ?)",
                [(table, file.path, file.rows, file.bytes) for path, file in wanted.items() if path not in known],
            )
            columns = json.dumps([[column.id, column.name, column.type, *column.nested] for column in head.columns])
            sql.execute(
                "INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?)",
                (table, head.pointer, head.snapshot, head.committed_at, columns),
            )
