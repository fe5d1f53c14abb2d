"""Finding the rows that were set aside or are spoken of: the line, the byte and the raw text of each.

Files that were read record by record come with the places of their records. For the others the engine notes the cells
of a row, and the row is searched in the file by its text, which is quick; where that leaves a doubt the records are
counted, which is exact. A line is only given when the record found there, cut into fields again, is the one meant.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, BinaryIO

from penstock.engines import Engine, Rejected, SetAside, Work, Written
from penstock.formats import Dialect, Located, cut, locate_offsets, locate_records
from penstock.formats.csv.locate import locate_near, locate_texts
from penstock.formats.csv.proof import FEWEST_TELLING
from penstock.quality.accounting import MALFORMED
from penstock.quality.quarantine import CELLS, WHOLE

SHOWN_VALUE = 100
BATCH = 2_000
QUARANTINED, WARNED = "quarantined", "warned"
Row = dict[str, Any]


@dataclass(frozen=True)
class Delivered:
    """A file as people know it.

    Attributes:
        key: Path below `raw/`.
        header: Its columns.
        text: Path of the bytes that places refer to; None where records are no text.
        encoding: How the bytes stand for text.
        remarks: Parquet file of what was said while the file was read record by record; None where it was not.
    """

    key: str
    header: tuple[str, ...]
    text: str | None
    encoding: str = "utf-8"
    remarks: str | None = None


def collect(engine: Engine, work: Work, written: Written, delivered: Delivered) -> Iterator[Row]:
    """The rows of a file that were set aside or are spoken of, as `QUARANTINE_SCHEMA` has them.

    First what was said while it was read, then the malformed records, then rows by rule.
    """
    if delivered.remarks is not None:
        yield from _remarks(delivered.remarks)
    asked = [at for at, rule in enumerate(work.rules) if rule.fate == QUARANTINED and written.by_rule[at]]
    near = _found_at_once(work, written, delivered) if asked else None
    if near is not None:
        yield from near
    else:
        yield from _malformed(written.rejected, delivered)
        yield from _set_aside(engine, work, asked, written, delivered) if asked else ()
    warned = sorted((row for row in written.examples if work.rules[row.rule].fate == WARNED), key=_order)
    yield from _placed(warned, work, delivered)


def first_halted(engine: Engine, work: Work, written: Written, delivered: Delivered) -> Row | None:
    """The first of the rows for which a rule refuses the whole file, read again; None when there is none."""
    asked = [at for at, rule in enumerate(work.rules) if rule.fate == "halted" and written.by_rule[at]]
    if not asked:
        return None
    rows = engine.set_aside(work, asked)
    if work.source.typed:
        return next(_placed(rows, work, delivered), None)
    placed = _counted(rows, work, written.rejected)
    return next((_row_of(work, row, found, delivered) for row, found in placed), None)


def _remarks(path: str) -> Iterator[Row]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH):
            for row in batch.to_pylist():
                row.pop("length")
                yield {**row, CELLS: None, WHOLE: True}


def _malformed(rejected: tuple[Rejected, ...], delivered: Delivered) -> Iterator[Row]:
    if not rejected:
        return
    places = [(record.offset, len(record.raw.encode("utf-8", "surrogatepass"))) for record in rejected]
    with _opened(delivered) as file:
        for record, found in zip(rejected, locate_offsets(file, places), strict=True):
            yield _row(found, None, MALFORMED, record.reason, _text(found.raw))


def _found_at_once(work: Work, written: Written, delivered: Delivered) -> Iterator[Row] | None:
    """Malformed records and rows that were noted with a byte shortly before them, found in one pass over the file.

    None unless every one is found there. In a file that is fed to the engine no line within quotes looks like a record,
    and what becomes of a record depends on nothing but its cells: of equal ones, the n-th row set aside is the n-th in
    the file.
    """
    if written.noted is None or not _come_with_a_byte(work) or any(row.made is not None for row in written.noted):
        return None
    rejected, noted = written.rejected, written.noted
    offsets = [(row.offset or 0, 1, at) for at, row in enumerate(noted)]
    offsets = sorted([*offsets, *((record.offset, 0, at) for at, record in enumerate(rejected))])
    ways = (
        (offset, _written_as(noted[at], work.source.dialect) if is_row else [rejected[at].raw.encode()])
        for offset, is_row, at in offsets
    )
    with _opened(delivered) as file:
        places = list(locate_near(file, ways))
    if len(places) < len(offsets) or None in places:
        return None
    found = [(place, is_row, at) for place, (_, is_row, at) in zip(places, offsets, strict=True) if place is not None]
    malformed = ((place, rejected[at]) for place, is_row, at in found if not is_row)
    rows = ((place, noted[at]) for place, is_row, at in sorted(found, key=lambda one: one[0].offset) if is_row)
    return chain(
        (_row(place, None, MALFORMED, record.reason, _text(place.raw)) for place, record in malformed),
        (_row_of(work, row, place, delivered) for place, row in rows),
    )


def _set_aside(engine: Engine, work: Work, asked: list[int], written: Written, delivered: Delivered) -> Iterator[Row]:
    if work.source.typed:
        rows = engine.set_aside(work, asked) if written.noted is None else iter(sorted(written.noted, key=_order))
        yield from _placed(rows, work, delivered)
        return
    with _opened(delivered) as file:
        for row, found in _by_rule(engine, work, asked, written, delivered):
            yield _row_of(work, row, found or _at_its_place(row, file), delivered)


def _placed(rows: Iterable[SetAside], work: Work, delivered: Delivered) -> Iterator[Row]:
    """Rows that come with their places, or, from a plain CSV file, are searched in it."""
    if not work.source.typed:
        rows = list(rows)
        found = _unique_places(rows, work.source.dialect, delivered) if rows else {}
        with _opened(delivered) as file:
            placed = [(row, _at_its_place(row, file) or found.get(_texts(row))) for row in rows]
            for row, place in sorted(placed, key=_file_order):  # what a row is called depends on no thread
                yield _row_of(work, row, place, delivered)
        return
    with _opened(delivered) if delivered.text else nullcontext() as file:
        for row in rows:
            yield _row_of(work, row, _at_its_place(row, file), delivered)


def _at_its_place(row: SetAside, file: BinaryIO | None) -> Located | None:
    if row.line is None:
        return None
    if file is None or row.offset is None or row.length is None:
        return Located(row.line, -1, b"")
    file.seek(row.offset)
    return Located(row.line, row.offset, file.read(row.length))


def _by_rule(
    engine: Engine, work: Work, asked: list[int], written: Written, delivered: Delivered
) -> Iterator[tuple[SetAside, Located | None]]:
    """Search the file for the rows, which is quick; where that leaves a doubt, count its records, which is exact."""
    if written.noted is not None:
        told = [row for row in written.noted if row.line is not None]
        placed = _searched([row for row in written.noted if row.line is None], work, delivered)
        if placed is not None:  # threads note rows in any order; what a row is called must not depend on it
            return iter(sorted([*placed, *((row, None) for row in told)], key=_file_order))
    elif _come_with_a_byte(work):
        return _followed(engine, work, asked, written, delivered)
    return _counted(engine.set_aside(work, asked), work, written.rejected)


def _followed(
    engine: Engine, work: Work, asked: list[int], written: Written, delivered: Delivered
) -> Iterator[tuple[SetAside, Located | None]]:
    """Rows that are too many to be noted: read again, in order, each found from the byte that it comes with.

    From the first that is not found there, records are counted.
    """
    given, dialect = 0, work.source.dialect
    with closing(engine.set_aside(work, asked)) as rows, _opened(delivered) as file:
        for row, found in _found_near(file, rows, dialect):
            if found is None:
                break
            given += 1
            yield row, found
        else:
            return
    yield from islice(_counted(engine.set_aside(work, asked), work, written.rejected), given, None)


def _found_near(
    file: BinaryIO, rows: Iterable[SetAside], dialect: Dialect
) -> Iterator[tuple[SetAside, Located | None]]:
    """Rows with their places, up to the first without one: what a step made of a record has none of its own."""
    at_hand = deque[SetAside]()

    def wanted() -> Iterator[tuple[int, list[bytes]]]:
        for row in rows:
            at_hand.append(row)
            yield row.offset or 0, [] if row.made is not None else _written_as(row, dialect)

    for found in locate_near(file, wanted()):
        yield at_hand.popleft(), found


def _order(row: SetAside) -> tuple[int, int, int, int, str]:
    return row.line or 0, row.offset or 0, row.ordinal or 0, row.rule, row.made or ""


def _file_order(placed: tuple[SetAside, Located | None]) -> tuple[int, int, str]:
    row, found = placed
    return (row.offset or 0) if found is None else found.offset, row.rule, row.made or ""


def _searched(
    rows: Sequence[SetAside], work: Work, delivered: Delivered
) -> Iterator[tuple[SetAside, Located | None]] | None:
    """Rows with their places, found by their text; None unless each is there exactly as often as it was set aside.

    The count is what makes this safe: the same text within a quoted field, or as a row that was kept, would be one too
    many; a row that is written in an unusual way would be missing.
    """
    if any(row.made is not None for row in rows):
        return None
    dialect = work.source.dialect
    by_text = {text: row for row in rows for text in _written_as(row, dialect)}
    with _opened(delivered) as file:
        placed = [(by_text[found.raw], found) for found in locate_texts(file, by_text)]
    if Counter(_content(row) for row, _ in placed) != Counter(map(_content, rows)):
        return None
    return iter(placed)


def _come_with_a_byte(work: Work) -> bool:
    """Whether rows come with a byte shortly before them, near which no other record looks like them."""
    return work.source.fed and work.source.width >= FEWEST_TELLING and not work.ordered


def _unique_places(rows: list[SetAside], dialect: Dialect, delivered: Delivered) -> dict[Any, Located]:
    """Where rows stand whose text stands in the file only once, whichever and how many rules speak of them."""
    by_text = {text: row for row in rows for text in _written_as(row, dialect)}
    with _opened(delivered) as file:
        placed = [(_texts(by_text[found.raw]), found) for found in locate_texts(file, by_text)]
    often = Counter(content for content, _ in placed)
    return {content: found for content, found in placed if often[content] == 1}


def _content(row: SetAside) -> tuple[int, tuple[str, ...]]:
    return row.rule, _texts(row)


def _texts(row: SetAside) -> tuple[str, ...]:
    return tuple(cell or "" for cell in row.cells)


def _written_as(row: SetAside, dialect: Dialect) -> list[bytes]:
    """How a record with the row's cells may be written: quotes where they are needed, or around every field."""
    quote, delimiter = dialect.quote, dialect.delimiter
    cells = [cell or "" for cell in row.cells]
    plain = delimiter.join(cells)
    doubled = [cell.replace(quote, quote * 2) for cell in cells] if quote and quote in plain else cells
    quoted = quote + f"{quote}{delimiter}{quote}".join(doubled) + quote
    if plain.count(delimiter) >= len(cells) or any(mark in plain for mark in (quote, "\n", "\r")):
        special = (delimiter, quote, "\n", "\r")
        plain = delimiter.join(
            f"{quote}{twice}{quote}" if any(mark in cell for mark in special) else cell
            for cell, twice in zip(cells, doubled, strict=True)
        )
    return [text.encode("utf-8", "surrogatepass") for text in (plain, quoted)]


