"""What a message tells of: events gathered by kind and table, bounded however many they are.

A thousand events are one message: what is counted is counted to the last, of what is listed the first few are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from penstock.naming import TableName, counted, printable
from penstock.redaction import redacted
from penstock.state import Event

LISTED = 20
"""Things of a group that are listed one by one."""
REASONS = 30
"""Reasons of a group that are told apart."""
OTHERS = "other reasons"
LONGEST = 300
URGENT = ("dead", "breached", "alarm", "ok")
"""Events that are told at once after a silence."""
FIGURES = ("bytes", "rows_in", "rows_out", "rows_dropped", "rows_quarantined", "breaches")
_QUOTED = re.compile(r'"[^"]*"')
_NUMBER = re.compile(r"\d[\d,.]*")


@dataclass
class Group:
    """What happened of one kind to one table.

    Attributes:
        table: The table's name; empty for what is about no table.
        count: Things it happened to: files, checks, alarms, workflows.
        listed: The first of them, a line each.
        reasons: How often for which kind of reason.
        figures: Sums of rows and bytes.
    """

    event: str
    table: str
    count: int = 0
    listed: list[str] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    figures: dict[str, int] = field(default_factory=dict)

    def add(self, facts: dict[str, Any]) -> None:
        """Take an event in."""
        for thing, line in _things(self.event, facts):
            self.count += 1
            if len(self.listed) < LISTED:
                self.listed.append(short(line))
            reason = facts.get("reason")
            if reason:
                kind = kind_of(str(reason), thing)
                kind = kind if kind in self.reasons or len(self.reasons) < REASONS else OTHERS
                self.reasons[kind] = self.reasons.get(kind, 0) + 1
        for name in FIGURES:
            if isinstance(facts.get(name), int):
                self.figures[name] = self.figures.get(name, 0) + facts[name]


@dataclass
class Gathered:
    """Events that go into one message.

    Attributes:
        first: When the first of them happened.
        last: When the last of them happened.
        urgent: When the first of them happened that is told at once; None for none.
    """

    first: float
    last: float
    urgent: float | None = None
    groups: list[Group] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Take an event in."""
        self.first, self.last = min(self.first, event.at), max(self.last, event.at)
        if self.urgent is None and is_urgent(event):
            self.urgent = event.at
        table = str(event.table or "")
        group = next((one for one in self.groups if (one.event, one.table) == (event.name, table)), None)
        if group is None:
            self.groups.append(group := Group(event.name, table))
        group.add(event.facts)

    def to_json(self) -> str:
        """Write it down; `read` reads it."""
        return json.dumps(asdict(self))


def read(text: str) -> Gathered:
    """Read what `to_json` wrote."""
    found = json.loads(text)
    return Gathered(**{**found, "groups": [Group(**group) for group in found["groups"]]})


def gather(events: Iterable[Event], into: Gathered | None = None) -> Gathered | None:
    """Put events together; None for none."""
    for event in events:
        into = into or Gathered(event.at, event.at)
        into.add(event)
    return into


def is_urgent(event: Event) -> bool:
    """Whether somebody has to know at once."""
    return event.name in URGENT or (event.name == "workflow" and event.facts.get("state") != "finished")


def tables_of(event: Event) -> list[TableName] | None:
    """What an event is about: tables, with none of them the whole lake; None when it is about no table."""
    if event.table is not None:
        return [event.table]
    tables = event.facts.get("tables")
    return [TableName.parse(str(table)) for table in tables] if isinstance(tables, list) else None


def kind_of(reason: str, thing: str) -> str:
    """A reason without what is particular to one file: its name, quoted texts and numbers."""
    text = reason.split("\n", maxsplit=1)[0][: 4 * LONGEST]
    text = text.removeprefix(f"{thing}: ").replace(thing, "the file") if thing else text
    return short(_NUMBER.sub("N", _QUOTED.sub('"…"', text)))


def short(text: str) -> str:
    """One harmless line of bounded length, without secrets."""
    line = printable(redacted(text)[: LONGEST + 1].replace("\r", " ").replace("\n", " "))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _things(event: str, facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What an event happened to, and a line about each."""
    match event:
        case "arrived":
            yield from ((str(file), str(file)) for file in facts.get("files", ()))
        case "committed":
            yield from ((str(file.get("file")), _rows_line(file)) for file in facts.get("files", ()))
        case "failed" | "dead" | "recovered" | "replayed" | "discarded":
            file = str(facts.get("file", ""))
            yield file, _with_reason(file, facts)
        case "breached":
            files = len(facts.get("files", ()))
            where = f"{facts.get('breaches', 0):,} in {counted(files, 'file')}"
            yield "", _with_reason(f"{facts.get('check')}: {where}, {facts.get('on_breach')}", facts)
        case "workflow":
            state = facts.get("state")
            name = str(facts.get("workflow"))
            yield "", _with_reason(name if state == "says" else f"{name} {state}", facts)
        case _:
            yield "", _with_reason(str(facts.get("alarm") or facts.get("workflow") or event), facts)


def _rows_line(file: dict[str, Any]) -> str:
    rows = file.get("rows_in", 0)
    parts = [f"{rows:,} {'row' if rows == 1 else 'rows'} in", f"{file.get('rows_out', 0):,} out"]
    parts += [f"{file[name]:,} {word}" for name, word in _ASIDE.items() if file.get(name)]
    return f"{file.get('file')}: {', '.join(parts)}"


_ASIDE = {"rows_dropped": "dropped", "rows_quarantined": "in quarantine"}


def _with_reason(text: str, facts: dict[str, Any]) -> str:
    reason = str(facts.get("reason") or facts.get("why") or "").split("\n", maxsplit=1)[0].removeprefix(f"{text}: ")
    return f"{text}: {reason}" if reason else text
