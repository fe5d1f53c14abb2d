"""How attempts end that did not succeed: the arrival waits again, or is a dead letter."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from penstock.arrivals.failure import Tracebacks, is_final, lost_error, reason_of, trouble_of
from penstock.arrivals.noticing.discover import fingerprint, record
from penstock.arrivals.settle import run_id
from penstock.arrivals.staging.stage import Workshop
from penstock.arrivals.tell import tell_breached, tell_dead, tell_failed
from penstock.aws import is_of_aws
from penstock.declaration import Patience, Retry, Table, patience_of
from penstock.errors import CheckHaltedError
from penstock.naming import TableName
from penstock.quality.checks import check_outcomes
from penstock.signals import Signals
from penstock.state import Accounting, Arrival, Run, State, Trouble
from penstock.storage.room import Room

GROWING_SECONDS = 1.0
"""How long a file rests that was still being written when it was looked at."""
FULL_SECONDS = 1.0
"""How long a file rests for which there was no room."""
OUTAGE_SECONDS = 60.0
"""How long a file rests when AWS did not do what it was asked."""
OUTAGE_AT_MOST_SECONDS = 86_400.0
"""For how long that counts as no attempt; what still is refused then may be refused for ever."""
MOST_HELD_UP = 3
"""Files that are held up, one after the other, until the rest is left alone: it would fare no better."""


@dataclass
class Summary:
    """What a pass over the tables did.

    Attributes:
        accounts: Where rows went, by table.
        files: Files whose rows are in, by table.
        dead: Arrivals that ended as dead letters.
        notes: What people should know, by file.
        blocked: Tables that another writer left so that Penstock cannot read them; their files wait.
        held_up: Files, and tables, that wait through no fault of their own, with the reason: no room on the disk, or
            AWS did not do what it was asked.
    """

    accounts: dict[TableName, Accounting] = field(default_factory=dict)
    files: dict[TableName, int] = field(default_factory=dict)
    dead: list[Arrival] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    blocked: list[TableName] = field(default_factory=list)
    held_up: list[tuple[str, str]] = field(default_factory=list)


class Failing:
    """Ends attempts that did not succeed.

    Every end is fenced: a worker that lost an arrival to another changes nothing of it, and tells nothing.
    """

    def __init__(
        self,
        shop: Workshop,
        state: State,
        signals: Signals,
        *,
        retry: Retry | None = None,
        chance: random.Random | None = None,
        room: Room | None = None,
    ) -> None:
        """Work in `shop`.

        Args:
            shop: Where the files are.
            state: Records what became of them.
            signals: Hears of it.
            retry: What the lake says of trying again.
            chance: Makes rests longer and shorter.
            room: Knows whether an error says that the disk is full.
        """
        self._shop, self._clock = shop, shop.bench.clock
        self._state, self._signals = state, signals
        self._retry, self._chance = retry, chance or random.Random()  # noqa: S311 - jitter, not a secret
        self.room = room
        self._tracebacks = Tracebacks(self._clock)

    def patience(self, table: Table) -> Patience:
        """How often a table's files are tried."""
        return patience_of(self._retry, table.retry)

    def look_again(self, name: TableName, arrival: Arrival) -> None:
        """Record what the file is now; the claimed version gives way to it, or waits if the bytes turn out the same."""
        if record(self._shop.raw, name, arrival.key, self._state) is None:
            self._state.arrivals.give_back(arrival, "the file is still being written", GROWING_SECONDS, counted=False)
        else:
            self._state.arrivals.give_back(arrival, "the file was touched while it was read", counted=False)

    def receive(self, name: TableName, table: Table, arrivals: list[Arrival], summary: Summary) -> list[Arrival]:
        """Those of just claimed arrivals that may be tried; those that had all their attempts end as dead letters.

        An attempt that fails for the last time does so at once. One whose process ended is met again here.
        """
        most = self.patience(table).attempts
        spent = [arrival for arrival in arrivals if arrival.attempts > most and _is_to_blame(arrival)]
        for arrival in spent:
            self._give_up(name, table, replace(arrival, attempts=arrival.attempts - 1), summary)
        return [arrival for arrival in arrivals if arrival not in spent]

    def _give_up(self, name: TableName, table: Table, arrival: Arrival, summary: Summary) -> None:
        """Bury what had all its attempts: the reason is that processes ended, or the last one that was found."""
        if arrival.trouble.lost:
            error = lost_error(arrival)
            trouble = replace(trouble_of(error, arrival), lost=arrival.trouble.lost)
            self._bury(name, table, arrival, reason_of(error), trouble, summary)
        else:
            reason = arrival.reason or f"it was tried {arrival.attempts} times"
            self._bury(name, table, arrival, reason, arrival.trouble, summary)

    def fail(self, name: TableName, table: Table, arrival: Arrival, error: Exception, summary: Summary) -> None:
        """End an attempt: as a dead letter when trying again is of no use, else to be tried again later."""
        reason, trouble, now = reason_of(error), trouble_of(error, arrival), self._clock.now()
        since = arrival.trouble.waits_since
        if self.room is not None and self.room.note(error):
            if not self.room.remedy or since is None:
                self._hold_up("full", arrival, error, FULL_SECONDS, replace(trouble, waits_since=now), summary)
                return
            reason, trouble = f"{reason}; {self.room.remedy}", replace(trouble, waits_since=since)
        elif is_of_aws(error):
            trouble = replace(trouble, waits_since=since or now)
            if now - (since or now) < OUTAGE_AT_MOST_SECONDS:
                self._hold_up("outage", arrival, error, OUTAGE_SECONDS, trouble, summary)
                return
        patience = self.patience(table)
        if is_final(error) or arrival.attempts >= patience.attempts:
            self._bury(name, table, arrival, reason, trouble, summary, error)
            return
        delay = patience.delay(arrival.attempts, self._chance)
        with self._state.together():
            if not self._state.arrivals.give_back(arrival, reason, delay, trouble=trouble):
                return
            tell_failed(self._state.events, arrival, reason, delay)
        self._announce("failed", arrival, reason, trouble, error, attempt=arrival.attempts, retry_in=delay)

    def _hold_up(
        self, event: str, arrival: Arrival, error: Exception, delay: float, trouble: Trouble, summary: Summary
    ) -> None:
        """End an attempt that failed through no fault of the file: it counts as none."""
        reason = reason_of(error)
        summary.held_up.append((arrival.key, reason))
        if self._state.arrivals.give_back(arrival, reason, delay, counted=False, trouble=trouble):
            self._announce(event, arrival, reason, trouble, error, retry_in=delay)

    def _bury(
        self,
        name: TableName,
        table: Table,
        arrival: Arrival,
        reason: str,
        trouble: Trouble,
        summary: Summary,
        error: Exception | None = None,
    ) -> None:
        """Make a dead letter of an arrival."""
        run = Run(
            run=run_id(self._clock),
            table=name,
            state="failed",
            accounting=Accounting(bytes_in=arrival.size),
            started=self._clock.now(),
            duration_ms=0,
            arrivals=[arrival.key],
            error=reason,
        )
        plan = fingerprint(table, self._shop.bench.folder)
        with self._state.together():
            if not self._state.arrivals.bury(arrival, reason, plan, run.run, trouble):
                return
            self._state.runs.add(run)
            if isinstance(error, CheckHaltedError):
                outcomes = check_outcomes(error.findings, name, arrival.key, run.run, run.started)
                self._state.checks.add(outcomes)
                tell_breached(self._state.events, name, outcomes)
            tell_dead(self._state.events, arrival, reason, run.run)
        summary.dead.append(replace(arrival, state="dead", reason=reason, trouble=trouble))
        facts = {"attempt": arrival.attempts, "arrival": arrival.sequence, "run": run.run}
        self._announce("dead", arrival, reason, trouble, error, **facts)

    def _announce(
        self, event: str, arrival: Arrival, reason: str, trouble: Trouble, error: Exception | None, /, **facts: object
    ) -> None:
        """Tell of an end; the traceback goes along, for the log."""
        known = {"code": trouble.code, "trace": trouble.trace, **self._tracebacks.of(trouble.trace, error)}
        about = {"table": str(arrival.table), "file": arrival.key, "reason": reason}
        self._signals.announce(event, **about, **facts, **known)


def _is_to_blame(arrival: Arrival) -> bool:
    """Whether its attempts were its own: one that only was there when a process ended is first tried alone."""
    return not arrival.trouble.lost or arrival.trouble.is_to_blame
