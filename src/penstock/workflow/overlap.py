"""What becomes of a workflow that is due while runs of it are not at their end; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.declaration.workflows import Overlap
from penstock.state import WorkflowRun


@dataclass(frozen=True)
class Added:
    """There is a new run."""


@dataclass(frozen=True)
class Joined:
    """A run that waits stands for it, too."""

    run: str


@dataclass(frozen=True)
class Skipped:
    """It is left out."""

    reason: str


Decision = Added | Joined | Skipped


def decide(overlap: Overlap, active: Sequence[WorkflowRun]) -> Decision:
    """Say what becomes of it where runs do not overlap; times that are made up for have runs of their own anyway.

    A run that has not begun will see everything that has happened until then, so it can stand for more.
    """
    waiting = next((run for run in active if not run.begun and not run.catching_up), None)
    if waiting is not None:
        return Joined(waiting.run)
    begun = next((run for run in active if run.begun), None)
    if overlap == "skip" and begun is not None:
        return Skipped(f"the run {begun.run} was still going")
    return Added()
