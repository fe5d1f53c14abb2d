"""Which implementations every contract suite runs on: a new one is one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from penstock.clock import Clock
from penstock.engines import DuckDBEngine, Engine
from penstock.state import SqliteState, State
from penstock.state.store import Heads
from penstock.storage import LocalZone, Zone
from penstock.tables import Catalog, LocalCatalog
from penstock.tables.retention import LocalRetention, Retention

ZONES: dict[str, Callable[[Path], Zone]] = {
    "local": LocalZone,
}
STATES: dict[str, Callable[[Path, Clock], State]] = {
    "sqlite": SqliteState,
}
CATALOGS: dict[str, Callable[[Path, Heads], Catalog]] = {
    "local": LocalCatalog,
}
RETENTIONS: dict[str, Callable[[Any], Retention]] = {
    "local": LocalRetention,
}
"""Under the names of the catalogs that they go with."""
ENGINES: dict[str, Callable[[Path], Engine]] = {
    "duckdb": DuckDBEngine,
}
INTERFACES: dict[str, Mapping[str, Any]] = {
    "storage": ZONES,
    "state": STATES,
    "catalog": CATALOGS,
    "engine": ENGINES,
}


def label(interface: str, implementation: str) -> str:
    """Name an implementation as the summary prints it."""
    return f"{interface}[{implementation}]"
