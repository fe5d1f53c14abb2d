"""What a declaration says of alarms: what is watched, when that is too much, and how long it must last.

An alarm has exactly one kind. The declaration as a whole is looked at here, too: names of tables and of workflows that
an alarm speaks of must be there, and only alarms that there are without being declared can be switched off.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from penstock.declaration.parse import Document
from penstock.declaration.strict import Strict
from penstock.declaration.upkeep import Duration, Size, bytes_of, seconds_of
from penstock.errors import Problem
from penstock.naming import TableName, did_you_mean

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Names = Annotated[list[str], Field(min_length=1)]
BESIDE = ("tables", "for", "recover_after")
"""Keys of an alarm beside its kind."""
WHOLE_LAKE = ("disk", "failed_workflow", "undelivered")
"""Kinds that are about no table."""
LONGEST_SECONDS = 7 * 86_400.0
"""How far back failed attempts can be counted: as long as events are kept."""
NAME = re.compile(r"^[a-z][a-z0-9_]*$")
GLOB = re.compile(r"[*?\[]")


class DeadLetters(Strict):
    """Files that failed all their attempts wait for a decision."""

    at_least: Count = 1
    """So many."""


class ErrorRate(Strict):
    """Of the attempts to process files, many fail."""

    above: Share = Field(examples=[0.1])
    """The share of attempts, from 0 to 1, that may fail."""
    clear_below: Share | None = Field(default=None, examples=[0.05])
    """The share below which all is well again; `above` when left out."""
    within: Duration = Field(default="1h", examples=["1h"])
    """How far back attempts count; 7d at most."""
    attempts: Count = Field(default=1, examples=[20])
    """How many attempts there must be for their share to mean something."""

    @model_validator(mode="after")
    def _band(self) -> ErrorRate:
        if self.clear_below is not None and self.clear_below > self.above:
            message = f"clear_below ({self.clear_below:g}) must not be over above ({self.above:g})"
            raise ValueError(message)
        if seconds_of(self.within) > LONGEST_SECONDS:
            message = f"within ({self.within}) must be at most 7d: failed attempts are remembered for a week"
            raise ValueError(message)
        return self


class LongRuns(Strict):
    """Runs take long."""

    above: Duration = Field(examples=["30s"])
    """How long they may take."""
    clear_below: Duration | None = Field(default=None, examples=["20s"])
    """The time below which all is well again; `above` when left out."""
    within: Duration = Field(default="1h", examples=["1h"])
    """How far back runs count."""
    of: Literal["max", "p95"] = "max"
    """What is compared: the longest run, or the 95th percentile of all."""

    @model_validator(mode="after")
    def _band(self) -> LongRuns:
        if self.clear_below is not None and seconds_of(self.clear_below) > seconds_of(self.above):
            message = f"clear_below ({self.clear_below}) must not be over above ({self.above})"
            raise ValueError(message)
        return self


class OldestWaiting(Strict):
    """A file waits and nobody takes it."""

    older_than: Duration = Field(examples=["10m"])
    """How long a file may wait."""


class Freshness(Strict):
    """A table has not been committed to; each table has a state of its own."""

    older_than: Duration = Field(examples=["2h"])
    """How long ago the last commit of rows may be."""


class DiskSpace(Strict):
    """A disk that the lake writes to is nearly full."""

    below: Size | None = Field(default=None, examples=["1GB"])
    """The least room that must be free; where `penstock up` pauses, when left out."""
    clear_above: Size | None = Field(default=None, examples=["2GB"])
    """The room above which all is well again; `below` when left out."""

    @model_validator(mode="after")
    def _band(self) -> DiskSpace:
        if self.clear_above is not None and (self.below is None or bytes_of(self.clear_above) < bytes_of(self.below)):
            message = f"clear_above ({self.clear_above}) goes with a below that is not over it"
            raise ValueError(message)
        return self


class Breaches(Strict):
    """Rows break checks."""

    at_least: Count = Field(default=1, examples=[100])
    """So many breaches."""
    within: Duration = Field(default="1h", examples=["1d"])
    """How far back they count."""


class Undelivered(Strict):
    """Messages to people could not be delivered and were given up."""

    at_least: Count = 1
    """So many."""
    within: Duration = Field(default="1d", examples=["1d"])
    """How far back they count."""


class Alarm(Strict):
    """Something that is watched; has exactly one kind beside `tables`, `for` and `recover_after`."""

    dead_letters: DeadLetters | None = Field(default=None, examples=[{"at_least": 5}])
    """Files that failed all their attempts wait for a decision."""
    error_rate: ErrorRate | None = Field(default=None, examples=[{"above": 0.1, "within": "1h"}])
    """Of the attempts to process files, many fail."""
    duration: LongRuns | None = Field(default=None, examples=[{"above": "30s", "of": "p95"}])
    """Runs take long."""
    oldest_waiting: OldestWaiting | None = Field(default=None, examples=[{"older_than": "10m"}])
    """A file waits and nobody takes it."""
    freshness: Freshness | None = Field(default=None, examples=[{"older_than": "2h"}])
    """A table has not been committed to."""
    failed_workflow: str | Names | None = Field(default=None, examples=["daily"])
    """The last run of one of these workflows failed."""
    disk: DiskSpace | None = Field(default=None, examples=[{"below": "1GB"}])
    """A disk that the lake writes to is nearly full."""
    breaches: Breaches | None = Field(default=None, examples=[{"at_least": 100, "within": "1d"}])
    """Rows break checks."""
    undelivered: Undelivered | None = Field(default=None, examples=[{"at_least": 1, "within": "1d"}])
    """Messages to people could not be delivered and were given up."""
    tables: Names | None = Field(default=None, examples=[["sales.*"]])
    """The tables it is about, by name or glob; all when left out."""
    for_: Duration | None = Field(default=None, alias="for", examples=["5m"])
    """How long it must last until there is an alarm; no time when left out."""
    recover_after: Duration | None = Field(default=None, examples=["10m"])
    """How long all must be well again until the alarm ends; no time when left out."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Alarm:
        kinds = self.model_fields_set - {"tables", "for_", "recover_after"}
        if len(kinds) != 1:
            message = f"an alarm has exactly one kind, found {', '.join(sorted(kinds)) or 'none'}; kinds: {_KINDS}"
            raise ValueError(message)
        if self.body is None:
            message = f"nothing stands under {self.kind}"
            raise ValueError(message)
        if self.kind in WHOLE_LAKE and self.tables is not None:
            message = f"{self.kind} is about no table: leave out `tables`"
            raise ValueError(message)
        return self

    @property
    def kind(self) -> str:
        """What is watched."""
        return next(name for name in self.model_fields_set if name not in {"tables", "for_", "recover_after"})

    @property
    def body(self) -> Any:
        """What stands under the kind."""
        return getattr(self, self.kind)

    @property
    def workflows(self) -> list[str]:
        """The workflows it is about."""
        named = self.failed_workflow or []
        return [named] if isinstance(named, str) else named


