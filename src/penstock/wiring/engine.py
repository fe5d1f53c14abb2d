"""Engines of a lake: each spills to a folder of its own, which others see to be left over once its process is gone."""

from __future__ import annotations

from penstock.engines import DuckDBEngine
from penstock.opened import Opened
from penstock.storage.owned import own_folder


def engine_of(lake: Opened, memory: str | None = None, threads: int | None = None) -> DuckDBEngine:
    """Make an engine; whoever asked closes it.

    Args:
        lake: In whose work folder it spills.
        memory: How much memory it may use; as much as one that is alone, when left out.
        threads: How many threads it uses; as many as there are processors, when left out.
    """
    return DuckDBEngine(own_folder(lake.work / "spill"), memory, threads)
