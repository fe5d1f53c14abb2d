"""What is known of a table's files: their dialect and the types of their columns, with the reasons.

It is decided with the first file, kept in the table's properties, and so outlives the state store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from penstock.formats import Dialect, Inferred

PROPERTY = "penstock.source"


@dataclass(frozen=True)
class SourceSchema:
    """Dialect and columns of a table's files, in the order of the first file."""

    dialect: Dialect
    columns: dict[str, Inferred]

    def to_json(self) -> str:
        """Text for the table's properties."""
        columns = [{"name": name, **inferred.as_dict()} for name, inferred in self.columns.items()]
        return json.dumps({"dialect": self.dialect.as_dict(), "columns": columns}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> SourceSchema:
        """Read what `to_json` wrote."""
        plain: dict[str, Any] = json.loads(text)
        columns = {column.pop("name"): Inferred(**column, certain=True) for column in plain["columns"]}
        return cls(Dialect.from_dict(plain["dialect"]), columns)

    def of(self, name: str) -> str | None:
        """The known spelling of a column's name, upper and lower case alike; None for a new column."""
        return next((known for known in self.columns if known.lower() == name.lower()), None)

    def with_columns(self, columns: Mapping[str, Inferred]) -> SourceSchema:
        """The same with some columns more, or decided anew."""
        return replace(self, columns={**self.columns, **columns})

    def uncertain(self) -> list[str]:
        """Columns whose type the whole file has yet to confirm."""
        return [name for name, inferred in self.columns.items() if not inferred.certain]

    def confirmed(self, at: str = "") -> SourceSchema:
        """The same, after the whole file has been read with it and nothing was refused; what is new is decided `at`."""
        return replace(
            self,
            columns={name: replace(column, certain=True, at=column.at or at) for name, column in self.columns.items()},
        )
