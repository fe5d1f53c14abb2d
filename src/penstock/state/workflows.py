"""Runs of workflows, and how far schedules have been looked at, as the state store keeps them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

WorkflowState = Literal["queued", "running", "finished", "failed", "skipped"]
StepState = Literal["waiting", "running", "finished", "failed"]


@dataclass(frozen=True)
class StepRecord:
    """How far one step of a run is.

    Attributes:
        words: The step as it is shown; a run goes on only with the same steps.
        attempts: How often it was begun.
        error: Why its last attempt failed.
        outcome: What came of it; values are JSON.
    """

    words: str
    state: StepState = "waiting"
    attempts: int = 0
    started: float | None = None
    finished: float | None = None
    error: str | None = None
    outcome: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkflowRun:
    """One run of a workflow, from the moment that it is due.

    Attributes:
        trigger: What started it: `schedule 2026-11-21T02:00:00.000Z`, `event 1234`, `hand ...`; there is one run for
            each trigger of a workflow, whoever noticed it.
        due: When it was to start, seconds since 1970.
        attempts: How often a process took it up.
        error: Why it failed, or was skipped.
        not_before: It rests until then.
        joined: Further triggers that it stands for.
        catching_up: Whether it makes up for a time that passed while nothing ran.
        cause: What is known of the event that started it, and the workflows that led to it; values are JSON.
    """

    run: str
    workflow: str
    trigger: str
    due: float
    state: WorkflowState
    queued: float
    attempts: int = 0
    started: float | None = None
    finished: float | None = None
    worker: str = ""
    steps: tuple[StepRecord, ...] = ()
    error: str | None = None
    not_before: float = 0.0
    joined: int = 0
    catching_up: bool = False
    cause: dict[str, Any] = field(default_factory=dict)

    @property
    def begun(self) -> bool:
        """Whether it is not yet at its end, and no longer only waits for its turn."""
        return self.state == "running" or (self.state == "queued" and self.attempts > 0)


class WorkflowRuns(Protocol):
    """Runs of workflows. Every call is one transaction, or part of the one at hand."""

    def add(self, run: WorkflowRun) -> bool:
        """Keep a new run, once for each trigger of its workflow; False, and nothing is kept, when it is there."""

    def join(self, run: str, more: int = 1) -> None:
        """Note that a run that waits stands for further triggers."""

    def active(self, workflow: str | None = None) -> list[WorkflowRun]:
        """Runs that are queued or running, oldest first."""

    def claim(
        self, overlapping: Collection[str], run: str | None = None, *, at_once: bool = False
    ) -> WorkflowRun | None:
        """Take the oldest run that may go on to this worker, or a certain one; None when there is none.

        A run may go on when it is queued and has rested, or when the process that had it has ended. Of a workflow
        that is not in `overlapping`, no run may go on while another has begun. A run that is taken `at_once`, to end
        it, need not have rested, whatever other runs do.
        """

    def keep(self, run: WorkflowRun) -> bool:
        """Replace what is known of a run that this worker has claimed; False, and nothing is kept, when it is not."""

    def list(self, workflow: str | None = None, limit: int = 100) -> list[WorkflowRun]:
        """Newest first."""

    def find(self, run: str) -> WorkflowRun | None:
        """One run; None when there is none of that name."""

    def trim(self, before: float) -> int:
        """Forget runs that ended before a moment, but for the last one of each workflow; gives their number."""


class Schedules(Protocol):
    """How far the schedules and events of each workflow have been looked at."""

    def since(self, workflow: str, what: str) -> float | None:
        """The moment up to which they were looked at; None when they were never, or were declared otherwise."""

    def after(self, workflow: str, what: str) -> int | None:
        """The event after which events count; None when it was never looked at, or was declared otherwise."""

    def put(self, workflow: str, what: str, moment: float) -> None:
        """Remember the moment; `what` is what is declared. Events count after the newest when that is first seen."""
