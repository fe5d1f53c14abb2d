"""Engines run one SELECT over arriving files and write what it keeps as Parquet; commits are never theirs."""

from penstock.engines.duckdb import DuckDBEngine
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
