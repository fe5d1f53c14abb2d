"""Later files of a table: read as the table's files are, or as they are written themselves, or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from penstock.errors import BadFileError
from penstock.formats.csv.decide import CHECKED_RECORDS, Reading, detect_dialect, guessed, sample
from penstock.formats.csv.dialect import Dialect
from penstock.formats.csv.header import read_names
from penstock.formats.csv.lines import Line
from penstock.formats.csv.proof import prove
from penstock.formats.csv.records import Records
from penstock.formats.csv.sniff import BODY_SHARE
from penstock.formats.csv.survey import Scan

KNOWN_SHARE = 0.8
"""Share of the table's columns that a file must have which is written in another way."""


def verify(
    path: str, scan: Scan, known: Dialect, names: Sequence[str], declared: Mapping[str, Any] | None = None
) -> Reading:
    """Verify that a later file of a table is written as its files are; else find out how it is written.

    Raises:
        BadFileError: However it is read, it has none of the table's columns, or too few of them.
    """
    told = {key: value for key, value in (declared or {}).items() if value is not None}
    encoding, lines, whole = sample(path, scan, told.get("encoding"))
    wanted = {name.lower() for name in names}
    same = replace(known, encoding=encoding.choice)
    found, error = _read_as(path, lines, same, whole=whole)
    if found and wanted & {name.lower() for name in found}:
        notes = (guessed(encoding),) if encoding.value is not None else ()
        return Reading(same, found, notes, prove(path, scan, same, len(found)))
    try:
        fresh = detect_dialect(path, scan, declared)
    except BadFileError as other:
        raise _foreign(names, found, known, error or other) from None
    covered = wanted & {name.lower() for name in fresh.names}
    if len(covered) < KNOWN_SHARE * len(wanted):
        raise _foreign(names, found or fresh.names, known, error)
    return replace(fresh, notes=(*fresh.notes, *_differences(known, fresh.dialect)))


def _read_as(
    path: str, lines: Sequence[Line], dialect: Dialect, *, whole: bool
) -> tuple[tuple[str, ...], BadFileError | None]:
    """The names that a dialect reads, none when it does not fit; and what is wrong with the header."""
    try:
        names = read_names(path, dialect)
    except BadFileError as error:
        return (), error
    records = Records(lines, dialect, len(names), partial=not whole)
    records.header()
    found = list(islice(records, CHECKED_RECORDS))
    sound = sum(not record.damage for record in found)
    fits = sound >= BODY_SHARE * len(found) or (len(names) > 1 and sound > 0)
    return names if fits else (), None


def _foreign(names: Sequence[str], found: Sequence[str], known: Dialect, error: BadFileError | None) -> BadFileError:
    if error is not None and not found:
        return error
    shown = f"; found {', '.join(found)}" if found else ""
    return BadFileError(
        f"line {known.skip + 1} has none of the table's columns ({', '.join(names)}){shown}",
        hint=f'the table\'s files have the delimiter "{known.delimiter}" and start with a line of column names',
    )


def _differences(known: Dialect, fresh: Dialect) -> list[str]:
    """What is different about how a file is written, for people."""
    pairs = (
        ("delimiter", known.delimiter, fresh.delimiter),
        ("quote", known.quote, fresh.quote),
        ("escape", known.escape, fresh.escape),
        ("comment", known.comment, fresh.comment),
        ("number of lines before the header", str(known.skip), str(fresh.skip)),
        ("number of header lines", str(known.header), str(fresh.header)),
    )
    return [f"read with the {what} {_quoted(new)} instead of {_quoted(old)}" for what, old, new in pairs if old != new]


def _quoted(mark: str) -> str:
    return f'"{mark}"' if mark else "none"
