"""From events and schedules to runs that are due.

All of it is planned in one transaction: what was looked at is remembered together with the runs that came of it. So
any number of processes may plan at any time, and whatever is due has one run, none is lost and none is doubled. A
workflow starts to count when a process first sees it as it is declared; what was before that starts nothing. Which
events were before is told by their numbers, because clocks are set.

A run that would be its own effect, because a workflow's end led to it through other workflows' ends, is left out. So is
what a schedule's policy leaves out. Both stand in the history with their reason.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from penstock.clock import Clock, iso
from penstock.declaration.chains import WORKFLOW_EVENTS, fits
from penstock.declaration.workflows import Workflow
from penstock.naming import TableName
from penstock.signals import Signals
from penstock.state import State, StepRecord, WorkflowRun
from penstock.state.events import Event
from penstock.workflow.overlap import Added, Decision, Joined, Skipped, decide
from penstock.workflow.schedule import Timetable, timetable

CONSUMER = "workflows"
BATCH = 1_000
IDLE_BATCH = 100
"""So many events are passed over at once where no workflow waits for any."""
CATCH_UP = 100
"""So many missed times are made up for before the next ones are looked at."""
LATE_SECONDS = 60.0
"""A moment that is noticed so much later was missed: nothing was there to notice it in time."""
DAY = 86_400.0
KEPT_SECONDS = 90 * DAY
"""How long runs are kept that have ended."""
NAMED_BY = {"scheduled": "workflow", "workflow": "workflow", "alarm": "alarm", "ok": "alarm"}
"""The fact by which an event that is about no table is known."""


@dataclass(frozen=True)
class Firing:
    """Something that starts a workflow.

    Attributes:
        cause: What is known of the event, and the workflows that led to it.
        more: Further triggers that it stands for.
    """

    trigger: str
    due: float
    cause: dict[str, Any] = field(default_factory=dict)
    catching_up: bool = False
    more: int = 0


class Planner:
    """Turns what happened, and what time it is, into runs."""

    def __init__(self, workflows: Mapping[str, Workflow], *, state: State, clock: Clock, signals: Signals) -> None:
        """Plan for these workflows."""
        self._workflows, self._state, self._clock, self._signals = workflows, state, clock, signals
        self._told: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._trimmed = 0.0

    @cached_property
    def timetables(self) -> dict[str, Timetable]:
        """Schedules by workflow, of those that have any."""
        return {
            name: timetable(workflow.expressions, workflow.timezone)
            for name, workflow in self._workflows.items()
            if workflow.expressions
        }

    def plan(self) -> float | None:
        """Make runs of everything that is due; gives the moment of the next schedule, None when there is none."""
        if self._has_work():
            with self._telling(), self._state.together():
                again = self._events() | self._schedules()
            self._trim()
            if again:
                return self._clock.now()
        return self._next()

    def _trim(self) -> None:
        """Forget old runs, once a day."""
        now = self._clock.now()
        if now - self._trimmed >= DAY:
            self._trimmed = now
            self._state.workflows.trim(now - KEPT_SECONDS)

    def start(self, name: str, firing: Firing) -> WorkflowRun | None:
        """Start a workflow by hand: a run of its own, one that waits, or one that says why it was left out."""
        with self._telling(), self._state.together():
            return self._fire(name, firing)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell what was left out once that is recorded."""
        with self._lock:
            self._told.clear()
            yield
            told = list(self._told)
        for facts in told:
            self._signals.announce("workflow_skipped", **facts)

    def _fire(self, name: str, firing: Firing) -> WorkflowRun | None:
        """Make a run of a workflow, unless the trigger has one or its policy says otherwise; gives what was kept."""
        workflow, now = self._workflows[name], self._clock.now()
        apart = workflow.overlap == "allow" or firing.catching_up
        decision: Decision = Added() if apart else decide(workflow.overlap, self._state.workflows.active(name))
        ancestors = firing.cause.get("ancestors", [])
        if name in ancestors:
            decision = Skipped(f"it would be its own effect: {' -> '.join([*ancestors, name])}")
        if isinstance(decision, Joined):
            self._state.workflows.join(decision.run, 1 + firing.more)
            return self._state.workflows.find(decision.run)
        steps = tuple(StepRecord(action.words) for action in workflow.actions)
        run = WorkflowRun(
            run=run_name(self._clock),
            workflow=name,
            trigger=firing.trigger,
            due=firing.due,
            state="queued",
            queued=now,
            steps=steps,
            joined=firing.more,
            catching_up=firing.catching_up,
            cause=firing.cause,
        )
        if isinstance(decision, Skipped):
            return self._skip(run, decision.reason)
        if not self._state.workflows.add(run):
            return None
        facts = {"workflow": name, "due": iso(run.due), "trigger": run.trigger, "run": run.run}
        self._state.events.add("scheduled", None, {**facts, "ancestors": ancestors})
        return run

    def _skip(self, run: WorkflowRun, reason: str) -> WorkflowRun | None:
        skipped = replace(run, state="skipped", error=reason, finished=run.queued)
        if not self._state.workflows.add(skipped):
            return None
        facts = {"workflow": run.workflow, "run": run.run, "trigger": run.trigger, "reason": reason}
        self._told.append({**facts, "times": 1 + run.joined})
        return skipped

    # --- What is there to plan ----------------------------------------------------------------

    def _has_work(self) -> bool:
        """Whether anything may be due, told without a transaction."""
        if any(self._starts_anew(self._since(name)) for name in self._workflows):
            return True
        enough = 1 if any(workflow.on is not None for workflow in self._workflows.values()) else IDLE_BATCH
        if len(self._state.events.after(self._state.events.cursor(CONSUMER), enough)) == enough:
            return True
        return any(moment is not None and moment <= self._clock.now() for moment in map(self._next_of, self.timetables))

    def _next(self) -> float | None:
        return min((moment for moment in map(self._next_of, self.timetables) if moment is not None), default=None)

    def _next_of(self, name: str) -> float | None:
        since, now = self._since(name), self._clock.now()
        moment = self.timetables[name].next(now if since is None or self._starts_anew(since) else since)
        return None if moment is not None and moment <= now and self._is_catching_up(name) else moment

    def _is_catching_up(self, name: str) -> bool:
        """Whether runs for times that were missed still wait; the end of each leads to a look at what is left."""
        active = self._state.workflows.active(name) if self._workflows[name].missed == "all" else []
        return any(run.catching_up for run in active)

    def _starts_anew(self, since: float | None) -> bool:
        """Whether a workflow counts from now on: it is seen first, or a clock went wrong and came back."""
        return since is None or since > self._clock.now() + DAY

    def _since(self, name: str) -> float | None:
        return self._state.schedules.since(name, _what(self._workflows[name]))

    # --- Schedules ----------------------------------------------------------------------------

    def _schedules(self) -> bool:
        """Fire what is due by the clock; True when there is more than is done at once."""
        more = False
        now = self._clock.now()
        for name, workflow in self._workflows.items():
            since = self._since(name)
            if since is None or self._starts_anew(since):
                self._state.schedules.put(name, _what(workflow), now)
            elif name in self.timetables:
                more |= self._due(name, workflow, since, now)
        return more

    def _due(self, name: str, workflow: Workflow, since: float, now: float) -> bool:
        table = self.timetables[name]
        if workflow.missed == "all":
            return self._catch_up(name, [] if self._is_catching_up(name) else table.between(since, now, CATCH_UP), now)
        moments = table.between(since, now, BATCH)
        if not moments:
            return False
        full = len(moments) == BATCH
        last = (table.last(since, now) if full else moments[-1]) or moments[-1]
        before = f"more than {BATCH:,}" if full else f"{len(moments) - 1:,}"
        fired = workflow.missed == "once" or now - last <= LATE_SECONDS
        if fired:
            self._fire(name, Firing(_trigger(last), last))
        self._leave_out(name, [moment for moment in moments if moment < last or not fired], before, fired=fired)
        self._state.schedules.put(name, _what(workflow), last)
        return False

    def _catch_up(self, name: str, moments: list[float], now: float) -> bool:
        """Fire for each of the moments."""
        for moment in moments:
            late = len(moments) > 1 or now - moment > LATE_SECONDS
            self._fire(name, Firing(_trigger(moment), moment, catching_up=late))
        if moments:
            self._state.schedules.put(name, _what(self._workflows[name]), moments[-1])
        return False

    def _leave_out(self, name: str, moments: list[float], before: str, *, fired: bool) -> None:
        """Note the times that nobody noticed and that have no run."""
        if not moments:
            return
        count = before if fired else f"{len(moments):,}"
        policy = "one run stands for them" if fired else "missed: skip leaves them out"
        reason = f"{count} missed, from {iso(moments[0])} on, while no penstock up ran; {policy}"
        run = WorkflowRun(
            run=run_name(self._clock),
            workflow=name,
            trigger=_trigger(moments[0]),
            due=moments[0],
            state="skipped",
            queued=self._clock.now(),
            joined=len(moments) - 1,
        )
        self._skip(run, reason)

    # --- Events -------------------------------------------------------------------------------

    def _events(self) -> bool:
        """Fire what events start; True when there are more than are looked at at once."""
        events = self._state.events.after(self._state.events.cursor(CONSUMER), BATCH)
        if not events:
            return False
        for name, workflow in self._workflows.items():
            after = self._state.schedules.after(name, _what(workflow))
            if workflow.on is not None and after is not None:
                patterns = workflow.on.patterns
                self._start(name, [one for one in events if one.sequence > after and _starts(patterns, one)])
        self._state.events.advance(CONSUMER, events[-1].sequence)
        return len(events) == BATCH

    def _start(self, name: str, events: list[Event]) -> None:
        """Fire a workflow for events: a run for each where runs may overlap, else one that stands for all."""
        causes = [(event, _cause(event)) for event in events]
        own = [(event, cause) for event, cause in causes if name in cause["ancestors"]]
        rest = [(event, cause) for event, cause in causes if name not in cause["ancestors"]]
        for group in (own, rest):
            if self._workflows[name].overlap == "allow":
                for event, cause in group:
                    self._fire(name, Firing(f"event {event.sequence}", event.at, cause))
            elif group:
                event, cause = group[0]
                self._fire(name, Firing(f"event {event.sequence}", event.at, cause, more=len(group) - 1))


