"""Looking at all alarms when something happened or the time has come, and telling of those that changed.

An alarm is judged by how things are, not by what happened: whichever event is late, doubled or missed, the next look
says the same. A change of state and the event that tells of it are one transaction, which fails when somebody else has
looked at the alarm meanwhile; so several processes may look, and people hear of a change once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.alarms.decide import Decision, Standing, decide
from penstock.alarms.measure import Look, Measurer
from penstock.alarms.watch import Watch
from penstock.clock import Clock
from penstock.naming import TableName
from penstock.state import Lease, State
from penstock.state.alarms import AlarmStatus

LEASE = "alarms"
TAKE_OVER_SECONDS = 60.0
"""How often a process that leaves the alarms to another one looks whether that is still there."""
FIGURES_SECONDS = 60.0
"""How old the figures become that are kept of an alarm of which nothing else is new."""
KEPT_SECONDS = 90 * 86_400.0
"""How long changes of state are kept."""
Key = tuple[str, TableName | None]


@dataclass(frozen=True)
class _Seen:
    """An alarm as it stood, and as it stands after a look."""

    before: AlarmStatus | None
    after: AlarmStatus
    decision: Decision
    look: Look


class Alarms:
    """The alarms of a lake."""

    name = "alarms"

    def __init__(self, state: State, watched: Sequence[Watch], measurer: Measurer, clock: Clock) -> None:
        """Watch over `watched`."""
        self._state = state
        self.watched = watched
        self._measurer = measurer
        self._clock = clock
        self._lease: Lease | None = None

    def attend(self) -> float | None:
        """Look at every alarm; gives the moment of the next look, if nothing happens before."""
        if not self._leads():
            return self._clock.now() + TAKE_OVER_SECONDS
        return min((due for _, due in self._look() if due is not None), default=None)

    def all(self) -> list[AlarmStatus]:
        """How every alarm stood when it was last looked at."""
        return self._state.alarms.all()

    def raised(self) -> list[AlarmStatus]:
        """The alarms that there are now."""
        return [status for status in self.all() if status.state == "ALARM"]

    def now(self) -> list[AlarmStatus]:
        """Look at every alarm, and say how it stands with the figures of this moment."""
        if not self._leads():
            return self.all()
        return [status for status, _ in self._look()]

    def _leads(self) -> bool:
        """Whether it is this process that looks."""
        if self._lease is None or not self._state.leases.held(self._lease):
            self._lease = self._state.leases.acquire(LEASE)
        return self._lease is not None

    def _look(self) -> list[tuple[AlarmStatus, float | None]]:
        now = self._clock.now()
        stood: dict[Key, AlarmStatus] = {(status.alarm, status.table): status for status in self.all()}
        found = []
        for watch in self.watched:
            seen = self._see(watch, stood.pop((watch.alarm, watch.table), None), now)
            kept = not _is_news(seen) or self._keep(seen)
            found.append((seen.after, seen.decision.due if kept else now))
        for gone in stood.values():
            self._end(gone, now)
        return found

    def _see(self, watch: Watch, before: AlarmStatus | None, now: float) -> _Seen:
        look = self._measurer.look(watch, now, before.memory.get("look", {}) if before else {})
        measured = look.measured
        decision = decide(_standing(before, look, now), measured, watch.rule, now)
        standing = decision.standing
        memory: dict[str, Any] = {"look": dict(look.memory)} if look.memory else {}
        memory |= {} if standing.turning is None else {"turning": standing.turning}
        kind, value, reason = watch.declared.kind, measured.value, measured.reason
        after = AlarmStatus(watch.alarm, watch.table, kind, standing.state, standing.since, now, value, reason, memory)
        return _Seen(before, after, decision, look)

    def _keep(self, seen: _Seen) -> bool:
        """Keep how an alarm stands, and tell if its state changed; False when somebody else was quicker."""
        with self._state.together():
            if not self._state.alarms.put(seen.before, seen.after):
                return False
            if seen.decision.changed:
                self._tell(seen.before, seen.after, seen.look.tables)
                self._state.alarms.trim(seen.after.since - KEPT_SECONDS)
        return True

    def _tell(self, before: AlarmStatus | None, after: AlarmStatus, tables: Sequence[str]) -> None:
        facts = {"alarm": after.alarm, "kind": after.kind, "reason": after.reason, "value": after.value}
        if after.state == "ALARM":
            self._state.events.add("alarm", after.table, {**facts, "tables": list(tables)})
        else:
            lasted = after.since - before.since if before else 0.0
            self._state.events.add("ok", after.table, {**facts, "lasted_s": round(lasted, 3), "tables": list(tables)})

    def _end(self, gone: AlarmStatus, now: float) -> None:
        """An alarm that is no longer declared ends, and is forgotten."""
        reason = "the alarm is no longer declared"
        ended = replace(gone, state="OK", since=now, checked=now, reason=reason, memory={})
        with self._state.together():
            if gone.state == "OK":
                self._state.alarms.remove(gone)
            elif self._state.alarms.put(gone, ended):
                self._tell(gone, ended, ())
                self._state.alarms.remove(ended)


def _standing(before: AlarmStatus | None, look: Look, now: float) -> Standing:
    """How an alarm stood; one that is looked at for the first time may have had its reason for long."""
    if before is not None:
        return Standing(before.state, before.since, before.memory.get("turning"))
    since = look.measured.since
    return Standing("OK", now if since is None else min(since, now))


def _is_news(seen: _Seen) -> bool:
    """Whether a look found something worth keeping."""
    before, after = seen.before, seen.after
    if before is None:
        return True
    same = (before.state, before.reason, before.memory, before.kind) == (
        after.state,
        after.reason,
        after.memory,
        after.kind,
    )
    return not same or after.checked - before.checked >= FIGURES_SECONDS
