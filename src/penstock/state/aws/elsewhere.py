"""What AWS has services for, and this store therefore does not keep: alarms, workflows and their schedules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.errors import StateError


class Elsewhere:
    """Stands for a part of the store that is not kept here: every call of it says where it is instead."""

    def __init__(self, what: str, keeper: str, hint: str) -> None:
        """Say that `what` is looked after by `keeper`."""
        self._what, self._keeper, self._hint = what, keeper, hint

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def refused(*_args: Any, **_named: Any) -> Any:
            message = f"{self._what} of a lake on AWS are looked after by {self._keeper}, not by its state store"
            raise StateError(message, hint=self._hint)

        return refused


def alarms() -> Elsewhere:
    """Alarms are CloudWatch's."""
    return Elsewhere("alarms", "CloudWatch", "see how they stand with: aws cloudwatch describe-alarms")


def workflows() -> Elsewhere:
    """Runs of workflows are Step Functions'."""
    return Elsewhere("workflows", "Step Functions", "see their runs with: aws stepfunctions list-executions")


def schedules() -> Elsewhere:
    """Schedules are EventBridge's."""
    return Elsewhere("schedules", "EventBridge Scheduler", "see them with: aws scheduler list-schedules")
