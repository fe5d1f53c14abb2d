"""Runs of workflows and how far schedules have been looked at."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import asdict, replace

from penstock.state.sqlite.database import Database
from penstock.state.workflows import StepRecord, WorkflowRun

_COLUMNS = (
    *("run", "workflow", "trigger", "due", "state", "attempts", "queued", "started", "finished", "worker", "steps"),
    *("error", "not_before", "joined", "catching_up", "cause"),
)


class WorkflowRuns:
    """Runs of workflows; keeps the contract of `WorkflowRuns`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: WorkflowRun) -> bool:
        """Keep a new run."""
        listed, marks = ", ".join(_COLUMNS), ", ".join("?" * len(_COLUMNS))
        with self._database.transaction() as sql:
            added = sql.execute(
                f"INSERT INTO workflow_runs ({listed}) VALUES ({marks}) ON CONFLICT (workflow, trigger) DO NOTHING",
                _values(run),
            )
            return added.rowcount == 1

    def join(self, run: str, more: int = 1) -> None:
        """Note that a run that waits stands for further triggers."""
        with self._database.transaction() as sql:
            sql.execute("UPDATE workflow_runs SET joined=joined+? WHERE run=?", (more, run))

    def active(self, workflow: str | None = None) -> list[WorkflowRun]:
        """Runs that are queued or running, oldest first."""
        rows = self._database.whole_rows(
            "workflow_runs",
            "SELECT * FROM workflow_runs WHERE state IN ('queued', 'running') AND (? IS NULL OR workflow=?) "
            "ORDER BY due, queued, rowid",
            workflow,
            workflow,
        )
        return [_run(row) for row in rows]

    def claim(
        self, overlapping: Collection[str], run: str | None = None, *, at_once: bool = False
    ) -> WorkflowRun | None:
        """Take the oldest run that may go on, or a certain one."""
        if self._next(overlapping, run, at_once=at_once) is None:
            return None  # told without a transaction, so that looking holds up nobody
        with self._database.transaction():
            found = self._next(overlapping, run, at_once=at_once)
            if found is None:
                return None
            now, worker = self._database.clock.now(), self._database.worker
            taken = replace(
                found, state="running", worker=worker, attempts=found.attempts + 1, started=found.started or now
            )
            self._write(taken)
        return taken

    def _next(self, overlapping: Collection[str], run: str | None, *, at_once: bool) -> WorkflowRun | None:
        active = self.active()
        for candidate in active:
            if run is not None and candidate.run != run:
                continue
            others = (other for other in active if other.workflow == candidate.workflow and other is not candidate)
            alone = at_once or candidate.workflow in overlapping or not any(other.begun for other in others)
            if alone and self._is_free(candidate, at_once=at_once):
                return candidate
        return None

    def _is_free(self, run: WorkflowRun, *, at_once: bool) -> bool:
        if run.state == "queued":
            return at_once or run.not_before <= self._database.clock.now()
        return run.worker != self._database.worker and self._database.dead(run.worker)

    def keep(self, run: WorkflowRun) -> bool:
        """Replace what is known of a run that this worker has claimed."""
        with self._database.transaction() as sql:
            held = sql.execute(
                "SELECT 1 FROM workflow_runs WHERE run=? AND worker=? AND attempts=? AND state='running'",
                (run.run, self._database.worker, run.attempts),
            ).fetchall()
            if held:
                self._write(run)
            return bool(held)

    def _write(self, run: WorkflowRun) -> None:
        sets = ", ".join(f"{column}=?" for column in _COLUMNS if column != "joined")
        values = [value for column, value in zip(_COLUMNS, _values(run), strict=True) if column != "joined"]
        with self._database.transaction() as sql:
            sql.execute(f"UPDATE workflow_runs SET {sets} WHERE run=?", (*values, run.run))

    def list(self, workflow: str | None = None, limit: int = 100) -> list[WorkflowRun]:
        """Newest first."""
        rows = self._database.whole_rows(
            "workflow_runs",
            "SELECT * FROM workflow_runs WHERE ? IS NULL OR workflow=? ORDER BY queued DESC, rowid DESC LIMIT ?",
            workflow,
            workflow,
            limit,
        )
        return [_run(row) for row in rows]

    def find(self, run: str) -> WorkflowRun | None:
        """One run."""
        rows = self._database.whole_rows("workflow_runs", "SELECT * FROM workflow_runs WHERE run=?", run)
        return _run(rows[0]) if rows else None

    def trim(self, before: float) -> int:
        """Forget runs that ended before a moment."""
        with self._database.transaction() as sql:
            gone = sql.execute(
                "DELETE FROM workflow_runs WHERE finished<? AND state IN ('finished', 'failed', 'skipped') "
                "AND run NOT IN (SELECT last FROM (SELECT run AS last, max(finished) FROM workflow_runs "
                "WHERE state IN ('finished', 'failed') GROUP BY workflow))",
                (before,),
            )
            return gone.rowcount


class Schedules:
    """How far schedules have been looked at; keeps the contract of `Schedules`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self, workflow: str, what: str) -> float | None:
        """The moment up to which they were looked at."""
        rows = self._rows(workflow, what)
        return float(rows[0]["last_due"]) if rows else None

    def after(self, workflow: str, what: str) -> int | None:
        """The event after which events count."""
        rows = self._rows(workflow, what)
        return int(rows[0]["after_event"]) if rows else None

    def _rows(self, workflow: str, what: str) -> list[sqlite3.Row]:
        return self._database.whole_rows(
            "schedules", "SELECT * FROM schedules WHERE schedule=? AND expression=?", workflow, what
        )

    def put(self, workflow: str, what: str, moment: float) -> None:
        """Remember the moment."""
        with self._database.transaction() as sql:
            sql.execute(
                "INSERT INTO schedules (schedule, expression, last_due, after_event) "
                "SELECT ?, ?, ?, coalesce(max(seq), 0) FROM sqlite_sequence WHERE name='events' "
                "ON CONFLICT (schedule) DO UPDATE SET last_due=excluded.last_due, expression=excluded.expression, "
                "after_event=CASE expression WHEN excluded.expression THEN after_event ELSE excluded.after_event END",
                (workflow, what, moment),
            )


def _values(run: WorkflowRun) -> tuple[object, ...]:
    """What is kept of a run; JSON is plain ASCII, because names of files may hold what no text can."""
    steps, cause = json.dumps([asdict(step) for step in run.steps]), json.dumps(run.cause)
    error = run.error and run.error.encode("utf-8", "backslashreplace").decode()
    kept = {**vars(run), "steps": steps, "cause": cause, "error": error, "catching_up": int(run.catching_up)}
    return tuple(kept[column] for column in _COLUMNS)


def _run(row: sqlite3.Row) -> WorkflowRun:
    kept = {column: row[column] for column in _COLUMNS}
    kept["steps"] = tuple(StepRecord(**step) for step in json.loads(row["steps"]))
    kept["cause"] = json.loads(row["cause"])
    kept["catching_up"] = bool(row["catching_up"])
    return WorkflowRun(**kept)
