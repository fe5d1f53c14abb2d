"""The journal of a deployed lake, read from CloudWatch Logs on the AWS of this machine; and what functions write.

Moto gives lines at once; AWS gives them late. Here, late lines are lines that are written late.
"""

from __future__ import annotations

import io
import json
import time
import uuid
from itertools import islice
from typing import Any

import pytest

from penstock import aws
from penstock.clock import HeldClock, iso
from penstock.runs.aws import SLACK_SECONDS, CloudJournal
from penstock.runs.metrics import UNITS, Metrics
from penstock.runs.stream import StreamJournal
from penstock.signals import Signals
from tests.aws import cloud
from tests.told import count

FINISHED = {
    "table": "t",
    "rows_in": 5,
    "rows_out": 3,
    "rows_dropped": {"require a": 1},
    "rows_quarantined": 1,
    "waited_ms": 1500,
    "duration_ms": 250,
}


class Logs:
    """Log groups of two functions."""

    def __init__(self) -> None:
        cloud.start()
        stack = uuid.uuid4().hex[:8]
        self.groups = [f"/aws/lambda/{stack}-intake", f"/aws/lambda/{stack}-upkeep"]
        self.clock = HeldClock(float(round(time.time())))
        for group in self.groups:
            aws.client("logs").create_log_group(logGroupName=group)
            aws.client("logs").create_log_stream(logGroupName=group, logStreamName="one")

    def journal(self, *more: str) -> CloudJournal:
        """Read them."""
        return CloudJournal([*self.groups, *more], self.clock, lambda _: None)

    def say(self, ago: float, *lines: str, group: int = 0) -> None:
        """Let a function say lines, so many seconds ago."""
        moment = round((self.clock.now() - ago) * 1000)
        events = [{"timestamp": moment + at, "message": line} for at, line in enumerate(lines)]
        name = self.groups[group]
        answer = aws.client("logs").put_log_events(logGroupName=name, logStreamName="one", logEvents=events)
        assert not answer.get("rejectedLogEventsInfo")

    def tell(self, ago: float, number: int, group: int = 0) -> None:
        """Let a function tell of an event."""
        self.say(ago, json.dumps({"time": iso(self.clock.now() - ago), "event": "noticed", "n": number}), group=group)


@pytest.fixture
def logs() -> Logs:
    """Log groups of their own."""
    return Logs()


def numbers(events: list[dict[str, Any]]) -> list[int]:
    """Which events they are."""
    return [event["n"] for event in events]


def test_the_logs_of_all_functions_are_one_journal(logs: Logs) -> None:
    """The last lines come in the order of their times, whichever function wrote them, however far they are back."""
    for at, ago in enumerate((13 * 86_400, 3 * 86_400, 7_000, 600, 60, 5)):
        logs.tell(ago, at, group=at % 2)
    assert numbers(logs.journal().tail(3)) == [3, 4, 5]
    assert numbers(logs.journal().tail(100)) == [0, 1, 2, 3, 4, 5]
    assert numbers(logs.journal().tail(100, since=logs.clock.now() - 8_000)) == [2, 3, 4, 5]
    assert numbers(logs.journal().tail(2, lambda event: event["n"] % 2 == 0)) == [2, 4]
    assert logs.journal().tail(0) == []
    count("logs on AWS", "tail", 5, unit="looks")


def test_many_lines_come_page_by_page(logs: Logs) -> None:
    """More lines than AWS gives at once are read to the end, each once."""
    for at in range(0, 12_000, 1_000):
        lines = [json.dumps({"time": "x", "event": "noticed", "n": at + line}) for line in range(1_000)]
        logs.say(3_000 - at / 10, *lines)
    assert numbers(logs.journal().tail(20_000)) == list(range(12_000))


def test_what_is_followed_meets_what_was_shown(logs: Logs) -> None:
    """Between the last lines and those that come, none is missing and none is there twice, late ones included."""
    for at in range(5):
        logs.tell(100 - at, at)
    journal = logs.journal()
    with journal.mark() as mark:
        logs.tell(50, 5)  # comes late: after the mark, with an earlier time
        assert numbers(journal.tail(100, None, mark)) == [0, 1, 2, 3, 4]
        following = journal.follow(mark)
        assert numbers(list(islice(following, 1))) == [5]
        logs.tell(0, 6)
        logs.tell(SLACK_SECONDS / 2, 7, group=1)
        assert sorted(numbers(list(islice(following, 2)))) == [6, 7]
        logs.clock.sleep(2 * SLACK_SECONDS)
        logs.tell(1, 8)
        assert numbers(list(islice(following, 1))) == [8]
        logs.tell(0, 9)
        assert numbers(list(islice(journal.follow(mark, lambda event: event["n"] == 9), 1))) == [9]


