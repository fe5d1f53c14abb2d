"""What is asked of a log of events, wherever it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

Event = dict[str, Any]
Wanted = Callable[[Event], bool]


class Log(Protocol):
    """Takes events, and gives them again in the order in which they came."""

    def write(self, facts: Event) -> None:
        """Append an event; `time` is added."""

    def mark(self) -> AbstractContextManager[Any]:
        """Where the log ends now; `tail` and `follow` meet there without gap or overlap."""

    def tail(
        self, lines: int, wanted: Wanted | None = None, mark: Any = None, since: float | None = None
    ) -> list[Event]:
        """The last events that are `wanted`, up to `mark` and not before `since`, oldest first."""

    def follow(self, mark: Any, wanted: Wanted | None = None) -> Iterator[Event]:
        """Events as they are written from `mark` on, without end."""
