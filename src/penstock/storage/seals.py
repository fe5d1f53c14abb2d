"""Seals: what every file of the tables was when it was written, so that a changed one is never served.

A seal is a file's mark (size, change times, inode) and the SHA-256 of its bytes, kept in `seals.db` beside the tables:
it is copied with them, and the loss of the state store does not matter to it. Before a file is read, its mark is
compared, which costs one look at the file. Where it differs, because the file was copied, restored, touched or damaged,
the bytes are hashed once: equal bytes refresh the mark, others are an error.

What nobody sealed, such as a file of another writer or of an older lake, is sealed when it is first seen, if it reads
well. What no mark shows, such as a disk that gives back other bytes than it was given, is found by `penstock verify`,
which hashes everything.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penstock import faults
from penstock.errors import CatalogError, IntegrityError
from penstock.storage.write_ahead import write_ahead

FILE = "seals.db"
BUSY_SECONDS = 60.0
MANY = 500
REPAIR = "look closer with: penstock verify; then: penstock repair"
DAMAGE = ("decode", "no such", "malformed", "near ", "has no", "already exists", "duplicate column", "unsupported file")
"""How SQLite speaks of a schema that is not as it was made."""
_SCHEMA = "CREATE TABLE IF NOT EXISTS seals (path TEXT PRIMARY KEY, mark TEXT, digest TEXT, sum INTEGER) WITHOUT ROWID"

Look = Callable[[str], None]
"""Raises IntegrityError where an unsealed file does not read well."""


@dataclass(frozen=True)
class Seal:
    """What a file was when it was written.

    Attributes:
        path: Absolute path.
        mark: Size, change times and inode; None where the row in `seals.db` is damaged.
        digest: SHA-256 of the bytes, hexadecimal.
    """

    path: str
    mark: str | None
    digest: str


class Seals:
    """The seals of one zone."""

    def __init__(self, folder: Path, noted: Callable[[list[str]], None] | None = None, *, keeps: bool = True) -> None:
        """Keep seals in `folder`.

        Args:
            folder: The zone's folder.
            noted: Is told the paths of files that were sealed though nobody had sealed them when they were written.
            keeps: Whether seals are written; where not, those that are there are compared, and nothing is made.
        """
        self.file = folder.absolute() / FILE
        self._noted, self._keeps = noted, keeps
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._finalizer: weakref.finalize[[], Seals] | None = None

    def seal(self, paths: Iterable[str]) -> None:
        """Seal files that were just written; those that are sealed already keep their seals."""
        wanted = list(paths)
        known = self._known(wanted)
        marks = {path: mark_of(path) for path in wanted if path not in known}
        self._write([(path, mark, digest_of(path)) for path, mark in marks.items() if mark is not None])

    def seal_anew(self, paths: Iterable[str]) -> None:
        """Seal files as they are now, whatever they were."""
        marks = {path: mark_of(path) for path in paths}
        self._write([(path, mark, digest_of(path)) for path, mark in marks.items() if mark is not None])

    def assert_whole(self, paths: Iterable[str], where: str, look: Look | None = None) -> None:
        """Make sure that files are as they were written.

        Args:
            paths: The files.
            where: The table, for the error.
            look: Looks into a file that nobody sealed; it is sealed when that raises nothing.

        Raises:
            IntegrityError: One is missing, or its bytes are others.
        """
        wanted = list(dict.fromkeys(paths))
        known = self._known(wanted)
        again: list[tuple[str, str, str]] = []
        unsealed: list[str] = []
        for path in wanted:
            mark, seal = mark_of(path), known.get(path)
            if mark is None:
                raise missing_file(path, where)
            if seal is None:
                if look is not None:
                    look(path)
                unsealed.append(path)
                again.append((path, mark, digest_of(path)))
            elif seal.mark is None:
                raise IntegrityError(f"the seal of {path} is damaged, in {self.file.name}", where=where, hint=REPAIR)
            elif seal.mark != mark:
                self._compare(seal, digest_of(path), where)
                again.append((path, mark, seal.digest))
        self._write(again)
        if unsealed and self._noted is not None and self._keeps:
            self._noted(unsealed)

    def assert_bytes(self, path: str, content: bytes, where: str) -> None:
        """Make sure that the bytes read from a small file are those that were written; what nobody sealed passes.

        Raises:
            IntegrityError: They are others.
        """
        seal = self._known([path]).get(path)
        if seal is not None and seal.mark is not None:
            self._compare(seal, hashlib.sha256(content).hexdigest(), where)

    def _compare(self, seal: Seal, digest: str, where: str) -> None:
        if seal.digest != digest:
            raise IntegrityError(f"{seal.path} is not as it was written", where=where, hint=REPAIR)

    def forget(self, paths: Iterable[str]) -> None:
        """Drop seals of files that were removed on purpose; unknown ones do not matter."""
        if not self.file.exists():
            return
        with self._transaction() as sql:
            sql.executemany("DELETE FROM seals WHERE path=?", [(path,) for path in paths])

    def forget_before(self, first: str, end: str, ending: str) -> None:
        """Drop seals of files from `first` to before `end`, by name, that end in `ending`."""
        with self._transaction() as sql:
            sql.execute("DELETE FROM seals WHERE path>=? AND path<? AND path LIKE ?", (first, end, f"%{ending}"))

    def below(self, folder: str) -> list[Seal]:
        """All seals of files below a folder, by path."""
        if not self.file.exists():
            return []
        start = folder.rstrip("/") + "/"
        with self._alone() as sql:
            rows = sql.execute(
                "SELECT path, mark, digest, sum FROM seals WHERE path>=? AND path<? ORDER BY path",
                (start, start[:-1] + "0"),
            ).fetchall()
        return [_seal(*row) for row in rows]

    def check(self) -> list[str]:
        """What the database itself says of its health; nothing when it is well."""
        if not self.file.exists():
            return []
        with self._alone() as sql:
            found = [str(row[0]) for row in sql.execute("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found

    def _known(self, paths: Iterable[str]) -> dict[str, Seal]:
        if self._connection is None and not self.file.exists():
            return {}
        wanted = list(paths)
        found: dict[str, Seal] = {}
        with self._alone() as sql:
            for at in range(0, len(wanted), MANY):
                some = wanted[at : at + MANY]
                marks = ", ".join("?" * len(some))
                rows = sql.execute(f"SELECT path, mark, digest, sum FROM seals WHERE path IN ({marks})", some)  # noqa: S608
                found.update((row[0], _seal(*row)) for row in rows)
        return found

    def _write(self, rows: list[tuple[str, str, str]]) -> None:
        if not rows or not self._keeps:
            return
        with self._transaction() as sql:
            sql.executemany("INSERT OR REPLACE INTO seals VALUES (?, ?, ?, ?)", [(*row, _sum(*row)) for row in rows])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._alone() as sql:
            sql.execute("BEGIN IMMEDIATE")
            try:
                yield sql
                sql.execute("COMMIT")
            except BaseException:
                if sql.in_transaction:  # after some errors SQLite has rolled back by itself
                    sql.execute("ROLLBACK")
                raise

    @contextmanager
    def _alone(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time; errors of the database become ours."""
        with self._lock:
            try:
                if self._connection is None:
                    self._open()
                assert self._connection is not None  # noqa: S101 - for the type checker
                yield self._connection
            except (sqlite3.Error, UnicodeDecodeError) as error:
                if not is_damage(error):
                    raise CatalogError(f"the seals cannot be used: {error}", where=str(self.file)) from error
                raise IntegrityError(f"the seals are damaged: {error}", where=str(self.file), hint=REPAIR) from error

    def _open(self) -> None:
        if self._keeps:
            faults.reach("storage.mkdir")
            self.file.parent.mkdir(parents=True, exist_ok=True)
        target = str(self.file) if self._keeps else f"{self.file.as_uri()}?mode=ro"
        connection = sqlite3.connect(
            target,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=faults.SealsConnection,
            uri=not self._keeps,
        )
        try:
            if self._keeps:
                write_ahead(connection, BUSY_SECONDS)
                connection.execute("PRAGMA synchronous=NORMAL")
                connection.execute(_SCHEMA)
            connection.execute("SELECT path FROM seals LIMIT 1").fetchall()
        except sqlite3.Error:
            connection.close()
            raise
        self._connection = connection
        self._finalizer = weakref.finalize(self, connection.close)

    def close(self) -> None:
        """Let go of the database; the next use opens it again."""
        with self._lock:
            if self._finalizer is not None:
                self._finalizer()
            self._connection = self._finalizer = None


