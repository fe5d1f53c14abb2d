"""What stands around the records of a file: lines before the header, the header itself, comments, the decimal mark.

Nothing is taken for a title, a comment or a second header line that could be a row. Where the first line could be a row
as well as a header, the file is refused: a row eaten as a header is lost in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from penstock.errors import BadFileError
from penstock.formats.csv.cells import NULL_WORDS, all_values, is_decimal_comma, is_decimal_point, is_padded, is_value
from penstock.formats.csv.dialect import DECLARED, Choice, shown
from penstock.formats.csv.lines import Line
from penstock.formats.csv.records import Record
from penstock.formats.csv.sniff import BODY_SHARE, Candidate

COMMENTS = ("#", "//", ";", "%", "--", "*")
YEARS = range(1800, 2200)
FEW_NAMES = 3


def find_comment(lines: Sequence[Line], found: Candidate) -> Choice | None:
    """The mark of lines that are no records: at least one starts with it, and none of those is as wide as the rest."""
    by_line = {record.line: record for record in found.records}
    for mark in COMMENTS:
        if mark in found.dialect.delimiter:
            continue
        at = [number for number, line in enumerate(lines, start=1) if line.text.startswith(mark)]
        marked = [by_line[number] for number in at if number in by_line]
        header = found.records[found.start].line if found.records else 0
        if marked and found.width > 1 and not any(len(record.fields) == found.width for record in marked):
            if len(mark) == 1 and mark not in "#;" and not any(number < header for number in at):
                continue  # a star or a percent sign may well start a damaged row
            value = shown(lines[at[0] - 1].text)
            return Choice(
                "comment", mark, f"{len(at):,} of the first lines start with it and are no records", at[0], value
            )
    return None


def find_trailing(found: Candidate) -> Choice | None:
    """Whether every record ends in a delimiter with nothing behind it."""
    rows = [record for record in found.records[found.start :] if len(record.fields) == found.width]
    narrow = found.width - 1
    if narrow < 1 or len(rows) < len(found.records[found.start :]) * BODY_SHARE:
        return None
    if any(row.fields[-1] for row in rows):
        return None
    first = found.records[found.start]
    if found.start and len(found.records[found.start - 1].fields) == narrow and len(rows) > 1:
        first = found.records[found.start - 1]  # only the rows end so
    if not all(name.strip() for name in first.fields[:narrow]) or not first.fields[:narrow]:
        return None
    reason = f"all {len(rows):,} first records end in a delimiter with nothing behind it"
    return Choice("trailing", "yes", reason, first.line, _shown(first))


def find_header(
    found: Candidate, declared: Mapping[str, Any], *, trailing: bool
) -> tuple[list[Record], int, tuple[Choice, ...]]:
    """The records that make up the header, the lines before it, and why.

    Raises:
        BadFileError: Nothing tells the header from the rows.
    """
    width = found.width
    records = list(found.records)
    count = declared.get("header")
    skip = declared.get("skip")
    if skip is not None:
        records = [record for record in records if record.line > skip]
    start = 0 if skip is not None else _header_at(found, records, width, trailing=trailing)
    if not records:
        return [], skip or 0, ()
    before = records[start].line - 1 if skip is None else skip
    reasons = [Choice("skip", str(before), DECLARED)] if skip is not None else []
    if before and skip is None:
        reason = f"line {records[start].line} is the first that is as wide as the rows and names columns"
        shown = _shown(records[0]) if start else None
        reasons.append(Choice("skip", str(before), reason, 1, shown))
    if count is not None:
        reasons.append(Choice("header", str(count), DECLARED))
        return records[start : start + count], before, tuple(reasons)
    body = [record.fields for record in records[start + 1 :] if len(record.fields) == width]
    second = _second_header(records[start], records[start + 1 :], body, width)
    if second:
        reasons.append(Choice("header", "2", second, records[start].line, _shown(records[start + 1])))
        return records[start : start + 2], before, tuple(reasons)
    reasons.append(_one_header(records[start], body))
    return [records[start]], before, tuple(reasons)


def _shown(record: Record) -> str:
    return shown(record.raw or " | ".join(record.fields))


def _header_at(found: Candidate, records: Sequence[Record], width: int, *, trailing: bool) -> int:
    """Position of the header's first record."""
    for at, record in enumerate(records):
        cells = [cell.strip() for cell in record.fields]
        fits = not record.damage and (len(cells) == width or (trailing and len(cells) == width - 1))
        if fits and is_padded(cells):
            continue
        if fits:
            return at
        if not _is_title(record, width):
            rest = [r for r in records[at + 1 :] if len(r.fields) == width and not r.damage]
            wide = f"{len(cells):,} fields" if not record.damage else record.damage
            raise BadFileError(
                f"line {record.line} has {wide}, but {len(rest):,} of the {len(records) - at - 1:,} records below it "
                f'have {width:,} with "{found.dialect.delimiter}": "{_shown(record)}"',
                hint="correct the header; or declare how the file is written: csv: {delimiter, skip, header, columns}",
            )
    return 0


