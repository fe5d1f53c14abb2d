"""What a table of the product's own is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from penstock.state import State
from penstock.tables import Catalog

Row = tuple[Any, ...]


@dataclass(frozen=True)
class SystemTable:
    """A table of the product's own: columns (name, DuckDB type), and where rows come from."""

    description: str
    columns: tuple[tuple[str, str], ...]
    rows: Callable[[State, Catalog], Iterable[Row]]
