"""What tests say at the end of a session, also where they run in several processes.

A line is a property of the test that says it: properties travel with the reports of a test, so the process that prints
the summary has the lines of all others. Each topic is a section of its own, and its lines stand in the order of the
files that said them, not in that of time.

    say("storms", "kills: 100 kills, 31 commits between them")   # a line
    count("fault sweep", "torn write once", 12, unit="points")   # added up over all tests, and printed as one line
    close("storms", "repeat them with PENSTOCK_SEED=7 ...")      # below the others, and only once
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator
from typing import Any

import pytest

PROPERTY = "told"
_RUNNING: list[pytest.Item] = []
"""The test that runs now, in the process that runs it."""


class Told:
    """What was said so far, in the process that prints the summary."""

    def __init__(self) -> None:
        self.lines: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        self.counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self.closing: defaultdict[str, dict[str, None]] = defaultdict(dict)

    def take(self, file: str, said: dict[str, Any]) -> None:
        """Take one thing that a test of this file said."""
        topic = said["topic"]
        if "kind" in said:
            self.counts[topic, said["unit"]][said["kind"]] += said["number"]
        elif said["closing"]:
            self.closing[topic][said["line"]] = None
        else:
            self.lines[topic].append((file, said["line"]))

    def sections(self) -> dict[str, list[str]]:
        """The lines of each topic."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for (topic, unit), counts in sorted(self.counts.items()):
            kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(counts.items()))
            found[topic].append(f"N = {counts.total()} {unit}: {kinds}")
        for topic, lines in self.lines.items():
            found[topic] += [line for _, line in sorted(lines, key=lambda said: said[0])]
        for topic, closing in self.closing.items():
            found[topic] += closing
        return dict(sorted(found.items()))


def say(topic: str, line: str) -> None:
    """Print a line under this topic at the end of the session."""
    _note(topic=topic, line=line, closing=False)


def close(topic: str, line: str) -> None:
    """Print a line below those of the topic, once, however many tests say it."""
    _note(topic=topic, line=line, closing=True)


def count(topic: str, kind: str, number: int = 1, *, unit: str) -> None:
    """Add to a number that is printed with the sum of all kinds: `topic: N = 12 points: error 8, kill 4`."""
    _note(topic=topic, kind=kind, number=number, unit=unit)


def _note(**said: str | int) -> None:
    if not _RUNNING:
        raise RuntimeError("only a test that runs can say something: not its module, nor a process that it started")
    _RUNNING[-1].user_properties.append((PROPERTY, said))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Know which test runs."""
    _RUNNING.append(item)
    try:
        return (yield)
    finally:
        _RUNNING.pop()


def pytest_configure(config: pytest.Config) -> None:
    """Begin a session in which nothing was said."""
    config.pluginmanager.register(_Collector(Told()), "told")


class _Collector:
    """Listens to the reports, wherever the tests ran."""

    def __init__(self, told: Told) -> None:
        self._told = told

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test said; its last report has all of it."""
        if report.when == "teardown":
            for key, said in report.user_properties:
                if key == PROPERTY and isinstance(said, dict):
                    self._told.take(report.nodeid.partition("::")[0], said)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print a section for each topic."""
        for topic, lines in self._told.sections().items():
            terminalreporter.write_sep("-", topic)
            for line in lines:
                terminalreporter.write_line(f"{topic}: {line}")
