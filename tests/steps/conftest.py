"""An engine to run steps with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from penstock.engines import DuckDBEngine
from tests.steps.table import Bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One engine for the examples of a module."""
    folder = tmp_path_factory.mktemp("bench")
    engine = DuckDBEngine(folder / "spill", threads=2)
    yield Bench(engine, folder)
    engine.close()
