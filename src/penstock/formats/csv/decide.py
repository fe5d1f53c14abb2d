"""Deciding how a CSV file is written.

A wrong guess is worse than a refusal. What is declared is never overridden; what fits about equally well in two ways is
refused with the request to declare it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from penstock.errors import BadFileError
from penstock.formats.csv.dialect import DECLARED, UTF8, Choice, Dialect, word
from penstock.formats.csv.encoding import decide_encoding
from penstock.formats.csv.header import check_names, names_of
from penstock.formats.csv.layout import find_comment, find_decimal, find_header, find_trailing, without_comments
from penstock.formats.csv.lines import Line, encoding_words, read_lines
from penstock.formats.csv.proof import Proof, prove
from penstock.formats.csv.records import Records
from penstock.formats.csv.sniff import BODY_SHARE, NEAR, USUAL, Candidate, candidates, clarity
from penstock.formats.csv.survey import Scan

SAMPLE_LINES = 3_000
SAMPLE_BYTES = 2_000_000
CHECKED_RECORDS = 1_000
_EMPTY_HINT = "a CSV file starts with a line of column names; deliver the file again"


@dataclass(frozen=True)
class Reading:
    """How one file is read.

    Attributes:
        dialect: How it is written.
        names: Its columns, in order.
        notes: What people should know.
        proof: Whether the engine reads it exactly.
    """

    dialect: Dialect
    names: tuple[str, ...]
    notes: tuple[str, ...]
    proof: Proof


def detect_dialect(path: str, scan: Scan, declared: Mapping[str, Any] | None = None) -> Reading:
    """Decide how a file is written.

    Args:
        path: The file, not compressed.
        scan: What its bytes say.
        declared: Keys that were declared: delimiter, quote, escape, comment, skip, header, decimal, encoding, nulls,
            columns.

    Raises:
        BadFileError: It is empty, no text, or nothing tells how it is written.
    """
    told = {key: value for key, value in (declared or {}).items() if value is not None}
    encoding, lines, whole = sample(path, scan, told.get("encoding"))
    base = Dialect(",", encoding=encoding.choice, comment=told.get("comment", ""), nulls=tuple(told.get("nulls", ())))
    skipped = lines[told.get("skip", 0) :] if "skip" in told else lines
    ranked = candidates(skipped, base, told, whole=whole)
    found = _chosen(ranked, told)
    shift = len(lines) - len(skipped)
    if shift:
        found = replace(found, records=tuple(r._replace(line=r.line + shift) for r in found.records))
    evidence = [encoding]
    comment = None if "comment" in told else find_comment(lines, found)
    if comment:
        found = without_comments(found, comment.choice)
        evidence.append(comment)
    trailing = find_trailing(found)
    header, skip, reasons = find_header(found, told, trailing=trailing is not None)
    count = len(header)
    decimal = None if "decimal" in told else find_decimal(found, count)
    evidence += [*reasons, *(reason for reason in (trailing, decimal) if reason)]
    evidence += [
        Choice(key, str(told[key]), DECLARED) for key in ("quote", "escape", "comment", "decimal") if key in told
    ]
    evidence += _quote_evidence(found, told)
    dialect = replace(
        found.dialect,
        skip=skip,
        header=count,
        decimal=told.get("decimal", decimal.choice if decimal else "."),
        trailing=trailing is not None,
        names=tuple(told.get("columns", ())) if not count else (),
    )
    names = names_of(header, dialect) if count else _declared_names(dialect, found, told)
    return _decided(path, scan, replace(dialect, names=() if count else names), names, found, evidence, told)


def sample(path: str, scan: Scan, declared: str | None) -> tuple[Choice, list[Line], bool]:
    """The encoding, the first lines, and whether they are all."""
    if scan.blank and scan.nul_line is None:
        raise BadFileError("the file is empty", hint=_EMPTY_HINT)
    encoding = decide_encoding(path, scan, declared)
    lines: list[Line] = []
    size = 0
    found = read_lines(path, encoding.choice, chunk=1 << 18)
    for line in found:
        lines.append(line)
        size += line.length + 1
        if len(lines) >= SAMPLE_LINES or size >= SAMPLE_BYTES:
            break
    whole = next(found, None) is None
    if not any(line.text.strip() for line in lines):
        message = "the file is empty" if whole else f"the first {len(lines):,} lines are blank"
        raise BadFileError(message, hint=_EMPTY_HINT)
    if scan.nul_line is not None and encoding.choice == UTF8:
        nuls = sum("\0" in line.text for line in lines)
        if nuls * 2 > len(lines):
            raise BadFileError(
                f"line {scan.nul_line} holds a NUL byte, as do {nuls:,} of {len(lines):,} lines: this is no text file",
                hint="check that the file is CSV and arrived whole",
            )
    return encoding, lines, whole


def _chosen(ranked: Sequence[Candidate], told: Mapping[str, Any]) -> Candidate:
    """The best candidate, if it is clearly the best.

    Raises:
        BadFileError: Two fit about equally well, or none fits.
    """
    best = ranked[0]
    if "delimiter" in told:
        return best
    if best.width == 1 or best.score == 0:
        return _one_column(ranked)
    rival = next((found for found in ranked[1:] if found.width > 1), None)
    if rival and rival.score >= NEAR * best.score and clarity(rival) == clarity(best):
        first, second = word(best.dialect.delimiter), word(rival.dialect.delimiter)
        raise BadFileError(
            f"the delimiter may be {first} ({best.width} fields) or {second} ({rival.width} fields): both fit",
            hint=f'declare it: csv: {{delimiter: "{best.dialect.delimiter}"}}',
        )
    if best.share < BODY_SHARE:
        raise BadFileError(
            f"no delimiter cuts the lines into records: with {word(best.dialect.delimiter)}, {best.share:.0%} of them "
            f"have {best.width} fields",
            hint="check that the file is CSV; declare how it is written: csv: {delimiter, quote, skip, header}",
        )
    return best


def _one_column(ranked: Sequence[Candidate]) -> Candidate:
    """A file of one column: read with a delimiter that does not occur, so that every line is one value.

    Raises:
        BadFileError: The first line has several names, however few fields the others have.
    """
    usual = [found for found in ranked if found.dialect.delimiter in USUAL]
    for found in usual:
        first = next((record for record in found.records if not record.damage), None)
        if first is not None and len(first.fields) > 1 and all(name.strip() for name in first.fields):
            raise BadFileError(
                f"line {first.line} has {len(first.fields)} names with {word(found.dialect.delimiter)}, but most "
                "records have one field",
                hint="correct the header; or declare how the file is written: csv: {delimiter, skip, header, columns}",
            )

    def uses(found: Candidate) -> int:
        return sum(len(record.fields) > 1 for record in found.records)

    return min(usual, key=lambda found: (uses(found), USUAL.index(found.dialect.delimiter)))


def _quote_evidence(found: Candidate, told: Mapping[str, Any]) -> list[Choice]:
    dialect = found.dialect
    reasons = []
    if "quote" not in told and dialect.quote != '"':
        reason = (
            f"{found.quoted:,} of the first fields have them around"
            if dialect.quote
            else "no field has quotes around it"
        )
        reasons.append(Choice("quote", dialect.quote, reason))
    if "escape" not in told and dialect.escape:
        reasons.append(Choice("escape", dialect.escape, "only so do the quotes within quoted fields match"))
    return reasons


def _declared_names(dialect: Dialect, found: Candidate, told: Mapping[str, Any]) -> tuple[str, ...]:
    names = tuple(told.get("columns", ())) or tuple(
        f"column_{at}" for at in range(1, found.width - dialect.trailing + 1)
    )
    check_names(names, 1, hint="csv.columns names every column once")
    return names


def _decided(
    path: str,
    scan: Scan,
    dialect: Dialect,
    names: tuple[str, ...],
    found: Candidate,
    evidence: list[Choice],
    told: Mapping[str, Any],
) -> Reading:
    """The dialect with its reason, checked against the whole file."""
    proof = prove(path, scan, dialect, len(names))
    reason = DECLARED if "delimiter" in told else _reason(path, dialect, names, proof)
    first = Choice("delimiter", dialect.delimiter, reason, found.records[found.start].line if found.records else 1)
    dialect = replace(dialect, reason=reason, evidence=(first, *evidence))
    return Reading(dialect, names, _notes(dialect), proof)


def _reason(path: str, dialect: Dialect, names: tuple[str, ...], proof: Proof) -> str:
    name = word(dialect.delimiter)
    if len(names) == 1:
        return "the header holds none of comma, semicolon, tab or vertical bar: one column"
    if proof.parallel:
        return f"all records of the file have the header's {len(names)} fields with {name}"
    records = Records.of(path, dialect, len(names))
    records.header()
    sound = total = 0
    for record in islice(records, CHECKED_RECORDS):
        total += 1
        sound += not record.damage
    share = f"{sound / total:.0%}" if total else "100%"
    return f"{share} of the first records have the header's {len(names)} fields with {name}"


def _notes(dialect: Dialect) -> tuple[str, ...]:
    """What was decided that people should know of."""
    notes = []
    encoding, skip, header = dialect.why("encoding"), dialect.why("skip"), dialect.why("header")
    if encoding and encoding.value is not None:
        notes.append(guessed(encoding))
    if skip and skip.reason != DECLARED and skip.value:
        notes.append(f'{dialect.skip} lines before the header were passed over, the first is "{skip.value}"')
    if header and header.reason != DECLARED and dialect.header > 1:
        notes.append(f"the header is made of {dialect.header} lines: {header.reason}")
    return tuple(notes)


def guessed(encoding: Choice) -> str:
    """Say that an encoding was guessed."""
    words = encoding_words(encoding.choice)
    return f"read as {words}: {encoding.reason}; declare csv.encoding if letters are wrong"
