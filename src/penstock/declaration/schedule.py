"""Schedules as they are written: cron's five fields, and EventBridge's `cron(...)` and `rate(...)`.

Both kinds of cron are read into the same thing, a pattern of times of day on a calendar without time zones; what these
times are in a zone, where clocks are put forward and back, is another matter (`penstock.workflow.schedule`). Each field
is checked here, so that messages say what is wrong; the walk over the calendar is the library's.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property

SATURDAY, SUNDAY = 5, 6
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
FIVE = ("minute", "hour", "day of the month", "month", "day of the week")
SIX = (*FIVE, "year")
UNITS = {"minute": 60, "hour": 3_600, "day": 86_400}
LONGEST_RATE = 366 * 86_400
LAST_YEAR = 9_900
"""Calendars end soon after."""
_RATE = re.compile(r"^rate\(([0-9]{1,9}) ([a-z]+)\)$")
_CRON = re.compile(r"^cron\(([^()]*)\)$")
_AMAZON = re.compile("(?:[0-9]{1,2}|[A-Z]{3})?(?:L|W|LW)")
_NUMBER = re.compile(r"^[0-9]{1,4}$")


@dataclass(frozen=True)
class Field:
    """One field of an expression.

    Attributes:
        low: Its least number.
        high: Its greatest number.
        names: Words for numbers, from the one that stands for `first` on.
        steps: Whether `/` may stand in it.
    """

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first: int = 0
    steps: bool = True

    def values(self, text: str) -> frozenset[int]:
        """The numbers that a text such as `1-5,10/15` stands for."""
        return frozenset(value for term in text.split(",") for value in self._term(term))

    @property
    def everything(self) -> frozenset[int]:
        """Every number."""
        return frozenset(range(self.low, self.high + 1))

    def _term(self, term: str) -> range:
        base, slash, step_text = term.partition("/")
        step = self._step(step_text) if slash else 1
        if base == "*":
            return range(self.low, self.high + 1, step)
        start_text, dash, end_text = base.partition("-")
        start = self._number(start_text)
        end = self._number(end_text) if dash else (self.high if slash else start)
        if end < start:
            message = f"{self.name} {base} runs backwards; write it as two ranges"
            raise ValueError(message)
        return range(start, end + 1, step)

    def _step(self, text: str) -> int:
        if not self.steps:
            message = f"{self.name} cannot have steps; name the values"
            raise ValueError(message)
        if not _NUMBER.match(text) or not 1 <= int(text) <= self.high:
            message = f'{self.name} has the step "{text}"; a step is a whole number from 1 to {self.high}'
            raise ValueError(message)
        return int(text)

    def _number(self, text: str) -> int:
        if text in self.names:
            return self.names.index(text) + self.first
        if not _NUMBER.match(text) or not self.low <= int(text) <= self.high:
            words = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
            message = f'{self.name} "{text}" is not a number from {self.low} to {self.high}{words}'
            raise ValueError(message)
        return int(text)


_MINUTE, _HOUR = Field(FIVE[0], 0, 59), Field(FIVE[1], 0, 23)
_DAY, _MONTH = Field(FIVE[2], 1, 31), Field(FIVE[3], 1, 12, MONTHS, 1)
_WEEKDAY, _AWS_WEEKDAY = Field(FIVE[4], 0, 7, DAYS), Field(FIVE[4], 1, 7, DAYS, 1, steps=False)
_YEAR = Field("year", 1970, 2199)


@dataclass(frozen=True)
class Rate:
    """Every so many seconds, counted from 1970-01-01 UTC: the same moments for everybody, whatever was missed."""

    text: str
    seconds: int


@dataclass(frozen=True)
class Cron:
    """A pattern of times of day.

    Attributes:
        text: As it was written.
        fields: The library's five fields.
        years: Years that count; every one when empty.
        near: A day of the month, of which the nearest weekday of the same month is meant; 0 for none.
    """

    text: str
    fields: str
    years: frozenset[int] = frozenset()
    near: int = 0

    @cached_property
    def every_hour(self) -> bool:
        """Whether no hour is named, so that the schedule follows the passing of time."""
        return self.fields.split()[1] == "*"

    def walls(self, after: datetime) -> Iterator[datetime]:
        """The times, without a zone, after `after`; ends where there is none within 50 years."""
        from cronsim import CronSim

        start: datetime | None = after.replace(microsecond=0)
        while start is not None and start.year < LAST_YEAR:
            walk, start = CronSim(self.fields, start), None
            for wall in walk:
                if not self._counts(wall.date()):
                    start = self._next_start(wall.date())
                    break
                yield wall

    def _counts(self, day: date) -> bool:
        if self.years and day.year not in self.years:
            return False
        return not self.near or day.day == nearest_weekday(day, self.near)

    def _next_start(self, day: date) -> datetime | None:
        """The last second before the next day that may count."""
        next_day = day + timedelta(days=1)
        if self.years and next_day.year not in self.years:
            later = [year for year in self.years if year > day.year]
            if not later:
                return None
            next_day = date(min(later), 1, 1)
        return datetime.combine(next_day, time()) - timedelta(seconds=1)


Expression = Cron | Rate


def nearest_weekday(month: date, day: int) -> int:
    """The weekday nearest to a day of a month, within the month; 0 when the month has no such day."""
    last = calendar.monthrange(month.year, month.month)[1]
    if day > last:
        return 0
    weekday = month.replace(day=day).weekday()
    if weekday == SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == SUNDAY:
        return day + 1 if day < last else day - 2
    return day


def parse_cron(text: str) -> Cron:
    """Read cron's five fields.

    Raises:
        ValueError: It is no such expression, or one that never comes.
    """
    if text.lower().startswith(("cron(", "rate(")):
        message = f'"{text}" is an EventBridge expression; it belongs below schedule'
        raise ValueError(message)
    parts = _parts(text, text, FIVE, "cron")
    if any(_is_amazon(word) for part in parts for word in re.split("[,/-]", part)):
        message = f'"{text}": L, W, # and ? are EventBridge\'s; write schedule: "cron(...)" for them'
        raise ValueError(message)
    named = _Named(text)
    if "*" not in {parts[2], parts[4]}:
        message = (
            f'"{text}" names days of the month and days of the week, and cron takes either; '
            "leave one as *, or give a list of two expressions"
        )
        raise ValueError(message)
    weekdays = frozenset(day % 7 for day in named.values(_WEEKDAY, parts[4]))
    fields = [
        *(named.listed(field, part) for field, part in zip((_MINUTE, _HOUR, _DAY, _MONTH), parts, strict=False)),
        _listed(weekdays, frozenset(range(7))),
    ]
    return _coming(Cron(text, " ".join(fields)))


def parse_schedule(text: str) -> Expression:
    """Read an EventBridge expression: `cron(0 2 * * ? *)` or `rate(5 minutes)`.

    Raises:
        ValueError: It is no such expression, or one that never comes.
    """
    if match := _RATE.match(text):
        return _rate(text, int(match[1]), match[2])
    match = _CRON.match(text)
    if match is None:
        hint = "; cron's five fields belong below cron" if len(text.split()) == len(FIVE) else ""
        message = f'"{text}" is neither like cron(0 2 * * ? *) nor like rate(5 minutes){hint}'
        raise ValueError(message)
    return _coming(_eventbridge(text, _parts(text, match[1], SIX, "cron(...)")))


def _rate(text: str, value: int, unit: str) -> Rate:
    single = unit.removesuffix("s")
    if single not in UNITS:
        message = f'"{text}": the unit is minute, minutes, hour, hours, day or days'
        raise ValueError(message)
    if value < 1 or value * UNITS[single] > LONGEST_RATE:
        message = f'"{text}": from 1 minute to 366 days'
        raise ValueError(message)
    if (value == 1) != (unit == single):
        message = f'"{text}": EventBridge wants rate(1 {single}), but rate(2 {single}s)'
        raise ValueError(message)
    return Rate(text, value * UNITS[single])


def _eventbridge(text: str, parts: list[str]) -> Cron:
    minute, hour, day, month, weekday, year = parts
    named = _Named(text)
    if "?" not in {day, weekday}:
        message = f'"{text}" gives a day of the month and a day of the week; one of the two must be ?'
        raise ValueError(message)
    if day == weekday:
        message = f'"{text}": only one of day of the month and day of the week can be ?'
        raise ValueError(message)
    near = named.near(day)
    days = "*" if day == "?" or near else day if day in {"L", "LW"} else named.listed(_DAY, day)
    weekdays = "*" if weekday in {"?", "*"} else named.special(weekday)
    fields = [named.listed(_MINUTE, minute), named.listed(_HOUR, hour), days, named.listed(_MONTH, month), weekdays]
    years = frozenset[int]() if year == "*" else named.values(_YEAR, year)
    return Cron(text, " ".join(fields), years, near)


@dataclass(frozen=True)
class _Named:
    """Reads fields, and names the expression in what is wrong with them."""

    text: str

    def values(self, field: Field, part: str) -> frozenset[int]:
        try:
            return field.values(part)
        except ValueError as error:
            message = f'"{self.text}": {error}'
            raise ValueError(message) from None

    def listed(self, field: Field, part: str) -> str:
        return _listed(self.values(field, part), field.everything)

    def near(self, part: str) -> int:
        """The day of `15W`; 0 for anything else."""
        if not part.endswith("W") or part == "LW":
            return 0
        (day,) = self.values(_DAY, part[:-1]) if "," not in part and "-" not in part and "/" not in part else (0,)
        if not day:
            message = f'"{self.text}": W goes with one day of the month, as in 15W'
            raise ValueError(message)
        return day

    def special(self, part: str) -> str:
        """Days of the week, of which `6L` is the last Friday of a month, `6#3` the third, `L` every Saturday."""
        if part == "L":
            return "6"
        if part.endswith("L") and part != "L":
            (day,) = self.values(_AWS_WEEKDAY, self._alone(part, part[:-1]))
            return f"{day - 1}L"
        if "#" in part:
            name, _, count = part.partition("#")
            if not _NUMBER.match(count) or not 1 <= int(count) <= 5:  # noqa: PLR2004 - weeks that a month can have
                message = f'"{self.text}": # is followed by 1 to 5, as in 6#3 for the third Friday'
                raise ValueError(message)
            (day,) = self.values(_AWS_WEEKDAY, self._alone(part, name))
            return f"{day - 1}#{int(count)}"
        days = frozenset(day - 1 for day in self.values(_AWS_WEEKDAY, part))
        return _listed(days, frozenset(range(7)))

    def _alone(self, part: str, day: str) -> str:
        if any(mark in day for mark in ",-/*"):
            message = f'"{self.text}": {part} must name one day of the week'
            raise ValueError(message)
        return day


def _parts(text: str, fields: str, names: tuple[str, ...], kind: str) -> list[str]:
    parts = fields.upper().split()
    if len(parts) != len(names):
        message = f'"{text}" has {len(parts)} fields; {kind} has {len(names)}: {", ".join(names)}'
        raise ValueError(message)
    return parts


def _is_amazon(word: str) -> bool:
    """Whether a word of a field is one that only EventBridge knows."""
    return bool(set(word) & {"?", "#"}) or (word not in {*MONTHS, *DAYS} and _AMAZON.fullmatch(word) is not None)


def _listed(values: frozenset[int], everything: frozenset[int]) -> str:
    return "*" if values == everything else ",".join(map(str, sorted(values)))


def _coming(cron: Cron) -> Cron:
    """Make sure that an expression comes at all."""
    from cronsim import CronSimError

    start = datetime(1969, 12, 31)  # noqa: DTZ001 - a calendar without a zone
    try:
        found = next(cron.walls(start), None)
    except CronSimError:
        found = None
    if found is None:
        message = f'"{cron.text}" never comes: no calendar has such a day'
        raise ValueError(message)
    return cron
