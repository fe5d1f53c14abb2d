"""The workflows of a lake: what is due becomes runs, runs are worked on, and both can be looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.clock import Clock
from penstock.declaration.workflows import Workflow
from penstock.errors import WorkflowError
from penstock.naming import did_you_mean
from penstock.signals import Signals
from penstock.state import State, WorkflowRun
from penstock.workflow.chain import Firing, Planner, run_name
from penstock.workflow.program import ANCESTORS
from penstock.workflow.runner import Runner
from penstock.workflow.schedule import Timetable
from penstock.workflow.step import Doer

DRAIN_SECONDS = 30.0
LOOK_SECONDS = 0.5
"""How often one looks at a run that another process works on."""


@dataclass(frozen=True)
class Upcoming:
    """A time at which a workflow is due; `local` is what a clock in its time zone shows."""

    workflow: str
    moment: float
    local: str
    zone: str


class Workflows:
    """Attends to the workflows of a lake."""

    name = "workflows"

    def __init__(
        self,
        workflows: Mapping[str, Workflow],
        doers: Mapping[str, Doer],
        *,
        state: State,
        clock: Clock,
        signals: Signals,
    ) -> None:
        """Attend to these workflows; `doers` says what does each kind of action."""
        self.declared = workflows
        self._state, self._clock = state, clock
        self._planner = Planner(workflows, state=state, clock=clock, signals=signals)
        self._runner = Runner(workflows, doers, state=state, clock=clock, signals=signals)

    def attend(self) -> float | None:
        """Make runs of what is due, and have them worked on; gives the moment at which more will be due."""
        following = self._planner.plan()
        rested = self._runner.dispatch()
        return min((moment for moment in (following, rested) if moment is not None), default=None)

    def stop(self, seconds: float = DRAIN_SECONDS) -> bool:
        """Ask steps that are going to end, and wait; what is not done waits for the next process."""
        return self._runner.stop(seconds)

    def close(self) -> None:
        """Stop; a lake that is closed works on nothing."""
        self.stop()

    @property
    def busy(self) -> int:
        """How many runs this process works on."""
        return self._runner.busy

    # --- By hand ------------------------------------------------------------------------------

    def start(self, name: str) -> WorkflowRun:
        """Make a run by hand; it waits for its turn.

        Raises:
            WorkflowError: There is no such workflow, or it is going and may not overlap.
        """
        self._assert_declared(name)
        ancestors = [one for one in os.environ.get(ANCESTORS, "").split(",") if one]
        trigger, cause = f"hand {run_name(self._clock)}", {"ancestors": ancestors} if ancestors else {}
        run = self._planner.start(name, Firing(trigger, self._clock.now(), cause))
        if run is None or run.state == "skipped":
            reason = run.error if run is not None else "it was started already"
            hint = f"look at it with: penstock workflow runs; overlap of {name} is {self.declared[name].overlap}"
            raise WorkflowError(f"{name} was not started: {reason}", hint=hint)
        return run

    def finish(self, run: WorkflowRun) -> WorkflowRun:
        """Work on a run until its end, or watch it where another process does; gives it as it ended."""
        while True:
            taken = self._runner.take(run.run)
            now = self._runner.go_on(taken) if taken is not None else self._found(run.run)
            if now.state not in {"queued", "running"}:
                return now
            if self._runner.cancelled:
                return self._runner.drop(run.run) or now
            rest = now.not_before - self._clock.now() if now.state == "queued" else 0.0
            self._clock.sleep(min(rest, LOOK_SECONDS) if rest > 0 else LOOK_SECONDS)

    def cancel(self) -> None:
        """Have `finish` return soon: the run ends as stopped by hand, if this process works on it."""
        self._runner.cancel()

    def _found(self, run: str) -> WorkflowRun:
        found = self._state.workflows.find(run)
        if found is None:
            raise WorkflowError(f'no run "{run}"', hint="see: penstock workflow runs")
        return found

    def _assert_declared(self, name: str) -> None:
        if name not in self.declared:
            known = f"declared: {', '.join(self.declared)}" if self.declared else "lake.yaml declares no workflow yet"
            raise WorkflowError(f'no workflow "{name}" is declared{did_you_mean(name, self.declared)}', hint=known)

    # --- To look at ---------------------------------------------------------------------------

    def runs(self, name: str | None = None, limit: int = 100) -> list[WorkflowRun]:
        """Runs, newest first.

        Raises:
            WorkflowError: There is no such workflow.
        """
        runs = self._state.workflows.list(name, limit)
        if name is not None and not runs:
            self._assert_declared(name)
        return runs

    def find(self, run: str) -> WorkflowRun:
        """One run.

        Raises:
            WorkflowError: There is none of that name.
        """
        return self._found(run)

    def last(self, name: str) -> WorkflowRun | None:
        """The newest run of a workflow that was not left out."""
        return next((run for run in self._state.workflows.list(name, 100) if run.state != "skipped"), None)

    def upcoming(self, count: int, after: float | None = None) -> list[Upcoming]:
        """The next times of each workflow that has a schedule, at most `count` of each, in order."""
        start = self._clock.now() if after is None else after
        found = [
            Upcoming(name, moment, table.local(moment).isoformat(), self.declared[name].timezone)
            for name, table in self.timetables.items()
            for _, moment in zip(range(count), table.after(start), strict=False)
        ]
        return sorted(found, key=lambda one: (one.moment, one.workflow))

    @property
    def timetables(self) -> Mapping[str, Timetable]:
        """Schedules by workflow."""
        return self._planner.timetables
