"""What a declaration says of workflows: what starts them, what they do in which order, and what happens when they fail.

What no single workflow sees, names of tables and other workflows, and chains that would never end, is looked at in
`penstock.declaration.chains`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from penstock.declaration.retry import Patience, Retry, patience_of
from penstock.declaration.schedule import Expression, parse_cron, parse_schedule
from penstock.declaration.strict import Strict
from penstock.declaration.upkeep import Duration, seconds_of
from penstock.naming import did_you_mean

ALL = "all"
TABLE_ACTIONS = ("refresh", "reprocess", "maintain", "verify")
NAMED_ACTIONS = (*TABLE_ACTIONS, "save")
"""Actions that are about tables, or queries, by name."""
ACTIONS = (*NAMED_ACTIONS, "notify", "exec")
PATIENCE = Retry(attempts=3, wait="30s", backoff=2.0, jitter=0.0, max_wait="1h")
"""How a step is tried where nothing else is declared: again after 30 seconds, and after a minute."""
TIMEOUT = "1h"

Overlap = Literal["queue", "skip", "allow"]
Missed = Literal["once", "skip", "all"]


def _cron(text: str) -> str:
    parse_cron(text)
    return text


def _schedule(text: str) -> str:
    parse_schedule(text)
    return text


def _zone(name: str) -> str:
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = did_you_mean(name, available_timezones())
        message = f'"{name}" is not a time zone{near or "; zones are called like Europe/Paris, or UTC"}'
        raise ValueError(message) from None
    return name


CronText = Annotated[str, AfterValidator(_cron)]
ScheduleText = Annotated[str, AfterValidator(_schedule)]
Text = Annotated[str, Field(min_length=1)]
Names = Text | Annotated[list[Text], Field(min_length=1)]


class On(Strict):
    """Events that start a workflow; each key takes a name, a glob such as `sales.*`, or a list of them."""

    arrived: Names | None = None
    """Files landed for one of these tables."""
    committed: Names | None = Field(default=None, examples=[["orders", "returns"]])
    """A run of one of these tables ended well."""
    failed: Names | None = None
    """An attempt to process a file of one of these tables failed, and will be made again."""
    dead: Names | None = Field(default=None, examples=["*"])
    """A file of one of these tables ended as a dead letter."""
    breached: Names | None = None
    """Rows of one of these tables broke a check."""
    recovered: Names | None = None
    """A file of one of these tables that was dead is in now."""
    replayed: Names | None = None
    """A dead letter of one of these tables was asked to try again."""
    discarded: Names | None = None
    """A dead letter of one of these tables was given up on purpose."""
    scheduled: Names | None = None
    """One of these workflows became due."""
    workflow: Names | None = Field(default=None, examples=["nightly"])
    """One of these workflows finished."""
    workflow_failed: Names | None = None
    """One of these workflows failed."""
    alarm: Names | None = Field(default=None, examples=["disk"])
    """One of these alarms was raised."""
    ok: Names | None = None
    """One of these alarms is over."""

    @model_validator(mode="after")
    def _says_something(self) -> On:
        if not self.patterns:
            message = "names no event"
            raise ValueError(message)
        return self

    @property
    def patterns(self) -> dict[str, list[str]]:
        """Names and globs by event."""
        said = {event: getattr(self, event) for event in type(self).model_fields}
        return {event: [one] if isinstance(one, str) else one for event, one in said.items() if one is not None}


class Notify(Strict):
    """A message to people."""

    text: str = Field(min_length=1, max_length=2_000, examples=["the figures of the night are in"])
    """What is said."""


class Action(Strict):
    """One thing that is done."""

    refresh: Names | None = Field(default=None, examples=["all"])
    """Process the files that wait for these tables: `all`, a table, or a list."""
    reprocess: Names | None = Field(default=None, examples=[["orders"]])
    """Process all files of these tables again."""
    maintain: Names | None = Field(default=None, examples=["all"])
    """Join small data files of these tables, expire snapshots, remove files that nothing names."""
    verify: Names | None = Field(default=None, examples=["all"])
    """Check everything that can be checked of these tables; a finding fails the step."""
    save: Names | None = Field(default=None, examples=["all"])
    """Ask these saved queries and keep their rows in the zone enriched: `all`, a query, or a list."""
    notify: Notify | None = None
    """Tell people, through the notices that carry the event `workflow`."""
    exec_: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, alias="exec", examples=[["./publish.sh", "--all"]]
    )
    """Start a program with arguments, as they stand, without a shell; needs `allow_exec`."""
    environment: dict[str, str] = Field(default={}, examples=[{"API_TOKEN": "${API_TOKEN}"}])
    """For `exec`: variables that the program gets beside PATH, HOME, the language and Penstock's own."""
    timeout: Duration | None = Field(default=None, examples=["30m"])
    """How long one attempt may take; 1h when left out."""
    retry: Retry = Retry()
    """How often a step is tried; three times when left out, with rests of 30 seconds and a minute."""

    @property
    def action(self) -> str | None:
        """What is done; None when nothing is said."""
        return next((name for name in ACTIONS if self._said(name) is not None), None)

    @property
    def named(self) -> list[str]:
        """The tables or queries that it is about, as they are written; `all` for all of them."""
        said = getattr(self, self.action or "") if self.action in NAMED_ACTIONS else []
        return [said] if isinstance(said, str) else said

    @property
    def tables(self) -> list[str]:
        """The tables that it is about, as they are written; `all` for all of them."""
        return self.named if self.action in TABLE_ACTIONS else []

    @property
    def words(self) -> str:
        """The step as it is shown: `refresh orders, returns`, `exec ./publish.sh`."""
        if self.action in NAMED_ACTIONS:
            return f"{self.action} {', '.join(self.named)}"
        return f"exec {self.exec_[0]}" if self.exec_ else str(self.action)

    def _said(self, name: str) -> Any:
        return getattr(self, "exec_" if name == "exec" else name)

    def assert_one(self, least: int, where: str) -> None:
        """Make sure that at most one thing is done, and at least `least`.

        Raises:
            ValueError: It is not so.
        """
        found = [name for name in ACTIONS if self._said(name) is not None]
        if len(found) > 1:
            message = f"{where} does one thing, found {' and '.join(found)}; write several below steps, in order"
            raise ValueError(message)
        if len(found) < least:
            message = f"{where} does nothing; give it one of {', '.join(ACTIONS)}"
            raise ValueError(message)
        if self.environment and found != ["exec"]:
            message = "environment goes with exec"
            raise ValueError(message)


