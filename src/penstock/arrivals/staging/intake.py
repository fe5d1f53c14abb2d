"""Intake: a file that landed, made ready for the engine.

A plain CSV file is read by the engine itself. Everything else (compressed files, other encodings and dialects, damaged
quotes, JSON, Excel) is read record by record and handed on as Parquet, with the place of every record. What was decided
about the file, and why, comes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from penstock.arrivals.planning.known import SourceSchema
from penstock.declaration import Table
from penstock.engines import Source
from penstock.errors import BadFileError
from penstock.formats import (
    NO_VALUE,
    Dialect,
    Inferred,
    Reading,
    Scan,
    Spilled,
    SpillWriter,
    decompress,
    detect_dialect,
    first_records,
    glance,
    read_carefully,
    scan,
    verify,
)
from penstock.formats.excel.read import read_excel
from penstock.formats.intake import Evidence, Intake
from penstock.formats.json.records import read_json
from penstock.formats.nature import assert_text
from penstock.formats.parquet import look_into_parquet
from penstock.quality.collect import Delivered

ENDINGS = {
    ".json": "json",
    ".ndjson": "json",
    ".jsonl": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "excel",
    ".xlsm": "excel",
}
SAMPLE_RECORDS = 1_000
MOST_COLUMNS = 10_000
COMPRESSED = (".gz", ".gzip", ".zst", ".zstd")


@dataclass(frozen=True)
class Opened:
    """A file, ready for the engine.

    Attributes:
        source: What the engine reads.
        delivered: The file as people know it.
        types: Types that the file itself declares, by column; empty for text, whose types are inferred.
        spilled: What became of the records that were read one by one; None where the engine reads the file.
        notes: What was decided about this file that people should know.
    """

    source: Source
    delivered: Delivered
    types: dict[str, Inferred]
    spilled: Spilled | None = None
    notes: tuple[str, ...] = ()

    @property
    def header(self) -> tuple[str, ...]:
        """The file's columns, in order."""
        return self.delivered.header

    @property
    def unread(self) -> int:
        """Records that were set aside before the engine saw the file."""
        return self.spilled.quarantined if self.spilled else 0

    def sample(self) -> Iterator[tuple[int, list[str | None]]]:
        """The first records of a text file with their lines."""
        if self.source.typed and self.spilled is not None:
            return _first_spilled(self.spilled.path, len(self.header))
        return iter(first_records(self.source.path, self.source.dialect, self.source.width, SAMPLE_RECORDS))