def _is_title(record: Record, width: int) -> bool:
    """Whether a record of another width than the rows' is a title or a line of metadata, rather than a header."""
    filled = [cell for cell in record.fields if cell.strip()]
    return bool(record.damage) or len(filled) <= max(1, (width - 1) // 2)


def _one_header(header: Record, body: Sequence[list[str]]) -> Choice:
    """Why one record is the header.

    Raises:
        BadFileError: It looks like a row.
    """
    names = [name.strip() for name in header.fields]
    columns = list(zip(*body, strict=True))
    for name, column in zip(names, columns, strict=False):
        if not is_value(name) and name and all_values(column):
            reason = f'"{shown(name)}" is none of the numbers, dates or times below it'
            return Choice("header", "1", reason, header.line, _shown(header))
    years = [int(name) in YEARS for name in names if name.isdecimal()]
    values = [name for name in names if is_value(name)]
    if values and not (years and all(years) and len(years) == len(values) and len(years) < len(names)):
        raise _looks_like_a_row(header, f'"{shown(values[0])}" is a value, not a name')
    for name, column in zip(names, columns, strict=False):
        rows = [at for at, cell in enumerate(column) if cell.strip() == name and not _is_same(body[at], names)]
        if name and rows:
            raise _looks_like_a_row(header, f'"{shown(name)}" stands in the same column again')
    return Choice("header", "1", "the first line names the columns", header.line, _shown(header))


def _is_same(row: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a row is the header again, or nearly."""
    return sum(cell.strip() == name for cell, name in zip(row, names, strict=True)) * 2 > len(names)


def _looks_like_a_row(header: Record, why: str) -> BadFileError:
    return BadFileError(
        f'line {header.line} should name the columns, but looks like a row: {why}; found "{_shown(header)}"',
        hint="add a line of names and deliver the file again, or declare it: csv: {header: 0, columns: [...]}; "
        "csv: {header: 1} if these are the names",
    )


def _second_header(first: Record, rest: Sequence[Record], body: Sequence[list[str]], width: int) -> str:
    """Why the second record is part of the header; empty when it is a row."""
    if not rest or rest[0].damage or len(rest[0].fields) != width or len(body) < FEW_NAMES:
        return ""
    names, second = [name.strip() for name in first.fields], [name.strip() for name in rest[0].fields]
    columns = list(zip(*body[1:], strict=True))
    told = [at for at, column in enumerate(columns) if all_values(column)]
    if any(is_value(name) for name in (*names, *second)):
        return ""
    gaps = [name for name in names if not name] or len(set(names)) < len(names)
    others = [at for at in told if second[at].lower() not in NULL_WORDS]
    if not others or len(others) < len([at for at in told if second[at]]):
        return ""
    if gaps and all(second):
        return "the first line leaves columns without a name of their own, the second names them all"
    if len(others) > 1 and len(others) == len(told):
        return f"{len(others)} columns are numbers or dates below them"
    return ""


def find_decimal(found: Candidate, header: int) -> Choice | None:
    """Whether numbers have a decimal comma: one cannot be anything else, and none has a decimal point."""
    if "," in found.dialect.delimiter:
        return None
    first: tuple[int, str] | None = None
    for record, cell in _cells(found, header):
        text = cell.strip()
        if is_decimal_point(text):
            return None
        if first is None and is_decimal_comma(text):
            first = (record.line, text)
    if first is None:
        return None
    return Choice("decimal", ",", "no number of the first records has a decimal point", *first)


def _cells(found: Candidate, header: int) -> Iterator[tuple[Record, str]]:
    for record in found.records[found.start + header :]:
        for cell in record.fields if len(record.fields) == found.width else ():
            yield record, cell


def without_comments(found: Candidate, mark: str) -> Candidate:
    """The candidate without the records that start with the mark of comments."""
    kept = tuple(record for record in found.records if not _starts(record, mark))
    start = next(
        (at for at, record in enumerate(kept) if not record.damage and len(record.fields) == found.width), found.start
    )
    dialect = replace(found.dialect, comment=mark)
    return replace(found, dialect=dialect, records=kept, start=start)


def _starts(record: Record, mark: str) -> bool:
    return record.raw.startswith(mark) or (bool(record.fields) and record.fields[0].startswith(mark))
