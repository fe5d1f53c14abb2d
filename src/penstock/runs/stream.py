"""A journal that is written to a stream, one line of JSON for each event, and read elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TextIO

from penstock.clock import Clock
from penstock.runs.journal import line_of
from penstock.runs.log import Event, Wanted


class StreamJournal:
    """Writes events to a stream; keeps the contract of `Log`, of which reading gives nothing here."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        """Write to `stream`."""
        self._stream, self._clock = stream, clock
        self._alone = threading.Lock()

    def write(self, facts: Event) -> None:
        """Append an event; `time` is added. Errors are told by their reasons."""
        told = {name: fact for name, fact in facts.items() if name != "error"}
        line = line_of(told, self._clock.now()).decode()
        with self._alone:
            self._stream.write(line)
            self._stream.flush()

    def mark(self) -> AbstractContextManager[None]:
        """There is no place to go back to."""
        return nullcontext()

    def tail(
        self,
        _lines: int,
        _wanted: Wanted | None = None,
        _mark: Any = None,
        _since: float | None = None,
    ) -> list[Event]:
        """Nothing: it is read where the stream leads to."""
        return []

    def follow(self, _mark: Any, _wanted: Wanted | None = None) -> Iterator[Event]:
        """Nothing, as with `tail`."""
        return iter(())
