"""What no single workflow sees: names that must be there, and chains of workflows that would never end.

A workflow that processes a table's files again always commits to it; one that is named by another always starts it. A
chain of such events that leads back to its start would go round for ever, so it is refused. A refresh only processes
what waits: what it leads to comes to rest by itself. What globs of workflows and failures lead to is not known before;
there a run that would be its own effect is left out when it comes to that (`penstock.workflow.chain`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from penstock.declaration.alarms import alarms_in_force
from penstock.declaration.parse import Document, Path
from penstock.declaration.workflows import ALL, NAMED_ACTIONS, TABLE_ACTIONS, Action, Workflow
from penstock.errors import Problem
from penstock.naming import TableName, did_you_mean

if TYPE_CHECKING:
    from penstock.declaration.model import Declaration

WORKFLOW_EVENTS = ("scheduled", "workflow", "workflow_failed")
CERTAIN = {"scheduled": "becomes due", "workflow": "finishes"}
"""Events of a workflow that come whenever it runs, and what it does then."""
ALARM_EVENTS = ("alarm", "ok")
REPROCESSING = ("committed", "breached")
"""Events of a table that come each time its files are processed again."""


def fits(pattern: str, name: str) -> bool:
    """Whether a name, of a table with or without the default layer, is meant by a name or glob."""
    if fnmatchcase(name, pattern):
        return True
    table = TableName.parse(name)
    return fnmatchcase(f"{table.layer}.{table.name}", pattern)


def workflow_problems(document: Document, declaration: Declaration) -> Iterator[Problem]:
    """Check names of workflows and what they name, and that no chain goes round for ever."""
    workflows, tables = declaration.workflows, list(declaration.tables)
    known: dict[str, tuple[str, list[str]]] = {event: ("workflow", list(workflows)) for event in WORKFLOW_EVENTS}
    known |= {event: ("alarm", list(alarms_in_force(declaration.alarms))) for event in ALARM_EVENTS}
    for name, workflow in workflows.items():
        path: Path = ("workflows", name)
        if not name.isidentifier() or name != name.lower() or not name.isascii() or name.startswith("_"):
            rule = "a workflow is called by lower-case letters, digits and _, starting with a letter"
            yield document.problem(path, f'"{name}" cannot name a workflow; {rule}', at_key=True)
        for at, action in enumerate(workflow.actions):
            place = (*path, "steps", at) if workflow.steps else path
            yield from _name_problems(document, place, action, tables, declaration.queries)
        for event, patterns in (workflow.on.patterns if workflow.on else {}).items():
            kind, names = known.get(event, ("table", tables))
            for place, pattern in _places(document, (*path, "on", event), patterns):
                if text := _dangling(pattern, kind, names):
                    yield document.problem(place, text)
    yield from _cycles(document, workflows, tables)


def _name_problems(
    document: Document, path: Path, action: Action, tables: Collection[str], queries: Collection[str]
) -> Iterator[Problem]:
    """Names of tables, or of saved queries, that are not declared."""
    if action.action not in NAMED_ACTIONS:
        return
    kind, known = ("table", tables) if action.action in TABLE_ACTIONS else ("query", queries)
    names = {TableName.parse(name) for name in known}
    for place, name in _places(document, (*path, action.action), action.named):
        if action.named == [ALL] or TableName.parse(name) in names:
            continue
        if name == ALL:
            yield document.problem(place, f"all stands alone; it means every {kind}")
        else:
            yield document.problem(place, f'no {kind} "{name}" is declared{did_you_mean(name, [*known, ALL])}')


def _places(document: Document, path: Path, names: list[str]) -> Iterator[tuple[Path, str]]:
    """Names with their places; a single one may stand without a list."""
    for at, name in enumerate(names):
        listed = (*path, at)
        yield listed if listed in document.values else path, name


def _dangling(pattern: str, kind: str, names: Collection[str]) -> str:
    if any(fits(pattern, name) for name in names):
        return ""
    if any(mark in pattern for mark in "*?["):
        return f'"{pattern}" fits no {kind} that is declared'
    return f'no {kind} "{pattern}" is declared{did_you_mean(pattern, names)}'


def _cycles(document: Document, workflows: Mapping[str, Workflow], tables: Collection[str]) -> Iterator[Problem]:
    """One problem for each chain that leads back to its start, at the workflow of it that is declared first."""
    following = {
        name: dict(reversed(list(_started_by(workflow, name, workflows, tables))))
        for name, workflow in workflows.items()
    }
    told: set[frozenset[str]] = set()
    for name in workflows:
        chain = _way_back(name, following)
        if chain and frozenset(chain) not in told:
            told.add(frozenset(chain))
            links = zip(chain, [*chain[1:], name], strict=True)
            way = "; ".join(f"{one} {following[one][after]}, which starts {after}" for one, after in links)
            text = f"would never end: {way}"
            yield document.problem(("workflows", name), text, at_key=True)


def _way_back(start: str, following: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The shortest chain from a workflow back to itself; empty when there is none."""
    ways, seen = [[start]], {start}
    for way in ways:
        for after in following[way[-1]]:
            if after == start:
                return way
            if after not in seen:
                seen.add(after)
                ways.append([*way, after])
    return []


def _started_by(
    workflow: Workflow, name: str, workflows: Mapping[str, Workflow], tables: Collection[str]
) -> Iterator[tuple[str, str]]:
    """The workflows that a run of a workflow starts for certain, and how."""
    again = [table for action in workflow.actions if action.reprocess for table in action.tables]
    again = list(tables) if ALL in again else again
    for other, there in workflows.items():
        for event, patterns in (there.on.patterns if there.on else {}).items():
            if event in CERTAIN and name in patterns:
                yield other, CERTAIN[event]
            for table in again if event in REPROCESSING else ():
                if any(fits(pattern, table) for pattern in patterns):
                    yield other, f"processes {table} again"
