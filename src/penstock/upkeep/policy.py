"""What upkeep is to do for a table: the declaration's words as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.declaration import Upkeep, bytes_of, seconds_of

FULL = 0.75
"""Share of the target size from which a file counts as large enough."""


@dataclass(frozen=True)
class Policy:
    """How a table is looked after.

    Attributes:
        automatic: Whether runs do it by themselves.
        target_bytes: Size that data files are to have.
        min_input_files: Small files of like size that are joined at once by a run.
        max_snapshots: Snapshots kept at most, those with a name beside.
        max_snapshot_seconds: How old a snapshot becomes that is not among the newest.
        min_snapshots: How many are kept however old they are.
        orphan_seconds: How long a file stays that nothing names any more.
    """

    automatic: bool = True
    target_bytes: int = 128_000_000
    min_input_files: int = 16
    max_snapshots: int = 100
    max_snapshot_seconds: float = 7 * 86_400.0
    min_snapshots: int = 10
    orphan_seconds: float = 86_400.0

    @property
    def small_bytes(self) -> float:
        """Bytes below which a file is small."""
        return FULL * self.target_bytes


def policy_of(lake: Upkeep, table: Upkeep | None = None) -> Policy:
    """What a table says, else what the lake says, else the default."""
    said = lake.model_dump(exclude_none=True) | (table.model_dump(exclude_none=True) if table else {})
    facts: dict[str, Any] = {
        name: value for name, value in said.items() if name in {"automatic", "min_input_files"} or "snapshots" in name
    }
    facts |= {"target_bytes": bytes_of(said["target_file_size"])} if "target_file_size" in said else {}
    for name in ("max_snapshot", "orphan"):
        facts |= {f"{name}_seconds": seconds_of(said[f"{name}_age"])} if f"{name}_age" in said else {}
    return Policy(**facts)
