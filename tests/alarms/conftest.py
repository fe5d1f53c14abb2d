"""Fixtures of the tests of alarms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.clock import HeldClock
from penstock.state import SqliteState, State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """A state store in which nothing has happened."""
    made = SqliteState(tmp_path / "state", HeldClock())
    yield made
    made.close()
