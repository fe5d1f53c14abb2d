"""The health of the store's file: whether it is what the last worker left, and what is said when it is not.

When the last connection is closed, the file's mark is noted beside it. A file with another mark was copied, restored or
damaged, or its worker was killed: then everything is read once, the database's own structure and every row's sum,
before anything of it is used. A file with the same mark costs one look.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock import faults
from penstock.errors import DamagedStateError
from penstock.state.sqlite import sums
from penstock.storage.seals import is_damage, mark_of

ENDING = ".mark"


class Health:
    """Watches over one file."""

    def __init__(self, file: Path) -> None:
        """Look at the file before it is opened."""
        self.file = file
        self._mark = file.with_name(f"{file.name}{ENDING}")
        self._write_ahead = file.with_name(f"{file.name}-wal")
        self._changed = self._is_changed()

    def _is_changed(self) -> bool:
        """Whether the file lies still, and is not what was left."""
        if not self.file.exists() or self._write_ahead.exists():
            return False
        return not self._mark.exists() or self._mark.read_text(errors="replace") != mark_of(str(self.file))

    def assert_sound(self, connection: sqlite3.Connection) -> None:
        """Make sure that a file which is not what was left is sound.

        Raises:
            DamagedStateError: It is damaged.
        """
        if self._changed:
            found = faults_of(connection)
            if found:
                raise DamagedStateError(
                    f"the state store is damaged: {found[0]}", where=str(self.file), hint=sums.REPAIR
                )

    def assert_summed(self, connection: sqlite3.Connection, version: int) -> None:
        """Make sure that rows are as they were written, before a change of the schema sums them anew.

        Raises:
            DamagedStateError: One is not.
        """
        if version >= sums.FIRST_SUMMED:
            for fault in _wrong_rows(connection):
                raise DamagedStateError(f"the state store is damaged: {fault}", where=str(self.file), hint=sums.REPAIR)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Turn what SQLite says of a damaged file into our error; locks and full disks stay what they are."""
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not is_damage(error):
                raise
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> DamagedStateError:
        return DamagedStateError(f"the state store is damaged: {error}", where=str(self.file), hint=sums.REPAIR)

    def remember(self) -> None:
        """Note what the file is, once nobody has it open."""
        mark = mark_of(str(self.file))
        if mark is not None and not self._write_ahead.exists():
            temporary = self._mark.with_name(f".{self._mark.name}.tmp")
            with temporary.open("wb") as file:
                faults.write(file, mark.encode(), "state.mark")
            faults.reach("state.mark")
            temporary.replace(self._mark)


def faults_of(connection: sqlite3.Connection) -> list[str]:
    """Everything that is wrong with a store: what SQLite finds, and rows that do not agree with their sums."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    if found or int(connection.execute("PRAGMA user_version").fetchone()[0]) < sums.FIRST_SUMMED:
        return found
    return [*_wrong_rows(connection), *_wrong_heads(connection)]


def _wrong_rows(connection: sqlite3.Connection) -> Iterator[str]:
    """Rows that do not agree with their sums."""
    for table, columns in sums.summed_in(connection).items():
        listed = ", ".join(f'"{column}"' for column in columns)
        for row in connection.execute(f"SELECT rowid AS row, {sums.COLUMN}, {listed} FROM {table}"):
            if row[1] != sums.sum_of(*row[2:]):
                yield f"row {row[0]} of {table} is not as it was written"


def _wrong_heads(connection: sqlite3.Connection) -> Iterator[str]:
    """Remembered tables whose files do not agree with their sum."""
    for table, total in connection.execute('SELECT "table", files_sum FROM heads').fetchall():
        files = connection.execute(f'SELECT {sums.FILE} FROM live_files WHERE "table"=?', (table,))
        if total != sums.sum_of_files(tuple(row) for row in files):
            yield f"what is remembered of the table {table} is not as it was written"
