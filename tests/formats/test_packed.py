"""Compressed files: told by their bytes, unpacked in full or refused with the place of the damage."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from penstock.errors import BadFileError
from penstock.formats import decompress

TEXT = b"a,b\n" + b"".join(b"%d,%d\n" % (at, at * at % 1009) for at in range(200_000))


def _packed(kind: str) -> bytes:
    if kind == "gzip":
        return gzip.compress(TEXT)
    packed: bytes = pa.compress(TEXT, codec="zstd", asbytes=True)
    return packed


def _parts(kind: str) -> bytes:
    halves = (TEXT[:1000], TEXT[1000:])
    if kind == "gzip":
        return b"".join(map(gzip.compress, halves)) + b"\0" * 512
    return b"".join(pa.compress(half, codec="zstd", asbytes=True) for half in halves)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_files_are_unpacked_whatever_their_name(tmp_path: Path, kind: str) -> None:
    """One member or several, under any name, give the same bytes; the file itself stays as it is."""
    for content in (_packed(kind), _parts(kind)):
        path = tmp_path / "x.csv"
        path.write_bytes(content)
        plain = decompress(str(path), tmp_path / "spill")
        assert Path(plain).read_bytes() == TEXT
        assert path.read_bytes() == content


def test_plain_files_are_not_copied(tmp_path: Path) -> None:
    """A file that is not compressed is read where it stands, even if its name says otherwise."""
    path = tmp_path / "x.csv.gz"
    path.write_bytes(TEXT)
    assert decompress(str(path), tmp_path / "spill") == str(path)
    assert not (tmp_path / "spill").exists()


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99, 0.999999])
def test_a_file_that_breaks_off_is_refused(tmp_path: Path, kind: str, share: float) -> None:
    """Wherever it breaks off, nothing of it is taken, and the error says how far it could be read, if at all."""
    path = tmp_path / "x.csv.gz"
    content = _packed(kind)
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadFileError, match=r"breaks off(: at byte [\d,]+ of the unpacked text, in line [\d,]+)?\n"):
        decompress(str(path), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv.gz"]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """A changed byte, a wrong check sum and bytes behind the end are damage."""
    path = tmp_path / "x.csv.gz"
    whole = _packed("gzip")
    middle, end = bytearray(whole), bytearray(whole)
    middle[len(middle) // 2] ^= 0xFF
    end[-6] ^= 1
    for content in (bytes(middle), bytes(end), whole + b"more"):
        path.write_bytes(content)
        with pytest.raises(
            BadFileError, match=r"the compressed file is (damaged|followed by bytes that are not compressed)"
        ):
            decompress(str(path), tmp_path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """A file that grows beyond the limit is refused, both sizes are named, and nothing is left on the disk."""
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"0" * 40_000_000))
    with pytest.raises(
        BadFileError, match=r"of 38,\d\d\d bytes unpacks to more than 7,\d\d\d,\d\d\d: that is a decomp"
    ):
        decompress(str(path), tmp_path, growth=200, free=1_000_000)
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv.gz"]
    assert Path(decompress(str(path), tmp_path)).stat().st_size == 40_000_000
