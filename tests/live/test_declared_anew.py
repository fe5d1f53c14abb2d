"""A lake that is up while `lake.yaml` is written: what is sound is followed, all else is refused, and nothing ends."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from tests.live.up import DECLARATION, Up, csv, drop, ids, make_lake, up

STEP = """
allow_exec: true
workflows:
  long: {{on: {{committed: orders}}, exec: [sh, -c, 'trap "" TERM; echo begun >> begun.txt; sleep {seconds}']}}
"""
SHORT_DRAIN = DECLARATION.replace("up: {", "up: {drain: 1s, ")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake without files."""
    return make_lake(tmp_path / "lake")


def _declare(lake: Path, text: str) -> None:
    """Write lake.yaml aside, and put it in place at once."""
    aside = lake / "lake.yaml.new"
    aside.write_text(text)
    aside.replace(lake / "lake.yaml")


def _goes_on(lake: Path, running: Up, first: int) -> None:
    """A file that lands now is taken in."""
    drop(lake, f"orders/{first}.csv", csv(first))
    running.wait("finished", file=f"orders/{first}.csv")
    assert running.process.poll() is None


@pytest.mark.parametrize(
    ("step", "problem"),
    [("require: [nope]", 'no column "nope"'), ('derive: {z: "nofunc(a"}', "lake.yaml:")],
)
def test_what_check_refuses_is_refused(lake: Path, step: str, problem: str) -> None:
    """A column that cannot be there, and an expression that is none, change nothing; files go on as before."""
    drop(lake, "orders/0.csv", csv(0))
    with up(lake) as running:
        running.wait("finished", file="orders/0.csv")
        orders = '    files: "orders/**/*.csv"\n'
        _declare(lake, DECLARATION.replace(orders, f"{orders}    steps: [{{{step}}}]\n"))
        assert problem in running.wait("declaration_refused")["problems"][0]
        assert running.of("declaration_changed") == []
        _goes_on(lake, running, 10)
        _declare(lake, DECLARATION + '  more: {files: "more/*.csv"}\n')
        running.wait("up", 2)
        drop(lake, "more/a.csv", csv(0))
        running.wait("finished", table="more")


def test_what_cannot_be_opened_is_refused(lake: Path) -> None:
    """Where lake.yaml is sound, but its port is another program's, all goes on as it was declared before."""
    with socket.create_server(("127.0.0.1", 0)) as taken, up(lake) as running:
        _declare(lake, DECLARATION.replace("port: 0", f"port: {taken.getsockname()[1]}"))
        refused = running.wait("declaration_refused")
        assert str(taken.getsockname()[1]) in refused["problems"][0]
        assert len(running.of("up")) == 2
        _goes_on(lake, running, 0)
        assert len(running.of("declaration_refused")) == 1
        assert running.stop() == 0


def test_a_step_that_takes_long_does_not_end_it(lake: Path) -> None:
    """A change waits for a step at hand longer than up.drain; what is written meanwhile is looked at afterwards."""
    with_step = SHORT_DRAIN + STEP.format(seconds=3)
    _declare(lake, with_step)
    with up(lake) as running:
        drop(lake, "orders/0.csv", csv(0))
        running.wait_until((lake / "begun.txt").exists, "the step to begin")
        _declare(lake, with_step + "# a word\n")
        running.wait("declaration_changed")
        _declare(lake, with_step + "nonsense: 1\n")
        running.wait("up", 2)
        assert "nonsense" in running.wait("declaration_refused")["problems"][0]
        _goes_on(lake, running, 10)
    _declare(lake, with_step)
    assert ids(lake) == [*range(20)]


def test_a_signal_ends_the_wait_for_a_change(lake: Path) -> None:
    """Asked to stop while a change waits for a step, it leaves once up.drain has passed, and does not start anew."""
    _declare(lake, SHORT_DRAIN + STEP.format(seconds=20))
    with up(lake) as running:
        drop(lake, "orders/0.csv", csv(0))
        running.wait_until((lake / "begun.txt").exists, "the step to begin")
        _declare(lake, SHORT_DRAIN + STEP.format(seconds=21))
        running.wait("declaration_changed")
        begun = time.monotonic()
        assert running.stop(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 15
        assert len(running.of("up")) == 1


def test_a_failed_step_is_tried_again_in_time(lake: Path) -> None:
    """The rest of a step that failed is over when it is declared to be, also where nothing else happens."""
    fails = (
        "{on: {committed: orders}, retry: {attempts: 2, wait: 1s}, exec: [sh, -c, 'sleep 2; echo >> tries; exit 1']}"
    )
    _declare(lake, f"{DECLARATION}\nallow_exec: true\nworkflows: {{w: {fails}}}\n")
    with up(lake) as running:
        drop(lake, "orders/0.csv", csv(0))
        tries = lake / "tries"
        running.wait_until(tries.exists, "the first attempt")
        begun = time.monotonic()
        running.wait_until(lambda: len(tries.read_text()) == 2, "the second attempt")
        assert time.monotonic() - begun < 15
