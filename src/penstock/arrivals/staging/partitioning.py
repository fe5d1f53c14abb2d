"""Laying out: new files of a table that exists are partitioned as it is declared now, older ones stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.declaration import Table
from penstock.errors import BadFileError, PlanOutdatedError
from penstock.naming import TableName
from penstock.state import Spec
from penstock.state.store import Column
from penstock.tables import Catalog
from penstock.tables.partition import found_column, is_laid_out, layout_text, plain_layout


def lay_out(catalog: Catalog, name: TableName, table: Table) -> str | None:
    """Change how new files of a table are laid out, where it is declared otherwise; says so in a sentence.

    Nothing is changed where it cannot be, because a column is not there yet or of the wrong type: each file says so
    then that is processed.
    """
    head = catalog.head(name)
    if head is None:
        return None
    try:
        if is_laid_out(head.spec, head.columns, table.transforms):
            return None
        changed = catalog.repartition(head, table.transforms)
    except (BadFileError, PlanOutdatedError):  # another worker's change, if it was one, is looked at by the next pass
        return None
    was, now = _said(head.spec, head.columns), _said(changed.spec, changed.columns)
    return f"new data files are {now}; those that are there stay as they are ({was}): {len(head.files)}"


def coming(metadata: Mapping[str, Any] | None, table: Table) -> tuple[str | None, list[tuple[int, str]]]:
    """What the next run makes of a table's layout, if anything, and which entries of `partition` cannot be.

    Args:
        metadata: The table's, as plain values; None when there is none yet.
        table: What is declared.
    """
    if metadata is None:
        return None, []
    spec, columns = plain_layout(metadata)
    names, wrong = {column.name.lower() for column in columns}, []
    for at, transform in enumerate(table.transforms):
        try:
            found_column(transform, columns)
        except BadFileError as error:
            wrong += [(at, error.what)] if transform.column.lower() in names else []
    there = all(transform.column.lower() in names for transform in table.transforms)
    if wrong or not there or is_laid_out(spec, columns, table.transforms):
        return None, wrong
    now = f"partitioned by {', '.join(map(str, table.transforms))}" if table.transforms else "not partitioned"
    return f"new data files will be {now}; those that are there stay as they are ({_said(spec, columns)})", wrong


def _said(spec: Spec, columns: Sequence[Column]) -> str:
    layout = layout_text(spec, columns)
    return f"partitioned by {layout}" if layout else "not partitioned"
