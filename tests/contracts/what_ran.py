"""That every registered implementation passed checks of its contract suite: otherwise the session fails.

This is decided when the session ends, from the reports of the tests, so it holds wherever they ran. A session that
was asked for a part of the contract suites only is not judged.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.contracts.registry import INTERFACES, label

PROPERTY = "contract"
FOLDER = Path(__file__).parent
PARTS = ("keyword", "markexpr", "deselect", "lf", "collectonly", "stepwise")
"""Options that select a part of what was asked for."""


def note(item: pytest.Item, interface: str, implementation: str) -> None:
    """Remember that a test checks this implementation."""
    item.user_properties.append((PROPERTY, label(interface, implementation)))


def pytest_configure(config: pytest.Config) -> None:
    """Listen to the reports, except in a process whose reports go to another."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Judge(config), "contract suites")


def whole(config: pytest.Config) -> bool:
    """Whether all contract suites are part of the session."""
    if any(getattr(config.option, part, None) for part in PARTS):
        return False
    asked = [(config.invocation_params.dir / path).resolve() for path in config.option.file_or_dir]
    return not asked or any(FOLDER.is_relative_to(path) for path in asked)


class _Judge:
    """Counts the checks that passed, and fails a session in which an implementation has none."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._passed: Counter[str] = Counter()
        self._ran = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the checks that passed."""
        if report.when == "call":
            checked = [str(value) for key, value in report.user_properties if key == PROPERTY]
            self._ran = self._ran or bool(checked)
            self._passed.update(checked if report.passed else [])

    def missing(self) -> list[str]:
        """Implementations that passed no check, and interfaces without an implementation."""
        empty = [interface for interface, known in INTERFACES.items() if not known]
        return empty + [name for name in _labels() if not self._passed[name]]

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail the session where something is missing."""
        over = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} and not session.shouldfail
        if over and whole(self._config) and (missing := self.missing()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            self._config.hook.pytest_runtest_logreport(report=_failure(missing))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print which implementations were checked, those without a single check included."""
        if self._ran or whole(self._config):
            ran = ", ".join(f"{name} {self._passed[name]} checks" for name in _labels())
            terminalreporter.write_sep("-", "contract suites")
            terminalreporter.write_line(f"contract suites: {ran}")


def _labels() -> list[str]:
    return [label(interface, name) for interface, known in INTERFACES.items() for name in known]


def _failure(missing: list[str]) -> pytest.TestReport:
    """What stands in the summary as an error."""
    text = (
        f"no check of the contract suites passed in this session for {', '.join(missing)}: every implementation in "
        "tests/contracts/registry.py must be run by the suite of its interface"
    )
    place = "tests/contracts"
    return pytest.TestReport(place, (place, None, place), {}, "failed", text, "teardown")
