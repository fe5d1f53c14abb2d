"""Partitions: how a declared layout becomes Iceberg's partition spec, and a file's partition Iceberg's record.

Iceberg hides partitions: they are values in the manifests, worked out from columns, and no folder or column of their
own. Data files therefore lie beside each other, whatever their partition is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock.errors import BadFileError
from penstock.formats.nested import DECIMAL
from penstock.naming import Transform, did_you_mean
from penstock.state import Head, Spec
from penstock.state.specs import SpecField
from penstock.state.store import Column
from penstock.tables.types import plain_type

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Transaction
    from pyiceberg.table.metadata import TableMetadata

PLAIN, MOMENTS = ("VARCHAR", "INTEGER", "BIGINT", "DATE"), ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
TYPES = {
    "identity": (*PLAIN, "BOOLEAN", "DECIMAL"),
    "year": ("DATE", *MOMENTS),
    "month": ("DATE", *MOMENTS),
    "day": ("DATE", *MOMENTS),
    "hour": MOMENTS,
    "bucket": PLAIN,
    "truncate": ("VARCHAR", "INTEGER", "BIGINT"),
}
"""Stored types that each transform takes: those for which every reader works out the same values."""
NESTED = "a struct, list or map"
FIRST_ID = 1000
"""Iceberg numbers the fields of partition specs from here."""
_NAMED = {"bucket": "{}_bucket_{}", "truncate": "{}_trunc_{}"}
_ODD = re.compile(r"\W", re.ASCII)


def planned_spec(transforms: Sequence[Transform], columns: Sequence[Column]) -> Spec:
    """The spec of a table that is still to be made.

    Raises:
        BadFileError: A column is not there, or is of a type that its transform does not take.
    """
    names = {column.name.lower() for column in columns}
    fields = list[SpecField]()
    for transform in transforms:
        column = found_column(transform, columns)
        name = _field_name(transform, column, {*names, *(field.name.lower() for field in fields)})
        fields.append(SpecField(transform.iceberg, column.id, name))
    return Spec(0, tuple(fields))


def found_column(transform: Transform, columns: Sequence[Column]) -> Column:
    """The column that a table is partitioned by.

    Raises:
        BadFileError: It is not there, or is of a type that the transform does not take.
    """
    column = next((column for column in columns if column.name.lower() == transform.column.lower()), None)
    if column is None:
        known = [column.name for column in columns]
        near = did_you_mean(transform.column, known) or f"; there are {', '.join(known[:12])}"
        raise BadFileError(
            f'the table is partitioned by {transform}, but has no column "{transform.column}"{near}',
            hint="correct `partition` in lake.yaml, or deliver a file that has the column",
        )
    kind = "DECIMAL" if DECIMAL.fullmatch(column.type) else column.type
    if kind not in TYPES[transform.kind]:
        takes = ", ".join(TYPES[transform.kind])
        raise BadFileError(
            f'the table is partitioned by {transform}, but "{column.name}" is {column.type}; '
            f"{transform.kind} takes {takes}",
            hint="correct `partition` in lake.yaml, or cast the column in the steps",
        )
    return column


def is_laid_out(spec: Spec, columns: Sequence[Column], transforms: Sequence[Transform]) -> bool:
    """Whether a spec is the one that is declared.

    Raises:
        BadFileError: They cannot be.
    """
    wanted = {(transform.iceberg, found_column(transform, columns).id) for transform in transforms}
    return wanted == {(field.transform, field.column) for field in spec.fields}


def plain_layout(metadata: Mapping[str, Any]) -> tuple[Spec, tuple[Column, ...]]:
    """How new files of a table are laid out, and its columns, out of plain metadata: without the catalog's library."""
    schema = next(one for one in metadata["schemas"] if one["schema-id"] == metadata["current-schema-id"])
    spec = next(one for one in metadata["partition-specs"] if one["spec-id"] == metadata["default-spec-id"])
    fields = (SpecField(field["transform"], field["source-id"], field["name"]) for field in spec["fields"])
    columns = (
        Column(field["id"], field["name"], plain_type(field["type"]) if isinstance(field["type"], str) else NESTED)
        for field in schema["fields"]
    )
    return Spec(spec["spec-id"], tuple(fields)), tuple(columns)


def layout_text(spec: Spec, columns: Iterable[Column]) -> str:
    """Write a spec as the declaration does; empty for files that are not partitioned."""
    names = {column.id: column.name for column in columns}
    return ", ".join(_written(field, names.get(field.column, f"column {field.column}")) for field in spec.fields)


def _written(field: SpecField, column: str) -> str:
    kind, _, size = field.transform.rstrip("]").partition("[")
    return str(Transform(kind, column, int(size) if size else None))


def _field_name(transform: Transform, column: Column, taken: Collection[str]) -> str:
    """What the value is called in the metadata: unlike any column, but for a column that is itself the value."""
    plain = _ODD.sub("_", column.name)
    if transform.kind == "identity" and plain == column.name:
        return plain
    name = _NAMED.get(transform.kind, "{}_" + transform.kind).format(plain, transform.size)
    numbered = (name if at == 1 else f"{name}_{at}" for at in range(1, len(taken) + 2))
    return next(free for free in numbered if free.lower() not in taken)


def sources(head: Head | None) -> frozenset[int]:
    """Ids of the columns by which any file of a table is partitioned: such a column can grow, but never be replaced."""
    return frozenset(field.column for spec in (head.specs if head else ()) for field in spec.fields)


def taken_names(head: Head | None) -> frozenset[str]:
    """Names, in lower case, that a new column of a table must not have: its partitions are called so."""
    specs = head.specs if head else ()
    return frozenset(field.name.lower() for spec in specs for field in spec.fields)


# --- Iceberg's side ---------------------------------------------------------------------------


def iceberg_spec(spec: Spec, schema: Schema, columns: Sequence[Column]) -> PartitionSpec:
    """The spec of a new table as Iceberg has it; the schema's ids need not be those of the columns."""
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.transforms import parse_transform

    names = {column.id: column.name for column in columns}
    return PartitionSpec(
        *(
            PartitionField(
                source_id=schema.find_field(names[field.column]).field_id,
                field_id=FIRST_ID + at,
                transform=parse_transform(field.transform),
                name=field.name,
            )
            for at, field in enumerate(spec.fields)
        )
    )


def specs_of(metadata: TableMetadata) -> tuple[Spec, ...]:
    """Every spec of a table, that for new files first."""
    found = sorted(metadata.specs().values(), key=lambda spec: (spec.spec_id != metadata.default_spec_id, spec.spec_id))
    return tuple(
        Spec(
            spec.spec_id,
            tuple(SpecField(str(field.transform), field.source_id, field.name) for field in spec.fields),
        )
        for spec in found
    )


def change_spec(transaction: Transaction, head: Head, transforms: Sequence[Transform]) -> None:
    """Lay new files out in another way."""
    wanted = {(transform.iceberg, found_column(transform, head.columns).id): transform for transform in transforms}
    before = {(field.transform, field.column): field.name for spec in head.specs for field in spec.fields}
    taken = {*(column.name.lower() for column in head.columns), *taken_names(head)}
    with transaction.update_spec() as update:
        for field in head.spec.fields:
            if (field.transform, field.column) not in wanted:
                update.remove_field(field.name)
        there = {(field.transform, field.column) for field in head.spec.fields}
        for key, transform in wanted.items():
            if key not in there:
                column = found_column(transform, head.columns)
                name = before.get(key) or _field_name(transform, column, taken)
                taken.add(name.lower())
                update.add_field(column.name, transform.iceberg, name)
