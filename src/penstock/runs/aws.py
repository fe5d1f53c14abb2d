"""The journal of a deployed lake, as CloudWatch Logs keeps it: what its functions wrote, line by line.

Lines come late, and not in the order of their times: whoever follows looks back a little each time, and knows by their
names which lines were there before. What is no line of Penstock's is left out, but for AWS's own word that a function
was ended: it becomes an event, since nobody else could tell of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

from penstock.aws import asking, client, code_of
from penstock.clock import Clock, iso
from penstock.runs.log import Event, Wanted

ACTIONS = ("logs:FilterLogEvents",)
POLL_SECONDS = 2.0
SLACK_SECONDS = 300.0
"""How late a line may come, and how far the clocks of this machine and of AWS may be apart."""
STRETCHES = (3_600.0, 6 * 3_600.0, 86_400.0, 4 * 86_400.0, 16 * 86_400.0, 64 * 86_400.0, 4_000 * 86_400.0)
"""How far it is looked back, step by step, until there are lines enough."""
THOUSAND = 1000.0
MISSING = "ResourceNotFoundException"
_TIMED_OUT = re.compile(r"Task timed out after ([\d.]+) seconds")
_EXITED = re.compile(r"Runtime exited(?: with error: (?P<why>[^\n]*))?|Error: (?P<kind>Runtime\.\w+)")


class _Line(NamedTuple):
    """A line of a log: its time in seconds, its name, and what it says."""

    moment: float
    name: str
    event: Event


@dataclass(frozen=True)
class CloudMark:
    """A moment, and the lines that were there already which may have come late."""

    moment: float
    seen: frozenset[str]


class CloudJournal:
    """Reads the logs of functions as one; keeps the contract of `Log`."""

    def __init__(
        self, groups: Sequence[str], clock: Clock, write: Callable[[Event], object], region: str | None = None
    ) -> None:
        """Read the log groups `groups`; what this machine does is told to `write`, as it runs in no function."""
        self._groups, self._clock, self._write, self._region = groups, clock, write, region

    def write(self, facts: Event) -> None:
        """Append an event of this machine's."""
        self._write(facts)

    def mark(self) -> AbstractContextManager[CloudMark]:
        """Where the log ends now."""
        now = self._clock.now()
        return nullcontext(CloudMark(now, frozenset(line.name for line in self._lines(now - SLACK_SECONDS, None))))

    def tail(
        self,
        lines: int,
        wanted: Wanted | None = None,
        mark: CloudMark | None = None,
        since: float | None = None,
    ) -> list[Event]:
        """The last events that are `wanted`, up to `mark` and not before `since`, oldest first."""
        found: list[Event] = []
        end: float | None = None
        now = mark.moment if mark else self._clock.now()
        for stretch in STRETCHES if lines > 0 else ():
            start = max(now - stretch, since or 0.0)
            there = [line for line in self._lines(start, end) if _is_before(line, mark)]
            found = [line.event for line in there if wanted is None or wanted(line.event)] + found
            if len(found) >= lines or start <= (since or 0.0):
                break
            end = start
        return found[-lines:] if lines > 0 else []

    def follow(self, mark: CloudMark, wanted: Wanted | None = None) -> Iterator[Event]:
        """Events as they come from `mark` on, without end."""
        seen, newest = dict.fromkeys(mark.seen, mark.moment), mark.moment
        while True:
            for line in self._lines(newest - SLACK_SECONDS, None):
                if line.name in seen or line.moment < mark.moment - SLACK_SECONDS:
                    continue
                seen[line.name] = line.moment
                newest = max(newest, line.moment)
                if wanted is None or wanted(line.event):
                    yield line.event
            seen = {name: moment for name, moment in seen.items() if moment >= newest - 2 * SLACK_SECONDS}
            self._clock.sleep(POLL_SECONDS)

    def _lines(self, start: float, end: float | None) -> list[_Line]:
        """Lines from `start` to before `end`, in the order of their times."""
        found = [line for group in self._groups for line in self._of(group, start, end)]
        return sorted(found, key=lambda line: (line.moment, line.name))

    def _of(self, group: str, start: float, end: float | None) -> Iterator[_Line]:
        from botocore.exceptions import ClientError

        asked: dict[str, Any] = {"logGroupName": group, "startTime": max(round(start * THOUSAND), 0)}
        asked |= {} if end is None else {"endTime": round(end * THOUSAND) - 1}
        with asking("read the log of a function", group):
            try:
                for page in client("logs", self._region).get_paginator("filter_log_events").paginate(**asked):
                    for line in page.get("events", ()):
                        if (event := event_of(line["message"], line["timestamp"] / THOUSAND, group)) is not None:
                            yield _Line(line["timestamp"] / THOUSAND, f"{group} {line['eventId']}", event)
            except ClientError as error:
                if code_of(error) != MISSING:  # a function that never ran has no log
                    raise


def _is_before(line: _Line, mark: CloudMark | None) -> bool:
    return mark is None or line.name in mark.seen or line.moment < mark.moment - SLACK_SECONDS


def event_of(message: str, moment: float, group: str) -> Event | None:
    """The event that a line tells of; None for lines of AWS's, for metrics, and for what libraries say."""
    try:
        said = json.loads(message)
    except ValueError:
        said = None
    if isinstance(said, dict):
        if "event" in said and "time" in said:
            return said
        return _ended(_status(said), moment, group)
    if (timed_out := _TIMED_OUT.search(message)) is not None:
        return _ended(f"it was ended after {timed_out[1]} seconds", moment, group)
    if (exited := _EXITED.search(message)) is not None:
        return _ended(f"its process ended: {exited['why'] or exited['kind'] or message.strip()}", moment, group)
    return None


def _status(said: dict[str, Any]) -> str:
    """Why a function was ended, of AWS's report on an invocation in JSON; empty where it was not."""
    record = said.get("record")
    if said.get("type") != "platform.report" or not isinstance(record, dict):
        return ""
    status, kind = record.get("status"), record.get("errorType", "")
    if status == "timeout":
        seconds = record.get("metrics", {}).get("durationMs", 0) / THOUSAND
        return f"it was ended after {seconds:.0f} seconds"
    return f"its process ended: {kind}" if str(kind).startswith("Runtime.") else ""


def _ended(reason: str, moment: float, group: str) -> Event | None:
    """The event that a function was ended."""
    if not reason:
        return None
    part = f"the function {group.rpartition('/')[2]}"
    why = f"{reason}; its files wait, and are taken up again"
    return {"time": iso(moment), "event": "part_failed", "part": part, "reason": why}