def _counted(
    rows: Iterator[SetAside], work: Work, rejected: tuple[Rejected, ...]
) -> Iterator[tuple[SetAside, Located | None]]:
    """Rows with their places, found by their ordinals."""
    waiting = deque[list[SetAside]]()

    def ordinals() -> Iterator[int]:
        for ordinal, same in groupby(rows, key=lambda row: row.ordinal):  # a step may make many rows of one record
            waiting.append(list(same))
            if ordinal is not None:
                yield ordinal

    refused = {record.offset: len(record.raw.encode("utf-8", "surrogatepass")) for record in rejected}
    wanted = ordinals()
    source = work.source
    with Path(source.path).open("rb") as file:
        for found in locate_records(file, source.dialect, source.width, wanted, refused):
            yield from ((row, found) for row in waiting.popleft())
    for _ in wanted:
        pass  # what is left was not found in the file: its cells are kept, its line is not known
    while waiting:
        yield from ((row, None) for row in waiting.popleft())


def _row_of(work: Work, row: SetAside, found: Located | None, delivered: Delivered) -> Row:
    rule = work.rules[row.rule]
    value = "" if rule.cell is None else str(row.cells[rule.cell] or "")
    reason = rule.reason.replace("{value}", value if len(value) <= SHOWN_VALUE else value[: SHOWN_VALUE - 1] + "…")
    if (
        found is not None
        and not work.source.typed
        and row.line is None
        and not _is_same(found, row, work.source.dialect)
    ):
        found = None
    if row.made is not None:
        found, raw = None, row.made
    elif found is not None and found.offset >= 0:
        raw = _text(found.raw, delivered.encoding)
    elif delivered.text is None:
        raw = json.dumps(dict(zip(delivered.header, row.cells, strict=False)), ensure_ascii=False)
    else:
        raw = work.source.dialect.delimiter.join(cell or "" for cell in row.cells)
    fate = WARNED if rule.fate == WARNED else QUARANTINED
    return {
        **_row(found, rule.column, rule.name, reason, raw, fate),
        CELLS: _cells(work, row, raw, delivered),
        WHOLE: _is_whole(work, row, delivered),
    }


