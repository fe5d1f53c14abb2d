"""Puts the workflows of a lake together."""

from __future__ import annotations

from pathlib import Path

from penstock.clock import Clock
from penstock.declaration import Declaration
from penstock.signals import Signals
from penstock.state import State
from penstock.workflow.attend import Workflows
from penstock.workflow.program import Programs
from penstock.workflow.work import Opener, doers


def workflows_of(
    declaration: Declaration, folder: Path, opener: Opener, *, state: State, clock: Clock, signals: Signals
) -> Workflows:
    """Make what attends to the workflows of the lake in `folder`, which `opener` opens for one step."""
    programs = Programs(declaration.lake, folder, signals.announce, allowed=declaration.allow_exec)
    kinds = doers(opener, state, programs)
    return Workflows(declaration.workflows, kinds, state=state, clock=clock, signals=signals)
