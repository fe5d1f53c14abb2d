"""When schedules are due: against a walk over every minute that knows nothing of the library or of our rules."""

from __future__ import annotations

from calendar import Calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.declaration.schedule import Cron, nearest_weekday, parse_cron, parse_schedule
from penstock.workflow.schedule import Timetable, timetable

MINUTE = 60
CHANGES = {
    "Europe/Paris": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "Australia/Lord_Howe": ("2026-10-03T15:30", "2026-04-04T15:00"),
    "Africa/Cairo": ("2026-04-23T22:00", "2026-10-29T21:00"),
    "America/Havana": ("2026-03-08T05:00", "2026-11-01T05:00"),
    "Africa/Casablanca": ("2026-02-15T02:00", "2026-03-22T02:00"),
    "Asia/Kathmandu": ("2026-01-01T00:00",),
    "Pacific/Apia": ("2011-12-30T10:00",),
    "UTC": ("2026-02-28T00:00", "2027-12-31T12:00"),
}
"""Moments, in UTC, around which clocks are put forward or back, or calendars turn."""
ZONES = sorted((zone, moment) for zone, moments in CHANGES.items() for moment in moments)


def seconds(text: str) -> float:
    """The moment that a text in ISO 8601 says, of UTC where it names no offset."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def due(text: str, zone: str, after: str, count: int) -> list[str]:
    """The next times as a clock in the zone shows them."""
    expression = parse_schedule(text) if "(" in text else parse_cron(text)
    table = timetable([expression], zone)
    return [
        f"{table.local(moment):%Y-%m-%d %H:%M%z}"
        for moment, _ in zip(table.after(seconds(after)), range(count), strict=False)
    ]


class Fields:
    """Fields of a schedule as sets, matched without a library."""

    def __init__(
        self, minutes: set[int], hours: set[int], days: set[int], months: set[int], weekdays: set[int]
    ) -> None:
        self.minutes, self.hours, self.days, self.months, self.weekdays = minutes, hours, days, months, weekdays

    def match(self, wall: datetime) -> bool:
        """Whether a time is named."""
        return (
            wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.month in self.months
            and wall.day in self.days
            and wall.isoweekday() % 7 in self.weekdays
        )

    @property
    def text(self) -> str:
        """The fields as cron writes them."""
        everything = ((0, 60), (0, 24), (1, 32), (1, 13), (0, 7))
        fields = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        return " ".join(
            "*" if field == set(range(*whole)) else ",".join(map(str, sorted(field)))
            for field, whole in zip(fields, everything, strict=True)
        )


def walked(fields: Fields, zone: ZoneInfo, start: float, end: float) -> Iterator[float]:
    """Firings after `start`, found by looking at the clock every minute."""
    every_hour = len(fields.hours) == 24
    minute = (start // MINUTE - 3 * 24 * 60) * MINUTE
    seen = datetime.fromtimestamp(minute - MINUTE, zone).replace(tzinfo=None)
    while minute <= end:
        wall = datetime.fromtimestamp(minute, zone).replace(tzinfo=None)
        fires = fields.match(wall)
        if not every_hour:
            skipped = (seen + timedelta(minutes=at) for at in range(1, (wall - seen) // timedelta(minutes=1)))
            fires = wall > seen and (fires or any(map(fields.match, skipped)))
        if fires and minute > start:
            yield float(minute)
        seen = max(seen, wall)
        minute += MINUTE


def some(low: int, high: int, most: int) -> st.SearchStrategy[set[int]]:
    """All numbers of a field, or a few."""
    return st.one_of(st.just(set(range(low, high))), st.sets(st.integers(low, high - 1), min_size=1, max_size=most))


@st.composite
def fields(draw: st.DrawFn) -> Fields:
    """A schedule, often for hours in which clocks are changed."""
    days, weekdays = set(range(1, 32)), set(range(7))
    if draw(st.booleans()):
        days = draw(some(1, 32, 20))
    else:
        weekdays = draw(some(0, 7, 5))
    hours = draw(st.one_of(some(0, 24, 6), st.sets(st.integers(0, 3), min_size=1, max_size=4)))
    return Fields(draw(some(0, 60, 5)), hours, days, set(range(1, 13)), weekdays)


@settings(max_examples=80, deadline=None)
@given(fields(), st.sampled_from(ZONES), st.floats(-36, 24), st.integers(1, 30))
def test_every_schedule_fires_when_a_clock_that_is_watched_each_minute_says_so(
    found: Fields, place: tuple[str, str], hours: float, length: int
) -> None:
    """From any moment around a change of clocks, in any zone, the next moments are those that a walk finds."""
    zone, change = place
    start = seconds(change) + hours * 3_600
    end = start + length * 3_600
    table = timetable([parse_cron(found.text)], zone)
    expected = list(walked(found, ZoneInfo(zone), start, end))
    assert table.between(start, end, 100_000) == expected


@settings(max_examples=30, deadline=None)
@given(fields(), st.sampled_from(ZONES), st.floats(-10, 24))
def test_the_moments_are_the_same_whether_asked_one_by_one_or_together(
    found: Fields, place: tuple[str, str], hours: float
) -> None:
    """Asking again from the moment given, or from any moment before the next, never repeats one or leaves one out."""
    zone, change = place
    start = seconds(change) + hours * 3_600
    table = timetable([parse_cron(found.text)], zone)
    moments = table.between(start, start + 12 * 3_600, 10_000)
    assert moments == sorted(set(moments))
    for one, other in pairwise(moments):
        assert table.next(one) == table.next(other - 0.5) == table.next((one + other) / 2) == other
    last = table.last(start, start + 12 * 3_600)
    assert last == (moments[-1] if moments else None)


@pytest.mark.parametrize(
    ("zone", "text", "after", "expected"),
    [
        (  # the hour from 2 to 3 does not exist on 29 March
            "Europe/Paris",
            "30 2 * * *",
            "2026-03-28T00:00",
            ["2026-03-28 02:30+0100", "2026-03-29 03:00+0200", "2026-03-30 02:30+0200"],
        ),
        (  # two times that do not exist are one moment
            "Europe/Paris",
            "0,30 2 * * *",
            "2026-03-28T20:00",
            ["2026-03-29 03:00+0200", "2026-03-30 02:00+0200"],
        ),
        (  # the hour from 2 to 3 comes twice on 25 October
            "Europe/Paris",
            "30 2 * * *",
            "2026-10-24T12:00",
            ["2026-10-25 02:30+0200", "2026-10-26 02:30+0100"],
        ),
        ("Europe/Paris", "30 2 * * *", "2026-10-25T01:15", ["2026-10-26 02:30+0100"]),  # from within the second hour
        (
            "America/New_York",
            "30 1 * * *",
            "2026-10-31T12:00",
            ["2026-11-01 01:30-0400", "2026-11-02 01:30-0500"],
        ),
        ("America/New_York", "15 2 * * *", "2026-03-07T12:00", ["2026-03-08 03:00-0400", "2026-03-09 02:15-0400"]),
        (  # clocks go forward by half an hour only
            "Australia/Lord_Howe",
            "15 2 * * *",
            "2026-10-03T00:00",
            ["2026-10-04 02:30+1100", "2026-10-05 02:15+1100"],
        ),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00", ["2026-04-05 01:45+1100", "2026-04-06 01:45+1030"]),
        (  # every half hour stays every half hour
            "Europe/Paris",
            "*/30 * * * *",
            "2026-10-25T00:00",
            ["2026-10-25 02:30+0200", "2026-10-25 02:00+0100", "2026-10-25 02:30+0100", "2026-10-25 03:00+0100"],
        ),
        ("Europe/Paris", "*/30 * * * *", "2026-03-29T00:30", ["2026-03-29 03:00+0200", "2026-03-29 03:30+0200"]),
        ("UTC", "0 2 29 2 *", "2026-01-01T00:00", ["2028-02-29 02:00+0000", "2032-02-29 02:00+0000"]),
        ("Pacific/Apia", "0 12 * * *", "2011-12-30T00:00", ["2011-12-31 00:00+1400", "2011-12-31 12:00+1400"]),
    ],
)
def test_a_time_that_clocks_skip_comes_right_after_and_one_they_repeat_comes_once(
    zone: str, text: str, after: str, expected: list[str]
) -> None:
    """What the rules mean where clocks are put forward and back, spelled out."""
    assert due(text, zone, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("cron(0 2 * * ? *)", "2026-11-21T02:00", ["2026-11-22 02:00+0000"]),
        ("cron(1/10 * ? * * *)", "2026-11-21T02:45", ["2026-11-21 02:51+0000", "2026-11-21 03:01+0000"]),
        ("cron(0 8 ? * 1 *)", "2026-11-21T00:00", ["2026-11-22 08:00+0000"]),  # 1 is Sunday there
        ("cron(0 8 ? * MON-FRI *)", "2026-11-21T00:00", ["2026-11-23 08:00+0000"]),
        ("cron(0 8 ? * 6#3 *)", "2026-11-01T00:00", ["2026-11-20 08:00+0000", "2026-12-18 08:00+0000"]),
        ("cron(0 8 ? * 6L *)", "2026-11-01T00:00", ["2026-11-27 08:00+0000", "2026-12-25 08:00+0000"]),
        ("cron(0 8 ? * L *)", "2026-11-01T00:00", ["2026-11-07 08:00+0000", "2026-11-14 08:00+0000"]),
        ("cron(0 8 L * ? *)", "2026-02-01T00:00", ["2026-02-28 08:00+0000", "2026-03-31 08:00+0000"]),
        ("cron(0 8 LW * ? *)", "2026-02-01T00:00", ["2026-02-27 08:00+0000", "2026-03-31 08:00+0000"]),
        ("cron(0 8 1W * ? *)", "2026-08-01T00:00", ["2026-08-03 08:00+0000", "2026-09-01 08:00+0000"]),
        ("cron(0 8 31W * ? *)", "2026-05-01T00:00", ["2026-05-29 08:00+0000", "2026-07-31 08:00+0000"]),
        ("cron(0 8 1 JAN ? 2028-2029)", "2026-01-01T00:00", ["2028-01-01 08:00+0000", "2029-01-01 08:00+0000"]),
        ("rate(5 minutes)", "2026-11-21T02:03", ["2026-11-21 02:05+0000", "2026-11-21 02:10+0000"]),
        ("rate(1 day)", "2026-11-21T02:03", ["2026-11-22 00:00+0000"]),
    ],
)
def test_eventbridge_expressions_mean_what_they_mean_there(text: str, after: str, expected: list[str]) -> None:
    """Days of the week start with Sunday as 1, and L, W and # are known."""
    assert due(text, "UTC", after, len(expected)) == expected


