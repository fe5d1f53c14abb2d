"""Makers of damaged archives, workbooks and Parquet files."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile.hostile import HEAD

TEXT = HEAD + b"".join(b"%d,n%d,5\n" % (at, at) for at in range(100, 5_100))
SHEET = "xl/worksheets/sheet1.xml"
TEN = 10


def flipped(content: bytes, at: int, count: int = 20) -> bytes:
    """The same bytes, but for some that are changed."""
    return content[:at] + bytes(byte ^ 0x5A for byte in content[at : at + count]) + content[at + count :]


def gzip_bomb(path: Path) -> None:
    """Make a gzip file of 10 GB of zeros behind a header; its check sum, which nobody gets to, is wrong."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(HEAD) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)  # each block stands alone: repeat it
    path.write_bytes(start + zeros * 10_000 + packer.flush())


def nested_bomb() -> bytes:
    """A gzip file within a gzip file."""
    return gzip.compress(gzip.compress(bytes(50_000_000)))


def zstd(content: bytes) -> bytes:
    """A zstd frame."""
    packed: bytes = pa.compress(content, codec="zstd", asbytes=True)
    return packed


def parquet(table: pa.Table | None = None) -> bytes:
    """A Parquet file."""
    if table is None:
        table = pa.table({"id": range(5_000), "name": [f"n{at}" for at in range(5_000)], "amount": [1] * 5_000})
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def workbook() -> bytes:
    """A workbook with one row."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["id", "name", "amount"], [7, "a", 1]):
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def changed_sheet(change: Callable[[bytes], bytes]) -> bytes:
    """A workbook whose sheet was changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook())) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name == SHEET else content)
    return out.getvalue()


def with_cell(cell: bytes, before: bytes = b"") -> bytes:
    """A workbook with one more cell, of raw XML, and something before the document."""

    def change(content: bytes) -> bytes:
        body = content.partition(b"?>")[2] if content.startswith(b"<?xml") else content
        row = b'<row r="3"><c r="A3" t="inlineStr"><is><t>' + cell + b"</t></is></c></row></sheetData>"
        return b'<?xml version="1.0"?>' + before + body.replace(b"</sheetData>", row)

    return changed_sheet(change)


def laughs() -> bytes:
    """A workbook in which one cell stands for a billion laughs."""
    entities = b'<!ENTITY l0 "lol">' + b"".join(
        b'<!ENTITY l%d "%s">' % (at, b"&l%d;" % (at - 1) * TEN) for at in range(1, TEN)
    )
    return with_cell(b"&l9;", b"<!DOCTYPE x [" + entities + b"]>")


def spying() -> bytes:
    """A workbook in which one cell asks for a file of the machine."""
    return with_cell(b"&spy;", b'<!DOCTYPE x [<!ENTITY spy SYSTEM "file:///etc/hostname">]>')


def sheet_bomb() -> bytes:
    """A small workbook whose sheet unpacks to 600 MB."""
    return changed_sheet(lambda content: content.replace(b"</sheetData>", b" " * 600_000_000 + b"</sheetData>"))
