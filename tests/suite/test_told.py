"""What tests say at the end of a session, from one process or several."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suite.sessions import session
from tests.told import say

FIRST = """
from tests.told import close, count, say
import pytest, time
@pytest.fixture(scope="module")
def last():
    yield
    say("storm", "third")
def test_first():
    time.sleep(0.5)
    say("storm", "first")
    count("sweep", "kill", 3, unit="points")
    close("storm", "repeat it")
def test_second(last):
    say("storm", "second")
    count("sweep", "error", unit="points")
    assert False
"""
OTHER = """
from tests.told import close, count, say
def test_other():
    say("storm", "fourth")
    say("flips", "[n]one")
    count("sweep", "kill", 2, unit="points")
    close("storm", "repeat it")
"""
SAID = """\
flips: [n]one
storm: first
storm: second
storm: third
storm: fourth
storm: repeat it
sweep: N = 6 points: error 1, kill 5
"""
TOPICS = ("flips:", "storm:", "sweep:")


@pytest.mark.parametrize("processes", ["0", "2"])
def test_what_is_said_is_printed_wherever_it_was_said(tmp_path: Path, processes: str) -> None:
    """Lines of all processes, in the order of the files, added up, also of tests that fail and of fixtures that end."""
    done = session(tmp_path, {"test_a.py": FIRST, "test_b.py": OTHER}, "-n", processes)
    assert done.returncode == 1
    said = [line for line in done.stdout.splitlines() if line.startswith(TOPICS)]
    assert said == SAID.splitlines()
    assert [line.strip("- ") for line in done.stdout.splitlines() if line.startswith("---")] == [
        "flips",
        "storm",
        "sweep",
    ]


def test_nothing_is_printed_where_nothing_is_said(tmp_path: Path) -> None:
    """No empty sections."""
    done = session(tmp_path, {"test_a.py": "def test_a(): pass"})
    assert done.returncode == 0
    assert "---" not in done.stdout


def test_only_a_test_can_say_something(tmp_path: Path) -> None:
    """What a module says when it is imported would be lost, so it is an error."""
    done = session(tmp_path, {"test_a.py": "from tests.told import say\nsay('storm', 'x')\ndef test_a(): pass"})
    assert done.returncode == 2
    assert "only a test that runs can say something" in done.stdout


def test_lines_of_the_suite_itself_are_taken(request: pytest.FixtureRequest) -> None:
    """In this very session, what is said becomes a property of the test that says it."""
    before = len(request.node.user_properties)
    say("suite", "what tests say travels with their reports")
    said = request.node.user_properties[before:]
    del request.node.user_properties[before:]
    assert said == [("told", {"topic": "suite", "line": "what tests say travels with their reports", "closing": False})]
