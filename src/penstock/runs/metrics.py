"""Figures for CloudWatch, as lines of its embedded metric format: they are made of the log, without any call.

They are added up over one invocation of a function and written at its end, one line for each table; CloudWatch adds up
those of a lake.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, TextIO

from penstock.clock import Clock
from penstock.signals import Signals

NAMESPACE = "Penstock"
UNITS = {
    "Attempts": "Count",
    "Failures": "Count",
    "Dead": "Count",
    "Commits": "Count",
    "Breaches": "Count",
    "Files": "Count",
    "RowsIn": "Count",
    "RowsOut": "Count",
    "RowsDropped": "Count",
    "RowsQuarantined": "Count",
    "RunSeconds": "Seconds",
    "WaitSeconds": "Seconds",
    "Freshness": "Seconds",
}
"""Every metric, with its unit."""
MOST_VALUES = 100
"""Values of one metric that CloudWatch takes in a line."""
THOUSAND = 1000.0


class Metrics:
    """Counts what is announced, and writes it down."""

    def __init__(self, lake: str, stream: TextIO, clock: Clock, signals: Signals) -> None:
        """Count what `signals` say of `lake` from now on."""
        self._lake, self._stream, self._clock = lake, stream, clock
        self._sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._values: defaultdict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._runs: dict[str, str] = {}
        self._alone = threading.Lock()
        for name, hear in {
            "finished": self._finished,
            "failed": self._failed,
            "outage": self._failed,
            "full": self._failed,
            "dead": self._dead,
            "breached": self._breached,
        }.items():
            signals.listen(name, hear)

    def _finished(self, event: Mapping[str, Any]) -> None:
        table = str(event["table"])
        with self._alone:
            rows = {"RowsIn": event["rows_in"], "RowsOut": event["rows_out"]}
            aside = {"RowsDropped": sum(event["rows_dropped"].values()), "RowsQuarantined": event["rows_quarantined"]}
            self._sums[table].update({"Files": 1, "Attempts": 1, **rows, **aside})
            self._values[table]["WaitSeconds"].append(event["waited_ms"] / THOUSAND)
            if self._runs.get(table) != event["run"]:  # a run announces each of its files
                self._runs[table] = event["run"]
                self._sums[table]["Commits"] += 1
                self._values[table]["RunSeconds"].append(event["duration_ms"] / THOUSAND)

    def _failed(self, event: Mapping[str, Any]) -> None:
        self._add(event, {"Attempts": 1, "Failures": 1})

    def _dead(self, event: Mapping[str, Any]) -> None:
        self._add(event, {"Attempts": 1, "Failures": 1, "Dead": 1})

    def _breached(self, event: Mapping[str, Any]) -> None:
        self._add(event, {"Breaches": int(event["breaches"])})

    def _add(self, event: Mapping[str, Any], figures: Mapping[str, int]) -> None:
        with self._alone:
            self._sums[str(event["table"])].update(figures)

    def note(self, table: str, metric: str, value: float) -> None:
        """Note a value that nobody announces, such as how old a table is."""
        with self._alone:
            self._values[table][metric].append(value)

    def flush(self) -> None:
        """Write down what came together since the last time."""
        with self._alone:
            sums, self._sums = self._sums, defaultdict(Counter)
            values, self._values = self._values, defaultdict(lambda: defaultdict(list))
        for table in dict.fromkeys([*sums, *values]):
            figures: dict[str, Any] = {name: number for name, number in sums[table].items() if number}
            self._write(table, {**figures, **{name: found[:MOST_VALUES] for name, found in values[table].items()}})

    def _write(self, table: str, figures: dict[str, Any]) -> None:
        metrics = [{"Name": name, "Unit": UNITS[name]} for name in figures]
        directive = {"Namespace": NAMESPACE, "Dimensions": [["Lake"], ["Lake", "Table"]], "Metrics": metrics}
        about = {"Timestamp": round(self._clock.now() * THOUSAND), "CloudWatchMetrics": [directive]}
        line = json.dumps({"_aws": about, "Lake": self._lake, "Table": table, **figures})
        if metrics:
            self._stream.write(f"{line}\n")
            self._stream.flush()
