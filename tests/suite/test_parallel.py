"""How the suite runs in several processes."""

from __future__ import annotations

import re
from pathlib import Path

from tests.parallel import LONGEST, TOGETHER, pytest_xdist_auto_num_workers, unit_of
from tests.suite.sessions import ROOT, session

FAILS = """
import pytest, sys
@pytest.mark.parametrize("at", range(3))
def test_it(at, worker_id):
    assert False, f"{__file__} in {worker_id}"
"""
WARNS = """
import warnings
def test_it():
    warnings.warn("this is old")
"""
HANGS = """
import time, pytest
@pytest.mark.timeout(1)
def test_it():
    time.sleep(30)
"""
DIES = """
import os
def test_it():
    os._exit(3)
def test_after():
    pass
"""


def test_what_is_listed_exists() -> None:
    """The longest files, and the folders that stay together, are there."""
    assert [place for place in {*LONGEST, *TOGETHER} if not (ROOT / place).exists()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_files_of_a_folder_that_stays_together_are_one() -> None:
    """Other files are units of their own."""
    assert unit_of("tests/interop/test_page.py::test_a[b/c::d]") == "tests/interop"
    assert unit_of("tests/interoperable/test_page.py::test_a") == "tests/interoperable/test_page.py"
    assert unit_of("tests/cli/test_run.py::test_a[b::c]") == "tests/cli/test_run.py"


def test_there_are_two_to_four_processes() -> None:
    """One core is enough for two, since most tests wait; more than four are in each other's way."""
    assert 2 <= pytest_xdist_auto_num_workers() <= 4


def test_a_file_is_run_by_one_process(tmp_path: Path) -> None:
    """Files are spread, the tests of one are not; what fails, warns or hangs is told as in one process."""
    files = {"test_a.py": FAILS, "test_b.py": FAILS, "test_c.py": WARNS, "test_d.py": HANGS}
    done = session(tmp_path, files, "-n", "2")
    assert done.returncode == 1
    ran = set(re.findall(r"^E +AssertionError: \S+(test_\w\.py) in (gw\d)$", done.stdout, re.MULTILINE))
    assert sorted(file for file, _ in ran) == ["test_a.py", "test_b.py"]
    assert {worker for _, worker in ran} == {"gw0", "gw1"}
    assert "E       UserWarning: this is old" in done.stdout
    assert "Failed: Timeout (>1.0s) from pytest-timeout." in done.stdout
    assert "8 failed" in done.stdout


def test_a_process_that_dies_fails_the_session(tmp_path: Path) -> None:
    """The test in which it died is named, and nobody waits for what it would have said."""
    done = session(tmp_path, {"test_a.py": DIES, "test_b.py": DIES.replace("os._exit(3)", "pass")}, "-n", "2")
    assert done.returncode != 0
    assert re.search(r"worker 'gw\d' crashed while running 'test_a.py::test_it'", done.stdout)
