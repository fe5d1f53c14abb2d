"""When schedules are due, in time zones whose clocks are put forward and back.

A schedule that names hours fires once for each time that it names. A time that a clock skips, when it is put forward,
counts as the first moment after; one that a clock shows twice, when it is put back, counts the first time only. A
schedule for every hour follows the passing of time instead: it fires whenever a clock shows a time that it names, so
that every quarter of an hour stays every quarter of an hour. A rate knows no clock, only seconds since 1970.

All moments are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice

from penstock.declaration.schedule import Cron, Expression, Rate

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOOK_BACK = (3_600.0, 86_400.0, 32 * 86_400.0, 367 * 86_400.0)
"""Spans in which the last moment is looked for, one after the other."""


@dataclass(frozen=True)
class Timetable:
    """All schedules of a workflow together."""

    expressions: tuple[Expression, ...]
    zone: tzinfo = UTC

    def next(self, after: float) -> float | None:
        """The first moment after `after`; None when there is none."""
        found = (_next(expression, self.zone, after) for expression in self.expressions)
        return min((moment for moment in found if moment is not None), default=None)

    def after(self, after: float) -> Iterator[float]:
        """Moments after `after`, in order, each once."""
        moment = self.next(after)
        while moment is not None:
            yield moment
            moment = self.next(moment)

    def between(self, after: float, until: float, limit: int) -> list[float]:
        """The first moments after `after` up to `until`, at most `limit`."""
        found = []
        for moment in islice(self.after(after), limit):
            if moment > until:
                break
            found.append(moment)
        return found

    def last(self, after: float, until: float) -> float | None:
        """The last moment after `after` up to `until`; None when there is none."""
        for span in (*LOOK_BACK, until - after):
            start = max(after, until - span)
            last = None
            for moment in self.after(start):
                if moment > until:
                    break
                last = moment
            if last is not None or start <= after:
                return last
        return None

    def local(self, moment: float) -> datetime:
        """What a clock in the zone shows."""
        return datetime.fromtimestamp(moment, self.zone)


def _next(expression: Expression, zone: tzinfo, after: float) -> float | None:
    if isinstance(expression, Rate):
        return (after // expression.seconds + 1) * expression.seconds
    here = datetime.fromtimestamp(after, zone)
    wall = here.replace(tzinfo=None, fold=0)
    put_back = _put_back(wall, zone)  # around a clock that is put back, times before `wall` come once more
    best: float | None = None
    for named in expression.walls(wall - put_back):
        later = [moment for moment in moments(expression, zone, named) if moment > after]
        best = min([*later, *([best] if best is not None else [])], default=None)
        if best is not None and named > wall + put_back:
            break
    return best


def _put_back(wall: datetime, zone: tzinfo) -> timedelta:
    """By how much the clock is put back around a time that it shows twice; nothing for any other time."""
    first, second = wall.replace(tzinfo=zone).utcoffset(), wall.replace(tzinfo=zone, fold=1).utcoffset()
    return max((first or timedelta()) - (second or timedelta()), timedelta())


def moments(expression: Cron, zone: tzinfo, wall: datetime) -> Iterable[float]:
    """The moments at which a schedule that names a time fires for it: none, one or two."""
    first, second = (_seconds(wall.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    if first == second:
        return (first,)
    if second > first:  # a time that comes twice
        return (first, second) if expression.every_hour else (first,)
    return () if expression.every_hour else (_put_forward(zone, second, first),)


def _put_forward(zone: tzinfo, before: float, after: float) -> float:
    """The moment between two others at which a clock is put forward."""
    offset = datetime.fromtimestamp(before, zone).utcoffset()
    low, high = int(before), int(after)
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return float(high)


def _seconds(moment: datetime) -> float:
    return (moment - EPOCH).total_seconds()


def timetable(expressions: Iterable[Expression], zone: str) -> Timetable:
    """Put the schedules of a workflow together; `zone` is a name such as `Europe/Paris`."""
    from zoneinfo import ZoneInfo

    return Timetable(tuple(expressions), UTC if zone == "UTC" else ZoneInfo(zone))
