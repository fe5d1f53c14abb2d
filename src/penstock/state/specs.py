"""How a table's data files are laid out: Iceberg's partition specs, as plain values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

PartitionValue = str | int | bool | None


@dataclass(frozen=True)
class SpecField:
    """One of the values by which a table is partitioned.

    Attributes:
        transform: Iceberg's name of what is made of the column: `identity`, `month`, `bucket[16]`.
        column: The column's field id.
        name: What the value is called in the table's metadata.
    """

    transform: str
    column: int
    name: str


@dataclass(frozen=True)
class Spec:
    """A way of laying out a table's files; a file keeps the one that it was written under.

    Attributes:
        id: Its number in the table's metadata.
        fields: What it goes by, in order; none where files are not partitioned.
    """

    id: int
    fields: tuple[SpecField, ...] = ()

    def holds(self, partition: str) -> bool:
        """Whether a partition, as a file says it, is one of this spec."""
        return partition.partition(":")[0] == (str(self.id) if self.fields else "")

    def partition(self, values: Sequence[PartitionValue]) -> str:
        """Write a partition of the spec: files of one partition have equal texts. Decimals are given as text."""
        return f"{self.id}:{json.dumps(list(values), ensure_ascii=False)}" if self.fields else ""


UNPARTITIONED = (Spec(0),)
