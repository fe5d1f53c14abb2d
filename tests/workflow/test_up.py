"""Workflows in a real `penstock up`: woken by what happens, stopped with it, and gone on with by the next one."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from penstock.lake import Lake
from penstock.state import WorkflowRun
from tests.waiting import until

LIMIT_SECONDS = 90.0
TEXT = """
lake: shop
allow_exec: true
tables:
  orders: {files: "orders/*.csv"}
workflows:
  follow: {on: {committed: orders}, exec: [sh, -c, 'echo "$PENSTOCK_EVENT_TABLE" >> followed.txt']}
  long: {on: {workflow: follow}, exec: [sh, -c, 'echo begun >> long.txt; [ -e short ] || exec sleep 60']}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A lake whose commits start one workflow, whose end starts another."""
    (tmp_path / "raw" / "orders").mkdir(parents=True)
    (tmp_path / "lake.yaml").write_text(TEXT)
    return tmp_path


@contextmanager
def up(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A `penstock up`; it must end well when it is asked to."""
    command = [sys.executable, "-P", "-m", "penstock", "-C", str(folder), "up", "--no-http"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT_SECONDS) == 0
        finally:
            process.kill()


def runs(folder: Path, workflow: str) -> list[WorkflowRun]:
    """Runs of a workflow, newest first."""
    with Lake(folder) as lake:
        return lake.workflows().runs(workflow)


def test_a_file_that_lands_goes_through_the_whole_chain(shop: Path) -> None:
    """A file's commit starts a workflow, its end another; what `up` has to stop, the next `up` does."""
    with up(shop):
        assert until(lambda: _lives(shop), LIMIT_SECONDS)
        (shop / "raw" / "orders" / "1.csv").write_text("id\n1\n")
        assert until((shop / "long.txt").exists, LIMIT_SECONDS)
    (follow,) = runs(shop, "follow")
    (long,) = runs(shop, "long")
    assert (follow.state, long.state) == ("finished", "queued")
    assert [step.attempts for step in long.steps] == [0]
    assert (shop / "followed.txt").read_text() == "orders\n"
    (shop / "short").touch()
    with up(shop):
        assert until(lambda: runs(shop, "long")[0].state == "finished", LIMIT_SECONDS)
    assert (shop / "long.txt").read_text() == "begun\nbegun\n"
    assert len(runs(shop, "follow")) == 1


def _lives(folder: Path) -> bool:
    """Whether workflows are attended to: from then on, what happens counts."""
    with Lake(folder) as lake:
        return all(
            lake.store._database.rows("SELECT 1 FROM schedules WHERE schedule=?", name) for name in ("follow", "long")
        )
