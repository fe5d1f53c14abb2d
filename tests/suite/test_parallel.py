"""How the suite runs in several processes."""

from __future__ import annotations

import re

from tests.parallel import LONGEST, TOGETHER, unit_of
from tests.suite.sessions import ROOT

BOTH = """
import pytest, warnings
@pytest.mark.parametrize("at", range(3))
def test_it(at, worker_id):
    print("in", worker_id)
    assert False
"""
WARNS = """
import warnings
def test_it():
    warnings.warn("old")
"""
HANGS = """
import time
import pytest
@pytest.mark.timeout(1)
def test_it():
    time.sleep(30)
"""


def workers(output: str) -> dict[str, set[str]]:
    """Which processes ran the tests of each file."""
    found: dict[str, set[str]] = {}
    for file, worker in re.findall(
        r"^\[gw\d\].*?\n\n?.*?(\S+\.py):\d+: .*?\nin (gw\d)$", output, re.MULTILINE | re.DOTALL
    ):
        found.setdefault(file, set()).add(worker)
    return found


def test_what_is_listed_exists() -> None:
    """The longest files, and the folders that stay together, are there."""
    assert [place for place in {*LONGEST, *TOGETHER} if not (ROOT / place).exists()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_files_of_a_folder_that_stays_together_are_one() -> None:
    """Other files are units of their own."""
    assert unit_of("tests/interop/test_page.py::test_a[b/c::d]") == "tests/interop"
    assert unit_of("tests/interoperable/test_page.py::test_a") == "tests/interoperable/test_page.py"
    assert unit_of("tests/cli/test_run.py::test_a[b::c]") == "tests/cli/test_run.py"
