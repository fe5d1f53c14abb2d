"""Figures for Prometheus, as `/metrics` gives them.

Figures of the lake are read from the state store when somebody asks: they are the same in every process, and go on
after a restart where they were. Figures of the process are its own, from what it announced, and begin at nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from penstock.service.vitals import Vitals
from penstock.state.overview import Ledger, Standing
from penstock.version import __version__

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram
    from prometheus_client.core import Metric

    from penstock.lake import Lake

Kind = Literal["gauge", "counter", "histogram"]
Of = Literal["lake", "process"]
Sample = tuple[tuple[str, ...], float]

LATENCIES = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
DURATIONS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
SECOND = 1000.0


@dataclass(frozen=True)
class Family:
    """A metric: its name, what it counts, and of whom."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    of: Of
    text: str


TABLE = ("table",)
FAMILIES = (
    Family("penstock_build_info", "gauge", ("version",), "process", "Always 1; the version stands in the label."),
    Family("penstock_healthy", "gauge", (), "process", "1 while /healthz says ok, 0 while it does not."),
    Family("penstock_processes", "gauge", ("kind",), "lake", "Processes at work on the lake: up, run or other."),
    Family("penstock_arrivals", "gauge", ("table", "state"), "lake", "Files: waiting, working, finished or dead."),
    Family("penstock_oldest_waiting_seconds", "gauge", TABLE, "lake", "Age of the file that has waited longest; or 0."),
    Family("penstock_runs_total", "counter", ("table", "state"), "lake", "Runs: finished, empty or failed."),
    Family("penstock_commits_total", "counter", TABLE, "lake", "Runs that changed the table."),
    Family("penstock_last_commit_timestamp_seconds", "gauge", TABLE, "lake", "When a run last changed the table."),
    Family("penstock_rows_in_total", "counter", TABLE, "lake", "Rows read from files."),
    Family("penstock_rows_added_total", "counter", TABLE, "lake", "Rows that steps made beyond those read."),
    Family("penstock_rows_out_total", "counter", TABLE, "lake", "Rows written to the table."),
    Family("penstock_rows_dropped_total", "counter", TABLE, "lake", "Rows that a rule let go."),
    Family("penstock_rows_quarantined_total", "counter", TABLE, "lake", "Rows set aside."),
    Family("penstock_bytes_in_total", "counter", TABLE, "lake", "Bytes of the files read."),
    Family("penstock_bytes_out_total", "counter", TABLE, "lake", "Bytes of Parquet written."),
    Family("penstock_alarms", "gauge", ("state",), "lake", "Alarms in state OK or ALARM."),
    Family("penstock_notices", "gauge", ("state",), "lake", "Messages: waiting, sent or given_up."),
    Family("penstock_disk_free_bytes", "gauge", (), "lake", "Room on the lake's disk that has the least."),
    Family(
        "penstock_commit_latency_seconds",
        "histogram",
        TABLE,
        "process",
        "From a file's arrival being recorded to its rows being in the table.",
    ),
    Family("penstock_run_duration_seconds", "histogram", TABLE, "process", "From a run's start to its commit."),
    Family("penstock_attempts_failed_total", "counter", TABLE, "process", "Attempts that failed, the last included."),
)
"""Every metric, in the order of the page that documents them."""


