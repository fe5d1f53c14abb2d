"""Where a table's column comes from: back through the steps to a column of the files, or to what computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.declaration import Step

_DECLARES = ("parse", "cast")
_PASSES = ("keep", "drop", "require", "filter", "dedupe")


@dataclass(frozen=True)
class Touch:
    """What one step does to a column.

    Attributes:
        place: The step, as errors name it.
        what: What it does: `renames`, `types`, `computes` or `changes`.
        text: The same for people.
    """

    place: str
    what: str
    text: str


@dataclass(frozen=True)
class Origin:
    """Where a column comes from.

    Attributes:
        column: The column of the files; None when a step computes it.
        touches: Steps that have to do with it, last to first.
    """

    column: str | None
    touches: tuple[Touch, ...]

    @property
    def typed_by(self) -> Touch | None:
        """The step that says which type it has; None where its values do."""
        return next((touch for touch in self.touches if touch.what in {"types", "computes"}), None)


def trace(table: str, steps: list[Step], column: str) -> Origin:
    """Follow a column of a table back through its steps."""
    name, touches = column, list[Touch]()
    for at in reversed(range(len(steps))):
        step = steps[at]
        touch, before = _touch(f"tables.{table}.steps[{at}].{step.kind}", step, name)
        if touch is not None:
            touches.append(touch)
            if touch.what == "computes":
                return Origin(None, tuple(touches))
        name = before
    return Origin(name, tuple(touches))


def _touch(place: str, step: Step, name: str) -> tuple[Touch | None, str]:
    """What a step does to the column that is called `name` after it, and its name before."""
    body: Any = step.body
    if step.kind in _PASSES:
        return None, name
    if step.kind == "rename":
        old = next((old for old, new in body.items() if new.lower() == name.lower()), None)
        return (Touch(place, "renames", f'renamed from "{old}" by {place}'), old) if old else (None, name)
    if step.kind in {"sql", "python"}:
        return Touch(place, "computes", f"given by {place}"), name
    own = _own(step, name)
    return (None, name) if own is None else (_own_touch(place, step, own), name)


def _own_touch(place: str, step: Step, own: str) -> Touch:
    """What a step does to a column that it names as `own`."""
    body: Any = step.body
    if step.kind == "derive":
        return Touch(place, "computes", f"computed by {place}.{own}: {body[own]}")
    if step.kind in _DECLARES:
        said = body[own] if isinstance(body[own], str) else body[own].type
        return Touch(place, "types", f"declared by {place}.{own}: {said}")
    if step.kind in {"bucket", "extract", "split"} or (step.kind == "explode" and body.into):
        return Touch(place, "computes", f'computed by {place} from "{body.column}"')
    return Touch(place, "changes", f"changed by {place}")


def _own(step: Step, name: str) -> str | None:
    """The spelling under which a step names a column that it makes or changes; None when it does neither."""
    return next((made for made in _names(step.kind, step.body) if made.lower() == name.lower()), None)


def _names(kind: str, body: Any) -> list[str]:
    if isinstance(body, dict):
        return list(body)
    if isinstance(body, list):
        return body
    if kind == "hash":
        return list(body.columns)
    into = getattr(body, "into", None)
    if into is None:
        return [body.column]
    return [into] if isinstance(into, str) else list(into)
