"""`penstock up` as somebody runs it for good: health, metrics, a second one, drains, ports, `status --watch`."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from penstock.lake import Lake
from penstock.service.metrics import FAMILIES
from penstock.state.overview import Standing
from tests.cli.conftest import call, line_of, started
from tests.waiting import until

Make = Callable[[str, dict[str, str]], Path]
SHOP = 'lake: shop\ntables:\n  orders: {files: "o*.csv"}\n'
SLOW = "import time\ndef wait(batch):\n    time.sleep(WAIT)\n    return batch\n"


@dataclass
class Up:
    """A lake that is up."""

    process: subprocess.Popen[str]
    greeting: dict[str, Any]

    @property
    def port(self) -> int:
        """Where it answers."""
        return int(self.greeting["port"])

    def get(self, path: str) -> tuple[int, str]:
        """A page."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next event of a name."""
        while (line := line_of(self.process)).startswith('{"'):
            found: dict[str, Any] = json.loads(line)
            if found["event"] == event:
                return found
        out, err = self.process.communicate(timeout=30)
        raise AssertionError(f"it ended before {event}:\n{line}{out}{err}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, list[dict[str, Any]], str]:
        """Ask it to end: its exit code, its last lines, and what it said on standard error."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, [json.loads(line) for line in out.splitlines()], err


@contextmanager
def up(folder: Path, *arguments: str) -> Iterator[Up]:
    """A lake that is up, on a free port unless told otherwise."""
    port = () if "--port" in arguments or "--no-http" in arguments else ("--port", "0")
    with started("-C", folder, "up", "--json", *port, *arguments) as process:
        lake = Up(process, {})
        lake.greeting = lake.wait_for("up")
        yield lake


def standing(folder: Path) -> Standing:
    """How far the files of the one table are."""
    with Lake(folder) as lake:
        return next(iter(lake.state.overview.standing().values()), Standing())


def test_a_lake_that_is_up_tells_its_health_and_figures(make: Make) -> None:
    """/healthz, /metrics, `status` and the log agree on what was done, and SIGTERM ends with 0."""
    folder = make(SHOP, {"o1.csv": "id,n\n1,1\n2,2,2\n", "o2.csv": ""})
    with up(folder) as lake:
        assert lake.wait_for("finished")["file"] == "o1.csv"
        assert until(lambda: 'penstock_arrivals{state="dead",table="orders"} 1.0' in lake.get("/metrics")[1])
        code, text = lake.get("/healthz")
        health = json.loads(text)
        assert (code, health["status"], health["reasons"], health["phase"]) == (200, "ok", [], "running")
        assert (health["lake"], health["folder"], health["pid"]) == ("shop", str(folder), lake.process.pid)
        page = lake.get("/metrics")[1]
        figures = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
        status = call("-C", folder, "status", "--json").json()
        (process,) = status["processes"]
        human = call("-C", folder, "status").out
        assert call("-C", folder, "logs", "--failed", "--json").out.count('"event": "dead"') == 1
        code, lines, err = lake.stop()
    assert (code, err) == (0, "\nstopping: no file is at hand; Ctrl-C once more leaves at once\n")
    assert lines[-1] == {"event": "down", "drained": True, "files": 1, "waiting": 0, "unfinished": 0}
    wanted = {
        'penstock_arrivals{state="finished",table="orders"}': "1.0",
        'penstock_rows_in_total{table="orders"}': "2.0",
        'penstock_rows_out_total{table="orders"}': "1.0",
        'penstock_rows_quarantined_total{table="orders"}': "1.0",
        'penstock_commits_total{table="orders"}': "1.0",
        'penstock_attempts_failed_total{table="orders"}': "1.0",
        'penstock_commit_latency_seconds_count{table="orders"}': "1.0",
        'penstock_processes{kind="up"}': "1.0",
        "penstock_healthy": "1.0",
    }
    assert {name: figures[name] for name in wanted} == wanted
    told = dict(re.findall(r"^# TYPE (penstock_\w+) (\w+)$", page, re.MULTILINE))
    assert told == {family.name: family.kind for family in FAMILIES}
    assert re.findall(r"^# HELP (penstock_\w+) .+$", page, re.MULTILINE) == list(told)
    assert (process["kind"], process["pid"], process["port"]) == ("up", lake.process.pid, lake.port)
    assert f"at work: penstock up (process {process['pid']}), for " in human
    events = [json.loads(line)["event"] for line in call("-C", folder, "logs", "--json").out.splitlines()]
    assert (events[0], events[-1]) == ("up_started", "up_stopped")
    assert {"arrived", "finished", "dead"} <= set(events)
    assert call("-C", folder, "status", "--json").json()["processes"] == []


def test_a_second_up_shares_the_work_and_says_so(make: Make) -> None:
    """It names the first one, takes another port than the one that is taken, and files are processed once."""
    folder = make(SHOP + "up: {port: 0}\n", {})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "lake.yaml").write_text(SHOP + f"up: {{port: {port}}}\n")
    arguments = ("-C", folder, "up", "--json")
    with started(*arguments) as first:
        assert json.loads(line_of(first))["port"] == port
        with started(*arguments) as second:
            greeting = json.loads(line_of(second))
            taken = f"the port is taken by penstock up of the lake shop in {folder} (process {first.pid})"
            assert greeting["port"] not in {port, None}
            assert greeting["notes"] == [
                f"penstock up (process {first.pid}) is up for this lake, too: they share the work",
                f"127.0.0.1:{port}: {taken}; this one answers on port {greeting['port']}",
            ]
            clash = call(*arguments, "--port", str(port))
            for number in range(20):
                (folder / "raw" / f"o{number}.csv").write_text(f"id\n{number}\n")
            assert until(lambda: standing(folder).finished == 20)
            with Lake(folder) as lake:
                assert lake.query("SELECT count(*), count(DISTINCT id) FROM orders").fetchall() == [(20, 20)]
                assert [process.kind for process in lake.processes()] == ["up", "up"]
            second.send_signal(signal.SIGTERM)
            assert second.wait(30) == 0
    assert clash.code == 1
    assert clash.json()["error"]["code"] == "port_taken"
    assert clash.err == (
        f"error: 127.0.0.1:{port}: {taken}\n"
        "  choose another one with --port, or up.port in lake.yaml; 0 takes any that is free; --no-http does without\n"
    )


def test_a_declared_port_that_another_program_has_is_an_error(make: Make) -> None:
    """Nobody would look for the figures elsewhere, so that the lake does not come up."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        outcome = call("-C", make(SHOP + f"up: {{port: {port}}}\n", {}), "up")
    assert outcome.code == 1
    assert f"error: 127.0.0.1:{port}: the port is taken by another program\n" in outcome.err


def slow_lake(make: Make, seconds: float, drain: str) -> Path:
    """A lake whose one file takes some seconds."""
    text = 'lake: shop\ntables:\n  orders: {files: "o*.csv", steps: [{python: "slow.py:wait"}]}\n'
    folder = make(text + f"up: {{drain: {drain}}}\n", {"o1.csv": "id\n1\n"})
    (folder / "slow.py").write_text(SLOW.replace("WAIT", str(seconds)))
    return folder


def test_a_drain_lets_the_file_at_hand_be_finished(make: Make) -> None:
    """What is at hand when SIGTERM comes is committed, and nothing new is taken."""
    folder = slow_lake(make, 3, "1m")
    with up(folder) as lake:
        assert until(lambda: standing(folder).working == 1)
        lake.process.terminate()
        assert until(lambda: lake.get("/healthz")[0] == 503)
        assert json.loads(lake.get("/healthz")[1])["status"] == "stopping"
        (folder / "raw" / "o2.csv").write_text("id\n2\n")
        out, err = lake.process.communicate(timeout=60)
    assert lake.process.returncode == 0
    assert err == "\nstopping: 1 file at hand may take 1m to be finished; Ctrl-C once more leaves at once\n"
    assert json.loads(out.splitlines()[-1])["drained"] is True
    with Lake(folder) as after:
        assert after.query("SELECT id FROM orders").fetchall() == [(1,)]


def test_a_drain_ends_in_time_and_nothing_is_lost(make: Make) -> None:
    """What takes longer is given back, with no attempt counted, and the next run processes it once."""
    folder = slow_lake(make, 120, "1s")
    with up(folder) as lake:
        assert until(lambda: standing(folder).working == 1)
        began = time.monotonic()
        code, lines, _ = lake.stop()
        assert time.monotonic() - began < 20
    assert (code, lines[-1]) == (0, {"event": "down", "drained": False, "files": 0, "waiting": 1, "unfinished": 1})
    (folder / "slow.py").write_text(SLOW.replace("WAIT", "0"))
    with Lake(folder) as lake_after:
        (arrival,) = lake_after.state.arrivals.find()
        assert (arrival.state, arrival.attempts) == ("pending", 0)
        assert "up_stopped" in {event["event"] for event in lake_after.journal.tail(10)}
        lake_after.run()
        assert lake_after.query("SELECT id FROM orders").fetchall() == [(1,)]


def test_a_second_signal_leaves_at_once(make: Make) -> None:
    """Who is in a hurry asks twice; what was at hand is processed by the next run."""
    folder = slow_lake(make, 120, "2m")
    with up(folder) as lake:
        assert until(lambda: standing(folder).working == 1)
        lake.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        began = time.monotonic()
        assert lake.stop()[0] == 128 + signal.SIGTERM
        assert time.monotonic() - began < 10


def test_too_little_room_lets_files_wait_until_there_is_more(make: Make) -> None:
    """Below `up.min_free` nothing is taken, health says why, and the work goes on by itself once there is room."""
    folder = make(SHOP + "up: {min_free: 900000GB}\n", {"o1.csv": "id\n1\n"})
    with up(folder) as lake:
        assert until(lambda: lake.get("/healthz")[0] == 503)
        health = json.loads(lake.get("/healthz")[1])
        assert (health["status"], health["phase"], health["reasons"][0]["part"]) == ("degraded", "paused", "disk")
        assert "900,000,000.0 MB are wanted (up.min_free)" in health["reasons"][0]["reason"]
        assert "penstock_healthy 0.0" in lake.get("/metrics")[1]
        (folder / "raw" / "o2.csv").write_text("id\n2\n")
        assert until(lambda: standing(folder).waiting == 2)
        (folder / "lake.yaml").write_text(SHOP + "up: {min_free: 100KB}\n")
        found = [lake.wait_for("finished")["file"], lake.wait_for("finished")["file"]]
        assert lake.stop()[0] == 0
    assert sorted(found) == ["o1.csv", "o2.csv"]
    assert "files wait: " in call("-C", folder, "logs", "--failed").out
    with Lake(folder) as after:
        assert [arrival.attempts for arrival in after.state.arrivals.find()] == [1, 1]


def test_an_older_process_keeps_a_newer_one_out(make: Make) -> None:
    """A store of an older version is not brought up to date under a process that works with it, here one on no port."""
    import sqlite3

    folder = make(SHOP, {"o1.csv": "id\n1\n"})
    with up(folder, "--no-http") as lake:
        assert lake.greeting["port"] is None
        lake.wait_for("finished")
        with sqlite3.connect(folder / ".penstock" / "state.db") as store:
            newest = store.execute("PRAGMA user_version").fetchone()[0]
            store.execute(f"PRAGMA user_version={newest - 1}")
        outcome = call("-C", folder, "status")
        with sqlite3.connect(folder / ".penstock" / "state.db") as store:
            store.execute(f"PRAGMA user_version={newest}")
        store.close()
        lake.stop()
    assert outcome.code == 1
    assert outcome.err == (
        f"error: {folder}/.penstock/state.db: the state store is of an older version, and in use by "
        f"penstock up (process {lake.process.pid})\n"
        "  stop that process first; then this version brings the store up to date by itself\n"
    )


@pytest.fixture(autouse=True)
def _debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_DEBUG", raising=False)
