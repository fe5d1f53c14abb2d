"""CSV: which delimiter a table's files use, and the header that every file must show.

The dialect is decided once per table, from its first file, and recorded with the reason; later files are read with it
and verified against it. Encoding is UTF-8, with or without a byte order mark: what cannot be decoded is refused,
never guessed.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from penstock.errors import BadFileError
from penstock.formats.dialect import RESERVED, Dialect
from penstock.naming import did_you_mean

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 256 * 1024
SAMPLE_RECORDS = 1000
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def detect(head: bytes, *, whole: bool, delimiter: str | None = None, quote: str | None = None) -> Dialect:
    """Decide the dialect from a file's first bytes; `whole` says that they are the entire file.

    Raises:
        BadFileError: The file is empty, or no text.
    """
    quote = quote or '"'
    text = decode_sample(head, whole=whole)
    if delimiter is not None:
        return Dialect(delimiter, quote, "declared")
    scored = [(_score(text, candidate, quote, whole=whole), candidate) for candidate in DELIMITERS]
    (share, width), best = max(scored, key=lambda found: (found[0][1] > 1, found[0][0], found[0][1]))
    if width <= 1:
        return Dialect(",", quote, "the header holds none of comma, semicolon, tab or vertical bar: one column")
    return Dialect(
        best, quote, f"{share:.0%} of the first records have the header's {width} fields with {_NAMES[best]}"
    )


def _score(text: str, delimiter: str, quote: str, *, whole: bool) -> tuple[float, int]:
    """Share of records that are as wide as the first one, and that width."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote)
    try:
        widths = [len(record) for record in islice(reader, SAMPLE_RECORDS) if record]
    except csv.Error:
        return 0.0, 0
    if not whole and 1 < len(widths) < SAMPLE_RECORDS:
        widths.pop()  # the sample ends within this record
    if not widths:
        return 0.0, 0
    return Counter(widths)[widths[0]] / len(widths), widths[0]


def decode_sample(head: bytes, *, whole: bool) -> str:
    """Decode a file's first bytes as UTF-8, without a byte order mark.

    Raises:
        BadFileError: The file is empty, in another encoding, or no text at all.
    """
    if not head.strip(b" \t\r\n\xef\xbb\xbf"):
        message = "the file is empty"
        raise BadFileError(message, hint="a CSV file starts with a line of column names; deliver the file again")
    if head.startswith(_WIDE_MARKS):
        message = "the file is UTF-16; UTF-8 is expected"
        raise BadFileError(message, hint="save it as UTF-8 and deliver it again")
    if b"\0" in head:
        line = head.count(b"\n", 0, head.index(b"\0")) + 1
        message = f"line {line} holds a NUL byte: this is no text file"
        raise BadFileError(message, hint="check that the file is CSV and arrived whole")
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(head, final=whole)
    except UnicodeDecodeError as error:
        line = head.count(b"\n", 0, error.start) + 1
        raise BadFileError(
            f"line {line} is not UTF-8 (byte {error.start} is 0x{head[error.start]:02x})",
            hint="save the file as UTF-8 and deliver it again",
        ) from None


def read_header(head: bytes, dialect: Dialect, *, whole: bool) -> list[str]:
    """Read the column names.

    Raises:
        BadFileError: A name is empty or stands twice, or the file is no text.
    """
    text = decode_sample(head, whole=whole)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter, quotechar=dialect.quote)
    try:
        names = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        message = f"the header cannot be read: {error}"
        raise BadFileError(message) from None
    if not any(names):
        message = "line 1 holds no column names"
        raise BadFileError(message, hint="a CSV file starts with a line of column names")
    seen: dict[str, int] = {}
    for at, name in enumerate(names, start=1):
        if not name:
            message = f"line 1: column {at} has no name"
            raise BadFileError(message, hint="give every column a name and deliver the file again")
        if name.lower().startswith(RESERVED):
            message = f'line 1: the name "{name}" is taken by the system'
            raise BadFileError(message, hint=f"names must not start with {RESERVED}")
        if name.lower() in seen:
            message = f'line 1: columns {seen[name.lower()]} and {at} are both called "{name}"'
            raise BadFileError(message, hint="names must differ by more than upper and lower case")
        seen[name.lower()] = at
    return names


def read_head(file: BinaryIO) -> tuple[bytes, bool]:
    """Read the bytes that detection looks at, and whether they are the whole file."""
    head = file.read(SAMPLE_BYTES)
    return head, len(head) < SAMPLE_BYTES


def open_records(head: bytes, dialect: Dialect, *, whole: bool) -> Iterator[list[str]]:
    """Records of the sample after the header, without the one that the sample may cut."""
    text = decode_sample(head, whole=whole)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter, quotechar=dialect.quote)
    try:
        records = [record for record in islice(reader, SAMPLE_RECORDS) if record]
    except csv.Error:
        return iter(())
    end = len(records) if whole or len(records) == SAMPLE_RECORDS else -1
    return iter(records[1:end])


def missing_column(name: str, header: list[str]) -> str:
    """Say that a column is missing, with the closest name that is there."""
    return f'no column "{name}"{did_you_mean(name, header) or "; there are " + ", ".join(header)}'
