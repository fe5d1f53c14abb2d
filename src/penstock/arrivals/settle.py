"""What commits of files and of rows that come back have in common: the table as they need it, a run's name, a pulse."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from penstock.arrivals.planning.evolution import Basis, Rewrite, evolve
from penstock.arrivals.planning.known import PROPERTY, SourceSchema
from penstock.clock import Clock
from penstock.errors import PlanOutdatedError
from penstock.naming import TableName
from penstock.state import Head, State
from penstock.state.store import Column
from penstock.tables import HISTORY, Catalog, Staged, with_history

log = logging.getLogger("penstock.arrivals")

HEARTBEAT_SECONDS = 15.0
SOURCE = "quarantine:"
"""Start of what stands, in a run's list of arrivals, for rows that came back from quarantine."""


class Ready(Protocol):
    """Work that is finished and not yet visible."""

    @property
    def group(self) -> tuple[Staged, ...]:
        """What a commit adds."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """What the files hold."""

    @property
    def source(self) -> SourceSchema | None:
        """What is known of the table's files, if this work added to it."""

    @property
    def basis(self) -> Basis:
        """What the work was planned against, and what it changes."""


def table_for(
    catalog: Catalog, name: TableName, ready: Sequence[Ready], tags: Mapping[str, str], rewrite: Rewrite | None = None
) -> Head | None:
    """The table with every column that the work needs; None when there is no table and no row to make one for.

    Raises:
        PlanOutdatedError: The table's columns are no longer those that the work was planned against.
    """
    head = catalog.head(name)
    source = next((prepared.source for prepared in ready if prepared.source is not None), None)
    if head is None:
        first = next((prepared for prepared in ready if any(staged.files for staged in prepared.group)), None)
        if first is None or source is None:
            return None
        columns = [(column.name, column.type) for column in first.columns]
        properties = {PROPERTY: source.to_json(), **{f"penstock.tag.{key}": tag for key, tag in tags.items()}}
        properties[HISTORY] = with_history(None, first.basis.changes, 0)
        head = catalog.create(name, columns, properties, first.basis.partition)
    else:
        there = set(head.columns)
        changing = [one for one in ready if one.source is not None or not there.issuperset(one.columns)]
        wanted = list(dict.fromkeys(column for one in changing for column in one.columns))
        head = evolve(catalog, head, wanted, source, [one.basis for one in changing], rewrite)
    if any(column not in head.columns for prepared in ready for column in prepared.columns):
        message = "the table's columns changed while the file was read"
        raise PlanOutdatedError(message, where=str(name))
    return head


class Heartbeat(threading.Thread):
    """Prolongs this worker's leases while it works."""

    def __init__(self, state: State) -> None:
        """Beat for the worker that `state` stands for, once started."""
        super().__init__(name="penstock-heartbeat", daemon=True)
        self._state = state
        self._done = threading.Event()

    def run(self) -> None:
        """Beat until stopped."""
        while not self._done.wait(HEARTBEAT_SECONDS):
            try:
                self._state.leases.renew()
            except Exception:  # a full disk passes; who loses a lease meanwhile cannot commit
                log.warning("leases could not be renewed", exc_info=True)

    def stop(self) -> None:
        """Beat no more."""
        self._done.set()
        self.join()


@contextmanager
def beating(state: State) -> Iterator[None]:
    """Prolong this worker's leases for as long as the block takes."""
    heart = Heartbeat(state)
    heart.start()
    try:
        yield
    finally:
        heart.stop()


def run_id(clock: Clock) -> str:
    """A name for a run that sorts by time."""
    moment = datetime.fromtimestamp(clock.now(), tz=UTC)
    return f"{moment:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