SPECIAL_DAYS = st.one_of(
    st.sampled_from(["L", "LW"]).map(lambda day: f"{day} * ?"),
    st.integers(1, 31).map(lambda day: f"{day}W * ?"),
    st.integers(1, 7).map(lambda day: f"? * {day}L"),
    st.tuples(st.integers(1, 7), st.integers(1, 5)).map(lambda pair: f"? * {pair[0]}#{pair[1]}"),
)


def meant(special: str, year: int, month: int) -> int | None:
    """The day of a month that is meant, told from the month's calendar; None when it has none."""
    weeks = Calendar(firstweekday=6).monthdayscalendar(year, month)  # weeks from Sunday on
    days = [day for week in weeks for day in week if day]
    weekdays = [day for week in weeks for day in week[1:6] if day]
    day, _, weekday = special.split()
    if day in {"L", "LW"}:
        return days[-1] if day == "L" else weekdays[-1]
    if day.endswith("W"):
        near = int(day[:-1])
        return min(weekdays, key=lambda other: (abs(other - near), other)) if near in days else None
    name, _, count = weekday.removesuffix("L").partition("#")
    same = [week[int(name) - 1] for week in weeks if week[int(name) - 1]]
    if weekday.endswith("L"):
        return same[-1]
    return same[int(count) - 1] if int(count) <= len(same) else None


