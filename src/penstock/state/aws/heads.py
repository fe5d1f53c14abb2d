"""The cache of what tables hold. A table with so many files that its head does not fit into an item is not cached."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial

from penstock.naming import TableName
from penstock.state.aws.database import Database
from penstock.state.aws.documents import Doc, TooLargeError, item_of
from penstock.state.aws.layout import head_at, sums_at
from penstock.state.aws.unit import Unit
from penstock.state.files import DataFile
from penstock.state.specs import Spec, SpecField
from penstock.state.store import Column, Head


class Heads:
    """The cache of heads; keeps the contract of `Heads`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._latest: dict[TableName, Head] = {}
        self._counted: set[TableName] = set()

    def get(self, table: TableName, pointer: str) -> Head | None:
        """The head for exactly this pointer."""
        latest = self._latest.get(table)
        if latest is not None and latest.pointer == pointer:
            return latest
        found = self._database.calls.get(head_at(table)).doc
        if found is None or found["pointer"] != pointer:
            return None
        self._latest[table] = _head(table, found)
        return self._latest[table]

    def forget(self) -> None:
        """Forget all tables; the catalog knows them."""
        self._latest.clear()
        self._counted.clear()
        for table in self._database.tables():
            self._database.call(partial(Unit.discard, key=head_at(table)))

    def put(self, head: Head) -> None:
        """Keep a head in place of the table's earlier one."""
        at, facts = head_at(head.table), _facts(head)
        self._latest[head.table] = head
        try:
            if head.table in self._counted:
                self._database.calls.replace(at, facts)
                return
            item_of(at, facts, 1, "", None)
        except TooLargeError:
            return

        def put(unit: Unit) -> None:
            if unit.get(at) is None:
                unit.count(sums_at(head.table), heads=1)
            unit.put(at, facts)

        self._database.call(put)
        self._counted.add(head.table)


def _facts(head: Head) -> Doc:
    plain = asdict(replace(head, files=(), columns=(), specs=()))
    columns = [[column.id, column.name, column.type, *column.nested] for column in head.columns]
    specs = [[spec.id, *((of.transform, of.column, of.name) for of in spec.fields)] for spec in head.specs]
    files = [[file.path, file.rows, file.bytes, file.packed, file.partition] for file in head.files]
    return {**plain, "table": str(head.table), "columns": columns, "specs": specs, "files": files}


def _head(table: TableName, facts: Doc) -> Head:
    columns = tuple(Column(at, name, kind, tuple(ids)) for at, name, kind, *ids in facts["columns"])
    specs = tuple(Spec(at, tuple(SpecField(*field) for field in fields)) for at, *fields in facts["specs"])
    files = tuple(DataFile(*file) for file in facts["files"])
    return Head(**{**facts, "table": table, "columns": columns, "specs": specs, "files": files})