KINDS = tuple(name for name in Alarm.model_fields if name not in {"tables", "for_", "recover_after"})
_KINDS = ", ".join(KINDS)
DEFAULTS: dict[str, Alarm] = {
    "dead_letters": Alarm(dead_letters=DeadLetters()),
    "disk": Alarm(disk=DiskSpace()),
}
"""Alarms that there are without being declared; `false` switches one off."""


def alarms_in_force(declared: Mapping[str, Alarm | bool]) -> dict[str, Alarm]:
    """Every alarm by its name: the defaults that are not switched off, and those that are declared."""
    off = {name for name, alarm in declared.items() if alarm is False}
    own = {name: alarm for name, alarm in declared.items() if isinstance(alarm, Alarm)}
    return {name: alarm for name, alarm in {**DEFAULTS, **own}.items() if name not in off}


def chosen_tables(patterns: Collection[str] | None, tables: Collection[TableName]) -> list[TableName]:
    """The tables that names and globs choose, in the order declared; all when nothing is said."""
    return [name for name in tables if patterns is None or any(_is_meant(pattern, name) for pattern in patterns)]


def _is_meant(pattern: str, name: TableName) -> bool:
    return TableName.parse(pattern) == name or fnmatchcase(str(name), pattern)


# --- What no single model sees ----------------------------------------------------------------


def alarm_problems(document: Document) -> Iterator[Problem]:
    """Check names of alarms, and that the tables and workflows which they name are there."""
    whole = document.value if isinstance(document.value, dict) else {}
    alarms = whole.get("alarms")
    for name, alarm in alarms.items() if isinstance(alarms, dict) else ():
        path = ("alarms", name)
        if not NAME.match(name):
            rule = "an alarm is called in lower-case letters, digits and _, starting with a letter"
            yield document.problem(path, f'"{name}" cannot name an alarm; {rule}', at_key=True)
        if isinstance(alarm, bool) and name not in DEFAULTS:
            near = did_you_mean(name, DEFAULTS) or f"; those are: {', '.join(DEFAULTS)}"
            yield document.problem(path, f'there is no alarm "{name}" without being declared{near}')
        if isinstance(alarm, dict):
            yield from _kind_problems(document, name, alarm)
            yield from _table_problems(document, name, alarm, _names(whole, "tables"))
            yield from _workflow_problems(document, name, alarm, _names(whole, "workflows"))


def _kind_problems(document: Document, name: str, alarm: dict[str, Any]) -> Iterator[Problem]:
    kind = DEFAULTS[name].kind if name in DEFAULTS else None
    if kind is not None and kind not in alarm and not alarm.keys().isdisjoint(KINDS):
        text = f'"{name}" is the alarm of kind {kind} that there is without being declared; give this one another name'
        yield document.problem(("alarms", name), text, at_key=True)


def _table_problems(document: Document, name: str, alarm: dict[str, Any], known: list[str]) -> Iterator[Problem]:
    patterns = alarm.get("tables")
    for at, pattern in enumerate(patterns if isinstance(patterns, list) else ()):
        if not isinstance(pattern, str) or any(_is_meant(pattern, TableName.parse(table)) for table in known):
            continue
        if GLOB.search(pattern):
            text = f'"{pattern}" is the name of no declared table'
        else:
            text = f'no table "{pattern}" is declared{did_you_mean(pattern, known)}'
        yield document.problem(("alarms", name, "tables", at), text)


def _workflow_problems(document: Document, name: str, alarm: dict[str, Any], known: list[str]) -> Iterator[Problem]:
    wanted = alarm.get("failed_workflow")
    places = [((), wanted)] if isinstance(wanted, str) else [((at,), one) for at, one in enumerate(_listed(wanted))]
    for below, workflow in places:
        if isinstance(workflow, str) and workflow not in known:
            text = f'no workflow "{workflow}" is declared{did_you_mean(workflow, known)}'
            yield document.problem(("alarms", name, "failed_workflow", *below), text)


def _names(whole: dict[str, Any], key: str) -> list[str]:
    part = whole.get(key)
    return [name for name in part if isinstance(name, str)] if isinstance(part, dict) else []


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
