"""The summary of what was struck."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.tally import POINTS

if TYPE_CHECKING:
    import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print at how many points each kind of fault struck."""
    if POINTS:
        struck = ", ".join(f"{kind} {count}" for kind, count in sorted(POINTS.items()))
        terminalreporter.write_sep("-", "fault sweep")
        terminalreporter.write_line(f"fault sweep: N = {POINTS.total()} points: {struck}")