def _cells(work: Work, row: SetAside, raw: str, delivered: Delivered) -> str | None:
    """The record's cells by column, as JSON; a JSON record is that already."""
    if delivered.text is not None and any(kind != "VARCHAR" for kind in work.source.kinds):
        return raw
    return json.dumps(dict(zip(delivered.header, row.cells, strict=False)), ensure_ascii=False)


def _is_whole(work: Work, row: SetAside, delivered: Delivered) -> bool:
    """Whether the row is all that came of its record: not one of several, nor what a function made of it."""
    made = delivered.text is None and row.line is None
    return not made and all(rule.fate != "added" for rule in work.rules[: row.rule])


def _row(found: Located | None, column: str | None, rule: str, reason: str, raw: str, fate: str = QUARANTINED) -> Row:
    return {
        "line": found.line if found else None,
        "byte_offset": found.offset if found and found.offset >= 0 else None,
        "column_name": column,
        "rule": rule,
        "reason": reason,
        "raw": raw,
        "fate": fate,
        CELLS: None,
        WHOLE: True,
    }


def _is_same(found: Located, row: SetAside, dialect: Dialect) -> bool:
    """Whether a record has the row's cells."""
    return cut(found.raw, dialect) == [cell or "" for cell in row.cells]


def _text(raw: bytes, encoding: str = "utf-8") -> str:
    return raw.decode(encoding, "backslashreplace")


def _opened(delivered: Delivered) -> AbstractContextManager[BinaryIO]:
    return Path(delivered.text or "").open("rb")
