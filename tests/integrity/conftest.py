"""What the flips came to is said at the end of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integrity.flips import SAID

if TYPE_CHECKING:
    import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the counts."""
    if SAID:
        terminalreporter.section("flips")
        for line in SAID:
            terminalreporter.write_line(line)
