"""One connection, its transactions, and the worker that this process is.

A worker is a process that holds a lock on a file of its own below `.penstock/workers/`. The kernel lets go of the lock
when the process ends, however it ends, so that a dead worker's claims are free at once; a worker that hangs loses its
claims when their time runs out.
"""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from penstock import faults
from penstock.clock import Clock
from penstock.errors import StateError
from penstock.state.processes import FOLDER, at_work, is_alive
from penstock.state.sqlite import sums
from penstock.state.sqlite.health import Health, faults_of
from penstock.storage.write_ahead import has_log, leave_log, write_ahead

SCHEMA_VERSION = 5
BUSY_SECONDS = 60.0
ALONE_SECONDS, APART_SECONDS = 2.0, 0.1
"""How long others are waited for who want to change an older store, too, and the longest pause between two tries."""

FIRST_SCHEMA = """
CREATE TABLE arrivals (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    "table" TEXT NOT NULL, key TEXT NOT NULL, version TEXT NOT NULL, generation INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, mark TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending', attempts INTEGER NOT NULL DEFAULT 0, attempt TEXT NOT NULL DEFAULT '',
    worker TEXT NOT NULL DEFAULT '', lease_until REAL NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0,
    recorded_at REAL NOT NULL, finished_at REAL, run TEXT, reason TEXT, plan TEXT, accounting TEXT,
    quarantine_stem TEXT,
    UNIQUE ("table", key, version, generation)
);
CREATE INDEX arrivals_by_state ON arrivals ("table", state, sequence);
CREATE TABLE leases (name TEXT PRIMARY KEY, worker TEXT NOT NULL, token INTEGER NOT NULL, until REAL NOT NULL);
CREATE TABLE runs (
    run TEXT PRIMARY KEY, "table" TEXT NOT NULL, state TEXT NOT NULL, accounting TEXT NOT NULL, started REAL NOT NULL,
    duration_ms INTEGER NOT NULL, arrivals TEXT NOT NULL, snapshot INTEGER, error TEXT
);
CREATE INDEX runs_by_start ON runs (started);
CREATE TABLE heads (
    "table" TEXT PRIMARY KEY, pointer TEXT NOT NULL, snapshot INTEGER, committed_at REAL, columns TEXT NOT NULL
);
CREATE TABLE live_files (
    "table" TEXT NOT NULL, path TEXT NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY ("table", path)
) WITHOUT ROWID;
"""
_CHANGES = {
    2: """
CREATE TABLE checks (
    run TEXT NOT NULL, file TEXT NOT NULL, name TEXT NOT NULL, "table" TEXT NOT NULL, kind TEXT NOT NULL,
    on_breach TEXT NOT NULL, "when" TEXT NOT NULL, rows INTEGER NOT NULL, breaches INTEGER NOT NULL, at REAL NOT NULL,
    reason TEXT, UNIQUE (run, file, name)
);
CREATE INDEX checks_by_table ON checks ("table", at);
""",
    3: """
ALTER TABLE heads ADD COLUMN last_column_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE heads ADD COLUMN displaced TEXT NOT NULL DEFAULT '';
ALTER TABLE heads ADD COLUMN specs TEXT NOT NULL DEFAULT '[[0]]';
ALTER TABLE live_files ADD COLUMN packed TEXT NOT NULL DEFAULT '';
ALTER TABLE live_files ADD COLUMN partition TEXT NOT NULL DEFAULT '';
DELETE FROM heads;
DELETE FROM live_files;
""",
    5: """
ALTER TABLE arrivals ADD COLUMN failed_at REAL;
ALTER TABLE arrivals ADD COLUMN trouble TEXT;
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, "table" TEXT NOT NULL, at REAL NOT NULL,
    facts TEXT NOT NULL, sum INTEGER
);
CREATE TABLE cursors (consumer TEXT PRIMARY KEY, sequence INTEGER NOT NULL, sum INTEGER);
INSERT INTO cursors (consumer, sequence) VALUES ('notices', 0);
CREATE TABLE messages (
    message INTEGER PRIMARY KEY AUTOINCREMENT, notice TEXT NOT NULL, target TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting', created REAL NOT NULL, not_before REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, sent_at REAL, subject TEXT NOT NULL, body TEXT NOT NULL, events TEXT NOT NULL,
    error TEXT, sum INTEGER
);
CREATE INDEX messages_by_state ON messages (state, not_before);
CREATE TABLE alarms (
    alarm TEXT NOT NULL, "table" TEXT NOT NULL DEFAULT '', kind TEXT NOT NULL, state TEXT NOT NULL, since REAL NOT NULL,
    checked REAL NOT NULL, value REAL, reason TEXT NOT NULL, memory TEXT NOT NULL DEFAULT '{}', sum INTEGER,
    PRIMARY KEY (alarm, "table")
);
CREATE TABLE alarm_changes (
    change INTEGER PRIMARY KEY AUTOINCREMENT, alarm TEXT NOT NULL, "table" TEXT NOT NULL DEFAULT '', kind TEXT NOT NULL,
    state TEXT NOT NULL, at REAL NOT NULL, value REAL, reason TEXT NOT NULL, sum INTEGER
);
CREATE INDEX alarm_changes_by_time ON alarm_changes (at);
CREATE INDEX arrivals_in_trouble ON arrivals ("table", state, key) WHERE plan IS NOT NULL;
CREATE INDEX events_by_time ON events (at);
CREATE INDEX events_failed ON events (at) WHERE name='failed';
CREATE INDEX runs_by_end ON runs (started + duration_ms / 1000.0);
CREATE INDEX runs_with_rows ON runs ("table", started) WHERE snapshot IS NOT NULL;
CREATE TABLE workflow_runs (
    run TEXT PRIMARY KEY, workflow TEXT NOT NULL, trigger TEXT NOT NULL, due REAL NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, queued REAL NOT NULL, started REAL, finished REAL,
    worker TEXT NOT NULL DEFAULT '', steps TEXT NOT NULL DEFAULT '[]', error TEXT, not_before REAL NOT NULL DEFAULT 0,
    joined INTEGER NOT NULL DEFAULT 0, catching_up INTEGER NOT NULL DEFAULT 0, cause TEXT NOT NULL DEFAULT '{}',
    sum INTEGER, UNIQUE (workflow, trigger)
);
CREATE INDEX workflow_runs_by_state ON workflow_runs (state, due);
CREATE INDEX workflow_runs_by_queued ON workflow_runs (queued);
CREATE TABLE schedules (
    schedule TEXT PRIMARY KEY, expression TEXT NOT NULL, last_due REAL NOT NULL, after_event INTEGER NOT NULL,
    sum INTEGER
);
""",
}
"""What each version of the schema adds to the one before it; sums are added by `sums.statements`."""