@settings(max_examples=60, deadline=None)
@given(SPECIAL_DAYS, st.integers(1971, 2090))
def test_special_days_are_those_of_the_calendar(special: str, year: int) -> None:
    """L, W and # mean, in every month of any year, the day that one finds on a calendar's page."""
    table = timetable([parse_schedule(f"cron(30 8 {special} {year})")], "UTC")
    found = [f"{table.local(moment):%m-%d %H:%M}" for moment in table.after(seconds(f"{year - 1}-06-01"))]
    days = [(month, meant(special, year, month)) for month in range(1, 13)]
    assert found == [f"{month:02}-{day:02} 08:30" for month, day in days if day is not None]


def test_a_year_that_is_over_comes_no_more() -> None:
    """A schedule whose years are past has no next moment."""
    assert due("cron(0 8 1 1 ? 2020)", "UTC", "2026-01-01T00:00", 1) == []


def test_far_years_are_found_without_walking_there() -> None:
    """A schedule for every minute of a far year answers at once."""
    assert due("cron(* * * * ? 2199)", "UTC", "2026-01-01T00:00", 1) == ["2199-01-01 00:00+0000"]


@given(st.dates(date(1990, 1, 1), date(2090, 12, 31)), st.integers(1, 31))
def test_the_nearest_weekday_is_near_and_in_the_month(month: date, day: int) -> None:
    """It is the day itself unless that is a weekend; then a day next to it, or two days off at a month's edge."""
    found = nearest_weekday(month, day)
    try:
        asked = month.replace(day=day)
    except ValueError:
        assert found == 0
        return
    there = month.replace(day=found)
    assert there.weekday() < 5
    assert found == day if asked.weekday() < 5 else abs(found - day) in {1, 2}
    near = [other for other in (day - 1, day + 1) if _is_weekday(month, other)]
    assert asked.weekday() < 5 or not near or found in near


