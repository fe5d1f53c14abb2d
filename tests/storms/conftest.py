"""The summary of what the storms did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.storms.storm import FULL, SEED, TOLD

if TYPE_CHECKING:
    import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was done, and how to repeat it."""
    if not TOLD:
        return
    terminalreporter.write_sep("-", "storms")
    for line in TOLD:
        terminalreporter.write_line(f"storms: {line}")
    again = f"PENSTOCK_SEED={SEED}{' PENSTOCK_STORM=full' if FULL else ''}"
    terminalreporter.write_line(f"storms: repeat them with {again} pytest tests/storms")
