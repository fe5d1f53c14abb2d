"""Reading a CSV file record by record, for files that the engine cannot be proven to read exactly."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, Protocol

from penstock.formats.csv.dialect import Dialect
from penstock.formats.csv.records import Records, Seen
from penstock.formats.spill import Fate, Place

MALFORMED = "malformed"
SAMPLE_RECORDS = 1_000


class Taker(Protocol):
    """Takes records; `SpillWriter` is one."""

    def keep(self, cells: Sequence[Any], place: Place) -> None:
        """Take a record."""

    def remark(self, fate: Fate, place: Place, rule: str, reason: str, raw: str, column: str | None = None) -> None:
        """Take what is to be said about a record."""


def read_carefully(
    path: str, dialect: Dialect, width: int, writer: Taker, names: tuple[str, ...] = ()
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
    hand_on(records, dialect, writer, names)
    return notes_of(records.seen, dialect)


def hand_on(records: Records, dialect: Dialect, writer: Taker, names: tuple[str, ...]) -> None:
    """Hand records to `writer`: kept with their places, or set aside with the reason."""
    nulls = frozenset(("", *dialect.nulls))
    keep = writer.keep
    for record in records:
        fields, line, offset, length, damage, raw, warned = record
        place = Place(line, offset, length)
        if damage:
            writer.remark("quarantined", place, MALFORMED, damage, raw)
            continue
        keep(fields if nulls.isdisjoint(fields) else [None if field in nulls else field for field in fields], place)
        for warning in warned:
            column = names[warning.at] if warning.at is not None and warning.at < len(names) else None
            writer.remark("warned", place, warning.rule, warning.reason, raw, column)


def notes_of(seen: Seen, dialect: Dialect) -> tuple[str, ...]:
    """What a reading met that is said once per file."""
    notes = []
    kinds = {"\n": "a line feed", "\r\n": "a carriage return and a line feed", "\r": "a carriage return"}
    shown = [f"{seen.ends[end]:,} with {name}" for end, name in kinds.items() if seen.ends[end]]
    if len(shown) > 1:
        notes.append(f"lines end in several ways: {', '.join(shown)}")
    if seen.comments:
        notes.append(f'{seen.comments:,} lines that start with "{dialect.comment}" are comments and were passed over')
    if seen.spaced:
        notes.append(f"{seen.spaced:,} records have spaces around quotes, which are no part of the values")
    return tuple(notes)


def first_records(
    path: str, dialect: Dialect, width: int, limit: int = SAMPLE_RECORDS
) -> list[tuple[int, list[str | None]]]:
    """The first records behind the header with their lines, without damaged ones; null for an empty field."""
    records = Records.of(path, dialect, width, chunk=1 << 16)
    records.header()
    nulls = {"", *dialect.nulls}
    sound = (record for record in records if not record.damage)
    return [(r.line, [None if field in nulls else field for field in r.fields]) for r in islice(sound, limit)]
