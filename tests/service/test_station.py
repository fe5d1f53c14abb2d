"""What a lake that is up shows: its place among the processes, its health, its figures."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.clock import HeldClock
from penstock.lake import Lake
from penstock.naming import TableName
from penstock.service.drain import drain
from penstock.service.metrics import FAMILIES, Metrics
from penstock.service.station import Station
from penstock.service.vitals import Vitals
from penstock.state import Accounting, Run
from penstock.state.processes import at_work, dumped, this_process

ORDERS = TableName.parse("orders")
MANY = 100_000


class Work:
    """Work that is as it is told to be."""

    def __init__(self) -> None:
        self.phase = "running"
        self.troubles: dict[str, str] = {}

    def pause(self, reason: str) -> None:
        """Rest."""
        self.troubles = {"paused": reason}

    def resume(self) -> None:
        """Go on."""
        self.troubles = {}


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    """A lake with one table and nothing in it."""
    (tmp_path / "lake.yaml").write_text('lake: shop\nup: {min_free: 100KB}\ntables: {orders: {files: "*.csv"}}\n')
    with Lake(tmp_path, HeldClock()) as opened:
        yield opened


def figures(metrics: Metrics) -> dict[str, float]:
    """Samples by name and labels."""
    lines = [line for line in metrics.text()[0].decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def run_of(number: int, dropped: int = 0, snapshot: int | None = 1) -> Run:
    """A run that read ten rows."""
    account = Accounting(10, 10 - dropped, {"require x": dropped} if dropped else {}, bytes_in=100, bytes_out=50)
    return Run(f"r{number}", ORDERS, "finished", account, 1_000.0 + number, 500, [f"f{number}"], snapshot)


def test_a_process_that_says_nothing_is_known_by_its_number(lake: Lake) -> None:
    """Whoever works without saying what it is counts as other; one that says so, as what it is."""
    assert lake.processes() == []
    assert lake.store.worker
    (other,) = lake.processes()
    assert (other.kind, other.pid, other.is_this) == ("other", os.getpid(), True)
    lake.describe("up", 8321)
    (up,) = lake.processes()
    assert (up.kind, up.port, up.since) == ("up", 8321, lake.clock.now())
    assert str(up) == f"penstock up (process {os.getpid()})"


def test_a_dead_process_is_not_at_work(tmp_path: Path) -> None:
    """A file that nobody holds a lock on is what a killed process left, whatever it says."""
    (tmp_path / "workers").mkdir()
    left = tmp_path / "workers" / "123-abc"
    left.write_text(dumped(this_process("up", 1.0, "1")))
    assert at_work(tmp_path) == []
    with left.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert [process.kind for process in at_work(tmp_path)] == ["up"]


def test_an_up_elsewhere_is_named_with_its_host(lake: Lake) -> None:
    """A process with another host's name may be a container here, or another machine, which must not be."""
    folder = lake.folder / ".penstock" / "workers"
    folder.mkdir(parents=True)
    there = replace(this_process("up", 1.0, "1"), host="elsewhere", pid=7)
    file = folder / "7-abc"
    file.write_text(dumped(there))
    with file.open() as held, closing(Station(lake, Work())) as station:
        fcntl.flock(held, fcntl.LOCK_EX)
        (note,) = station.open()
    assert note == (
        "penstock up (process 7 on elsewhere) is up for this lake, too: they share the work, which is sound only if "
        "elsewhere is a container on this machine: locks reach no further"
    )


