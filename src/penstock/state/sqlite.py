"""The state store in one SQLite file, for workers on one machine.

A worker is a process that holds a lock on a file of its own below `.penstock/workers/`. The kernel lets go of the lock
when the process ends, however it ends, so that a dead worker's claims are free at once; a worker that hangs loses its
claims when their time runs out.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock import faults
from penstock.clock import Clock, SystemClock
from penstock.errors import StateError
from penstock.naming import TableName
from penstock.state.store import (
    Accounting,
    Arrival,
    ArrivalState,
    Column,
    Head,
    Lease,
    LiveFile,
    Run,
)

SCHEMA_VERSION = 1
LEASE_SECONDS = 60.0
BUSY_SECONDS = 60.0

_SCHEMA = """
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


class SqliteState:
    """The store; keeps the contract of `State`."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        """Open, or make, the store in `folder` (the lake's `.penstock/`).

        Raises:
            StateError: The file cannot be opened, is damaged, or was written by a newer version.
        """
        self._database = _Database(folder, clock or SystemClock())
        self.arrivals = _Arrivals(self._database)
        self.leases = _Leases(self._database)
        self.runs = _Runs(self._database)
        self.heads = _Heads(self._database)

    @property
    def worker(self) -> str:
        """This process's name among the workers."""
        return self._database.worker

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make everything that is recorded inside one transaction."""
        with self._database.transaction():
            yield

    def close(self) -> None:
        """Let go of the database and of this worker's lock."""
        self._database.close()


class _Database:
    """One connection, its transactions, and the worker that this process is."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self._folder = folder
        self._lock = threading.RLock()
        self._worker: str | None = None
        self._closed = False
        self._worker_file: Any = None
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "state.db"
        try:
            self._connection = sqlite3.connect(
                file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._migrate()
        except sqlite3.Error as error:
            raise StateError(
                f"the state store cannot be used: {error}",
                where=str(file),
                hint="move it away: the tables are the truth, and files that are in them are not read in twice",
            ) from error

    def _migrate(self) -> None:
        if self._version() < SCHEMA_VERSION:
            with self.transaction() as sql:
                if self._version() == 0:
                    for statement in _SCHEMA.split(";"):
                        sql.execute(statement)
                sql.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        if self._version() > SCHEMA_VERSION:
            message = "was written by a newer version of penstock"
            raise StateError(message, where=str(self._folder / "state.db"), hint="upgrade penstock")

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, alone: readers see the state before or after. Inside another transaction, part of it."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            faults.reach("state.begin")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                faults.reach("state.commit")
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    @property
    def worker(self) -> str:
        """This worker's name; the first use takes its lock."""
        with self._lock:
            if self._worker is None:
                self._worker = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
                folder = self._folder / "workers"
                folder.mkdir(exist_ok=True)
                self._worker_file = (folder / self._worker).open("w")
                fcntl.flock(self._worker_file, fcntl.LOCK_EX)
            return self._worker

    def dead(self, worker: str) -> bool:
        """Whether a worker's process has ended."""
        if worker == self._worker:
            return False
        try:
            with (self._folder / "workers" / worker).open("r") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._worker is not None:
                with self.transaction() as sql:
                    sql.execute(
                        "UPDATE arrivals SET state='pending', attempt='', worker='', attempts=attempts-1 "
                        "WHERE worker=? AND state='working'",
                        (self._worker,),
                    )
                    sql.execute("UPDATE leases SET worker='', until=0 WHERE worker=?", (self._worker,))
            self._connection.close()
            if self._worker_file is not None:
                (self._folder / "workers" / str(self._worker)).unlink(missing_ok=True)
                self._worker_file.close()
                self._worker_file = None


class _Arrivals:
    """The queue; keeps the contract of `Arrivals`."""

    def __init__(self, database: _Database) -> None:
        self._database = database

    def record(self, table: TableName, key: str, version: str, size: int, modified_ns: int, mark: str) -> bool:
        with self._database.transaction() as sql:
            newest = sql.execute(
                'SELECT sequence, version FROM arrivals WHERE "table"=? AND key=? ORDER BY sequence DESC LIMIT 1',
                (str(table), key),
            ).fetchone()
            if newest is not None and newest["version"] == version:
                sql.execute("UPDATE arrivals SET mark=? WHERE sequence=?", (mark, newest["sequence"]))
                return False
            sql.execute(
                "UPDATE arrivals SET state='superseded' "
                "WHERE \"table\"=? AND key=? AND state IN ('pending', 'working', 'dead')",
                (str(table), key),
            )
            sql.execute(
                'INSERT INTO arrivals ("table", key, version, generation, size, modified_ns, mark, recorded_at) '
                "SELECT ?, ?, ?, coalesce(max(generation) + 1, 0), ?, ?, ?, ? FROM arrivals "
                'WHERE "table"=? AND key=? AND version=?',
                (
                    str(table),
                    key,
                    version,
                    size,
                    modified_ns,
                    mark,
                    self._database.clock.now(),
                    str(table),
                    key,
                    version,
                ),
            )
            return True

    def claim(self, table: TableName, limit: int) -> list[Arrival]:
        now, worker = self._database.clock.now(), self._database.worker
        with self._database.transaction() as sql:
            self._free(sql, table, now)
            waiting = sql.execute(
                "SELECT sequence FROM arrivals WHERE \"table\"=? AND state='pending' AND not_before<=? "
                "ORDER BY sequence LIMIT ?",
                (str(table), now, limit),
            ).fetchall()
            claimed = [
                sql.execute(
                    "UPDATE arrivals SET state='working', attempts=attempts+1, attempt=?, worker=?, lease_until=? "
                    "WHERE sequence=? RETURNING *",
                    (uuid.uuid4().hex[:8], worker, now + LEASE_SECONDS, row["sequence"]),
                ).fetchone()
                for row in waiting
            ]
        return [_arrival(row) for row in claimed]

    def _free(self, sql: sqlite3.Connection, table: TableName, now: float) -> None:
        """Make arrivals of dead or hanging workers wait again."""
        working = sql.execute(
            "SELECT DISTINCT worker FROM arrivals WHERE \"table\"=? AND state='working'", (str(table),)
        ).fetchall()
        dead = [row["worker"] for row in working if self._database.dead(row["worker"])]
        marks = ", ".join("?" * len(dead))
        sql.execute(
            "UPDATE arrivals SET state='pending', attempt='', worker='' "
            f"WHERE \"table\"=? AND state='working' AND (lease_until<? OR worker IN ({marks}))",
            (str(table), now, *dead),
        )

    def finish(
        self, arrival: Arrival, run: str, accounting: Accounting, quarantine_stem: str | None, *, replaces: bool = True
    ) -> None:
        with self._database.transaction() as sql:
            sql.execute(
                "UPDATE arrivals SET state='finished', finished_at=?, run=?, accounting=?, quarantine_stem=?, "
                "reason=NULL, worker='' WHERE sequence=?",
                (self._database.clock.now(), run, _dumped(accounting), quarantine_stem, arrival.sequence),
            )
            if replaces:
                sql.execute(
                    "UPDATE arrivals SET state='superseded' "
                    "WHERE \"table\"=? AND key=? AND state='finished' AND sequence<?",
                    (str(arrival.table), arrival.key, arrival.sequence),
                )

    def give_back(self, arrival: Arrival, reason: str, delay: float = 0.0, *, counted: bool = True) -> None:
        with self._database.transaction() as sql:
            sql.execute(
                "UPDATE arrivals SET state='pending', attempt='', worker='', reason=?, not_before=?, "
                "attempts=attempts-? WHERE sequence=? AND state='working' AND attempt=?",
                (reason, self._database.clock.now() + delay, 0 if counted else 1, arrival.sequence, arrival.attempt),
            )

    def bury(self, arrival: Arrival, reason: str, plan: str, run: str) -> None:
        with self._database.transaction() as sql:
            sql.execute(
                "UPDATE arrivals SET state='dead', finished_at=?, reason=?, plan=?, run=?, worker='' "
                "WHERE sequence=? AND state='working' AND attempt=?",
                (self._database.clock.now(), reason, plan, run, arrival.sequence, arrival.attempt),
            )

    def held(self, arrival: Arrival) -> bool:
        found = self._database.rows(
            "SELECT 1 FROM arrivals WHERE sequence=? AND state='working' AND attempt=?",
            arrival.sequence,
            arrival.attempt,
        )
        return bool(found)

    def find(self, table: TableName | None = None, states: tuple[ArrivalState, ...] = ()) -> list[Arrival]:
        where, values = ["1=1"], list[str]()
        if table is not None:
            where, values = ['"table"=?'], [str(table)]
        if states:
            where.append(f"state IN ({', '.join('?' * len(states))})")
            values += states
        rows = self._database.rows(f"SELECT * FROM arrivals WHERE {' AND '.join(where)} ORDER BY sequence", *values)
        return [_arrival(row) for row in rows]

    def requeue(self, arrival: Arrival, generation: int) -> None:
        with self._database.transaction() as sql:
            sql.execute(
                "UPDATE arrivals SET state='pending', attempts=0, attempt='', worker='', not_before=0, reason=NULL, "
                "generation=? WHERE sequence=?",
                (generation, arrival.sequence),
            )


class _Leases:
    """Rights to do something alone; keeps the contract of `Leases`."""

    def __init__(self, database: _Database) -> None:
        self._database = database

    def acquire(self, name: str) -> Lease | None:
        now, worker = self._database.clock.now(), self._database.worker
        with self._database.transaction() as sql:
            row = sql.execute("SELECT * FROM leases WHERE name=?", (name,)).fetchone()
            free = row is None or not row["worker"] or row["until"] < now or self._database.dead(row["worker"])
            if not free:
                return None
            token = 1 if row is None else row["token"] + 1
            sql.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", (name, worker, token, now + LEASE_SECONDS))
        return Lease(name, worker, token)

    def held(self, lease: Lease) -> bool:
        rows = self._database.rows(
            "SELECT 1 FROM leases WHERE name=? AND token=? AND worker<>''", lease.name, lease.token
        )
        return bool(rows)

    def release(self, lease: Lease) -> None:
        with self._database.transaction() as sql:
            sql.execute("UPDATE leases SET worker='', until=0 WHERE name=? AND token=?", (lease.name, lease.token))

    def renew(self) -> None:
        until, worker = self._database.clock.now() + LEASE_SECONDS, self._database.worker
        with self._database.transaction() as sql:
            sql.execute("UPDATE leases SET until=? WHERE worker=?", (until, worker))
            sql.execute("UPDATE arrivals SET lease_until=? WHERE worker=? AND state='working'", (until, worker))


class _Runs:
    """The ledger; keeps the contract of `Runs`."""

    def __init__(self, database: _Database) -> None:
        self._database = database

    def add(self, run: Run) -> None:
        with self._database.transaction() as sql:
            sql.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    run.run,
                    str(run.table),
                    run.state,
                    _dumped(run.accounting),
                    run.started,
                    run.duration_ms,
                    json.dumps(run.arrivals),
                    run.snapshot,
                    run.error,
                ),
            )

    def list(self, table: TableName | None = None, limit: int = 100) -> list[Run]:
        where = '"table"=?' if table is not None else "?=''"
        rows = self._database.rows(
            f"SELECT * FROM runs WHERE {where} ORDER BY started DESC, rowid DESC LIMIT ?",
            str(table) if table is not None else "",
            limit,
        )
        return [
            Run(
                run=row["run"],
                table=TableName.parse(row["table"]),
                state=row["state"],
                accounting=_loaded(row["accounting"]),
                started=row["started"],
                duration_ms=row["duration_ms"],
                arrivals=json.loads(row["arrivals"]),
                snapshot=row["snapshot"],
                error=row["error"],
            )
            for row in rows
        ]


