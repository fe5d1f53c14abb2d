"""A data file's partition: Iceberg's record of values on one side, one text that can be compared on the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from penstock.errors import PlanOutdatedError
from penstock.state.specs import PartitionValue

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile as IcebergDataFile
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table.metadata import TableMetadata

PARTITION = 3
"""Position of the partition in the library's record of a data file."""


def partition_of(file: IcebergDataFile) -> str:
    """In which partition a live file is, as `DataFile.partition` writes it."""
    values = [_plain(file.partition[at]) for at in range(len(file.partition))]
    return f"{file.spec_id}:{json.dumps(values, ensure_ascii=False)}" if values else ""


def _plain(value: Any) -> PartitionValue:
    return str(value) if isinstance(value, Decimal) else value


def partitioned(file: IcebergDataFile, metadata: TableMetadata, partition: str) -> IcebergDataFile:
    """Put a new file into its partition.

    Raises:
        PlanOutdatedError: It was written for another layout than the table's new files have.
    """
    from pyiceberg.typedef import Record

    spec = metadata.spec()
    number, _, values = partition.partition(":")
    if int(number or spec.spec_id) != spec.spec_id or bool(partition) != bool(spec.fields):
        message = "the table's files are laid out in another way since the file was written"
        raise PlanOutdatedError(message)
    file[PARTITION] = Record(*_typed(json.loads(values), spec, metadata.schema())) if partition else Record()
    file.spec_id = spec.spec_id
    return file


def _typed(values: Sequence[PartitionValue], spec: PartitionSpec, schema: Schema) -> Iterator[Any]:
    from pyiceberg.types import DecimalType

    for value, field in zip(values, spec.partition_type(schema).fields, strict=True):
        yield Decimal(str(value)) if value is not None and isinstance(field.field_type, DecimalType) else value
