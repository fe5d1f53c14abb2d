"""What the road of a file records as events, in the transactions of what they tell of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from penstock.naming import TableName
from penstock.state import Accounting, Arrival, CheckOutcome, Events, Run
from penstock.storage import FileVersion

__all__ = ["tell_arrived", "tell_breached", "tell_committed", "tell_dead", "tell_failed", "tell_recovered"]


def tell_arrived(events: Events, table: TableName, files: Iterable[FileVersion]) -> None:
    """New versions of files were recorded."""
    landed = list(files)
    if landed:
        facts = {"files": [file.key for file in landed], "bytes": sum(file.size for file in landed)}
        events.add("arrived", table, facts)


def tell_committed(events: Events, run: Run, files: Iterable[tuple[Arrival, Accounting]]) -> None:
    """A run ended well, with rows or without."""
    each = [{"file": arrival.key, **_rows(figures)} for arrival, figures in files]
    facts = {
        "run": run.run,
        "snapshot": run.snapshot and str(run.snapshot),
        **_rows(run.accounting),
        "duration_ms": run.duration_ms,
    }
    events.add("committed", run.table, {**facts, "files": each})


def tell_recovered(events: Events, run: Run, arrivals: Iterable[Arrival]) -> None:
    """Files that were dead are in."""
    for arrival in arrivals:
        events.add("recovered", run.table, {"file": arrival.key, "run": run.run})


def tell_breached(events: Events, table: TableName, outcomes: Sequence[CheckOutcome]) -> None:
    """Checks were broken; one event for each of them."""
    broken = [outcome for outcome in outcomes if outcome.breaches]
    for name in dict.fromkeys(outcome.name for outcome in broken):
        same = [outcome for outcome in broken if outcome.name == name]
        facts = {"run": same[0].run, "check": name, "kind": same[0].kind, "on_breach": same[0].on_breach}
        found = {"breaches": sum(outcome.breaches for outcome in same), "files": [outcome.file for outcome in same]}
        events.add("breached", table, {**facts, **found, "reason": same[0].reason})


def tell_failed(events: Events, arrival: Arrival, reason: str, retry_in: float) -> None:
    """An attempt failed; there will be another."""
    facts = {"file": arrival.key, "reason": reason, "attempt": arrival.attempts, "retry_in": retry_in}
    events.add("failed", arrival.table, facts)


def tell_dead(events: Events, arrival: Arrival, reason: str, run: str) -> None:
    """An arrival ended as a dead letter."""
    facts = {"file": arrival.key, "reason": reason, "attempts": arrival.attempts, "run": run}
    events.add("dead", arrival.table, {**facts, "arrival": arrival.sequence})


def _rows(figures: Accounting) -> dict[str, int]:
    return {
        "rows_in": figures.rows_in,
        "rows_out": figures.rows_out,
        "rows_dropped": sum(figures.dropped.values()),
        "rows_quarantined": figures.quarantined,
    }
