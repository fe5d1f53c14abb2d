"""How well a delimiter and a quote fit the start of a file: the candidates are tried, and each is given a score.

A score is the share of records that are as wide as most, times the share of cells that look like one value each, times
a little for width, less for a first record that cannot be a header. The whole file is looked at later, by the proof or
by the reading itself: what a sample got wrong shows there as records that do not fit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from penstock.formats.csv.cells import all_values, is_padded, is_value, is_whole
from penstock.formats.csv.dialect import Dialect
from penstock.formats.csv.lines import Line
from penstock.formats.csv.records import Record, Records

USUAL = (",", ";", "\t", "|")
UNUSUAL = ("||", "::", "|~|", "~|~", "\x1f", "\x01", "\x1e", "^", "~", "¦", "§")
WEAK = (":", "#", "!", "*", "&", "@", "/", " ")
"""Marks that texts are full of: delimiters only where they cut the first line and nearly all others alike."""
WEAK_SHARE = 0.95
SCORED_RECORDS = 300
GOOD_SHARE = 0.9
TITLE_SHARE = 0.25
FEWEST_ROWS = 3
BODY_SHARE = 0.4
NEAR = 0.88
"""A second dialect that scores this share of the best one's score fits about equally well."""


@dataclass(frozen=True)
class Candidate:
    """A dialect and how it fits a sample.

    Attributes:
        dialect: Delimiter, quote and escape.
        records: The sample's records.
        width: The width that most records have.
        start: Position of the first record of that width.
        share: Share of the records from there on that have it.
        score: How well all fits, from 0 to 1.
        damaged: Records that cannot be cut.
        quoted: Fields with quotes around them.
    """

    dialect: Dialect
    records: tuple[Record, ...] = field(repr=False)
    width: int
    start: int
    share: float
    score: float
    damaged: int
    quoted: int


def candidates(lines: Sequence[Line], base: Dialect, declared: Mapping[str, Any], *, whole: bool) -> list[Candidate]:
    """The dialects that may be meant, the best first; at least one."""
    if declared.get("delimiter") is not None:
        return [_best_quote(lines, replace(base, delimiter=declared["delimiter"]), declared, whole=whole)]
    tried = [_best_quote(lines, replace(base, delimiter=mark), declared, whole=whole) for mark in USUAL]
    if not any(clarity(found) for found in tried):
        text = _text(lines[:50])
        tried += [
            _best_quote(lines, replace(base, delimiter=mark), declared, whole=whole) for mark in UNUSUAL if mark in text
        ]
        weak = [
            _best_quote(lines, replace(base, delimiter=mark), declared, whole=whole) for mark in WEAK if mark in text
        ]
        tried += [found for found in weak if clarity(found) > 1 and found.share >= WEAK_SHARE and _has_values(found)]
    order = {found.dialect.delimiter: -at for at, found in enumerate(tried)}
    return sorted(tried, key=lambda found: (clarity(found), found.score, order[found.dialect.delimiter]), reverse=True)


def clarity(found: Candidate) -> int:
    """How clearly a dialect cuts a file into names and as many fields in nearly all records: 2 from line 1 on, 1, 0."""
    if found.width == 1 or found.share < GOOD_SHARE or not _may_start(found):
        return 0
    return 1 if any(not is_padded(record.fields) for record in found.records[: found.start]) else 2


def _has_values(found: Candidate) -> bool:
    """Whether a column below the header holds numbers, dates or the like."""
    rows = [r.fields for r in found.records[found.start + 1 :] if len(r.fields) == found.width]
    return any(all_values(column) for column in zip(*rows, strict=True))


def _may_start(found: Candidate) -> bool:
    """Whether the first record of the usual width can be a header."""
    names = [name.strip().lower() for name in found.records[found.start].fields]
    return len(set(names)) == len(names) and all(names) and not all(map(is_value, names))