class WorkflowStep(Action):
    """One step of a workflow; does exactly one thing."""

    @model_validator(mode="after")
    def _exactly_one(self) -> WorkflowStep:
        self.assert_one(1, "a step")
        return self


class Workflow(Action):
    """What runs together: steps in order, or one thing to do written right here."""

    description: str | None = None
    """One sentence for people."""
    cron: CronText | Annotated[list[CronText], Field(min_length=1)] | None = Field(default=None, examples=["0 2 * * *"])
    """When it starts: cron's five fields, or a list of such."""
    schedule: ScheduleText | Annotated[list[ScheduleText], Field(min_length=1)] | None = Field(
        default=None, examples=["rate(5 minutes)"]
    )
    """When it starts, as EventBridge writes it: `cron(0 2 * * ? *)` or `rate(5 minutes)`, or a list of such."""
    timezone: Annotated[str, AfterValidator(_zone)] = Field(default="UTC", examples=["Europe/Paris"])
    """The time zone of `cron` and `schedule`."""
    on: On | None = None
    """Events that start it."""
    steps: list[WorkflowStep] = Field(default=[])
    """What is done, in order; a step that fails ends the run."""
    overlap: Overlap = "queue"
    """What happens when it is due while a run of it is going: `queue` lets one run wait, which stands for all that come
    meanwhile; `skip` leaves it out; `allow` runs both at once."""
    missed: Missed = "once"
    """What happens to times that passed while no `penstock up` ran: `once` makes up for them with one run, `skip`
    leaves them out, `all` runs each of them."""

    @model_validator(mode="after")
    def _does_something(self) -> Workflow:
        if self.steps and self.action is not None:
            message = f"{self.action} stands beside steps; move it into steps, at its place in the order"
            raise ValueError(message)
        self.assert_one(0 if self.steps else 1, "a workflow without steps")
        if self.timezone != "UTC" and not self.expressions:
            message = "timezone goes with cron or schedule"
            raise ValueError(message)
        if "missed" in self.model_fields_set and not self.expressions:
            message = "missed goes with cron or schedule"
            raise ValueError(message)
        if self.steps and self.timeout is not None:
            message = "timeout is a step's; write it in the steps"
            raise ValueError(message)
        return self

    @property
    def actions(self) -> list[Action]:
        """What is done, in order."""
        return [*self.steps] if self.steps else [self]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """When it starts by itself."""
        return (*map(parse_cron, _listed(self.cron)), *map(parse_schedule, _listed(self.schedule)))

    @property
    def texts(self) -> tuple[str, ...]:
        """When it starts by itself, as it is written."""
        return (*_listed(self.cron), *_listed(self.schedule))

    def patience(self, action: Action) -> Patience:
        """How often one of its steps is tried, and how long it rests in between."""
        return patience_of(PATIENCE, self.retry, action.retry)


def timeout_of(action: Action) -> float:
    """How many seconds one attempt of a step may take."""
    return seconds_of(action.timeout or TIMEOUT)


def _listed(said: str | list[str] | None) -> list[str]:
    return [said] if isinstance(said, str) else said or []
