"""Worlds for tests of workflows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.workflow.worlds import World

MakeWorld = Callable[[str], World]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Make a world with workflows; it is closed at the end."""
    made: list[World] = []

    def make(text: str) -> World:
        made.append(World(tmp_path, text))
        return made[-1]

    yield make
    for one in made:
        one.close()
