"""Workflows: what runs together on a schedule, after events, or by hand, in order, with retries."""

from penstock.workflow.attend import Upcoming, Workflows
from penstock.workflow.wiring import workflows_of
from penstock.workflow.work import Hands, Stoppable

__all__ = ["Hands", "Stoppable", "Upcoming", "Workflows", "workflows_of"]
