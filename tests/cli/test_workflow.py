"""`penstock schedule` and `penstock workflow`: what a person and a program see of workflows."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import COMMAND, call, environment

TEXT = """
lake: shop
allow_exec: true
tables:
  orders: {files: "orders/*.csv"}
workflows:
  nightly:
    cron: "0 2 * * *"
    timezone: Europe/Paris
    retry: {attempts: 1}
    steps: [{refresh: all}, {verify: all}]
  follow: {on: {committed: orders, dead: "*"}, retry: {attempts: 1}, exec: [sh, -c, "echo told; exit 4"]}
  once: {refresh: orders}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A lake with workflows and a file that waits."""
    (tmp_path / "raw" / "orders").mkdir(parents=True)
    (tmp_path / "raw" / "orders" / "a.csv").write_text("id\n1\n2\n")
    (tmp_path / "lake.yaml").write_text(TEXT)
    return tmp_path


def test_the_schedule_shows_utc_and_local_time(shop: Path) -> None:
    """Each workflow is there: its next times where it has any, else what starts it."""
    out = call("-C", shop, "schedule", "--from", "2026-10-24T12:00", "-n", "2")
    assert out.code == 0, out.err
    assert [re.split(r"\s{2,}", line.rstrip()) for line in out.out.splitlines()[2:6]] == [
        ["nightly", "Sun 2026-10-25 00:00", "Sun 2026-10-25 02:00 +0200", "Europe/Paris", "never"],
        ["", "Mon 2026-10-26 01:00", "Mon 2026-10-26 02:00 +0100"],
        ["follow", "committed orders; dead *", "never"],
        ["once", "by hand", "never"],
    ]


def test_the_schedule_as_json(shop: Path) -> None:
    """Programs get every moment in UTC and as a clock shows it, and how the last run ended."""
    assert call("-C", shop, "workflow", "run", "nightly").code == 0
    nightly, follow, _ = call("-C", shop, "schedule", "--json", "-n", "1", "--from", "2026-12-24").json()
    assert nightly["next"] == [{"utc": "2026-12-24T01:00:00.000Z", "local": "2026-12-24T02:00:00+01:00"}]
    assert (nightly["schedules"], nightly["timezone"]) == (["0 2 * * *"], "Europe/Paris")
    assert (nightly["last"]["state"], nightly["last"]["error"]) == ("finished", None)
    assert (follow["next"], follow["on"], follow["last"]) == ([], {"committed": ["orders"], "dead": ["*"]}, None)


def test_a_moment_that_is_none_is_refused(shop: Path) -> None:
    """`--from` says how a moment is written."""
    out = call("-C", shop, "schedule", "--from", "tomorrow")
    assert out.code == 2
    assert '"tomorrow" is no moment; write it like 2026-12-24T18:00' in out.err


def test_a_run_by_hand_shows_its_steps_and_ends_well(shop: Path) -> None:
    """`workflow run` waits for the end, says each step, and the rows are in."""
    out = call("-C", shop, "workflow", "run", "nightly")
    assert out.code == 0, out.err
    assert out.err.splitlines()[1:] == ["done  refresh all", "done  verify all"]
    assert out.out.startswith("nightly finished: 2 of 2 steps done, ")
    assert call("-C", shop, "query", "--format", "json", "SELECT count(*) AS n FROM orders").json() == [{"n": 2}]


def test_a_run_that_fails_ends_with_three(shop: Path) -> None:
    """A failed run says why and where to read on; its output can be looked at."""
    out = call("-C", shop, "workflow", "run", "follow")
    assert out.code == 3
    assert out.out.startswith("follow failed: exec sh: sh ended with exit code 4: told\n")
    (run,) = call("-C", shop, "workflow", "runs", "--json").json()
    assert (run["state"], run["error"]) == ("failed", "exec sh: sh ended with exit code 4: told")
    shown = call("-C", shop, "workflow", "show", run["run"])
    assert shown.code == 0
    assert f"follow, failed, started by {run['trigger']}" in shown.out
    listed = call("-C", shop, "workflow", "runs", "follow").out
    assert f"penstock -C {shop} workflow show {run['run']}" in listed


def test_a_run_as_json(shop: Path) -> None:
    """`workflow run --json` gives the run with its steps, and the same exit code."""
    run = call("-C", shop, "workflow", "run", "once", "--json").json()
    assert (run["workflow"], run["state"], run["error"]) == ("once", "finished", None)
    (step,) = run["steps"]
    assert (step["words"], step["state"], step["attempts"]) == ("refresh orders", "finished", 1)
    assert step["outcome"]["rows_out"] == 2
    assert call("-C", shop, "workflow", "show", run["run"], "--json").json() == run


def test_workflows_are_listed(shop: Path) -> None:
    """`workflow list` says what starts each and what it does."""
    out = call("-C", shop, "workflow", "list").out.splitlines()
    assert out[2].split("  ")[0] == "nightly"
    assert out[2].rstrip().endswith("refresh all; verify all")
    assert "committed orders; dead *" in out[3]
    assert "by hand" in out[4]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_by_hand_is_stopped_with_what_it_started(shop: Path, number: signal.Signals) -> None:
    """Ctrl-C ends the program of the step, and the run with it; the exit code says which signal came."""
    text = "lake: shop\nallow_exec: true\nworkflows: {w: {exec: [sh, -c, 'echo $$ > pid; exec sleep 60']}}\n"
    (shop / "lake.yaml").write_text(text)
    with started("-C", shop, "workflow", "run", "w") as process:
        until = time.monotonic() + 60
        while not (shop / "pid").exists() or not (shop / "pid").read_text().strip():
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    assert not psutil.pid_exists(int((shop / "pid").read_text())) or is_zombie(shop / "pid")
    (run,) = call("-C", shop, "workflow", "runs", "--json").json()
    assert (run["state"], run["error"]) == ("failed", "stopped by hand")


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A call of the command line that goes on beside the test."""
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def is_zombie(file: Path) -> bool:
    """Whether the process whose number stands in a file only waits to be counted."""
    return psutil.Process(int(file.read_text())).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "nigthly"], 'no workflow "nigthly" is declared; did you mean "nightly"?'),
        (["runs", "nigthly"], 'no workflow "nigthly" is declared; did you mean "nightly"?'),
        (["show", "w1"], 'no run "w1"'),
    ],
)
def test_what_is_not_there_is_said(shop: Path, arguments: list[str], text: str) -> None:
    """Names that are not there end with 1 and say what there is."""
    out = call("-C", shop, "workflow", *arguments)
    assert out.code == 1
    assert text in out.err


def test_runs_of_workflows_are_a_table(shop: Path) -> None:
    """`penstock.workflow_runs` is asked like any table."""
    call("-C", shop, "workflow", "run", "once")
    sql = "SELECT workflow, state, attempts, started IS NOT NULL AS begun FROM penstock.workflow_runs"
    found = call("-C", shop, "query", "--format", "json", sql).json()
    assert found == [{"workflow": "once", "state": "finished", "attempts": 1, "begun": True}]


def test_a_lake_without_workflows_says_so(tmp_path: Path) -> None:
    """Nothing declared is said in words, and is an empty list for programs."""
    (tmp_path / "lake.yaml").write_text("lake: shop\n")
    assert call("-C", tmp_path, "schedule").out == "lake.yaml declares no workflow\n"
    assert call("-C", tmp_path, "schedule", "--json").json() == []
    assert call("-C", tmp_path, "workflow", "list").out == "lake.yaml declares no workflow\n"
    assert call("-C", tmp_path, "workflow", "runs", "--json").json() == []
