"""Fixtures of the tests of a lake on AWS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.machines import Machines


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """As many machines as a test asks for."""
    made = Machines(tmp_path)
    yield made
    made.close()
