"""What the tests of other readers and writers share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.everything import Spark, build


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    """Spark, started once for all tests."""
    with Spark(tmp_path_factory.mktemp("spark")) as running:
        yield running


@pytest.fixture(scope="session")
def lake(spark: Spark, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001 - Spark starts meanwhile
    """A lake that holds every type and has been through every change; tests only read it."""
    return build(tmp_path_factory.mktemp("lakes") / "readers")
