"""Damaged and hostile archives, workbooks, JSON and Parquet: refused in time, or read but for what is damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from tests.hostile import packs
from tests.hostile.hostile import HEAD, Became, Case, assert_became, become, lake_of

GZ = gzip.compress(packs.TEXT)
PARQUET = packs.parquet()
FOOTER = int.from_bytes(PARQUET[-8:-4], "little")
WORKBOOK = packs.workbook()
ROW = [(7, "a", 1)]
BREAKS = "the compressed file breaks off"
CHECK = "the compressed file is damaged: its check sum does not match what it unpacks to"
DEEP = b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"


def gz(content: bytes, dead: str | None = None) -> Case:
    """A case of a gzip file."""
    return Case(content, key="bad.csv.gz", dead=dead, rows=[] if dead else ROW)


def zst(content: bytes, dead: str | None = None) -> Case:
    """A case of a zstd file."""
    return Case(content, key="bad.csv.zst", dead=dead, rows=[] if dead else ROW)


def json(content: bytes, dead: str | None = None, rows: object = (), aside: object = ()) -> Case:
    """A case of a JSON file that is alone in its table."""
    return Case(content, key="bad.json", dead=dead, rows=list(rows), quarantined=list(aside), alone=True)  # type: ignore[call-overload]


def xlsx(content: bytes, dead: str | None = None) -> Case:
    """A case of a workbook."""
    return Case(content, key="bad.xlsx", dead=dead, rows=[] if dead else ROW)


def pq(content: bytes, dead: str | None = None) -> Case:
    """A case of a Parquet file that is alone in its table."""
    return Case(content, key="bad.parquet", dead=dead, alone=True)


SMALL = HEAD + b"7,a,1\n"
CASES = {
    "gz_members": gz(gzip.compress(HEAD) + gzip.compress(b"7,a,1\n")),
    "gz_padded": gz(gzip.compress(SMALL) + bytes(512)),
    "gz_cut": gz(GZ[: len(GZ) // 2], BREAKS + ": at byte "),
    "gz_stub": gz(GZ[:5], BREAKS),
    "gz_rubbish": gz(GZ + b"rubbish", "the compressed file is followed by bytes that are not compressed: at byte "),
    "gz_sum": gz(GZ[:-8] + b"\1\2\3\4" + GZ[-4:], CHECK),
    "gz_length": gz(GZ[:-4] + b"\1\2\3\4", CHECK),
    "gz_flipped": gz(packs.flipped(GZ, len(GZ) // 2), "the compressed file is damaged"),
    "gz_empty": gz(gzip.compress(b""), "the file is empty"),
    "gz_picture": gz(gzip.compress(b"\x89PNG\r\n\x1a\n" + bytes(99)), "the file is not CSV, it is a PNG picture"),
    "gz_twice": gz(gzip.compress(gzip.compress(SMALL)), "the file is not CSV, it is compressed with gzip twice"),
    "gz_nested": gz(packs.nested_bomb(), "the file is not CSV, it is compressed with gzip twice"),
    "zst_whole": zst(packs.zstd(SMALL)),
    "zst_cut": zst(packs.zstd(packs.TEXT)[:200], BREAKS),
    "zst_rubbish": zst(packs.zstd(SMALL) + b"rubbish", "the compressed file is damaged"),
    "xlsx_whole": xlsx(WORKBOOK),
    "xlsx_cut": xlsx(WORKBOOK[: len(WORKBOOK) // 2], "the file is no workbook"),
    "xlsx_csv": xlsx(SMALL, "the file is no workbook"),
    "xlsx_empty": xlsx(b"", "the file is empty"),
    "xlsx_flipped": xlsx(packs.flipped(WORKBOOK, 600, 30), "the workbook is damaged"),
    "xlsx_laughs": xlsx(packs.laughs(), "the workbook is damaged: limit on input amplification factor"),
    "xlsx_spying": xlsx(packs.spying(), "the workbook is damaged: undefined entity &spy;"),
    "json_empty": json(b"", "the file is empty"),
    "json_deep_open": json(b"[" * 100_000, "line 1, column 2: nested deeper than 50 levels"),
    "json_deep": json(DEEP + b'{"id": 1}\n', rows=[(1,)], aside=[(1, "nested deeper than 50 levels")]),
    "json_deep_objects": json(
        b'{"id": 1}\n' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b'\n{"id": 2}\n',
        rows=[(1,), (2,)],
        aside=[(2, "nested deeper than 50 levels")],
    ),
    "json_huge": json(b'{"id": 1e400000}\n{"id": 1}\n', rows=[("1",), ("1e400000",)]),
    "json_tiny": json(b'{"id": 1e-999999999999}\n{"id": 1}\n', rows=[("1",), ("1e-999999999999",)]),
    "json_digits": json(
        b'{"id": 1}\n{"id": ' + b"9" * 10_000_000 + b'}\n{"id": 2}\n',
        rows=[(1,), (2,)],
        aside=[(2, "a number has more than 4,300 digits")],
    ),
    "json_words": json(
        b'{"id": NaN}\n{"id": 1}\n{"id": Infinity}\n',
        rows=[(1,)],
        aside=[(1, "NaN is no value of JSON"), (3, "Infinity is no value of JSON")],
    ),
    "json_twice": json(
        b'{"id": 1, "id": 2}\n{"id": 3}\n', rows=[(3,)], aside=[(1, 'the key "id" stands twice in one object')]
    ),
    "json_half": json(
        b'{"id": "\\ud800"}\n{"id": "ok"}\n',
        rows=[("ok",)],
        aside=[(1, "half of a surrogate pair, which is no character")],
    ),
    "json_cut": json(
        b'[{"id":1},{"id":2},{"id":',
        rows=[(1,), (2,)],
        aside=[(1, "line 1, column 26: expecting value; the file ends within this record")],
    ),
    "json_numbers": json(b"1\n2\n", "line 1, column 1: expected a list or an object, found 1"),
    "json_binary": json(bytes(range(1, 256)) * 10, "the file is not JSON: its bytes are no text"),
    "pq_cut": pq(PARQUET[: len(PARQUET) // 2], "the file is cut off: it does not end with PAR1"),
    "pq_page": pq(packs.flipped(PARQUET, 300, 200), "the file cannot be read: "),
    "pq_footer_size": pq(PARQUET[:-8] + b"\xff\xff\xff\x7f" + PARQUET[-4:], "the file's footer is damaged"),
    "pq_footer": pq(packs.flipped(PARQUET, len(PARQUET) - 8 - FOOTER + 20), "the file's footer is damaged"),
    "pq_magic": pq(PARQUET[:-4] + b"PARX", "the file is cut off"),
    "pq_csv": pq(SMALL, "the file is not Parquet: it does not start with PAR1"),
    "pq_empty": pq(b"", "the file is empty"),
    "pq_no_columns": pq(packs.parquet(pa.table({})), "the file has no columns"),
    "pq_twice": pq(packs.parquet(pa.table([[1], [2]], names=["a", "A"])), "two columns are called"),
    "pq_systems": pq(
        packs.parquet(pa.table([[1]], names=["__penstock_fate"])), 'the name "__penstock_fate" is taken by the system'
    ),
    "pq_no_rows": pq(packs.parquet(pa.table({"id": pa.array([], pa.int64())}))),
}


@pytest.fixture(scope="module")
def became(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Became]:
    """What became of all cases."""
    return become(lake_of(tmp_path_factory.mktemp("packed"), CASES), CASES)


@pytest.mark.parametrize("name", CASES)
def test_what_is_whole_is_read_and_the_rest_is_refused(became: dict[str, Became], name: str) -> None:
    """Exact rows, exact reasons, in time; the good file beside it is in, raw/ untouched, a second run idle."""
    assert_became(CASES[name], became[name])


def test_no_entity_reads_a_file(became: dict[str, Became]) -> None:
    """What a workbook asks of the machine stands in no reason."""
    assert Path("/etc/hostname").read_text(encoding="utf-8").strip() not in str(became["xlsx_spying"].dead)
