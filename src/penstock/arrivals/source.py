"""What is known of a table's files: their dialect and the types of their columns, with the reasons.

It is decided with the first file, kept in the table's properties, and so outlives the state store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from penstock.declaration import Table
from penstock.engines import Engine, Source
from penstock.formats import (
    INFERRED_TYPES,
    Dialect,
    Inferred,
    infer_from_sample,
    narrowest,
    open_records,
)
from penstock.steps import text_columns

PROPERTY = "penstock.source"
NARROWEST = INFERRED_TYPES[0]
DECLARED = Inferred("VARCHAR", "read as text: a step declares its type", certain=True)
NO_VALUE = Inferred("VARCHAR", "no value in the first file that has the column", certain=True)


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
        columns = {
            column["name"]: Inferred(column["type"], column["reason"], certain=True) for column in plain["columns"]
        }
        return cls(Dialect(**plain["dialect"]), columns)

    def of(self, name: str) -> str | None:
        """The known spelling of a column's name, upper and lower case alike; None for a new column."""
        return next((known for known in self.columns if known.lower() == name.lower()), None)

    def uncertain(self) -> list[str]:
        """Columns whose type the whole file has yet to confirm."""
        return [name for name, inferred in self.columns.items() if not inferred.certain]

    def confirmed(self) -> SourceSchema:
        """The same, after the whole file has been read with it and nothing was refused."""
        return replace(self, columns={name: replace(column, certain=True) for name, column in self.columns.items()})


def first_guess(
    table: Table, dialect: Dialect, header: list[str], head: bytes, engine: Engine, source: Source, *, whole: bool
) -> SourceSchema:
    """Guess the columns' types from the first file's sample; columns without a value there are looked at in full."""
    declared = text_columns(table.steps)
    guesses = infer_from_sample(header, open_records(head, dialect, whole=whole))
    columns = {name: DECLARED if name.lower() in declared else guesses[name] for name in header}
    unknown = [name for name, guess in columns.items() if guess is None]
    narrow = dict.fromkeys(unknown, NARROWEST)
    looked_at = from_whole_file(narrow, header, engine, source) if unknown and not whole else {}
    return SourceSchema(dialect, {name: guess or looked_at.get(name, NO_VALUE) for name, guess in columns.items()})


def extended(known: SourceSchema, table: Table, header: list[str], engine: Engine, source: Source) -> SourceSchema:
    """Add the columns that a later file brings."""
    declared = text_columns(table.steps)
    new = [name for name in header if known.of(name) is None]
    looked_at = dict.fromkeys((name for name in new if name.lower() not in declared), NARROWEST)
    found = from_whole_file(looked_at, header, engine, source)
    return replace(known, columns={**known.columns, **{name: found.get(name, DECLARED) for name in new}})


def widened(guess: SourceSchema, header: list[str], engine: Engine, source: Source) -> SourceSchema:
    """Decide the uncertain columns from the whole file, after it has refuted a guess."""
    guesses = {name: guess.columns[name].type for name in guess.uncertain()}
    return replace(guess, columns={**guess.columns, **from_whole_file(guesses, header, engine, source)})


def from_whole_file(
    columns: Mapping[str, str], header: list[str], engine: Engine, source: Source
) -> dict[str, Inferred]:
    """Decide columns from every value of a file; each comes with the narrowest type it may have."""
    positions = {header.index(name): name for name in columns}
    if not positions:
        return {}
    kinds = {at: INFERRED_TYPES[INFERRED_TYPES.index(columns[name]) : -1] for at, name in positions.items()}
    found = engine.fits(source, kinds)
    return {name: _decided(*found[at]) for at, name in positions.items()}


def _decided(fits: dict[str, bool], example: str | None) -> Inferred:
    if len(fits) == len(INFERRED_TYPES) - 1 and all(fits.values()):  # only a column without a value fits every type
        return NO_VALUE
    return narrowest(fits, example)
