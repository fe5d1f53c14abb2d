"""Files that are plain but for some records: the engine's copy and the records beside it are the whole file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import penstock
from penstock.arrivals import intake
from penstock.formats import Dialect, Spilled, SpillWriter, read_carefully, scan
from penstock.formats.csv import mend as mending
from penstock.formats.csv.gaps import Gaps
from penstock.formats.csv.locate import Located

NAMES = ("id", "fee", "who", "text")
SOUND = ["1,2,a,b", '2,"x,y",é,"two\nlines"', '3,"say ""hi""",,', ",,,", "4,5,6,", '"5",6,"",""', "x,y,z,w"]
SHORT = ["1,2", "1,2,3", "only", "1,2,3,4,5", '"1\n2",3']
OVERLONG = ["6,7,8,9,", '7,8,9,"x",,', ",,,,", '8,9,"a\nb",c,""']
BROKEN = ['9,"a,b,c', '10,a"b,c,d', '11,"a"b,c,d', "id,fee,who,text"]


@pytest.fixture(autouse=True)
def _small_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mend files of any size, in small parts, so that seams are everywhere."""
    monkeypatch.setattr(mending, "WORTH_BYTES", 0)
    monkeypatch.setattr(mending, "BLOCK_BYTES", 64)
    monkeypatch.setattr(mending, "PIECE_BYTES", 16)


def spilled_rows(spilled: Spilled) -> list[tuple[Any, ...]]:
    """What a writer kept: cells and places."""
    return [tuple(row.values()) for row in pq.read_table(spilled.path).to_pylist()]


def mended(path: Path, folder: Path, dialect: Dialect) -> tuple[mending.Mended | None, Spilled]:
    """Mend a file."""
    with SpillWriter(folder, "damaged", [pa.string()] * len(NAMES)) as writer:
        found = mending.mend(str(path), scan(str(path)), dialect, folder / "copy", writer, NAMES)
    return found, writer.spilled


def carefully(path: Path, folder: Path, dialect: Dialect) -> Spilled:
    """Read all of a file record by record."""
    with SpillWriter(folder, "all", [pa.string()] * len(NAMES)) as writer:
        read_carefully(str(path), dialect, len(NAMES), writer, NAMES)
    return writer.spilled


@given(
    st.lists(st.sampled_from(SOUND * 3 + SHORT + OVERLONG), min_size=1, max_size=40),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["ended", "open"]),
    st.sampled_from(["", "\ufeff"]),
)
@example(["6,7,8,9,"], "\n", "open", "")
@example(["1,2,a,b", "6,7,8,9,"] * 9, "\r\n", "ended", "\ufeff")
def test_the_copy_and_what_it_leaves_out_are_the_whole_file(
    tmp_path_factory: pytest.TempPathFactory, records: list[str], end: str, last: str, mark: str
) -> None:
    """Every byte is in the copy or left out; what is left out is read as it would be in the whole file."""
    folder = tmp_path_factory.mktemp("mend")
    lines = [",".join(NAMES), *(record.replace("\n", end) for record in records)]
    text = mark + end.join(lines) + (end if last == "ended" else "")
    path = folder / "file"
    path.write_bytes(text.encode())
    dialect = Dialect(",")
    found, beside = mended(path, folder, dialect)
    assert found is not None
    copy = Path(found.path).read_bytes()
    assert len(copy) + (found.gaps.missing[-1] if found.gaps.missing else 0) == len(text.encode())
    whole = spilled_rows(carefully(path, folder, dialect))
    assert set(spilled_rows(beside)) <= set(whole)
    assert all(record.replace("\n", end).encode() not in copy.split(end.encode()) for record in OVERLONG[:2])
    for offset in range(0, len(copy), 7):
        original = found.gaps.original(offset)
        assert copy[offset : offset + 1] == text.encode()[original : original + 1]


@pytest.mark.parametrize("broken", BROKEN)
def test_what_cannot_be_told_apart_is_not_mended(tmp_path: Path, broken: str) -> None:
    """Where quotes are damaged, or the header stands again, the file is read record by record as a whole."""
    path = tmp_path / "file"
    path.write_text("\n".join([",".join(NAMES), *SOUND, "6,7,8,9,", broken, *SOUND]) + "\n", encoding="utf-8")
    found, _ = mended(path, tmp_path, Dialect(","))
    assert found is None


def test_gaps_give_lines_and_offsets_of_the_original(tmp_path: Path) -> None:
    """A record found in the copy stands where it stands in the file that was delivered."""
    path = tmp_path / "file"
    path.write_bytes(b"a\nXX\nb\nYY\nc\n")
    gaps = Gaps((2, 4), (3, 6))
    with path.open("rb") as original:
        found = list(gaps.relocated([Located(1, 0, b"a"), Located(2, 2, b"b"), Located(3, 4, b"c")], original))
    assert [(located.line, located.offset) for located in found] == [(1, 0), (3, 5), (5, 10)]


def lines(count: int) -> Iterator[str]:
    """Records of every kind but the broken ones, with numbers that do not parse."""
    chance = random.Random(7)
    for _ in range(count):
        yield chance.choice(SOUND * 3 + SHORT + OVERLONG)


def test_a_mended_file_has_the_outcome_of_a_careful_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, accounts and quarantine with lines, bytes and raw text are the same, however the file is read."""
    declaration = 'lake: x\ntables: {t: {files: "*.csv", steps: [{parse: {id: integer}}, {require: [who]}]}}\n'
    content = "\n".join([",".join(NAMES), *lines(600)]) + "\n"
    outcomes = []
    for name in ("mended", "careful"):
        folder = tmp_path / name
        (folder / "raw").mkdir(parents=True)
        (folder / "lake.yaml").write_text(declaration)
        (folder / "raw" / "a.csv").write_text(content, encoding="utf-8")
        if name == "careful":
            monkeypatch.setattr(intake, "mend", lambda *_: None)
        with penstock.open(folder) as lake:
            (account,) = lake.run().accounts.values()
            rows = lake.query("SELECT * FROM t ORDER BY ALL").fetchall()
            found = "SELECT line, byte_offset, rule, reason, raw FROM penstock.quarantine ORDER BY ALL"
            outcomes.append((rows, account.dropped, account.quarantined, lake.query(found).fetchall()))
    (rows, *_, aside), careful = outcomes[0], outcomes[1]
    assert outcomes[0] == careful
    assert rows
    assert {row[2] for row in aside} == {"malformed", "parse id"}
    assert all(row[0] is not None for row in aside)
