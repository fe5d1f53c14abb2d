"""What the columns of a table's files are called, as far as that can be told before anything runs.

A table that exists knows the columns of its files; for one that does not, the header of a file that lies in the raw
zone is read. Names that steps and checks use are compared with these, so that a misspelt column is told with its place
in `lake.yaml` and not file by file.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from tempfile import NamedTemporaryFile
from typing import Any, Protocol

from penstock.arrivals.planning.known import PROPERTY, SourceSchema
from penstock.arrivals.staging.intake import COMPRESSED, format_of
from penstock.arrivals.staging.partitioning import coming
from penstock.declaration import Examined, Table
from penstock.errors import PenstockError, Problem
from penstock.formats import detect_dialect, scan
from penstock.naming import TableName
from penstock.steps import column_problems, names_after
from penstock.storage import Zone
from penstock.tables.types import plain_type

HEAD_BYTES = 256 * 1024
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
OWN = "the table's files so far"


class Tables(Protocol):
    """The tables that exist, with their metadata."""

    def tables(self) -> list[TableName]:
        """All tables, in order."""

    def metadata(self, table: TableName) -> dict[str, Any] | None:
        """The table's current Iceberg metadata as plain values; None when there is no such table."""


@dataclass(frozen=True)
class Preview:
    """Columns of a table's files, and where their names come from: the table itself, or a file's key."""

    columns: list[str]
    source: str


class Previewer:
    """Looks up, without changing anything, which columns tables and files have."""

    def __init__(self, catalog: Tables, raw: Zone, declared: Mapping[str, Table]) -> None:
        """Look at the tables of `catalog` and the files of `raw` for the tables `declared`."""
        self._catalog, self._raw, self._declared = catalog, raw, declared
        self._previews: dict[str, Preview | None] = {}
        self._columns: dict[TableName, list[str] | None] | None = None

    def preview(self, name: str) -> Preview | None:
        """Columns of a table's files: those of the table, else those of the oldest file that shows them."""
        if name not in self._previews:
            self._previews[name] = self._of_table(name) or self._of_files(name)
        return self._previews[name]

    def typed(self, table: TableName) -> dict[str, str]:
        """Columns that a table has, with their types, and those that it gets with its next file, without.

        Nothing where that cannot be told.
        """
        declared = {TableName.parse(name): name for name in self._declared}
        names = self._results(table, declared.get(table))
        there = dict(_stored_types(self._catalog.metadata(table)))
        known = {name.lower() for name in there}
        return {} if names is None else there | {name: "" for name in names if name.lower() not in known}

    def problems(self, examined: Examined, name: str) -> list[Problem]:
        """What is wrong with the names in a table's steps and checks; nothing where no column is known."""
        found = self.preview(name)
        compared = self._compared(examined, name, found.columns) if found else []
        return compared + self._unfit(examined, name)

    def coming(self, name: str) -> str | None:
        """What the next run makes of the layout of a table's files, if it is declared otherwise now."""
        return coming(self._catalog.metadata(TableName.parse(name)), self._declared[name])[0]

    def _unfit(self, examined: Examined, name: str) -> list[Problem]:
        """Columns of the table that are of a type by which it cannot be partitioned as declared."""
        wrong = coming(self._catalog.metadata(TableName.parse(name)), self._declared[name])[1]
        return [examined.document.problem(("tables", name, "partition", at), text) for at, text in wrong]

    def problems_for(self, examined: Examined, name: str, keys: Iterable[str]) -> list[Problem]:
        """What is wrong whichever of the files `keys` is processed: neither the table nor a file makes it right."""
        table = self._of_table(name)
        columns = list(table.columns) if table else []
        found = self._compared(examined, name, columns) if table else None
        for key in keys:
            if found == []:
                break
            header = self._header(key, self._declared[name])
            if header is None:  # whatever the file holds, it is for the run to see
                return []
            known = {column.lower() for column in columns}
            new = [column for column in header if column.lower() not in known]
            if new:
                columns += new
                now = self._compared(examined, name, columns)
                before = {_place(problem) for problem in (now if found is None else found)}
                found = [problem for problem in now if _place(problem) in before]
        return [*(found or []), *self._unfit(examined, name)]

    def _compared(self, examined: Examined, name: str, columns: list[str]) -> list[Problem]:
        table = self._declared[name]
        return column_problems(examined.document, examined.text, name, table, columns, self._tables())

    def _tables(self) -> dict[TableName, list[str] | None]:
        """Every table with its columns; only looked up where a check refers to another table."""
        if self._columns is None:
            names = {TableName.parse(name): name for name in self._declared}
            self._columns = dict.fromkeys([*names, *self._catalog.tables()])
            if any(check.kind == "references" for table in self._declared.values() for check in table.checks):
                self._columns = {table: self._results(table, names.get(table)) for table in self._columns}
        return self._columns

    def _results(self, table: TableName, declared: str | None) -> list[str] | None:
        """Columns that a table has, and those that it gets with its next file."""
        there = _stored_columns(self._catalog.metadata(table))
        found = self.preview(declared) if declared else None
        given = names_after(self._declared[declared], found.columns) if declared and found else None
        if declared and given is None:
            return None
        return [*there, *(given or [])]

    def _of_table(self, name: str) -> Preview | None:
        metadata = self._catalog.metadata(TableName.parse(name))
        text = metadata["properties"].get(PROPERTY) if metadata else None
        return Preview(list(SourceSchema.from_json(text).columns), OWN) if text else None

    def _of_files(self, name: str) -> Preview | None:
        table = self._declared[name]
        for version in self._raw.list(table.files):
            header = self._header(version.key, table)
            if header:
                return Preview(header, version.key)
        return None

    def _header(self, key: str, table: Table) -> list[str] | None:
        """A file's columns; None when its first lines do not tell them."""
        if table.csv.columns is not None:
            return list(table.csv.columns)
        if format_of(key, table) != "csv" or key.lower().endswith(COMPRESSED):
            return None
        try:
            with self._raw.open(key) as file:
                head = file.read(HEAD_BYTES)
            return _names(head, table)
        except (PenstockError, OSError):
            return None


def _names(head: bytes, table: Table) -> list[str]:
    """Columns of a CSV file of which this is the start, cut after its last whole line."""
    end = head.rfind(b"\n") + 1
    if len(head) == HEAD_BYTES and end and not head.startswith(UTF_16):
        head = head[:end]
    with NamedTemporaryFile(prefix="penstock-") as file:
        file.write(head)
        file.flush()
        return list(detect_dialect(file.name, scan(file.name), table.csv.model_dump()).names)


def _place(problem: Problem) -> tuple[int, int, str]:
    return problem.line, problem.column, problem.path


def _stored_columns(metadata: dict[str, Any] | None) -> Iterator[str]:
    yield from (name for name, _ in _stored_types(metadata))


def _stored_types(metadata: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    """A table's columns and their types; without those that are made of others."""
    if metadata is not None:
        current = metadata["current-schema-id"]
        fields = next(schema["fields"] for schema in metadata["schemas"] if schema["schema-id"] == current)
        for field in fields:
            kind = field["type"]
            yield str(field["name"]), plain_type(kind) if isinstance(kind, str) else ""