def _best_quote(lines: Sequence[Line], base: Dialect, declared: Mapping[str, Any], *, whole: bool) -> Candidate:
    """The quote and the escape that fit a delimiter best; the double quote unless another is clear."""
    escape = declared.get("escape")
    quote = declared.get("quote")
    usual = _scored(lines, replace(base, quote='"' if quote is None else quote, escape=escape or ""), whole=whole)
    if escape is None and usual.damaged and usual.dialect.quote and f"\\{usual.dialect.quote}" in _text(lines):
        escaped = _scored(lines, replace(usual.dialect, escape="\\"), whole=whole)
        if escaped.damaged < usual.damaged and escaped.share > usual.share:
            usual = escaped
    if quote is not None or usual.dialect.escape:
        return usual
    text = _text(lines)
    if "'" in text and not usual.quoted:
        single = _scored(lines, replace(base, quote="'", escape=escape or ""), whole=whole)
        if _is_quote(single, usual):
            return single
    if usual.damaged > 2 and not usual.quoted:  # noqa: PLR2004 - more than a damaged row or two
        none = _scored(lines, replace(base, quote="", escape=""), whole=whole)
        if none.share >= GOOD_SHARE > usual.share:
            return none
    return usual


def _text(lines: Iterable[Line]) -> str:
    return "\n".join(line.text for line in lines)


def _is_quote(single: Candidate, usual: Candidate) -> bool:
    """Whether single quotes are quotes: around whole columns, or around what would be cut without them."""
    if not single.quoted or single.damaged or single.share < usual.share:
        return False
    if single.share > usual.share:
        return single.quoted > 1
    mark = "'"
    for column in zip(*(r.fields for r in usual.records if len(r.fields) == usual.width), strict=True):
        cells = [cell for cell in column[1:] if cell]
        held = [cell for cell in cells if cell.startswith(mark) and cell.endswith(mark) and len(cell) > 1]
        if held and len(held) < len(cells) and any(not is_value(cell) for cell in cells if cell not in held):
            return False
    return single.quoted > 1


def _scored(lines: Sequence[Line], dialect: Dialect, *, whole: bool) -> Candidate:
    records = list(Records(lines, dialect, None, partial=not whole))
    widths = Counter(len(record.fields) for record in records if not record.damage)
    damaged = sum(bool(record.damage) for record in records)
    quoted = _quoted_fields(lines, dialect)
    if not widths:
        return Candidate(dialect, tuple(records), 1, 0, 0.0, 0.0, damaged, quoted)
    width, start = _usual_width(records, widths)
    body = records[start:]
    share = sum(not record.damage and len(record.fields) == width for record in body) / len(body)
    found = Candidate(dialect, tuple(records), width, start, share, 0.0, damaged, quoted)
    return replace(found, score=_score(found))


def _usual_width(records: Sequence[Record], widths: Counter[int]) -> tuple[int, int]:
    """The width that most records have, or nearly all from some line on; and the first record of that width."""

    def start(width: int) -> int:
        wide = [at for at, record in enumerate(records) if not record.damage and len(record.fields) == width]
        return next((at for at in wide if not is_padded(records[at].fields)), wide[0])

    def settled(width: int) -> bool:
        few = widths[width] < max(FEWEST_ROWS, len(records) * TITLE_SHARE)
        return width > 1 and not few and widths[width] >= GOOD_SHARE * (len(records) - start(width))

    first = next((len(record.fields) for record in records if not record.damage and not is_padded(record.fields)), 1)
    if first > 1 and widths[first] * 2 > len(records):
        return first, start(first)
    width = max(widths, key=lambda width: (settled(width), widths[width], width))
    return width, start(width)


def _score(found: Candidate) -> float:
    if found.width == 1:
        return 0.0
    rows = [r.fields for r in found.records[found.start :][:SCORED_RECORDS] if len(r.fields) == found.width]
    cells = [cell for row in rows for cell in row]
    whole = (sum(map(is_whole, cells)) + 1) / (len(cells) + 1)
    may_start = 1.0 if _may_start(found) else 0.5
    first = 1.0 if found.start == 0 else 0.7
    return found.share * whole * (found.width - 1) / found.width * may_start * first


def _quoted_fields(lines: Sequence[Line], dialect: Dialect) -> int:
    """About how many fields have quotes around them: enough to tell whether any have."""
    if not dialect.quote:
        return 0
    q, d = re.escape(dialect.quote), re.escape(dialect.delimiter)
    pattern = re.compile(f"(?:^|{d}) *{q}[^{q}]*{q} *(?=$|{d})")
    return sum(len(pattern.findall(line.text)) for line in lines if dialect.quote in line.text)
