"""Columns of a table taken away, added, grown and placed, in a transaction of the library."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from penstock.formats.nested import parse_type
from penstock.state import Head
from penstock.state.store import Column
from penstock.tables.catalog import Evolution
from penstock.tables.types import growth, iceberg_type

if TYPE_CHECKING:
    from pyiceberg.table import Transaction
    from pyiceberg.table.update.schema import UpdateSchema


def change_schema(transaction: Transaction, base: Head, evolution: Evolution) -> None:
    """Take columns away and add, grow and place others."""
    there = {column.name.lower(): column for column in base.columns}
    gone = [there.pop(name.lower()).name for name in evolution.replaced]
    if gone:
        with transaction.update_schema() as schema:  # by itself: a name is only free in the next update
            for name in gone:
                schema.delete_column((name,))
    if evolution.columns:
        with transaction.update_schema() as schema:
            for name, kind in evolution.columns:
                _grow(schema, name, kind, there.get(name.lower()))
            _place(schema, base, evolution)


def _place(schema: UpdateSchema, base: Head, evolution: Evolution) -> None:
    """Put columns that replace others where those stood."""
    spelled = {name.lower(): name for name, _ in evolution.columns}
    replaced = {name.lower() for name in evolution.replaced}
    before: str | None = None
    for column in base.columns:
        name = column.name
        if name.lower() in replaced:
            name = spelled[name.lower()]
            _move = schema.move_first((name,)) if before is None else schema.move_after((name,), (before,))
        before = name


def _grow(schema: UpdateSchema, name: str, kind: str, there: Column | None) -> None:
    """Add a column, or to a column what its type has more than before."""
    take = count(1).__next__
    if there is None:
        schema.add_column((name,), iceberg_type(parse_type(kind), take))
        return
    for path, below, new in growth(there.type, kind):
        if new:
            schema.add_column((there.name, *path), iceberg_type(below, take))
        else:
            schema.update_column((there.name, *path), iceberg_type(below, take))