def test_health_names_every_part_that_is_not_well(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that failed, a store that cannot be read, an end that was asked for: each is told."""
    work = Work()
    with closing(Station(lake, work)) as station:
        lake.describe("up")
        station.open()
        assert (station.vitals.health().status, station.vitals.health().reasons) == ("ok", {})
        work.troubles = {"watcher": "the folder is gone", "notices": "OSError: no"}
        degraded = station.vitals.health()
        assert degraded.reasons == {"work": "watcher: the folder is gone; notices: OSError: no"}
        assert degraded.status == "degraded"
        work.troubles = {}
        work.phase = "starting"
        assert station.vitals.health().reasons == {"work": "the lake is being opened"}
        work.phase = "draining"
        assert station.vitals.health().status == "stopping"
        work.phase = "running"
        store = lake.folder / ".penstock" / "state.db"
        store.rename(store.with_name("moved.db"))
        reason = station.vitals.health().reasons["state"]
        assert reason == "the state store cannot be read: unable to open database file"
        store.with_name("moved.db").rename(store)
        assert station.vitals.health().status == "ok"
        store.chmod(0o400)
        monkeypatch.setattr(os, "access", lambda path, mode: bool(Path(path).stat().st_mode & 0o200) or not mode)
        assert station.vitals.health().reasons == {"state": "the state store may not be written to"}
        store.chmod(0o600)


def test_the_log_is_kept_as_small_as_declared(tmp_path: Path) -> None:
    """`up.log_size` and `up.log_files` of lake.yaml are what the lake's own journal goes by."""
    (tmp_path / "lake.yaml").write_text("lake: shop\nup: {log_size: 100KB, log_files: 2}\n")
    with Lake(tmp_path) as lake:
        for number in range(6_000):
            lake.journal.write({"event": "note", "number": number})
    files = sorted((tmp_path / ".penstock" / "logs").iterdir())
    assert [file.name for file in files] == ["penstock.jsonl", "penstock.jsonl.1", "penstock.jsonl.2"]
    assert 100_000 <= files[1].stat().st_size < 100_200


def test_figures_of_the_lake_go_on_after_a_restart(lake: Lake) -> None:
    """What runs did is added up from the ledger, each run once, however often and by whomever it is asked."""
    lake.state.runs.add(run_of(1))
    first = Metrics(lake, Vitals())
    assert figures(first)['penstock_rows_in_total{table="orders"}'] == 10
    lake.state.runs.add(run_of(2, dropped=3))
    lake.state.runs.add(run_of(3, dropped=10, snapshot=None))
    for metrics in (first, first, Metrics(lake, Vitals())):
        found = figures(metrics)
        assert found['penstock_rows_in_total{table="orders"}'] == 30
        assert found['penstock_rows_out_total{table="orders"}'] == 17
        assert found['penstock_rows_dropped_total{table="orders"}'] == 13
        assert found['penstock_bytes_out_total{table="orders"}'] == 150
        assert found['penstock_commits_total{table="orders"}'] == 2
        assert found['penstock_runs_total{state="finished",table="orders"}'] == 3
        assert found['penstock_last_commit_timestamp_seconds{table="orders"}'] == 1_002.5


def test_figures_of_the_process_are_its_own(lake: Lake) -> None:
    """Latencies and failures are observed as they are announced; a run's duration once, however many files it has."""
    metrics = Metrics(lake, Vitals())
    for waited in (40, 70, 20_000):
        lake.signals.announce("finished", table="orders", run="r", waited_ms=waited, duration_ms=30)
    lake.signals.announce("failed", table="orders")
    lake.signals.announce("dead", table="orders")
    found = figures(metrics)
    assert found['penstock_commit_latency_seconds_bucket{le="0.05",table="orders"}'] == 1
    assert found['penstock_commit_latency_seconds_bucket{le="0.1",table="orders"}'] == 2
    assert found['penstock_commit_latency_seconds_count{table="orders"}'] == 3
    assert found['penstock_run_duration_seconds_count{table="orders"}'] == 1
    assert found['penstock_attempts_failed_total{table="orders"}'] == 2
    assert "penstock_commit_latency_seconds_count" not in "".join(figures(Metrics(lake, Vitals())))


def test_prometheus_may_ask_for_either_format(lake: Lake) -> None:
    """The text format when nothing is asked for, OpenMetrics when that is accepted."""
    metrics = Metrics(lake, Vitals())
    plain, kind = metrics.text()
    modern, other = metrics.text("application/openmetrics-text; version=1.0.0")
    assert kind.startswith("text/plain")
    assert other.startswith("application/openmetrics-text")
    assert modern.endswith(b"# EOF\n")
    assert b"# TYPE penstock_rows_in_total counter" in plain


def test_a_store_that_cannot_be_read_leaves_the_figures_of_the_process(lake: Lake) -> None:
    """The page still comes, so that the watcher sees that the process is not well."""
    station = Station(lake, Work())
    metrics = Metrics(lake, station.vitals)
    assert lake.store.file.exists()
    lake.store.file.rename(lake.store.file.with_name("moved.db"))
    found = figures(metrics)
    lake.store.file.with_name("moved.db").rename(lake.store.file)
    assert found["penstock_healthy"] == 0
    assert not [name for name in found if name.startswith("penstock_arrivals")]


def test_every_family_is_told_once(lake: Lake) -> None:
    """No metric is in the list of families that is not on the page, nor the other way round."""
    text = Metrics(lake, Vitals()).text()[0].decode()
    told = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE penstock_")]
    assert sorted(told) == sorted(family.name for family in FAMILIES)


def test_a_table_of_many_files_is_counted_by_the_database(lake: Lake) -> None:
    """Of 100,000 files, those that wait, are done and are dead are counted, with rows set aside and warnings."""
    account = {"rows_in": 10, "rows_out": 9, "dropped": {}, "quarantined": 1, "added": 0, "warned": {"a": 2, "b": 3}}
    plain = {**account, "quarantined": 0, "rows_out": 10, "warned": {}}
    rows = [
        ("orders", f"f{at}", f"v{at}", ("pending", "finished", "finished", "dead")[at % 4], 5_000.0 + at, text)
        for at, text in enumerate([json.dumps(account if at % 8 == 1 else plain) for at in range(MANY)])
    ]
    with lake.store._database.transaction() as sql:
        for trigger in ("arrivals_added", "arrivals_changed", "arrivals_sound"):
            sql.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        sql.executemany(
            'INSERT INTO arrivals ("table", key, version, size, modified_ns, mark, state, recorded_at, accounting) '
            "VALUES (?, ?, ?, 1, 1, '', ?, ?, ?)",
            rows,
        )
    found = lake.state.overview.standing()[ORDERS]
    assert (found.waiting, found.working, found.finished, found.dead) == (MANY // 4, 0, MANY // 2, MANY // 4)
    assert (found.quarantined, found.warned) == (MANY // 8, 5 * MANY // 8)
    assert found.since == 5_000.0
    assert lake.state.overview.waiting() == MANY // 4


def test_looking_does_not_wait_for_a_writer(lake: Lake) -> None:
    """Figures are read while another connection is in the middle of a transaction."""
    lake.state.runs.add(run_of(1))
    with sqlite3.connect(lake.store.file, isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert figures(Metrics(lake, Vitals()))['penstock_commits_total{table="orders"}'] == 1
        assert lake.state.overview.trouble() is None
        writer.execute("ROLLBACK")
    writer.close()


class Ending:
    """Work that ends when it is waited for long enough."""

    def __init__(self, needs: float) -> None:
        self.needs, self.given = needs, 0.0

    def wait(self, timeout: float | None = None) -> bool:
        """Note how long one waited."""
        self.given = timeout or 0.0
        return self.given >= self.needs

    def stop(self, seconds: float) -> bool:
        """The same for workflows."""
        return self.wait(seconds)


@pytest.mark.parametrize(("files", "steps", "drained"), [(0, 0, True), (9, 9, True), (11, 0, False), (0, 11, False)])
def test_a_drain_gives_all_parts_the_declared_time(files: float, steps: float, drained: bool) -> None:  # noqa: FBT001
    """Files and steps of workflows have the same time; one that is not done in it makes the drain incomplete."""
    live, workflows = Ending(files), Ending(steps)
    assert drain(live, workflows, 10.0) is drained
    assert workflows.given == 10.0
    assert 9.0 < live.given <= 10.0