def _is_weekday(month: date, day: int) -> bool:
    try:
        return month.replace(day=day).weekday() < 5
    except ValueError:
        return False


@given(st.integers(1, 500), st.floats(0, 4e9))
def test_a_rate_keeps_its_phase(minutes: int, after: float) -> None:
    """Moments of a rate are the same whenever and by whomever they are asked for."""
    table = timetable([parse_schedule(f"rate({minutes} minute{'s' if minutes > 1 else ''})")], "Europe/Paris")
    moment = table.next(after)
    assert moment is not None
    assert moment % (minutes * 60) == 0
    assert after < moment <= after + minutes * 60


def test_several_schedules_are_one_timetable() -> None:
    """Moments of several expressions come in order, and a moment of two of them once."""
    table = timetable([parse_cron("0 2,6 * * *"), parse_schedule("rate(6 hours)")], "UTC")
    moments = table.between(seconds("2026-11-21T00:00"), seconds("2026-11-21T12:00"), 100)
    assert [f"{table.local(moment):%H:%M}" for moment in moments] == ["02:00", "06:00", "12:00"]


def test_no_schedule_is_never_due() -> None:
    """A timetable without expressions has no next moment."""
    assert Timetable(()).next(0) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("61 * * * *", '"61 * * * *": minute "61" is not a number from 0 to 59'),
        ("* 24 * * *", '"* 24 * * *": hour "24" is not a number from 0 to 23'),
        ("* * * *", '"* * * *" has 4 fields; cron has 5: minute, hour, day of the month, month, day of the week'),
        (
            "0 0 2 * * *",
            '"0 0 2 * * *" has 6 fields; cron has 5: minute, hour, day of the month, month, day of the week',
        ),
        (
            "0 0 13 * 5",
            (
                '"0 0 13 * 5" names days of the month and days of the week, and cron takes either; '
                "leave one as *, or give a list of two expressions"
            ),
        ),
        ("0 0 31 2 *", '"0 0 31 2 *" never comes: no calendar has such a day'),
        ("*/0 * * * *", '"*/0 * * * *": minute has the step "0"; a step is a whole number from 1 to 59'),
        ("*/90 * * * *", '"*/90 * * * *": minute has the step "90"; a step is a whole number from 1 to 59'),
        ("5-1 * * * *", '"5-1 * * * *": minute 5-1 runs backwards; write it as two ranges'),
        ("0 0 L * *", '"0 0 L * *": L, W, # and ? are EventBridge\'s; write schedule: "cron(...)" for them'),
        ("0 0 * * 5#2", '"0 0 * * 5#2": L, W, # and ? are EventBridge\'s; write schedule: "cron(...)" for them'),
        ("0 0 * MAI *", '"0 0 * MAI *": month "MAI" is not a number from 1 to 12 or JAN to DEC'),
        ("٣ * * * *", '"٣ * * * *": minute "٣" is not a number from 0 to 59'),
        ("@daily", '"@daily" has 1 fields; cron has 5: minute, hour, day of the month, month, day of the week'),
        ("cron(0 0 * * ? *)", '"cron(0 0 * * ? *)" is an EventBridge expression; it belongs below schedule'),
    ],
)
def test_a_wrong_cron_says_what_is_wrong(text: str, message: str) -> None:
    """Each field that cannot be meant is named, with the rule."""
    with pytest.raises(ValueError, match=r'^"') as caught:
        parse_cron(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "cron(0 2 * * * *)",
            '"cron(0 2 * * * *)" gives a day of the month and a day of the week; one of the two must be ?',
        ),
        ("cron(0 2 ? * ? *)", '"cron(0 2 ? * ? *)": only one of day of the month and day of the week can be ?'),
        ("cron(0 2 30 2 ? *)", '"cron(0 2 30 2 ? *)" never comes: no calendar has such a day'),
        ("cron(0 2 3W,4 * ? *)", '"cron(0 2 3W,4 * ? *)": day of the month "3W" is not a number from 1 to 31'),
        ("cron(0 2 3,4W * ? *)", '"cron(0 2 3,4W * ? *)": W goes with one day of the month, as in 15W'),
        ("cron(0 2 ? * 2#6 *)", '"cron(0 2 ? * 2#6 *)": # is followed by 1 to 5, as in 6#3 for the third Friday'),
        ("cron(0 2 ? * 1,2L *)", '"cron(0 2 ? * 1,2L *)": 1,2L must name one day of the week'),
        ("cron(0 2 ? * 0 *)", '"cron(0 2 ? * 0 *)": day of the week "0" is not a number from 1 to 7 or SUN to SAT'),
        ("cron(0 2 ? * */2 *)", '"cron(0 2 ? * */2 *)": day of the week cannot have steps; name the values'),
        ("cron(0 2 * * ? 1969)", '"cron(0 2 * * ? 1969)": year "1969" is not a number from 1970 to 2199'),
        ("rate(1 minutes)", '"rate(1 minutes)": EventBridge wants rate(1 minute), but rate(2 minutes)'),
        ("rate(5 hour)", '"rate(5 hour)": EventBridge wants rate(1 hour), but rate(2 hours)'),
        ("rate(0 minutes)", '"rate(0 minutes)": from 1 minute to 366 days'),
        ("rate(5 weeks)", '"rate(5 weeks)": the unit is minute, minutes, hour, hours, day or days'),
        (
            "0 2 * * *",
            (
                '"0 2 * * *" is neither like cron(0 2 * * ? *) nor like rate(5 minutes); '
                "cron's five fields belong below cron"
            ),
        ),
    ],
)
def test_a_wrong_eventbridge_expression_says_what_is_wrong(text: str, message: str) -> None:
    """The rules of EventBridge are kept here, so that what runs here runs there."""
    with pytest.raises(ValueError, match=r'^"') as caught:
        parse_schedule(text)
    assert str(caught.value) == message


@given(st.text(alphabet="0123456789*,-/?LW#SUNMOJA() crate", max_size=25))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    """No text makes the readers stumble."""
    for read in (parse_cron, parse_schedule):
        found, refusal = None, ""
        try:
            found = read(text)
        except ValueError as error:
            refusal = str(error)
        assert (found is None) == refusal.startswith('"')
        assert not isinstance(found, Cron) or next(found.walls(datetime(1969, 12, 31)), None)  # noqa: DTZ001
