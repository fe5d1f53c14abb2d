"""What a file really is, by its first bytes: a picture named `.csv` is told as a picture, not as a strange table."""

from __future__ import annotations

from pathlib import Path

from penstock.errors import BadFileError
from penstock.formats.csv.lines import byte_order_mark

HEAD_BYTES = 64 * 1024
MOST_CONTROLS = 0.02
"""Share of control characters from which on a file is no text; text has next to none, compressed bytes 1 in 10."""
FEWEST_CONTROLS = 4
CONTROLS = bytes({*range(0x20), 0x7F} - {0, 1, 2, 3, 9, 10, 11, 12, 13, 0x1B, 0x1C, 0x1D, 0x1E, 0x1F})
_HINT = "check what was delivered"
_EXCEL_HINT = "name it .xlsx or declare format: excel"
_PARQUET_HINT = "name it .parquet or declare format: parquet"
SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture", _HINT),
    (b"\xff\xd8\xff", "a JPEG picture", _HINT),
    (b"GIF8", "a GIF picture", _HINT),
    (b"%PDF-", "a PDF document", _HINT),
    (b"{\\rtf", "an RTF document", _HINT),
    (b"\x7fELF", "a program", _HINT),
    (b"PAR1", "a Parquet file", _PARQUET_HINT),
    (b"ORC", "an ORC file", _HINT),
    (b"Obj\x01", "an Avro file", _HINT),
    (b"SQLite format 3\0", "an SQLite database", _HINT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook or document of old Microsoft Office", "save it as .xlsx or CSV"),
    (b"BZh", "compressed with bzip2", "deliver it plain, or compressed with gzip or zstd"),
    (b"\xfd7zXZ\0", "compressed with xz", "deliver it plain, or compressed with gzip or zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it, or compress it with gzip or zstd"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it, or compress it with gzip or zstd"),
    (b"\x1f\x8b", "compressed with gzip twice", "compress it once"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd twice", "compress it once"),
)
PLAIN = (b"BZh", b"ORC", b"GIF8", b"PAR1")
"""Signatures that a text may start with; they only tell where more than text follows."""


def assert_text(path: str, wanted: str, *, declared: bool = False) -> None:
    """Make sure that a file, not compressed, is text.

    Args:
        path: The file.
        wanted: What it should be, for people, such as `CSV`.
        declared: Whether its encoding is declared, and control characters therefore say nothing.

    Raises:
        BadFileError: It is something else.
    """
    with Path(path).open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(b"PK\x03\x04"):
        office = any(mark in head for mark in (b"[Content_Types].xml", b"xl/", b"docProps/"))
        kind = (
            ("an Excel workbook or another Office document", _EXCEL_HINT) if office else ("a ZIP archive", "unpack it")
        )
        raise _other(kind[0], wanted, kind[1])
    for signature, kind_of, hint in SIGNATURES:
        if head.startswith(signature) and (signature not in PLAIN or b"\0" in head or _is_binary(head)):
            raise _other(kind_of, wanted, hint)
    if not declared and _is_binary(head):
        encoding = "; if it is text, declare its encoding, such as csv: {encoding: cp1252}" if wanted == "CSV" else ""
        raise BadFileError(f"the file is not {wanted}: its bytes are no text", hint=_HINT + encoding)


def _is_binary(head: bytes) -> bool:
    """Whether there are more control characters than in any text; NUL bytes are judged by the encoding."""
    mark, encoding = byte_order_mark(head)
    if encoding.startswith(("utf-16", "utf-32")) or (not mark and head.count(0) > len(head) // 4):
        return False
    controls = len(head) - len(head.translate(None, CONTROLS))
    return controls >= FEWEST_CONTROLS and controls > MOST_CONTROLS * len(head)


def _other(kind: str, wanted: str, hint: str) -> BadFileError:
    return BadFileError(f"the file is not {wanted}, it is {kind}", hint=f"{hint}, and deliver it again")