def _first_spilled(path: str, width: int) -> Iterator[tuple[int, list[str | None]]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        batch = next(file.iter_batches(SAMPLE_RECORDS), None)
    columns = [column.to_pylist() for column in batch.columns] if batch is not None else []
    lines = columns[width] if columns else []
    return ((line, list(cells)) for line, *cells in zip(lines, *columns[:width], strict=True))


def format_of(key: str, table: Table) -> str:
    """How a file is written: as the table declares, or by the ending of its name; CSV for any other ending."""
    if table.format is not None:
        return table.format
    name = key.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    return next((kind for ending, kind in ENDINGS.items() if name.endswith(ending)), "csv")


def open_file(path: Path, key: str, table: Table, known: SourceSchema | None, *, carefully: bool = False) -> Opened:
    """Make a file ready for the engine.

    Args:
        path: Where the file stands, under a plain name, in a folder that takes what is made of it.
        key: Its name, which tells its format.
        table: What is declared of the files.
        known: What is known of the table's earlier files; None for the first one.
        carefully: Whether a CSV file is read record by record even though it looks plain.

    Raises:
        BadFileError: The file cannot be read, or is not written as the table's files are.
    """
    kind = format_of(key, table)
    if kind == "csv":
        return _open_csv(path, key, table, known, carefully=carefully)
    return _OPENERS[kind](path, key, table, known)


def _open_csv(path: Path, key: str, table: Table, known: SourceSchema | None, *, carefully: bool) -> Opened:
    """Let the engine read what is proven plain, byte by byte; the rest is read record by record."""
    text = decompress(str(path), path.parent)
    assert_text(text, "CSV", declared=table.csv.encoding is not None)
    facts = scan(text) if carefully else glance(text)
    reading = _decide(text, facts, table, known)
    if not facts.whole and not reading.proof.fed:  # the rest of the file may say more about how it is written
        reading = _decide(text, scan(text), table, known)
    _assert_width(reading.names)
    proof = reading.proof
    if carefully or not proof.plain:
        return _read_one_by_one(path.parent, key, text, reading)
    source = Source(text, reading.dialect, len(reading.names), parallel=proof.parallel, fed=proof.fed)
    return Opened(source, Delivered(key, reading.names, text), {}, notes=reading.notes)


def _decide(text: str, facts: Scan, table: Table, known: SourceSchema | None) -> Reading:
    """Decide how a CSV file is written, or verify that it is written as the table's files are."""
    declared = {name: value for name, value in table.csv.model_dump().items() if value is not None}
    if known is None:
        return detect_dialect(text, facts, declared)
    return verify(text, facts, known.dialect, list(known.columns), declared)


def _read_one_by_one(folder: Path, key: str, text: str, reading: Reading) -> Opened:
    import pyarrow as pa

    dialect, width = reading.dialect, len(reading.names)
    with SpillWriter(folder, "records", [pa.string()] * width) as writer:
        notes = read_carefully(text, dialect, width, writer, reading.names)
    spilled = writer.spilled
    source = Source(spilled.path, dialect, width, ("VARCHAR",) * width, rows=spilled.rows)
    delivered = Delivered(key, reading.names, text, dialect.encoding, spilled.remarks)
    return Opened(source, delivered, {}, spilled, (*reading.notes, *notes))


def _open_json(path: Path, key: str, table: Table, known: SourceSchema | None) -> Opened:
    text = decompress(str(path), path.parent)
    assert_text(text, "JSON")
    taken = read_json(
        partial(_bytes_of, text),
        path.parent,
        "records",
        records=table.json_.records,
        flatten=table.json_.flatten,
        known=_known_types(known),
    )
    return _spilled(key, taken, text, known)


def _bytes_of(path: str) -> BinaryIO:
    return Path(path).open("rb")


def _open_parquet(path: Path, key: str, _table: Table, _known: SourceSchema | None) -> Opened:
    landed = look_into_parquet(str(path))
    _assert_width(landed.header)
    source = Source(str(path), Dialect(","), len(landed.header), landed.types, landed.scan, landed.rows)
    types = _given(key, landed.header, landed.types, landed.reasons)
    return Opened(source, Delivered(key, landed.header, None), types)


def _open_excel(path: Path, key: str, table: Table, known: SourceSchema | None) -> Opened:
    excel = table.excel
    taken = read_excel(
        str(path), path.parent, "records", sheet=excel.sheet, skip=excel.skip or 0, known=_known_types(known)
    )
    return _spilled(key, taken, None, known)


def _spilled(key: str, taken: Intake, text: str | None, known: SourceSchema | None) -> Opened:
    """A file whose records were read one by one, with types of their own."""
    spilled = taken.spilled
    if not taken.header and known is not None:
        return _without_rows(key, spilled, text, known, taken.notes)
    if not taken.header:
        message = "the file holds no record" if not spilled.quarantined else _none_readable(spilled)
        raise BadFileError(message, hint="check that it arrived whole, and deliver it again")
    source = Source(spilled.path, Dialect(","), len(taken.header), taken.types, rows=spilled.rows)
    delivered = Delivered(key, taken.header, text, remarks=spilled.remarks)
    return Opened(source, delivered, _given(key, taken.header, taken.types, taken.reasons), spilled, taken.notes)


def _without_rows(key: str, read: Spilled, text: str | None, known: SourceSchema, notes: tuple[str, ...]) -> Opened:
    """A file of a table that is there, none of whose records became a row: what was said of them is all there is."""
    import pyarrow as pa

    header = tuple(known.columns)
    with SpillWriter(Path(read.path).parent, "none", [pa.string()] * len(header)) as writer:
        pass
    source = Source(writer.spilled.path, known.dialect, len(header), ("VARCHAR",) * len(header))
    spilled = replace(read, path=writer.spilled.path)
    return Opened(source, Delivered(key, header, text, remarks=read.remarks), {}, spilled, notes)


def _assert_width(names: tuple[str, ...]) -> None:
    if len(names) > MOST_COLUMNS:
        raise BadFileError(
            f"the file has {len(names):,} columns; at most {MOST_COLUMNS:,} are taken in",
            hint="deliver one line per value instead, with the name in a column of its own",
        )


def _none_readable(spilled: Spilled) -> str:
    import pyarrow.parquet as pq

    with pq.ParquetFile(spilled.remarks) as file:
        first = next(file.iter_batches(1)).to_pylist()[0]
    where = f"the first, in line {first['line']}: {first['reason']}"
    return f"none of its {spilled.quarantined:,} records can be read; {where}"


def _given(
    key: str, header: tuple[str, ...], types: tuple[str, ...], reasons: tuple[Evidence, ...]
) -> dict[str, Inferred]:
    """Types that the file gives itself."""
    return {
        name: Inferred(
            kind,
            found.reason,
            certain=True,
            file=key,
            line=found.line,
            value=found.value,
            empty=kind == "VARCHAR" and found.reason.startswith(NO_VALUE),
        )
        for name, kind, found in zip(header, types, reasons, strict=True)
    }


def _known_types(known: SourceSchema | None) -> dict[str, str]:
    return {name: column.type for name, column in known.columns.items() if not column.empty} if known else {}


_OPENERS: dict[str, Callable[[Path, str, Table, SourceSchema | None], Opened]] = {
    "json": _open_json,
    "parquet": _open_parquet,
    "excel": _open_excel,
}
