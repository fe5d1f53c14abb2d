"""Packs: data files that hold the rows of several arrivals, one after the other.

Small files that are processed together share one, compaction makes them of what small commits left, and a pack whose
member gives way to a newer version is carved: written anew without it. Rows keep their order, because the footer says
by numbers alone which rows are whose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from penstock.engines.engine import Engine
from penstock.engines.partitions import Splitter
from penstock.errors import AccountingError
from penstock.naming import identifier, pack_name
from penstock.state import DataFile, Head, Member
from penstock.state.files import MEMBERS, packed_text
from penstock.state.store import Column
from penstock.storage import Zone
from penstock.storage.local import remove_file
from penstock.tables import Carving, scan_sql
from penstock.tables.read import numbered_sql

MEMBER, ROW = "__penstock_member", "__penstock_row"
PLAIN: Mapping[str, str] = {}


class Packer:
    """Writes the rows of live files anew, in order, each still known by its arrival."""

    def __init__(self, engine: Engine, zone: Zone) -> None:
        """Write by `engine` into the processed zone."""
        self._engine, self._zone = engine, zone

    def carve(self, head: Head, carving: Carving) -> tuple[DataFile, ...]:
        """A pack without the members that are not to be kept; several, where new files are laid out in another way."""
        keep = set(carving.keep)
        return self.relay(head, carving.file.hiding(member for member in carving.file.members if member not in keep))

    def relay(self, head: Head, file: DataFile, columns: tuple[Column, ...] = ()) -> tuple[DataFile, ...]:
        """The rows of one file laid out as the table's new files are, each still known by its arrival.

        Raises:
            BadFileError: They fall into too many partitions.
            AccountingError: Rows were lost or made up.
        """
        if not head.spec.fields or head.spec.holds(file.partition):
            return (self.pack(head, [file], columns),)
        self._assert_whole(head, [file])
        return self._cut(head, file, columns or head.columns)

    def write_members(
        self, head: Head, select: str, columns: tuple[Column, ...], members: Sequence[Member]
    ) -> tuple[DataFile, ...]:
        """Publish the rows of a SELECT, in its order, as packs: one, or one for each partition.

        Raises:
            BadFileError: They fall into too many partitions.
            AccountingError: They are not the rows of `members`.
        """
        rows, text = sum(member.rows for member in members), packed_text(members)
        if not head.spec.fields:
            path, size = self.write(head, select, columns, rows, {MEMBERS: text})
            return (DataFile(path, rows, size, text),)
        staging = self._zone.staging(head.table.data_key(pack_name()))
        try:
            self._gather(head, select, columns, rows, staging, PLAIN)
            written = replace(head, columns=columns)
            return self._cut(written, DataFile(staging, rows, 0, text), columns)
        finally:
            remove_file(staging)

    def _cut(self, head: Head, file: DataFile, columns: tuple[Column, ...]) -> tuple[DataFile, ...]:
        """A pack for each partition that the rows of a file fall into."""
        done, members = list[DataFile](), [member for member, _ in file.shown]
        relation = _by_member(head, file, columns)
        splitter = Splitter(self._engine, head.spec, columns)
        try:
            for values, counts in groupby(splitter.counts(relation, MEMBER), lambda row: row[:-2]):
                found = [(at, rows) for *_, at, rows in counts]
                text = packed_text(replace(members[at], rows=rows) for at, rows in found) if members else ""
                rows, select = sum(rows for _, rows in found), splitter.select(relation, values)
                path, size = self.write(head, select, columns, rows, {MEMBERS: text} if text else PLAIN)
                done.append(DataFile(path, rows, size, text, splitter.partition(values)))
            _assert_all(head, file, done)
        except BaseException:
            self._zone.discard(new.path for new in done)
            raise
        return tuple(done)

    def pack(self, head: Head, files: Sequence[DataFile], columns: tuple[Column, ...] = ()) -> DataFile:
        """One file with the rows of several, one after the other; what is hidden in them is left out.

        Args:
            head: The table, for its columns.
            files: What to read, in order.
            columns: How the table's columns are written, if not as they are; values without an equal become null, so
                the caller makes sure that there are none.

        Raises:
            AccountingError: Rows were lost or made up, or are of several partitions; nothing was published.
        """
        partition = _one_partition(head, files)
        self._assert_whole(head, files)
        members = tuple(member for file in files for member, _ in file.shown)
        rows = sum(file.rows for file in files)
        select = self._select(replace(head, files=tuple(files)), columns or head.columns)
        facts = {MEMBERS: packed_text(members)} if members else {}
        path, size = self.write(head, select, columns or head.columns, rows, facts)
        return DataFile(path, rows, size, facts.get(MEMBERS, ""), partition)

    def _assert_whole(self, head: Head, files: Sequence[DataFile]) -> None:
        if self._zone.seals is not None:
            self._zone.seals.assert_whole([file.path for file in files], str(head.table))

    def write(
        self, head: Head, select: str, columns: tuple[Column, ...], rows: int, facts: Mapping[str, str] = PLAIN
    ) -> tuple[str, int]:
        """Publish the rows of a SELECT, in its order, as one data file of a table; gives its path and size.

        Raises:
            AccountingError: They are not `rows` rows.
        """
        key = head.table.data_key(pack_name())
        staging = self._zone.staging(key)
        try:
            self._gather(head, select, columns, rows, staging, facts)
            size = self._zone.publish(staging, key)
        finally:
            remove_file(staging)
        return self._zone.location(key), size

    def _gather(
        self, head: Head, select: str, columns: tuple[Column, ...], rows: int, path: str, facts: Mapping[str, str]
    ) -> None:
        written = self._engine.gather(select, columns, path, facts)
        if written != rows:
            message = f"{rows} rows were to be written anew, but {written} were written"
            raise AccountingError(message, where=str(head.table), hint="nothing was committed; this is a defect")

    @staticmethod
    def _select(head: Head, columns: tuple[Column, ...]) -> str:
        """The files' rows, in order, with columns of the types wanted."""
        each = any(file.hidden for file in head.files)
        scans = [scan_sql(replace(head, files=(file,))) for file in head.files] if each else [scan_sql(head)]
        return f"SELECT {_cells(head, columns)} FROM ({' UNION ALL '.join(scans)})"


