"""Engines run one SELECT over arriving files and write what it keeps as Parquet; commits are never theirs."""

from penstock.engines.duckdb import MEMORY_VARIABLE, DuckDBEngine
from penstock.engines.engine import (
    FATE,
    ORDINAL,
    PLACE,
    ROW,
    SOURCE,
    Batch,
    Engine,
    Fate,
    Parsed,
    Rejected,
    Rule,
    SetAside,
    Source,
    Work,
    Written,
    flag_column,
    raw_column,
)

__all__ = [
    "FATE",
    "MEMORY_VARIABLE",
    "ORDINAL",
    "PLACE",
    "ROW",
    "SOURCE",
    "Batch",
    "DuckDBEngine",
    "Engine",
    "Fate",
    "Parsed",
    "Rejected",
    "Rule",
    "SetAside",
    "Source",
    "Work",
    "Written",
    "flag_column",
    "raw_column",
]