class _Heads:
    """The cache of heads; keeps the contract of `Heads`."""

    def __init__(self, database: _Database) -> None:
        self._database = database

    def get(self, table: TableName, pointer: str) -> Head | None:
        rows = self._database.rows(
            "SELECT h.snapshot, h.committed_at, h.columns, f.path, f.rows, f.bytes FROM heads h "
            'LEFT JOIN live_files f USING ("table") WHERE "table"=? AND pointer=? ORDER BY f.path',
            str(table),
            pointer,
        )
        if not rows:
            return None
        columns = tuple(Column(*column) for column in json.loads(rows[0]["columns"]))
        live = tuple(LiveFile(row["path"], row["rows"], row["bytes"]) for row in rows if row["path"] is not None)
        return Head(table, pointer, rows[0]["snapshot"], rows[0]["committed_at"], columns, live)

    def put(self, head: Head) -> None:
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
            columns = json.dumps([[column.id, column.name, column.type] for column in head.columns])
            sql.execute(
                "INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?)",
                (table, head.pointer, head.snapshot, head.committed_at, columns),
            )


def _arrival(row: sqlite3.Row) -> Arrival:
    return Arrival(
        sequence=row["sequence"],
        table=TableName.parse(row["table"]),
        key=row["key"],
        version=row["version"],
        generation=row["generation"],
        size=row["size"],
        modified_ns=row["modified_ns"],
        mark=row["mark"],
        state=row["state"],
        attempts=row["attempts"],
        attempt=row["attempt"],
        worker=row["worker"],
        recorded_at=row["recorded_at"],
        finished_at=row["finished_at"],
        run=row["run"],
        reason=row["reason"],
        plan=row["plan"],
        accounting=_loaded(row["accounting"]) if row["accounting"] else Accounting(),
        quarantine_stem=row["quarantine_stem"],
    )


def _dumped(accounting: Accounting) -> str:
    return json.dumps(
        {
            "rows_in": accounting.rows_in,
            "rows_out": accounting.rows_out,
            "dropped": accounting.dropped,
            "quarantined": accounting.quarantined,
            "bytes_in": accounting.bytes_in,
            "bytes_out": accounting.bytes_out,
        }
    )


def _loaded(text: str) -> Accounting:
    return Accounting(**json.loads(text))
