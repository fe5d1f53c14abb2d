"""What reading a file gave: its columns with their types and reasons, and its records on their way to the engine."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.formats.spill import Spilled


@dataclass(frozen=True)
class Evidence:
    """Why a column has its type.

    Attributes:
        reason: One sentence, for people.
        line: Line of the record with the value that decided; None when no single one did.
        value: That value as it stands in the file, shortened.
    """

    reason: str
    line: int | None = None
    value: str | None = None


@dataclass(frozen=True)
class Intake:
    """A file that was read record by record.

    Attributes:
        header: Names of the columns, in the order in which they first appear; none when the file holds no record.
        types: The DuckDB type of each column.
        reasons: Why each column has its type.
        spilled: The records, one typed cell for each column.
        notes: What people should know about the file as a whole.
    """

    header: tuple[str, ...]
    types: tuple[str, ...]
    reasons: tuple[Evidence, ...]
    spilled: Spilled
    notes: tuple[str, ...] = ()
