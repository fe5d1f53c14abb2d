"""When an alarm begins and when it ends: a pure decision over what was measured and how the alarm stood.

What is measured says three things: too much (`breached`), all well (`cleared`), or neither, between the two thresholds.
An alarm begins when `breached` has lasted for `hold`, and ends when `cleared` has lasted for `recover`; in between, a
single look that says otherwise begins the wait anew. Looking more often than is needed changes nothing: the moments
that matter are those at which what is measured changes, and the one that `Decision.due` tells.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.state.alarms import AlarmState


@dataclass(frozen=True)
class Rule:
    """How long things must last, in seconds."""

    hold: float = 0.0
    recover: float = 0.0


@dataclass(frozen=True)
class Measured:
    """What one look found.

    Attributes:
        value: The figure; None where there is nothing to measure.
        breached: Whether it is too much.
        cleared: Whether all is well; never together with `breached`.
        reason: What it means, for people.
        since: As of when it has been so, where that is known; when it is first seen, otherwise.
        due: When time alone may change the figure; None when only an event can.
    """

    value: float | None
    breached: bool
    cleared: bool
    reason: str
    since: float | None = None
    due: float | None = None


@dataclass(frozen=True)
class Standing:
    """How an alarm stands; `turning` is the moment since which what would change its state has lasted."""

    state: AlarmState
    since: float
    turning: float | None = None


@dataclass(frozen=True)
class Decision:
    """How an alarm stands from now on, and when to look again if nothing happens before."""

    standing: Standing
    changed: bool
    due: float | None


def decide(before: Standing, found: Measured, rule: Rule, now: float) -> Decision:
    """Decide how an alarm stands, given how it stood and what was found at `now`."""
    turns, wait = (found.breached, rule.hold) if before.state == "OK" else (found.cleared, rule.recover)
    if not turns:
        return Decision(Standing(before.state, before.since), changed=False, due=found.due)
    turning = _turning(before, found, now)
    if now >= turning + wait:
        return Decision(Standing("ALARM" if before.state == "OK" else "OK", now), changed=True, due=found.due)
    due = turning + wait if found.due is None else min(turning + wait, found.due)
    return Decision(Standing(before.state, before.since, turning), changed=False, due=due)


def _turning(before: Standing, found: Measured, now: float) -> float:
    """Since when what would change the state has lasted: as known, but not since before the state itself."""
    known = [moment for moment in (before.turning, found.since) if moment is not None]
    return min([now, *(max(moment, before.since) for moment in known)])
