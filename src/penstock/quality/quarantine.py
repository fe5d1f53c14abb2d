"""Quarantine: rows that could not be read or broke a rule, kept with file, line, column, reason and raw text.

The rows of one attempt stand in one Parquet file, written before the commit under a name of its own. They count once
the arrival is finished: queries ask the state store which of these files belong to what the table holds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from penstock.engines import Engine, Rejected, SetAside, Work, Written
from penstock.formats import Dialect, Located, cut, locate_offsets, locate_records
from penstock.formats.locate import locate_texts
from penstock.naming import TableName
from penstock.quality.accounting import MALFORMED
from penstock.storage import Zone

QUARANTINE_SCHEMA = (
    ("table_name", "VARCHAR"),
    ("file", "VARCHAR"),
    ("line", "BIGINT"),
    ("byte_offset", "BIGINT"),
    ("column_name", "VARCHAR"),
    ("rule", "VARCHAR"),
    ("reason", "VARCHAR"),
    ("raw", "VARCHAR"),
)
BATCH = 2_000
SHOWN_VALUE = 100


def quarantine_key(table: TableName, stem: str) -> str:
    """Where, below the processed zone, the quarantined rows of one attempt stand."""
    return f"_quarantine/{table.layer}/{table.name}/{stem}.parquet"


def collect(engine: Engine, work: Work, written: Written, raw: Zone, key: str) -> Iterator[dict[str, Any]]:
    """The quarantined rows of a file, as `QUARANTINE_SCHEMA` has them: first the malformed ones, then those by rule.

    A line is only given when the record found there, cut into fields again, is the one that was set aside; else it is
    null.
    """
    yield from _malformed(written.rejected, raw, key)
    asked = [at for at, rule in enumerate(work.rules) if rule.fate == "quarantined" and written.by_rule[at]]
    if not asked:
        return
    for row, found in _by_rule(engine, work, asked, written, raw, key):
        yield _set_aside_row(key, work, row, found, work.source.dialect)


def _malformed(rejected: tuple[Rejected, ...], raw: Zone, key: str) -> Iterator[dict[str, Any]]:
    if not rejected:
        return
    places = [(record.offset, len(record.raw.encode("utf-8", "surrogatepass"))) for record in rejected]
    with raw.open(key) as file:
        for record, found in zip(rejected, locate_offsets(file, places), strict=True):
            yield _row(key, found, None, MALFORMED, record.reason, _text(found.raw))


def _by_rule(
    engine: Engine, work: Work, asked: list[int], written: Written, raw: Zone, key: str
) -> Iterator[tuple[SetAside, Located | None]]:
    """Search the file for the rows, which is quick; where that leaves a doubt, count its records, which is exact."""
    placed = None if written.noted is None else _searched(written.noted, work.source.dialect, raw, key)
    if placed is None:
        placed = _counted(engine.set_aside(work, asked), work, written.rejected, raw, key)
    return placed


def _searched(
    rows: Sequence[SetAside], dialect: Dialect, raw: Zone, key: str
) -> Iterator[tuple[SetAside, Located | None]] | None:
    """Rows with their places, found by their text; None unless each is there exactly as often as it was set aside.

    The count is what makes this safe: the same text within a quoted field, or as a row that was kept, would be one too
    many; a row that is written in an unusual way would be missing.
    """
    by_text = {text: row for row in rows for text in _written_as(row, dialect)}
    with raw.open(key) as file:
        placed = [(by_text[found.raw], found) for found in locate_texts(file, by_text)]
    if Counter(_content(row) for row, _ in placed) != Counter(map(_content, rows)):
        return None
    return iter(placed)


def _content(row: SetAside) -> tuple[int, tuple[str, ...]]:
    return row.rule, tuple(cell or "" for cell in row.cells)


def _written_as(row: SetAside, dialect: Dialect) -> set[bytes]:
    """How a record with the row's cells may be written: quotes where they are needed, or around every field.

    An empty field may stand behind the last one, which the engine passes over.
    """
    quote, special = dialect.quote, (dialect.delimiter, dialect.quote, "\n", "\r")
    cells = [cell or "" for cell in row.cells]
    quoted = [f"{quote}{cell.replace(quote, quote * 2)}{quote}" for cell in cells]
    needed = [q if any(mark in cell for mark in special) else cell for cell, q in zip(cells, quoted, strict=True)]
    ways = (needed, quoted, [*needed, ""], [*quoted, ""])
    return {dialect.delimiter.join(fields).encode("utf-8", "surrogatepass") for fields in ways}


def _counted(
    rows: Iterator[SetAside], work: Work, rejected: tuple[Rejected, ...], raw: Zone, key: str
) -> Iterator[tuple[SetAside, Located | None]]:
    """Rows with their places, found by their ordinals."""
    waiting = deque[SetAside]()

    def ordinals() -> Iterator[int]:
        for row in rows:
            waiting.append(row)
            yield row.ordinal

    refused = {record.offset: len(record.raw.encode("utf-8", "surrogatepass")) for record in rejected}
    wanted = ordinals()
    with raw.open(key) as file:
        for found in locate_records(file, work.source.dialect, work.source.width, wanted, refused):
            yield waiting.popleft(), found
    for _ in wanted:
        pass  # what is left was not found in the file: its cells are kept, its line is not known
    while waiting:
        yield waiting.popleft(), None


def _set_aside_row(key: str, work: Work, row: SetAside, found: Located | None, dialect: Dialect) -> dict[str, Any]:
    rule = work.rules[row.rule]
    value = "" if rule.cell is None else str(row.cells[rule.cell] or "")
    reason = rule.reason.replace("{value}", value if len(value) <= SHOWN_VALUE else value[: SHOWN_VALUE - 1] + "…")
    if found is not None and not _is_same(found, row, dialect):
        found = None
    raw = _text(found.raw) if found else dialect.delimiter.join(cell or "" for cell in row.cells)
    return _row(key, found, rule.column, rule.name, reason, raw)


def _row(key: str, found: Located | None, column: str | None, rule: str, reason: str, raw: str) -> dict[str, Any]:
    return {
        "file": key,
        "line": found.line if found else None,
        "byte_offset": found.offset if found else None,
        "column_name": column,
        "rule": rule,
        "reason": reason,
        "raw": raw,
    }


def _is_same(found: Located, row: SetAside, dialect: Dialect) -> bool:
    """Whether a record has the row's cells; the engine passes over an empty field behind the last one."""
    cells = [cell or "" for cell in row.cells]
    return cut(found.raw, dialect) in (cells, [*cells, ""])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def write_quarantine(zone: Zone, table: TableName, stem: str, rows: Iterator[dict[str, Any]]) -> int:
    """Write quarantined rows as one Parquet file, streamed; gives their number. No rows, no file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"VARCHAR": pa.string(), "BIGINT": pa.int64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in QUARANTINE_SCHEMA])
    first = list(islice(rows, BATCH))
    if not first:
        return 0
    key = quarantine_key(table, stem)
    local = zone.staging(key)
    count, batch = 0, first
    with pq.ParquetWriter(local, schema, compression="snappy") as writer:
        while batch:
            writer.write_table(
                pa.Table.from_pylist([{"table_name": str(table), **row} for row in batch], schema=schema)
            )
            count += len(batch)
            batch = list(islice(rows, BATCH))
    zone.publish(local, key)
    return count
