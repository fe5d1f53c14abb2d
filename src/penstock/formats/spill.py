"""Records that were read one by one, on their way to the engine: a Parquet file of cells with their places.

What the engine cannot read by itself exactly (other encodings, comments, damaged quotes, JSON, Excel) is read here in
Python, record by record, and handed over as Parquet. Records that cannot be rows, and rows that something must be said
about, stand in a second file. Memory is bounded by the batch, never by the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from penstock import faults

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

CELL = "__penstock_r"
LINE, OFFSET, LENGTH = "__penstock_line", "__penstock_offset", "__penstock_length"
BATCH_ROWS = 20_000
BATCH_BYTES = 4_000_000
CELL_BYTES = 50
"""What a cell of a batch costs in memory beside its own bytes, about."""

Fate = Literal["quarantined", "warned"]


class Place(NamedTuple):
    """Where a record stands: its first line (from 1), byte offset (from 0) and length, without the line end.

    Offset and length are null where the format has none (Excel, Parquet); the line then counts rows, the header's
    being 1.
    """

    line: int
    offset: int | None = None
    length: int | None = None


@dataclass(frozen=True)
class Spilled:
    """What became of a file's records.

    Attributes:
        path: Parquet file with a column `__penstock_r0`, `__penstock_r1`, ... for each of the file's columns, and
            `__penstock_line`, `__penstock_offset`, `__penstock_length` (64-bit integers).
        remarks: Parquet file of records set aside and of rows with a warning, as `REMARKS` names its columns.
        rows: Records in `path`.
        quarantined: Remarks of records that are not in `path`.
        warned: Remarks of records that are.
    """

    path: str
    remarks: str
    rows: int
    quarantined: int
    warned: int


REMARKS = ("line", "byte_offset", "length", "column_name", "rule", "reason", "raw", "fate")


@dataclass
class SpillWriter:
    """Writes a file's records; use it in a `with` block, then ask `spilled`.

    Attributes:
        folder: Where the two files are written; they belong to the caller.
        name: Start of their names.
        types: Arrow type of each of the file's columns.
    """

    folder: Path
    name: str
    types: Sequence[pa.DataType]
    _rows: list[Sequence[Any]] = field(default_factory=list)
    _places: list[Place] = field(default_factory=list)
    _size: int = 0
    _remarked: int = 0
    _remarks: list[tuple[Any, ...]] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=lambda: {"rows": 0, "quarantined": 0, "warned": 0})

    def __post_init__(self) -> None:
        """Start with two empty files."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        whole = pa.int64()
        cells = [pa.field(f"{CELL}{at}", kind) for at, kind in enumerate(self.types)]
        self._schema = pa.schema([*cells, (LINE, whole), (OFFSET, whole), (LENGTH, whole)])
        kinds = {"line": whole, "byte_offset": whole, "length": whole}
        self._remark_schema = pa.schema([(name, kinds.get(name, pa.string())) for name in REMARKS])
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path, self._remarks_path = (str(self.folder / f"{self.name}{end}") for end in (".spill", ".remarks"))
        self._out: pq.ParquetWriter = pq.ParquetWriter(
            faults.sink(self._path, "scratch.write"), self._schema, compression="snappy"
        )
        self._aside: pq.ParquetWriter = pq.ParquetWriter(
            faults.sink(self._remarks_path, "scratch.write"), self._remark_schema, compression="snappy"
        )

    def keep(self, cells: Sequence[Any], place: Place) -> None:
        """Keep a record; it has as many cells as there are columns, None for an empty one."""
        self._rows.append(cells)
        self._places.append(place)
        self._size += CELL_BYTES * len(cells) + (place.length or 0)
        if len(self._rows) >= BATCH_ROWS or self._size >= BATCH_BYTES:
            self._flush_rows()

    def remark(self, fate: Fate, place: Place, rule: str, reason: str, raw: str, column: str | None = None) -> None:
        r"""Set a record aside (`quarantined`), or say something about one that was kept (`warned`).

        Args:
            fate: Which of the two.
            place: Where the record stands.
            rule: Short name of the rule, for the accounting, such as `malformed`.
            reason: What is wrong, for people.
            raw: The record as it stands in the file; bytes that are no text as `\xNN`.
            column: The column to blame, as the file calls it; None when no single one is.
        """
        self._remarks.append((place.line, place.offset, place.length, column, rule, reason, raw, fate))
        self._counts[fate] += 1
        self._remarked += len(raw)
        if len(self._remarks) >= BATCH_ROWS or self._remarked >= BATCH_BYTES:
            self._flush_remarks()

    @property
    def spilled(self) -> Spilled:
        """What was written, once the block has ended."""
        counts = self._counts
        return Spilled(self._path, self._remarks_path, counts["rows"], counts["quarantined"], counts["warned"])

    def __enter__(self) -> Self:
        """Write within the block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Finish both files."""
        self._flush_rows()
        self._flush_remarks()
        self._out.close()
        self._aside.close()

    def _flush_rows(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        places = zip(*self._places, strict=True)
        columns = [*zip(*self._rows, strict=True), *places]
        arrays = [pa.array(values, kind) for values, kind in zip(columns, self._schema.types, strict=True)]
        self._out.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._counts["rows"] += len(self._rows)
        self._rows, self._places, self._size = [], [], 0

    def _flush_remarks(self) -> None:
        import pyarrow as pa

        if not self._remarks:
            return
        columns = zip(*self._remarks, strict=True)
        arrays = [pa.array(values, kind) for values, kind in zip(columns, self._remark_schema.types, strict=True)]
        self._aside.write_batch(pa.record_batch(arrays, schema=self._remark_schema))
        self._remarks, self._remarked = [], 0
