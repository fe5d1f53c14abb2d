"""Rows that came back from quarantine: which of them are in their table now, and as what.

What one readmission adds to the rows of one file is a data file of its own, a *part*, with a number that the same rows
always get. Beside the quarantine stands a Parquet file, the part's record, that says which rows it holds, as they were
and as corrected. It is published before the commit, and counts for as long as the part is live: the table alone says
what came back, and nothing can disagree with it. Quarantined rows that are in a live part are no longer shown.

A record is known by the content it stands in and its place there, whatever it is called: processing the same content
again gives its rows other names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from penstock import faults
from penstock.errors import QuarantineError
from penstock.naming import TableName, literal
from penstock.quality.quarantine import CELLS, FATE, QUARANTINE_SCHEMA, WHOLE
from penstock.state import Head, Member
from penstock.storage import Zone

READMITTED_SCHEMA = (
    *QUARANTINE_SCHEMA,
    ("corrected", "VARCHAR"),
    ("corrections", "VARCHAR"),
    ("readmitted", "TIMESTAMP"),
    ("run", "VARCHAR"),
    ("part", "VARCHAR"),
)
CONTENT = 33
"""Characters of an arrival's name that say which content of which file it is, without the generation."""


def readmitted_key(table: TableName, part: str) -> str:
    """Where, below the processed zone, it stands which rows a part of a table holds."""
    return f"_quarantine/{table.layer}/{table.name}/{part}.readmitted.parquet"


def part_name(part: Member) -> str:
    """What a part is called whichever attempt wrote it: its arrival and number."""
    return f"{part.arrival}-{part.part}"


def write_readmitted(zone: Zone, table: TableName, part: str, rows: Iterable[dict[str, Any]]) -> None:
    """Publish which rows a part holds, in place of what an attempt left that never came to its commit."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"VARCHAR": pa.string(), "BIGINT": pa.int64(), "TIMESTAMP": pa.timestamp("us")}
    schema = pa.schema([(name, kinds[kind]) for name, kind in READMITTED_SCHEMA])
    key = readmitted_key(table, part)
    local = zone.staging(key)
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    pq.write_table(table, faults.sink(local, "quarantine.write"), compression="snappy")
    zone.delete(key)
    zone.publish(local, key)


def parts_of(head: Head | None, keys: Collection[str] | None = None) -> list[Member]:
    """What a table holds of rows that came back from quarantine; only of some files, by their `key_id`, if given."""
    return [
        member
        for file in (head.files if head else ())
        if keys is None or file.may_hold(keys)
        for member in file.members
        if member.part is not None and (keys is None or member.arrival.key_id in keys)
    ]


def records_of(zone: Zone, table: TableName, parts: Iterable[Member]) -> list[str]:
    """Paths of the files that say which rows these parts hold.

    Raises:
        QuarantineError: One is missing: what stands in quarantine cannot be told.
    """
    paths = []
    for part in parts:
        key = readmitted_key(table, part_name(part))
        there = zone.stat(key)
        if there is None:
            raise QuarantineError(
                f"{key} is missing, which says what {part_name(part)} holds",
                where=str(table),
                hint=f"put it back from a copy, or run: penstock run --reprocess {table}",
            )
        paths.append(zone.location(key, there.mark))
    return paths


def standing_sql(files: list[str], records: list[str], fate: str = "quarantined") -> str:
    """SELECT over the rows of quarantine files, without those that came back, with all columns of the files.

    Args:
        files: Paths of quarantine files.
        records: Paths of what `records_of` gave.
        fate: `quarantined`, or `warned` for rows that were kept and are spoken of.
    """
    names = [*(name for name, _ in QUARANTINE_SCHEMA), CELLS, WHOLE]
    if not files:
        kinds = {**dict(QUARANTINE_SCHEMA), CELLS: "VARCHAR", WHOLE: "BOOLEAN"}
        columns = ", ".join(f'CAST(NULL AS {kinds[name]}) AS "{name}"' for name in names)
        return f"SELECT {columns} WHERE false"
    columns = ", ".join(f'"{name}"' for name in names)
    rows = f"SELECT {columns} FROM read_parquet([{_listed(files)}]) WHERE {FATE} = {literal(fate)}"
    if not records or fate != "quarantined":
        return rows
    back = f"SELECT {_record_sql()} FROM read_parquet([{_listed(records)}])"
    return f"SELECT * FROM ({rows}) WHERE {_record_sql()} NOT IN ({back})"


def readmitted_sql(records: list[str]) -> str:
    """SELECT over the rows that came back, as `READMITTED_SCHEMA` has them."""
    if records:
        return f"SELECT * FROM read_parquet([{_listed(records)}])"
    columns = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in READMITTED_SCHEMA)
    return f"SELECT {columns} WHERE false"


def _listed(paths: Iterable[str]) -> str:
    return ", ".join(literal(path) for path in paths)


def _record_sql() -> str:
    """What makes a record itself: the table and content it stands in, and its place there; its name without a place."""
    arrival = f"left(split_part(id, '/', 2), {CONTENT})"
    place = "CASE WHEN line IS NULL THEN id ELSE concat_ws('/', line, coalesce(byte_offset, -1), coalesce(raw, '')) END"
    return f"concat_ws('/', split_part(id, '/', 1), {arrival}, {place})"


def record_of(row: dict[str, Any]) -> tuple[object, ...]:
    """The same for a row at hand."""
    table, _, name = str(row["id"]).partition("/")
    place = (row["id"],) if row["line"] is None else (row["line"], row["byte_offset"], row["raw"])
    return (table, name[:CONTENT], *place)


def read_rows(path: str) -> Iterator[dict[str, Any]]:
    """Rows of a small Parquet file."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(2_000):
            yield from batch.to_pylist()