def _cells(head: Head, columns: tuple[Column, ...]) -> str:
    """The table's columns as values of the types wanted."""
    return ", ".join(
        identifier(new.name)
        if new.type == old.type
        else f"TRY_CAST({identifier(old.name)} AS {new.type}) AS {identifier(new.name)}"
        for old, new in zip(head.columns, columns, strict=True)
    )


def _by_member(head: Head, file: DataFile, columns: tuple[Column, ...]) -> str:
    """The rows of a file, in order, with the number of the member, among those shown, that each belongs to."""
    ends = [(end, at) for at, (_, end) in enumerate(file.shown)]
    rows = numbered_sql(head, file, ROW)
    return f"SELECT {_cells(head, columns)}, {_looked_up(ends) if ends else '0'} AS {MEMBER} FROM ({rows})"


def _looked_up(ends: Sequence[tuple[int, int]]) -> str:
    """SQL of the member's number by the row's: halved until one is left, as there may be hundreds."""
    if len(ends) == 1:
        return str(ends[0][1])
    middle = len(ends) // 2
    return (
        f"CASE WHEN {ROW} < {ends[middle - 1][0]} THEN {_looked_up(ends[:middle])} ELSE {_looked_up(ends[middle:])} END"
    )


def _one_partition(head: Head, files: Sequence[DataFile]) -> str:
    """The partition of which all rows are; empty where new files are not partitioned."""
    if not head.spec.fields:
        return ""
    found = {file.partition for file in files}
    if len(found) != 1 or not head.spec.holds(min(found)):
        raise AccountingError(
            "files of several partitions, or of an earlier layout, cannot become one",
            where=str(head.table),
            hint="nothing was written; this is a defect",
        )
    return found.pop()


def _assert_all(head: Head, file: DataFile, done: Sequence[DataFile]) -> None:
    written = sum(new.rows for new in done)
    if written != file.rows:
        message = f"{file.rows} rows were to be laid out anew, but {written} were written"
        raise AccountingError(message, where=str(head.table), hint="nothing was committed; this is a defect")