class Metrics:
    """Gathers figures of a lake, and of this process while it keeps the lake alive."""

    def __init__(self, lake: Lake, vitals: Vitals) -> None:
        """Listen to what the lake announces from now on."""
        from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._lake, self._vitals = lake, vitals
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        self._own: dict[str, Counter | Histogram] = {}
        buckets = {"penstock_commit_latency_seconds": LATENCIES, "penstock_run_duration_seconds": DURATIONS}
        for family in FAMILIES:
            facts = (family.name, family.text, family.labels)
            if family.of == "process" and family.kind == "counter":
                self._own[family.name] = Counter(*facts, registry=self.registry)
            elif family.kind == "histogram":
                self._own[family.name] = Histogram(*facts, registry=self.registry, buckets=buckets[family.name])
        self._runs: dict[str, str] = {}
        lake.signals.listen("finished", self._finished)
        for name in ("failed", "dead"):
            lake.signals.listen(name, self._failed)

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """All figures as text, and its content type: Prometheus' own, or OpenMetrics where that is accepted."""
        from prometheus_client.exposition import choose_encoder

        encode, kind = choose_encoder(accept)
        return encode(self.registry), kind

    def _finished(self, event: dict[str, Any]) -> None:
        table = event["table"]
        self._observe("penstock_commit_latency_seconds", table, event["waited_ms"] / SECOND)
        if self._runs.get(table) != event["run"]:  # a run announces each of its files
            self._runs[table] = event["run"]
            self._observe("penstock_run_duration_seconds", table, event["duration_ms"] / SECOND)

    def _observe(self, name: str, table: str, seconds: float) -> None:
        histogram: Any = self._own[name]
        histogram.labels(table).observe(seconds)

    def _failed(self, event: dict[str, Any]) -> None:
        counter: Any = self._own["penstock_attempts_failed_total"]
        counter.labels(event["table"]).inc()

    def collect(self) -> Iterator[Metric]:
        """Read the lake's figures; where the state store cannot be read, those of the process are left."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        makers: dict[str, Callable[..., Any]] = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}
        found = self._figures()
        for family in FAMILIES:
            if family.name in self._own:
                continue
            metric = makers[family.kind](family.name, family.text, labels=family.labels)
            for labels, value in found.get(family.name, ()):
                metric.add_metric(labels, value)
            yield metric

    def _figures(self) -> dict[str, Iterable[Sample]]:
        healthy = self._vitals.health().status == "ok"
        own: dict[str, Iterable[Sample]] = {
            "penstock_build_info": [((__version__,), 1.0)],
            "penstock_healthy": [((), float(healthy))],
        }
        try:
            return {**own, **self._of_the_lake()}
        except Exception:  # noqa: BLE001 - /healthz says why; whoever watches hears of it through penstock_healthy
            return own

    def _of_the_lake(self) -> dict[str, Iterable[Sample]]:
        overview = self._lake.state.overview
        kinds = [process.kind for process in self._lake.processes()]
        return {
            "penstock_processes": [((kind,), float(kinds.count(kind))) for kind in ("up", "run", "other")],
            "penstock_alarms": _states(overview.counts("alarms"), ("OK", "ALARM")),
            "penstock_notices": _states(overview.counts("messages"), ("waiting", "sent", "given_up")),
            "penstock_disk_free_bytes": [((), float(self._lake.room.free()))],
            **self._standings(),
            **_ledgers(overview.ledgers()),
        }

    def _standings(self) -> dict[str, list[Sample]]:
        now = self._lake.clock.now()
        declared = {str(name): Standing() for name in self._lake.declared}
        found = {**declared, **{str(name): one for name, one in self._lake.state.overview.standing().items()}}
        states = ("waiting", "working", "finished", "dead")
        return {
            "penstock_arrivals": [
                ((name, state), float(getattr(one, state))) for name, one in found.items() for state in states
            ],
            "penstock_oldest_waiting_seconds": [
                ((name,), 0.0 if one.since is None else max(0.0, now - one.since)) for name, one in found.items()
            ],
        }


def _states(counts: dict[str, int], known: tuple[str, ...]) -> list[Sample]:
    return [((state,), float(counts.get(state, 0))) for state in known]


def _ledgers(found: dict[Any, Ledger]) -> dict[str, list[Sample]]:
    tables: dict[str, Ledger] = {}
    for (name, _), ledger in found.items():
        tables[str(name)] = tables.get(str(name), Ledger()) + ledger
    figures: dict[str, list[Sample]] = {
        f"penstock_{name}_total": [((table,), float(getattr(ledger, name))) for table, ledger in tables.items()]
        for name in (
            *("commits", "rows_in", "rows_added", "rows_out", "rows_dropped", "rows_quarantined"),
            *("bytes_in", "bytes_out"),
        )
    }
    figures["penstock_runs_total"] = [((str(name), state), float(one.runs)) for (name, state), one in found.items()]
    figures["penstock_last_commit_timestamp_seconds"] = [
        ((table,), ledger.last_commit) for table, ledger in tables.items() if ledger.commits
    ]
    return figures