Told = dict[str, Any]
"""An event that was recorded: its `event`, `table` and facts."""


def _connect(file: Path) -> sqlite3.Connection:
    made = sqlite3.connect(
        file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, factory=faults.Connection
    )
    made.row_factory = sqlite3.Row
    sums.install(made)
    return made


class Database:
    """One connection, its transactions, and the worker that this process is."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self._folder = folder
        self._lock = threading.RLock()
        self._worker: str | None = None
        self._closed = self._within = False
        self._told: list[Told] = []
        self._listeners: list[Callable[[list[Told]], None]] = []
        self._worker_file: Any = None
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "state.db"
        self._health = health = Health(file)
        try:
            self._connection = _connect(file)
            with health.watched():
                health.assert_sound(self._connection)
                write_ahead(self._connection, BUSY_SECONDS)
                self._migrate()
                self._connection.execute("PRAGMA synchronous=NORMAL")
        except StateError:
            self._connection.close()
            raise
        except sqlite3.Error as error:
            raise StateError(
                f"the state store cannot be used: {error}",
                where=str(file),
                hint="the lake's folder must be writable and on a disk with space left",
            ) from error

    def _migrate(self) -> None:
        while self._version() < SCHEMA_VERSION:
            self._be_alone()
            with self.transaction() as sql:
                found = self._version()
                if 0 < found < SCHEMA_VERSION and has_log(sql):
                    continue  # somebody came in between
                scripts = [FIRST_SCHEMA] if found == 0 else []
                scripts += [change for version, change in sorted(_CHANGES.items()) if version > found]
                self._health.assert_summed(sql, found)
                for statement in (*";".join(scripts).split(";"), *sums.statements(found)):
                    sql.execute(statement)
                sql.execute(f"PRAGMA user_version={max(found, SCHEMA_VERSION)}")
            write_ahead(self._connection, BUSY_SECONDS)
        if self._version() > SCHEMA_VERSION:
            message = "was written by a newer version of penstock"
            raise StateError(message, where=str(self._folder / "state.db"), hint="upgrade penstock")

    def _be_alone(self) -> None:
        """Make sure that nobody of an older version has a store open that is about to change.

        Without its write-ahead log, it is nobody's: SQLite refuses to leave the log while anybody else has the file
        open, and an older version switches to it before anything else. Two that want to change the store at the same
        moment get out of each other's way.
        """
        until = time.monotonic() + ALONE_SECONDS
        while 0 < self._version() < SCHEMA_VERSION:
            if busy := at_work(self._folder):
                raise self._in_use(str(busy[0]))
            if leave_log(self._connection):
                return
            if time.monotonic() > until:
                raise self._in_use("another process")
            self._connection.close()
            time.sleep(random.uniform(0, APART_SECONDS))  # noqa: S311 - not a secret
            self._connection = _connect(self.file)

    def _in_use(self, by: str) -> StateError:
        return StateError(
            f"the state store is of an older version, and in use by {by}",
            where=str(self.file),
            hint="stop that process first; then this version brings the store up to date by itself",
        )

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, alone: readers see the state before or after. Inside another transaction, part of it."""
        with self._lock:
            if self._within:
                yield self._connection
                return
            with self._health.watched():
                self._connection.execute("BEGIN IMMEDIATE")
                self._within = True
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    self._roll_back()
                    self._told = []
                    raise
                finally:
                    self._within = False
            told, self._told = self._told, []
        for listener in self._listeners if told else ():
            listener(told)

    def tell(self, told: Told) -> None:
        """Call those who listen once the transaction at hand is committed."""
        self._told.append(told)

    def listen(self, listener: Callable[[list[Told]], None]) -> None:
        """Call `listener`, which must not take long, after each transaction in which something was told."""
        self._listeners.append(listener)

    def _roll_back(self) -> None:
        """Undo what is open; after some errors SQLite has done so by itself, and the error that led here says more."""
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Read, outside any transaction of its own."""
        with self._lock, self._health.watched():
            return self._connection.execute(sql, values).fetchall()

    def whole_rows(self, table: str, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Read whole rows of a table, and make sure that they are as they were written."""
        rows = self.rows(sql, *values)
        sums.assert_sound(rows, table, str(self._health.file))
        return rows

    @property
    def file(self) -> Path:
        """Where the store stands."""
        return self._health.file

    def faults(self) -> list[str]:
        """Everything that is wrong with the store's file; reads all of it."""
        with self._lock, self._health.watched():
            return faults_of(self._connection)

    @property
    def worker(self) -> str:
        """This worker's name; the first use takes its lock."""
        with self._lock:
            if self._worker is None:
                name = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
                folder = self._folder / FOLDER
                faults.reach("state.worker")
                folder.mkdir(exist_ok=True)
                with ExitStack() as undo:
                    file = undo.enter_context((folder / name).open("w"))
                    fcntl.flock(file, fcntl.LOCK_EX)
                    undo.pop_all()
                self._worker, self._worker_file = name, file  # a name without its lock would count as dead
            return self._worker

    def describe(self, facts: str) -> None:
        """Say, where others can read it, what this process is."""
        with self._lock:
            if self.worker:  # the first use takes its lock
                self._worker_file.seek(0)
                self._worker_file.truncate()
                self._worker_file.write(facts)
                self._worker_file.flush()

    def dead(self, worker: str) -> bool:
        """Whether a worker's process has ended."""
        if worker == self._worker:
            return False
        return not is_alive(self._folder / FOLDER / worker)

    def close(self) -> None:
        """Give back what this worker holds; closing twice does no harm."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                with suppress(sqlite3.Error):  # what cannot be given back is free as soon as the lock is
                    self._give_back()
                self._connection.close()
                with suppress(OSError):  # what is not noted is looked through when it is opened next
                    self._health.remember()
            finally:
                self._unlock()

    def _give_back(self) -> None:
        if self._worker is None:
            return
        with self.transaction() as sql:
            sql.execute(
                "UPDATE arrivals SET state='pending', attempt='', worker='', attempts=attempts-1 "
                "WHERE worker=? AND state='working'",
                (self._worker,),
            )
            sql.execute("UPDATE leases SET worker='', until=0 WHERE worker=?", (self._worker,))

    def _unlock(self) -> None:
        if self._worker_file is not None:
            with self._worker_file, suppress(OSError):
                faults.reach("state.worker")
                (self._folder / FOLDER / str(self._worker)).unlink(missing_ok=True)
            self._worker_file = None