def test_lines_that_are_no_events_are_left_out(logs: Logs) -> None:
    """What AWS says of an invocation, metrics, and what libraries say, is no event; a missing group has none."""
    metrics = json.dumps({"_aws": {"Timestamp": 1, "CloudWatchMetrics": []}, "Lake": "l"})
    report = json.dumps({"time": "x", "type": "platform.report", "record": {"status": "success"}})
    lines = ["START RequestId: 1 Version: 7", "END RequestId: 1", "[WARNING] something", metrics, report, "[1, 2]", "7"]
    trouble = "[WARNING] messages could not be prolonged\nTraceback (most recent call last):\nRuntimeError: it is late"
    logs.say(10, *lines, trouble)
    logs.tell(5, 1)
    assert numbers(logs.journal("/aws/lambda/never-ran").tail(100)) == [1]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2026-01-01T00:00:00Z 1-2-3 Task timed out after 900.05 seconds", "it was ended after 900.05 seconds"),
        (
            "RequestId: 1 Error: Runtime exited with error: signal: killed",
            "its process ended: signal: killed",
        ),
        (
            '{"type": "platform.report", "record": {"status": "timeout", "metrics": {"durationMs": 3000}}}',
            "it was ended after 3 seconds",
        ),
        (
            '{"type": "platform.report", "record": {"status": "error", "errorType": "Runtime.ExitError"}}',
            "its process ended: Runtime.ExitError",
        ),
    ],
)
def test_a_function_that_was_ended_is_an_event(logs: Logs, line: str, reason: str) -> None:
    """What only AWS can tell, that a function was ended, stands among the events, with the reason."""
    logs.say(10, line)
    (event,) = logs.journal().tail(10)
    assert event["event"] == "part_failed"
    assert event["part"].endswith("-intake")
    assert event["reason"].startswith(reason)
    assert event["time"] == iso(logs.clock.now() - 10)


def test_functions_write_what_journals_read(logs: Logs) -> None:
    """A line as functions write it is the event that was announced, without secrets and without what is no JSON."""
    stream = io.StringIO()
    facts = {"event": "dead", "table": "t", "reason": "no\nline end \ud800 é", "error": ValueError("x"), "at": {1: 2}}
    StreamJournal(stream, logs.clock).write(facts)
    (line,) = stream.getvalue().splitlines()
    logs.say(1, line)
    (event,) = logs.journal().tail(10)
    assert event == {
        "time": iso(logs.clock.now()),
        "event": "dead",
        "table": "t",
        "reason": "no\nline end \ud800 é",
        "at": {"1": 2},
    }


def test_metrics_are_lines_that_cloudwatch_understands() -> None:
    """What was announced is added up per table and written once, in the embedded metric format, with its units."""
    stream, signals = io.StringIO(), Signals()
    metrics = Metrics("lake", stream, HeldClock(1_780_000_000.0), signals)
    signals.announce("finished", **FINISHED, run="one")
    signals.announce("finished", **FINISHED, run="one")
    signals.announce("finished", **FINISHED, run="two")
    signals.announce("failed", table="t")
    signals.announce("dead", table="u")
    signals.announce("breached", table="t", breaches=4)
    metrics.note("t", "Freshness", 12.5)
    metrics.flush()
    metrics.flush()
    first, second = map(json.loads, stream.getvalue().splitlines())
    directive = first["_aws"]["CloudWatchMetrics"][0]
    assert directive["Namespace"] == "Penstock"
    assert directive["Dimensions"] == [["Lake"], ["Lake", "Table"]]
    named = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert named.items() <= UNITS.items()
    assert {name: first[name] for name in named} == {
        "Attempts": 4,
        "Failures": 1,
        "Commits": 2,
        "Breaches": 4,
        "Files": 3,
        "RowsIn": 15,
        "RowsOut": 9,
        "RowsDropped": 3,
        "RowsQuarantined": 3,
        "RunSeconds": [0.25, 0.25],
        "WaitSeconds": [1.5, 1.5, 1.5],
        "Freshness": [12.5],
    }
    assert (first["Lake"], first["Table"], first["_aws"]["Timestamp"]) == ("lake", "t", 1_780_000_000_000)
    assert {second[name] for name in ("Attempts", "Failures", "Dead")} == {1}