def mark_of(path: str) -> str | None:
    """What the file system says of a file: text that differs whenever it was changed; None when it is missing."""
    try:
        facts = os.stat(path)  # noqa: PTH116 - a table may have many files
    except (FileNotFoundError, NotADirectoryError):
        return None
    return f"{facts.st_size}-{facts.st_mtime_ns}-{facts.st_ctime_ns}-{facts.st_ino}"


def digest_of(path: str) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_damage(error: BaseException) -> bool:
    """Whether what a database says means that its file is damaged, and not that it is in use or the disk is full."""
    if isinstance(error, UnicodeDecodeError):
        return True
    if isinstance(error, sqlite3.OperationalError):
        return any(word in str(error) for word in DAMAGE)
    return isinstance(error, sqlite3.DatabaseError)


def missing_file(path: str, where: str) -> IntegrityError:
    """What is said of a file that should be there."""
    return IntegrityError(f"{path} is missing", where=where, hint=REPAIR)


def _seal(path: str, mark: str, digest: str, total: int) -> Seal:
    sound = total == _sum(path, mark, digest)
    return Seal(path, mark if sound else None, digest)


def _sum(path: str, mark: str, digest: str) -> int:
    return zlib.crc32(repr((path, mark, digest)).encode("utf-8", "surrogateescape"))
