"""That a session fails where a registered implementation was not checked: small sessions of pytest, each a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.registry import INTERFACES
from tests.suite.sessions import session

FIXTURES = {
    "storage": "zone",
    "state": "stores",
    "queue": "stores",
    "catalog": "catalogs",
    "engine": "engine",
    "notices": "post",
}
CONFTEST = """
import sys, types
registry = types.ModuleType("tests.contracts.registry")
registry.INTERFACES = {"storage": {"local": object, "other": object}}
registry.label = "{}[{}]".format
sys.modules[registry.__name__] = registry
pytest_plugins = ["tests.parallel", "tests.told", "tests.contracts.what_ran"]
"""
CHECKS = """
import pytest
from tests.contracts.what_ran import note
@pytest.mark.parametrize("implementation", %r)
def test_check(request, implementation):
    note(request.node, "storage", implementation)
    %s
"""
ELSE = "def test_else(): pass"
ERROR = "no check of the contract suites passed in this session for storage[other]: every implementation in"


def test_every_interface_has_implementations() -> None:
    """No interface is left without an implementation, and each has a fixture that names it."""
    assert set(FIXTURES) == set(INTERFACES)
    assert all(INTERFACES.values())


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_session_that_leaves_an_implementation_out_fails(tmp_path: Path, processes: str) -> None:
    """All tests pass, but none checked a registered implementation: the session fails, and its summary says why."""
    files = {"conftest.py": CONFTEST, "test_a.py": CHECKS % (["local"], "pass"), "test_b.py": ELSE}
    done = session(tmp_path, files, "-n", processes)
    assert done.returncode == 1, done.stdout
    assert ERROR in done.stdout
    assert "contract suites: storage[local] 1 checks, storage[other] 0 checks" in done.stdout
    assert "2 passed, 1 error" in done.stdout


def test_a_session_that_checks_all_passes(tmp_path: Path) -> None:
    """Each implementation passed a check, in whichever process: the session passes."""
    both = CHECKS % (["local", "other"], "pass")
    files = {"conftest.py": CONFTEST, "test_a.py": CHECKS % (["local"], "pass"), "test_b.py": both}
    done = session(tmp_path, files, "-n", "2")
    assert done.returncode == 0, done.stdout
    assert "contract suites: storage[local] 2 checks, storage[other] 1 checks" in done.stdout


def test_a_check_that_did_not_pass_does_not_count(tmp_path: Path) -> None:
    """What was skipped or was expected to fail has checked nothing."""
    skipped, expected = (CHECKS % (["other"], f"pytest.{how}('not now')") for how in ("skip", "xfail"))
    files = {"conftest.py": CONFTEST, "test_a.py": CHECKS % (["local"], "pass")}
    done = session(tmp_path, {**files, "test_b.py": skipped, "test_c.py": expected})
    assert done.returncode == 1, done.stdout
    assert ERROR in done.stdout


@pytest.mark.parametrize("selection", [("test_a.py",), ("-k", "check")])
def test_a_part_of_the_suites_is_not_judged(tmp_path: Path, selection: tuple[str, ...]) -> None:
    """Who asks for some tests only is told what ran, and nothing is missed."""
    files = {"conftest.py": CONFTEST, "test_a.py": CHECKS % (["local"], "pass"), "test_b.py": ELSE}
    done = session(tmp_path, files, *selection)
    assert done.returncode == 0, done.stdout
    assert "contract suites: storage[local] 1 checks, storage[other] 0 checks" in done.stdout
