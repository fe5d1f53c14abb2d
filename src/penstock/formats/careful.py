"""Reading a CSV file record by record, for files that the engine cannot be proven to read exactly."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from penstock.formats.dialect import Dialect
from penstock.formats.records import Record, Records, Seen
from penstock.formats.spill import Place, SpillWriter

MALFORMED = "malformed"
SAMPLE_RECORDS = 1_000


def read_carefully(
    path: str, dialect: Dialect, width: int, writer: SpillWriter, names: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Hand every record of a file to `writer`: kept with its place, or set aside with the reason.

    Args:
        path: The file, not compressed.
        dialect: How it is written.
        width: Number of its columns.
        writer: Takes text cells; null for an empty field. Open and close it outside.
        names: The columns' names, for remarks about one of them.

    Returns:
        What people should know about the file as a whole.
    """
    records = Records.of(path, dialect, width)
    records.header()
    nulls = {"", *dialect.nulls}
    plain = len(nulls) == 1
    keep = writer.keep
    for record in records:
        fields, line, offset, length, damage, raw, warned = record
        place = Place(line, offset, length)
        if damage:
            writer.remark("quarantined", place, MALFORMED, damage, raw)
            continue
        cells = [field or None for field in fields] if plain else [None if f in nulls else f for f in fields]
        keep(cells, place)
        for warning in warned:
            column = names[warning.at] if warning.at is not None and warning.at < len(names) else None
            writer.remark("warned", place, warning.rule, warning.reason, raw, column)
    return notes_of(records.seen, dialect)


def notes_of(seen: Seen, dialect: Dialect) -> tuple[str, ...]:
    """What a reading met that is said once per file."""
    notes = []
    if sum(map(bool, (seen.feeds, seen.pairs, seen.returns))) > 1 and min(seen.feeds, seen.pairs + seen.returns) > 1:
        kinds = ((seen.feeds, "line feed"), (seen.pairs, "both"), (seen.returns, "carriage return"))
        shown = ", ".join(f"{count:,} with {name}" for count, name in kinds if count)
        notes.append(f"records end in several ways: {shown}")
    if seen.comments:
        notes.append(f'{seen.comments:,} lines that start with "{dialect.comment}" are comments and were passed over')
    if seen.spaced:
        notes.append(f"{seen.spaced:,} records have spaces around quotes, which are no part of the values")
    return tuple(notes)


def first_records(path: str, dialect: Dialect, width: int, limit: int = SAMPLE_RECORDS) -> list[list[str]]:
    """The fields of the first records behind the header, without damaged ones."""
    records = Records.of(path, dialect, width, chunk=1 << 16)
    records.header()
    return [record.fields for record in islice(_sound(records), limit)]


def _sound(records: Records) -> Iterator[Record]:
    return (record for record in records if not record.damage)