def _starts(patterns: Mapping[str, list[str]], event: Event) -> bool:
    key: str = event.name
    if event.name == "workflow":
        state = event.facts.get("state")
        if state not in {"finished", "failed"}:
            return False
        key = "workflow" if state == "finished" else "workflow_failed"
    name = str(event.facts.get(NAMED_BY[event.name])) if event.name in NAMED_BY else str(event.table or "")
    return any(fits(pattern, name) for pattern in patterns.get(key, ()))


def _cause(event: Event) -> dict[str, Any]:
    """What a run keeps of the event that started it."""
    ancestors = list(event.facts.get("ancestors", []))
    if event.name in WORKFLOW_EVENTS:
        ancestors = [*ancestors, str(event.facts.get("workflow"))]
    plain = {name: value for name, value in event.facts.items() if isinstance(value, str | int | float | bool)}
    table = str(event.table) if isinstance(event.table, TableName) else None
    return {"event": event.name, "sequence": event.sequence, "table": table, "facts": plain, "ancestors": ancestors}


def _trigger(moment: float) -> str:
    return f"schedule {iso(moment)}"


def _what(workflow: Workflow) -> str:
    """What is declared of a workflow's triggers; when that changes, it counts from then on."""
    on = workflow.on.patterns if workflow.on else {}
    return json.dumps([workflow.timezone, workflow.texts, on], ensure_ascii=False)


def run_name(clock: Clock) -> str:
    """A name for a run that sorts by time."""
    return f"{datetime.fromtimestamp(clock.now(), tz=UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
