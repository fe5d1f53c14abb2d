"""Engines run one SELECT over arriving files and write what it keeps as Parquet; commits are never theirs."""

from penstock.engines.duckdb import MEMORY_VARIABLE, DuckDBEngine
from penstock.engines.engine import (
    FATE,
    ORDINAL,
    SOURCE,
    Engine,
    Rejected,
    Rule,
    SetAside,
    Source,
    Work,
    Written,
    raw_column,
)

__all__ = [
    "FATE",
    "MEMORY_VARIABLE",
    "ORDINAL",
    "SOURCE",
    "DuckDBEngine",
    "Engine",
    "Rejected",
    "Rule",
    "SetAside",
    "Source",
    "Work",
    "Written",
    "raw_column",
]
