"""How well a process that keeps a lake alive is, as `/healthz` tells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Look = Callable[[], str | None]


@dataclass(frozen=True)
class Health:
    """How well a process is.

    Attributes:
        status: `ok`; `degraded`, when something does not do its work; `stopping`, when it was asked to end.
        reasons: What is wrong, by the part that it is about.
    """

    status: Literal["ok", "degraded", "stopping"]
    reasons: dict[str, str]


class Vitals:
    """Asks every part of a process how it is."""

    def __init__(self) -> None:
        """Start with nobody to ask."""
        self._looks: dict[str, Look] = {}
        self._stopping: Callable[[], bool] = bool

    def watch(self, part: str, look: Look) -> None:
        """Ask `look` about a part: it gives what is wrong, or None; an error that it raises is what is wrong, too."""
        self._looks[part] = look

    def stops_when(self, stopping: Callable[[], bool]) -> None:
        """Ask `stopping` whether the process was asked to end."""
        self._stopping = stopping

    def health(self) -> Health:
        """How the process is now."""
        reasons = {part: reason for part, look in self._looks.items() if (reason := _asked(look))}
        if self._stopping():
            return Health("stopping", reasons)
        return Health("degraded" if reasons else "ok", reasons)


def _asked(look: Look) -> str | None:
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - a part that cannot be asked is not well
        return f"{type(error).__name__}: {error}"
