"""What is measured, by the kind of alarm: a figure of the state store or of the disk, and what it means.

The words of what is well do not change from look to look, so that nothing needs to be written down while all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from penstock.alarms.decide import Measured
from penstock.alarms.watch import Watch
from penstock.clock import iso
from penstock.declaration import bytes_of, seconds_of
from penstock.declaration.alarms import Breaches, DiskSpace, ErrorRate, LongRuns, Undelivered
from penstock.naming import counted
from penstock.state.figures import Counts, DeadFigures, Figures

SHOWN = 3
DISK_SECONDS = 30.0
QUANTILES = {"max": 1.0, "p95": 0.95}
SHARES_OF_A_WINDOW = 60
MEGABYTE = 1_000_000
FATES = {"finished": "is in", "discarded": "was discarded"}


class Room(Protocol):
    """The disks that the lake writes to."""

    def free(self) -> int:
        """Bytes that are free on the fullest of them."""

    def lacks(self) -> str | None:
        """Why nothing can be written at present; None when there is room."""


@dataclass(frozen=True)
class Look:
    """What one look at one alarm found.

    Attributes:
        tables: Names of the tables that are to blame; empty where none is.
        memory: What the next look needs to know.
    """

    measured: Measured
    tables: tuple[str, ...] = ()
    memory: Mapping[str, Any] = field(default_factory=dict)


class Measurer:
    """Looks at alarms."""

    def __init__(self, figures: Figures, room: Room) -> None:
        """Take figures from the store, and the disks' room."""
        self._figures = figures
        self._room = room
        self._kinds: dict[str, Callable[[Watch, float, Mapping[str, Any]], Look]] = {
            "dead_letters": self._dead_letters,
            "error_rate": self._error_rate,
            "duration": self._duration,
            "oldest_waiting": self._oldest_waiting,
            "freshness": self._freshness,
            "failed_workflow": self._failed_workflow,
            "disk": self._disk,
            "breaches": self._breaches,
            "undelivered": self._undelivered,
        }

    def look(self, watch: Watch, now: float, memory: Mapping[str, Any]) -> Look:
        """Look at one alarm; `memory` is what the last look left."""
        return self._kinds[watch.declared.kind](watch, now, memory)

    # --- Files that cannot become rows --------------------------------------------------------

    def _dead_letters(self, watch: Watch, _now: float, memory: Mapping[str, Any]) -> Look:
        """A file that is tried again does not end an alarm: only its success does, or that it was discarded."""
        least = watch.declared.body.at_least
        found = self._figures.dead(watch.tables)
        cases = sorted({*memory.get("cases", ()), *(case[0] for case in found.first)})[-100:]
        breached, cleared = found.waiting >= least, found.waiting + found.trying < least
        tables = tuple(dict.fromkeys(case[1] for case in found.first))
        if not cleared:
            measured = Measured(found.waiting, breached=breached, cleared=False, reason=_dead_words(found, least))
            return Look(measured, tables, {"cases": cases})
        ended = self._fate_words(memory["cases"]) if memory.get("cases") else str(memory.get("ended", ""))
        few = "no dead letter waits" if least == 1 else f"fewer than {counted(least, 'dead letter')} wait"
        reason = f"{few} any more: {ended}" if ended and not found.waiting else few
        measured = Measured(found.waiting, breached=False, cleared=True, reason=reason)
        return Look(measured, tables, {"ended": ended} if ended else {})

    def _fate_words(self, cases: list[int]) -> str:
        return _some([f"{file} {FATES.get(fate, fate)}" for file, fate in self._figures.fates(cases)])

    def _error_rate(self, watch: Watch, now: float, _memory: Mapping[str, Any]) -> Look:
        said: ErrorRate = watch.declared.body
        window = seconds_of(said.within)
        found = self._figures.attempts(watch.tables, now - window)
        due = _leaves(found.oldest, window, now)
        if found.all < said.attempts:
            least = f"fewer than {counted(said.attempts, 'attempt')} ended within {said.within}"
            return Look(Measured(None, breached=False, cleared=True, reason=least, due=due))
        share = found.failed / found.all
        low = said.above if said.clear_below is None else said.clear_below
        breached, cleared = share > said.above, share < low or (said.clear_below is None and share <= low)
        reason = (
            f"at most {said.above:.0%} of the attempts within {said.within} failed"
            if cleared
            else f"{share:.1%} of {counted(found.all, 'attempt')} within {said.within} failed: {found.failed:,}"
        )
        return Look(Measured(share, breached=breached, cleared=cleared, reason=reason, due=due))

    # --- Time ---------------------------------------------------------------------------------

    def _duration(self, watch: Watch, now: float, _memory: Mapping[str, Any]) -> Look:
        said: LongRuns = watch.declared.body
        window, most = seconds_of(said.within), seconds_of(said.above)
        found = self._figures.runs(watch.tables, now - window, QUANTILES[said.of])
        if found is None:
            return Look(Measured(None, breached=False, cleared=True, reason=f"no run ended within {said.within}"))
        low = most if said.clear_below is None else seconds_of(said.clear_below)
        breached, cleared = found.seconds > most, found.seconds < low or (low == most and found.seconds <= low)
        which = "the longest run" if said.of == "max" else "the 95th percentile of runs"
        reason = (
            f"{which} within {said.within} took at most {said.above}"
            if cleared
            else f"{which} within {said.within} took {found.seconds:g} s: {found.run} of {found.table}"
        )
        due = _leaves(found.oldest, window, now)
        measured = Measured(found.seconds, breached=breached, cleared=cleared, reason=reason, due=due)
        return Look(measured, (found.table,) if not cleared else ())

    def _oldest_waiting(self, watch: Watch, now: float, _memory: Mapping[str, Any]) -> Look:
        said = watch.declared.body.older_than
        found = self._figures.oldest_waiting(watch.tables)
        well = f"no file has waited for {said}"
        if found is None:
            return Look(Measured(None, breached=False, cleared=True, reason=well))
        table, file, since = found
        ends = since + seconds_of(said)
        if now < ends:
            return Look(Measured(now - since, breached=False, cleared=True, reason=well, due=ends))
        reason = f"{file} ({table}) has waited since {_moment(since)}, for longer than {said}"
        return Look(Measured(now - since, breached=True, cleared=False, reason=reason, since=ends), (table,))

    def _freshness(self, watch: Watch, now: float, memory: Mapping[str, Any]) -> Look:
        """A table that was never committed to counts from the first look on."""
        said = watch.declared.body.older_than
        committed = None if watch.table is None else self._figures.committed(watch.table)
        first = memory.get("first", now)
        last = first if committed is None else committed
        kept = {"first": first} if committed is None else {}
        ends, tables = last + seconds_of(said), (str(watch.table),)
        if now < ends:
            reason = (
                f"rows were committed within {said}" if committed else f"no commit yet, watched for less than {said}"
            )
            return Look(Measured(now - last, breached=False, cleared=True, reason=reason, due=ends), tables, kept)
        words = f"the last commit was at {_moment(last)}" if committed else f"no commit since {_moment(last)}"
        reason = f"{words}, longer ago than {said}"
        return Look(Measured(now - last, breached=True, cleared=False, reason=reason, since=ends), tables, kept)

    # --- Counts -------------------------------------------------------------------------------

    def _failed_workflow(self, watch: Watch, _now: float, _memory: Mapping[str, Any]) -> Look:
        last = [(name, self._figures.last_workflow(name)) for name in watch.declared.workflows]
        failed = [(name, *run) for name, run in last if run is not None and run[0] == "failed"]
        words = [f"the last run of {name} failed at {_moment(at)}: {error}" for name, _, at, error in failed]
        reason = _some(words) or f"the last run of {_and([name for name, _ in last])} did not fail"
        return Look(Measured(len(failed), breached=bool(failed), cleared=not failed, reason=reason))

    def _breaches(self, watch: Watch, now: float, _memory: Mapping[str, Any]) -> Look:
        return self._counted(watch, now, "breaches", "breach of checks", "breaches of checks")

    def _undelivered(self, watch: Watch, now: float, _memory: Mapping[str, Any]) -> Look:
        return self._counted(watch, now, "given_up", "message given up", "messages given up")

    def _counted(self, watch: Watch, now: float, what: Counts, one: str, many: str) -> Look:
        said: Breaches | Undelivered = watch.declared.body
        window = seconds_of(said.within)
        found = self._figures.counted(what, watch.tables, now - window)
        breached, due = found.count >= said.at_least, _leaves(found.oldest, window, now)
        fewer = f"no {one}" if said.at_least == 1 else f"fewer than {said.at_least:,} {many}"
        several = f"{found.count:,} {one if found.count == 1 else many}"
        reason = f"{several} within {said.within}: {found.example}" if breached else f"{fewer} within {said.within}"
        return Look(Measured(found.count, breached=breached, cleared=not breached, reason=reason, due=due))

    def _disk(self, watch: Watch, now: float, _memory: Mapping[str, Any]) -> Look:
        """Nothing tells of room that goes and comes: it is looked at every half minute."""
        said: DiskSpace = watch.declared.body
        free, due = self._room.free(), now + DISK_SECONDS
        if said.below is None:
            lacks = self._room.lacks()
            breached, cleared, reason = lacks is not None, lacks is None, lacks or "there is room on the disk"
        else:
            breached = free < bytes_of(said.below)
            cleared = free >= bytes_of(said.clear_above or said.below)
            few = f"{free / MEGABYTE:,.0f} MB are free on the disk"
            reason = f"at least {said.below} are free on the disk" if cleared else f"{few}, of {said.below} at least"
        return Look(Measured(free, breached=breached, cleared=cleared, reason=reason, due=due))


def _leaves(oldest: float | None, window: float, now: float) -> float | None:
    """When the oldest case leaves the window; a window of an hour is looked at once a minute at most."""
    return None if oldest is None else max(oldest + window, now + max(1.0, window / SHARES_OF_A_WINDOW))


def _dead_words(found: DeadFigures, least: int) -> str:
    if not found.waiting:
        tried = counted(found.trying, "file")
        return f"{tried} that {'was' if found.trying == 1 else 'were'} dead, tried again"
    cases = [f"{file} ({table}): {reason}" for _, table, file, reason in found.first]
    waits = "waits" if found.waiting == 1 else "wait"
    limit = "" if least == 1 else f", of fewer than {least:,}"
    return f"{counted(found.waiting, 'dead letter')} {waits}{limit}: {_some(cases, found.waiting)}"


def _some(texts: list[str], count: int | None = None) -> str:
    """The first few texts, and how many more there are."""
    more = (len(texts) if count is None else count) - SHOWN
    return "; ".join(texts[:SHOWN]) + (f"; and {more:,} more" if more > 0 else "")


def _and(names: list[str]) -> str:
    return ", ".join(names)


def _moment(seconds: float) -> str:
    return iso(seconds)[:19].replace("T", " ") + " UTC"
