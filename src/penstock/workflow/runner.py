"""Runs workflows: step after step, tried again as declared, each in a thread of its own beside the road of files.

Every change of a run is written down before the next thing is done. A step that has to rest gives its run back with the
moment at which it may go on, so that a rest outlives the process and costs no thread. When a process is killed, another
one takes the run up at the step at which it stood; the attempt counts as failed. Steps can be done twice without harm.
So it is where a change could not be written down: the run is given back as soon as that can be written.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from penstock.clock import Clock
from penstock.declaration.workflows import Action, Workflow, timeout_of
from penstock.errors import PenstockError, StepRefusedError
from penstock.redaction import redacted
from penstock.signals import Signals
from penstock.state import State, StepRecord, WorkflowRun
from penstock.workflow.step import Attempt, Doer, Halt, Outcome

log = logging.getLogger("penstock.workflow")

MOST_AT_ONCE = 4
MILLISECONDS = 1_000
DIED = "the process that worked on it ended"
BY_HAND = "stopped by hand"
AGAIN_SECONDS = 5.0
"""How long a run rests whose change could not be written down."""


class Runner:
    """Takes up runs that may go on, and does their steps."""

    def __init__(
        self,
        workflows: Mapping[str, Workflow],
        doers: Mapping[str, Doer],
        *,
        state: State,
        clock: Clock,
        signals: Signals,
    ) -> None:
        """Do the actions of these workflows; `doers` does each kind of action."""
        self._workflows, self._doers = workflows, doers
        self._state, self._clock, self._signals = state, clock, signals
        self._overlapping = {name for name, workflow in workflows.items() if workflow.overlap == "allow"}
        self._chance = random.Random()  # noqa: S311 - spreads attempts, guards nothing
        self._threads: set[threading.Thread] = set()
        self._halts: set[Halt] = set()
        self._broken: dict[str, tuple[WorkflowRun, str]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self.cancelled = False

    # --- Threads ------------------------------------------------------------------------------

    def dispatch(self) -> float | None:
        """Start threads for runs that may go on; gives the moment at which the next run has rested."""
        self._mend()
        while not self._stopping.is_set():
            with self._lock:
                if len(self._threads) >= MOST_AT_ONCE:
                    break
                run = self._state.workflows.claim(self._overlapping)
                if run is None:
                    break
                thread = threading.Thread(target=self._thread, args=(run,), name=f"penstock-{run.run}", daemon=True)
                self._threads.add(thread)
            thread.start()
        now = self._clock.now()
        resting = [run.not_before for run in self._state.workflows.active() if run.state == "queued"]
        return min((moment for moment in resting if moment > now), default=None)

    def _thread(self, run: WorkflowRun) -> None:
        try:
            self.go_on(run)
        except Exception as error:
            log.exception("the workflow run %s could not be worked on", run.run)
            with self._lock:
                self._broken[run.run] = run, redacted(f"{type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
            self._signals.announce("rung")  # whoever calls at the right time asks anew when that is
            if not self._stopping.is_set():
                self._dispatch_quietly()

    def _mend(self) -> None:
        """Give back runs whose thread ended with an error; those that cannot be given back now stay for the next time.

        Nobody else takes them up: this process is alive.
        """
        with self._lock:
            for name, (claimed, reason) in list(self._broken.items()):
                found = self._state.workflows.find(name)
                if found is not None:
                    steps = tuple(_broken_off(step, reason) for step in found.steps)
                    rested = self._clock.now() + AGAIN_SECONDS
                    again = replace(found, attempts=claimed.attempts, steps=steps, state="queued", not_before=rested)
                    self._state.workflows.keep(again)  # unless it has ended, or another process has it by now
                del self._broken[name]

    def _dispatch_quietly(self) -> None:
        try:
            self.dispatch()
        except Exception:
            log.exception("no further workflow run could be taken up")

    def stop(self, seconds: float) -> bool:
        """Ask what is going to end, and wait for it; False when something did not end in time.

        What is not done waits for the next process.
        """
        self._stopping.set()
        with self._lock:
            halts, threads = list(self._halts), list(self._threads)
        for halt in halts:
            halt.stop()
        until = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in threads)

    def cancel(self) -> None:
        """Let what this process works on by hand end as failed, soon."""
        self.cancelled = True
        with self._lock:
            halts = list(self._halts)
        for halt in halts:
            halt.stop()

    @property
    def busy(self) -> int:
        """How many runs this process works on."""
        with self._lock:
            return len(self._threads)

    # --- One run ------------------------------------------------------------------------------

    def take(self, run: str) -> WorkflowRun | None:
        """Claim a certain run; None when it may not go on now."""
        return self._state.workflows.claim(self._overlapping, run)

    def drop(self, run: str) -> WorkflowRun | None:
        """End a run that waits or rests; None when another process works on it."""
        taken = self._state.workflows.claim((), run, at_once=True)
        return None if taken is None else self._end(taken, BY_HAND)

    def go_on(self, run: WorkflowRun) -> WorkflowRun:
        """Do what is left of a run that this process has claimed; gives what became of it."""
        workflow = self._workflows.get(run.workflow)
        actions = workflow.actions if workflow is not None else []
        words = [action.words for action in actions]
        self._announce("workflow_started", run, attempt=run.attempts)
        if workflow is None:
            return self._end(run, "it is not declared any more")
        if words != [step.words for step in run.steps]:
            return self._end(run, "its steps are declared otherwise than when it became due")
        for at, action in enumerate(actions):
            if run.steps[at].state == "finished":
                continue
            run, going_on = self._step(run, at, action, workflow)
            if not going_on:
                return run
        return self._end(run, None)

    def _step(self, run: WorkflowRun, at: int, action: Action, workflow: Workflow) -> tuple[WorkflowRun, bool]:
        """Try a step once; False when the run does not go on now."""
        patience = workflow.patience(action)
        step = run.steps[at]
        if step.state in {"running", "failed"} and step.attempts >= patience.attempts:
            reason = DIED if step.state == "running" else step.error
            return self._end(
                _with(run, at, replace(step, state="failed", error=reason)), f"{step.words}: {reason}"
            ), False
        step = replace(step, state="running", attempts=step.attempts + 1, started=self._clock.now(), finished=None)
        run = self._keep(_with(run, at, step))
        halt = Halt(timeout_of(action))
        error: PenstockError | None = None
        outcome: Outcome = {}
        try:
            outcome = self._attempt(run, at, action, halt)
        except PenstockError as failure:
            error = failure
        except Exception as failure:  # noqa: BLE001 - whatever a step does, the run says so
            error = PenstockError(f"{type(failure).__name__}: {failure}")
        if halt.timed_out:
            error = PenstockError(f"took longer than {action.timeout or '1h'}")
        if error is None:
            done = replace(step, state="finished", finished=self._clock.now(), error=None, outcome=outcome)
            facts = {"step": step.words, "state": "finished", "attempt": step.attempts, "outcome": outcome}
            self._announce("workflow_step", run, **facts)
            return self._keep(_with(run, at, done)), True
        if halt.stopping and not halt.timed_out:
            return (self._cancelled(run, at, step) if self.cancelled else self._give_back(run, at, step)), False
        return self._failed(run, at, step, error, patience.attempts, patience.delay(step.attempts, self._chance)), False

    def _attempt(self, run: WorkflowRun, at: int, action: Action, halt: Halt) -> Outcome:
        with self._lock:
            self._halts.add(halt)
        if self._stopping.is_set() or self.cancelled:
            halt.stop()
        halt.begin()
        try:
            halt.check()
            return self._doers[str(action.action)](Attempt(action, run, halt, at))
        finally:
            halt.end()
            with self._lock:
                self._halts.discard(halt)

    def _failed(
        self, run: WorkflowRun, at: int, step: StepRecord, error: PenstockError, most: int, delay: float
    ) -> WorkflowRun:
        """Let the run rest and try the step again, or end it."""
        now = self._clock.now()
        reason = _line(error)
        failed = replace(step, state="failed", finished=now, error=reason)
        final = isinstance(error, StepRefusedError) or step.attempts >= most
        facts = {"step": step.words, "state": "failed", "attempt": step.attempts, "reason": reason}
        self._announce("workflow_step", run, **facts, retry_in=None if final else delay)
        if final:
            return self._end(_with(run, at, failed), f"{step.words}: {reason}")
        waiting = replace(_with(run, at, replace(failed, state="waiting")), state="queued", not_before=now + delay)
        return self._keep(waiting)

    def _give_back(self, run: WorkflowRun, at: int, step: StepRecord) -> WorkflowRun:
        """The process stops: the attempt was nobody's fault and does not count."""
        waiting = replace(step, state="waiting", attempts=step.attempts - 1)
        return self._keep(replace(_with(run, at, waiting), state="queued", not_before=0.0))

    def _cancelled(self, run: WorkflowRun, at: int, step: StepRecord) -> WorkflowRun:
        failed = replace(step, state="failed", finished=self._clock.now(), error=BY_HAND)
        return self._end(_with(run, at, failed), BY_HAND)

    def _end(self, run: WorkflowRun, reason: str | None) -> WorkflowRun:
        """Note how a run ended, together with the event that says so."""
        now = self._clock.now()
        state = "finished" if reason is None else "failed"
        ended = replace(run, state="finished" if reason is None else "failed", finished=now, error=reason)
        duration = round((now - (run.started or now)) * MILLISECONDS)
        facts = {"workflow": run.workflow, "run": run.run, "state": state, "reason": reason, "duration_ms": duration}
        more = {"trigger": run.trigger, "ancestors": run.cause.get("ancestors", [])}
        with self._state.together():
            if not self._state.workflows.keep(ended):
                return ended
            self._state.events.add("workflow", None, {**facts, **more})
        self._announce("workflow_ended", ended, state=state, reason=reason, duration_ms=duration)
        return ended

    def _keep(self, run: WorkflowRun) -> WorkflowRun:
        if not self._state.workflows.keep(run):
            message = f"another process has taken over the workflow run {run.run}"
            raise PenstockError(message)
        return run

    def _announce(self, event: str, run: WorkflowRun, **facts: object) -> None:
        self._signals.announce(event, workflow=run.workflow, run=run.run, **facts)


def _line(error: PenstockError) -> str:
    """An error in one line, with its next step."""
    where = f"{error.where}: " if error.where else ""
    return redacted(where + error.what + (f"; {error.hint}" if error.hint else "")).replace("\n", "; ")


def _broken_off(step: StepRecord, reason: str) -> StepRecord:
    """A step of which nobody knows how it went: the attempt counts."""
    return replace(step, state="failed", error=reason) if step.state == "running" else step


def _with(run: WorkflowRun, at: int, step: StepRecord) -> WorkflowRun:
    return replace(run, steps=(*run.steps[:at], step, *run.steps[at + 1 :]))
