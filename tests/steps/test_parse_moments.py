"""Parse of dates, times and moments in several layouts, against a reading by hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.steps.table import AsideError, Bench, Row, check, expected, warned

BLANKS = "\t\n\v\f\r \u00a0\u202f\u3000"
TYPES = {"a": "VARCHAR"}
few = settings(max_examples=15)  # each example holds many rows
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def year_of(text: str) -> int:
    """Four digits, or two with the pivot: up to 68 is 20xx, from 69 on 19xx."""
    if len(text) == 4:
        return int(text)
    return int(text) + (2000 if int(text) <= 68 else 1900)


def by_pattern(pattern: str) -> Callable[[str], datetime]:
    """Read a text by named groups; those that are not there are the smallest."""

    def read(text: str) -> datetime:
        match = re.fullmatch(pattern, text, re.ASCII | re.IGNORECASE)
        if match is None:
            raise ValueError(text)
        found = match.groupdict("0")
        month = found["m"] if found["m"].isdigit() else str(MONTHS.index(found["m"].lower()[:3]) + 1)
        hour, minute, second = (int(found.get(part, "0")) for part in ("H", "M", "S"))
        if found.get("p"):
            if not 1 <= hour <= 12:
                raise ValueError(text)
            hour = hour % 12 + (12 if found["p"].lower() == "pm" else 0)
        clock = time(hour, minute, second, int(found.get("f", "0").ljust(6, "0")))
        return datetime.combine(date(year_of(found["Y"]), int(month), int(found["d"])), clock)

    return read


DAY, MONTH = "(?P<d>[0-9]{1,2})", "(?P<m>[0-9]{1,2})"
LAYOUTS = {
    "iso": rf"(?P<Y>[0-9]{{4}})-{MONTH}-{DAY}",
    "%d/%m/%Y": rf"{DAY}/{MONTH}/(?P<Y>[0-9]{{4}})",
    "%m/%d/%Y": rf"{MONTH}/{DAY}/(?P<Y>[0-9]{{4}})",
    "%Y/%m/%d": rf"(?P<Y>[0-9]{{4}})/{MONTH}/{DAY}",
    "%d-%b-%y": rf"{DAY}-(?P<m>{'|'.join(MONTHS)})-(?P<Y>[0-9]{{2}})",
    "%d.%m.%y": rf"{DAY}\.{MONTH}\.(?P<Y>[0-9]{{2}})",
    "%d %B %Y": rf"{DAY}\s+(?P<m>january|may|december)\s+(?P<Y>[0-9]{{4}})",
    "%Y%m%d": "(?P<Y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})",
    "%%%d'%m\\%Y": rf"%{DAY}'{MONTH}\\(?P<Y>[0-9]{{4}})",
}
CLOCK = "(?P<H>[0-9]{1,2}):(?P<M>[0-9]{1,2})"
CLOCKS = {
    "%d/%m/%Y %H:%M": LAYOUTS["%d/%m/%Y"] + r"\s+" + CLOCK,
    "%Y-%m-%d %H:%M:%S.%f": LAYOUTS["iso"] + r"\s+" + CLOCK + r":(?P<S>[0-9]{1,2})\.(?P<f>[0-9]{1,6})",
    "%d/%m/%Y %I:%M %p": LAYOUTS["%d/%m/%Y"] + r"\s+" + CLOCK + r"\s+(?P<p>am|pm)",
}
DATE = st.builds(
    lambda layout, day, month, year: (
        layout.replace("%d", str(day).zfill(2) if year % 2 else str(day))
        .replace("%m", str(month).zfill(2))
        .replace("%b", ["Jan", "DEC", "may", "Sept"][year % 4])
        .replace("%B", ["January", "MAY", "december", "Mai"][year % 4])
        .replace("%Y", str(year).zfill(4))
        .replace("%y", str(year % 100).zfill(2))
        .replace("%%", "%")
    ),
    st.sampled_from([*LAYOUTS, "%d/%m/%y", "%d-%b-%Y", "%Y-%d-%m", "%d/%m", "%d/%m/%Yx", "%d/%m/%Y 10:30"]).map(
        lambda layout: layout if layout != "iso" else "%Y-%m-%d"
    ),
    st.sampled_from([1, 5, 12, 13, 28, 29, 30, 31, 32]),
    st.sampled_from([1, 2, 12, 13]),
    st.sampled_from([1, 17, 999, 1000, 1899, 1900, 1901, 1968, 1969, 2000, 2017, 2023, 2024, 9999]),
)
ODD = st.sampled_from(["", " ", "x", "epoch", "infinity", "-infinity", "17", "2017-366", "2024-02-29\u00a0", "05-Dec-7",
                       "5/1/17", "05-1-17", "\u0660\u0665/01/2023", "+5/01/2023", "05/01/2023 (BC)"])  # fmt: skip
ROWS = st.lists(st.one_of(DATE, DATE, DATE, ODD).map(lambda text: [text]), max_size=40)
PREFERENCES = [
    ["%d/%m/%Y", "%m/%d/%Y"],
    ["%m/%d/%Y", "%d/%m/%Y", "iso"],
    ["iso", "%Y/%m/%d", "%d-%b-%y"],
    ["%d.%m.%y"],
    ["%d-%b-%y"],
    ["%d %B %Y"],
    ["%Y%m%d", "iso"],
    ["%%%d'%m\\%Y"],
    list(LAYOUTS),
]


@pytest.mark.parametrize("kind", ["date", "timestamp"])
@pytest.mark.parametrize("layouts", PREFERENCES, ids=str)
@few
@given(ROWS)
def test_layouts(bench: Bench, layouts: list[str], kind: str, rows: list[list[str]]) -> None:
    """The first layout that fits a text is taken, with as many digits of the year as it says."""
    readers = [by_pattern(LAYOUTS[layout]) for layout in layouts]
    if kind == "timestamp" and "iso" in layouts:
        readers[layouts.index("iso")] = by_pattern(LAYOUTS["iso"] + f"(?:[ T]{CLOCK})?")

    def step(row: Row) -> Row:
        text = (row["a"] or "").strip(BLANKS)
        if not text:
            return {"a": None}
        for reader in readers:
            try:
                moment = reader(text)
            except ValueError:
                continue
            return {"a": moment.date() if kind == "date" else moment}
        raise AsideError("parse a")

    rule = {"type": kind, "format": layouts if len(layouts) > 1 else layouts[0]}
    check(bench.run(TYPES, rows, [{"parse": {"a": rule}}]), expected(TYPES, rows, [step]))


@pytest.mark.parametrize("layouts", [[layout] for layout in CLOCKS] + [list(CLOCKS)], ids=str)
@pytest.mark.parametrize("otherwise", ["quarantine", "null"])
def test_layouts_with_a_clock(bench: Bench, layouts: list[str], otherwise: str) -> None:
    """Hours, minutes, seconds, fractions and halves of the day are read; what no clock shows is refused."""
    days = ["05/01/2023", "2023-01-05", "31/02/2023"]
    clocks = ["", "0:00", "10:30", "23:59", "24:00", "10:60", "10:30 pm", "12:00 AM", "12:30 PM", "13:00 pm", "0:30 am",
              "10:30:15.5", "10:30:15.123456", "10:30:15.1234567", "10:30:60.0", "10:30:15"]  # fmt: skip
    rows = [[f"{day} {clock}"] for day in days for clock in clocks]

    def step(row: Row) -> Row:
        for layout in layouts:
            try:
                return {"a": by_pattern(CLOCKS[layout])(row["a"].strip(BLANKS))}
            except ValueError:
                continue
        if otherwise == "null":
            return warned({"a": None}, "parse a")
        raise AsideError("parse a")

    rule = {"type": "timestamp", "format": layouts, "otherwise": otherwise}
    check(bench.run(TYPES, rows, [{"parse": {"a": rule}}]), expected(TYPES, rows, [step]))


@pytest.mark.parametrize("layouts", ["%d/%m/%Y %H:%M", ["%d/%m/%Y %H:%M", "iso"]], ids=str)
def test_a_date_never_loses_a_time_of_day(bench: Bench, layouts: Any) -> None:
    """A layout with a clock gives a date only at midnight; any other time would be lost, and sets the row aside."""
    rows = [["05/01/2023 00:00"], ["05/01/2023 10:30"]]
    outcome = bench.run(TYPES, rows, [{"parse": {"a": {"type": "date", "format": layouts}}}])
    assert (list(outcome.kept), outcome.aside) == ([(date(2023, 1, 5),)], [("parse a", ("05/01/2023 10:30",))])


@pytest.mark.parametrize(
    ("layouts", "texts", "times"),
    [
        (None, ["9:05", "09:05:07.5", "23:59:59", " 0:00 ", ""],
         [time(9, 5), time(9, 5, 7, 500_000), time(23, 59, 59), time(0, 0), None]),
        ("%H.%M", ["9.05", "23.59"], [time(9, 5), time(23, 59)]),
        (["%Hh%M", "%I:%M %p", "iso"], ["9h05", "9:05 pm", "21:05:06"], [time(9, 5), time(21, 5), time(21, 5, 6)]),
    ],
)  # fmt: skip
def test_times(bench: Bench, layouts: Any, texts: list[str], times: list[time | None]) -> None:
    """Times of day are read in ISO 8601 or in layouts; what no clock shows goes to quarantine."""
    wrong = [
        "24:00",
        "24:00:00",
        "12:60",
        "12:5",
        "12",
        "12:00:60",
        "12:00:00.1234567",
        "12:00+02",
        "noon",
        "2024-01-01",
    ]
    rule = {"type": "time"} | ({"format": layouts} if layouts else {})
    outcome = bench.run(TYPES, [[text] for text in [*texts, *wrong]], [{"parse": {"a": rule}}])
    assert outcome.kept == dict.fromkeys([(moment,) for moment in times], 1)
    assert [cells for _, cells in outcome.aside] == [(text,) for text in wrong]


PARIS, LORD_HOWE = ZoneInfo("Europe/Paris"), ZoneInfo("Australia/Lord_Howe")
WRITTEN = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[ T]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?)?"
)
OFFSET = re.compile(r"(.*:[0-9.]+) ?(?:(Z)|([+-])([0-9]{2}):?([0-9]{2})?)", re.ASCII)


def instant(text: str, zone: ZoneInfo | None) -> tuple[datetime, bool]:
    """The moment of a text, and whether its clock showed the same twice; ValueError where it is none."""
    match = OFFSET.fullmatch(text)
    local = match[1] if match else text
    found = WRITTEN.fullmatch(local)
    if found is None or (match and found[4] is None):
        raise ValueError(text)
    year, month, day, hour, minute, second, fraction = found.groups("0")
    shown = datetime.combine(
        date(int(year), int(month), int(day)), time(int(hour), int(minute), int(second), int(fraction.ljust(6, "0")))
    )
    if match:
        hours = int(match[4] or 0)
        if hours > 14 or int(match[5] or 0) > 59:
            raise ValueError(text)
        ahead = timedelta(hours=hours, minutes=int(match[5] or 0)) * (-1 if match[3] == "-" else 1)
        return (shown - ahead).replace(tzinfo=UTC), False
    if zone is None:
        raise ValueError(text)
    earlier, later = (shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if earlier.astimezone(zone).replace(tzinfo=None) != shown:
        raise ValueError(text)
    return earlier, earlier != later


CLOCK_TEXT = st.builds(
    lambda day, hour, minute, rest: f"{day}{rest[0]}{hour}:{minute}{rest[1]}",
    st.sampled_from(["2024-03-31", "2024-10-27", "2024-7-1", "1850-01-01", "2023-10-01", "2024-04-07", "2050-10-30",
                     "1945-09-16", "2024-02-30", "2024-01-01"]),
    st.integers(0, 3).map(str),
    st.sampled_from(["00", "15", "30", "45", "59"]),
    st.tuples(
        st.sampled_from([" ", "T"]),
        st.sampled_from(["", "", "", ":00", ":07.5", "Z", ":00Z", "+02", ":00+02:00", ":00 -0330", "-12", "+15:00", "z",
                         "+2", " Europe/Paris"]),
    ),
)  # fmt: skip


@pytest.mark.parametrize("otherwise", ["quarantine", "null"])
@pytest.mark.parametrize("zone", [None, PARIS, LORD_HOWE], ids=str)
@few
@given(st.lists(st.one_of(CLOCK_TEXT, ODD.filter(lambda text: "366" not in text)).map(lambda t: [t]), max_size=40))
def test_moments(bench: Bench, zone: ZoneInfo | None, otherwise: str, rows: list[list[str]]) -> None:
    """Offsets are kept, clocks are those of the zone; skipped hours are refused, doubled ones are the first."""

    def step(row: Row) -> Row:
        text = (row["a"] or "").strip(BLANKS)
        try:
            moment, twice = instant(text, zone) if text else (None, False)
        except ValueError:
            if otherwise == "null":
                return warned({"a": None}, "parse a")
            raise AsideError("parse a") from None
        return warned({"a": moment}, "parse a") if twice else {"a": moment}

    rule = {"type": "timestamptz", "otherwise": otherwise} | ({"zone": zone.key} if zone else {})
    check(bench.run(TYPES, rows, [{"parse": {"a": rule}}]), expected(TYPES, rows, [step]))


def test_moments_in_layouts(bench: Bench) -> None:
    """Layouts with an offset and without one may stand side by side, in order of preference."""
    texts = ["31/12/2023 23:30 +01:00", "31/12/2023 23:30", "05-Dec-17 10:00", "2024-07-01T12:00Z", "31/03/2024 02:30"]
    rule = {
        "type": "timestamptz",
        "zone": "Europe/Paris",
        "format": ["%d/%m/%Y %H:%M %z", "%d/%m/%Y %H:%M", "%d-%b-%y %H:%M", "iso"],
    }
    outcome = bench.run(TYPES, [[text] for text in texts], [{"parse": {"a": rule}}])
    assert outcome.kept == {
        (datetime(2023, 12, 31, 22, 30, tzinfo=UTC),): 2,
        (datetime(2017, 12, 5, 9, tzinfo=UTC),): 1,
        (datetime(2024, 7, 1, 12, tzinfo=UTC),): 1,
    }
    assert outcome.aside == [("parse a", ("31/03/2024 02:30",))]


def test_moments_become_other_types(bench: Bench) -> None:
    """A moment is written, cut and compared as its UTC clock shows it, wherever the machine stands."""
    steps: list[dict[str, Any]] = [
        {"cast": {"a": "timestamptz"}},
        {"derive": {"b": "a", "c": "a"}},
        {"cast": {"b": "text", "c": "timestamp"}},
        {"cast": {"a": "date"}},
    ]
    outcome = bench.run(TYPES, [["2024-01-01 00:00:00Z"], ["2024-01-01 00:30:00+00"], ["2024-01-01 00:00"]], steps)
    clock = datetime(2024, 1, 1)  # noqa: DTZ001 - a clock
    assert list(outcome.kept) == [(date(2024, 1, 1), "2024-01-01 00:00:00+00", clock)]
    assert [rule for rule, _ in outcome.aside] == ["cast a", "cast a"]


SCRIPT = """
import sys
from pathlib import Path
from penstock.engines import DuckDBEngine
from tests.steps.table import Bench
folder = Path(sys.argv[1])
rows = [["2024-07-01 12:00"], ["2024-10-27 02:30"], ["2024-01-01 00:30+05"], ["2024-03-31 02:30"]]
steps = [{"parse": {"a": {"type": "timestamptz", "zone": "Europe/Paris"}}}, {"derive": {"b": "a"}}, {"hash": ["b"]},
         {"derive": {"c": "a"}}, {"cast": {"c": "text"}}]
outcome = Bench(DuckDBEngine(folder / "spill", threads=1), folder).run({"a": "VARCHAR"}, rows, steps)
print(sorted((c, b) for a, b, c in outcome.kept), outcome.aside, outcome.warned)
"""


def test_the_machine_s_time_zone_does_not_matter(tmp_path: Path) -> None:
    """The same file gives the same moments, hashes and texts on machines in different parts of the world."""
    found = set()
    for zone in ("UTC", "America/New_York", "Asia/Kathmandu"):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
        environment = {**os.environ, "TZ": zone, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        found.add(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    (output,) = found
    assert "2024-07-01 10:00:00+00" in output
    assert "'parse a': 1" in output
