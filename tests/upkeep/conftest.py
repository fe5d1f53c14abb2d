"""The summary of what the busy lake saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.upkeep.told import TOLD

if TYPE_CHECKING:
    import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was done."""
    if TOLD:
        terminalreporter.write_sep("-", "upkeep")
    for line in TOLD:
        terminalreporter.write_line(f"upkeep: {line}")
