"""Chance as an enemy: no bytes whatever make the product stumble, and no row is ever unaccounted for."""

from __future__ import annotations

import gzip
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import penstock
from tests.hostile import packs
from tests.hostile.hostile import GOOD, HEAD, put

PYTHON = re.compile(
    r"internal error|[A-Z][a-z]\w*(?:Error|Exception)\b|Traceback|NoneType|/scratch/|<class|0x7f[0-9a-f]{6}"
)
TEXT = HEAD + b"".join(b'%d,"n ""%d""",5\n' % (at, at) for at in range(100, 160))
SEMICOLONS = b"id;name;amount\r\n" + "".join(f"{at};é{at};1,5\r\n" for at in range(50)).encode()
LINES = b"".join(b'{"id": %d, "name": "n%d", "deep": {"a": [1, 2.5, null]}}\n' % (at, at) for at in range(50))
SEEDS: dict[str, bytes] = {
    "bad.csv": TEXT,
    "semicolons.csv": SEMICOLONS,
    "wide.csv": TEXT.decode().encode("utf-16"),
    "bad.csv.gz": gzip.compress(TEXT),
    "bad.csv.zst": packs.zstd(TEXT),
    "bad.json": LINES,
    "list.json": b"[" + b",\n".join(LINES.splitlines()) + b"]",
    "bad.parquet": packs.parquet(),
    "bad.xlsx": packs.workbook(),
}
quick = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # each example is a whole lake: shrinking takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def mutations(draw: st.DrawFn, seed: bytes) -> bytes:
    """A valid file with some bytes changed, left out, put in twice or made up."""
    content = bytearray(seed)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content)))
        count = draw(st.integers(0, 30))
        match draw(st.integers(0, 4)):
            case 0:
                content[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                del content[at : at + count]
            case 2:
                content[at:at] = content[at : at + count]
            case 3:
                content[at:at] = draw(
                    st.sampled_from([b'"', b"\n", b"\r", b"\0", b",", b";", b"\xff", b"{", b"]", b"\xef\xbb\xbf"])
                )
            case _:
                del content[at:]
    return bytes(content)


def hold(files: dict[str, bytes]) -> None:
    """Run a lake with a table per file: every file ends, reasons are for people, every row is accounted for."""
    folder = Path(tempfile.mkdtemp())
    try:
        lines = ["lake: chance", "tables:"]
        for at, (key, content) in enumerate(files.items()):
            lines.append(f'  t{at}: {{files: "t{at}/*"}}')
            put(folder / "raw" / f"t{at}", key, content)
        put(folder / "raw" / "good", "good.csv", GOOD)
        (folder / "lake.yaml").write_text("\n".join([*lines, '  good: {files: "good/*"}', ""]), encoding="utf-8")
        with penstock.open(folder) as lake:
            lake.run()
            unforeseen = {"internal", "engine", "system", "memory"}
            events = [event for event in lake.journal.tail(100) if event.get("code") in unforeseen]
            logged = [event["traceback"] for event in events if "traceback" in event]
            assert not logged, logged[0]
            arrivals = lake.query(
                "SELECT table_name, state, rows_in, rows_out, rows_quarantined, reason FROM penstock.arrivals"
            ).fetchall()
            assert len(arrivals) == len(files) + 1
            for table, state, rows_in, rows_out, quarantined, reason in arrivals:
                assert state in {"finished", "dead"}
                assert not PYTHON.search(reason or ""), reason
                assert rows_in == rows_out + quarantined
                kept = lake.query(f"SELECT count(*) FROM {table}").fetchall()[0][0] if table in lake.tables else 0
                aside = lake.query(f"SELECT count(*) FROM penstock.quarantine WHERE table_name = '{table}'").fetchall()
                assert (kept, aside) == (rows_out, [(quarantined,)])
            assert lake.query("SELECT * FROM good ORDER BY id").fetchall() == [
                (1, "ann", 10),
                (2, "bob", 20),
                (3, "eve", 30),
            ]
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("ending", ["csv", "json", "parquet", "xlsx"])
def test_random_bytes(ending: str) -> None:
    """Bytes that mean nothing end in dead letters or in quarantine, under any ending."""

    @quick
    @given(st.lists(st.binary(max_size=2_000), min_size=4, max_size=4))
    def check(contents: list[bytes]) -> None:
        hold({f"{at}.{ending}": content for at, content in enumerate(contents)})

    check()


@pytest.mark.parametrize("key", SEEDS)
def test_valid_files_that_were_damaged(key: str) -> None:
    """A file that was whole once is read, set aside in part, or refused; it never makes the worker stumble."""

    @quick
    @given(st.lists(mutations(SEEDS[key]), min_size=4, max_size=4))
    def check(contents: list[bytes]) -> None:
        hold({f"{at}{key}": content for at, content in enumerate(contents)})

    check()


def test_text_of_hostile_characters() -> None:
    """Text of delimiters, quotes, line ends, marks and controls in any order."""
    letters = st.sampled_from("a1,;|\t\"'\n\r \\#\x00\x1b\ufeff\ufffdé\u2028{}[]:=")

    @settings(quick, max_examples=10)
    @given(st.lists(st.text(letters, max_size=200), min_size=4, max_size=4))
    def check(texts: list[str]) -> None:
        hold({f"{at}.csv": text.encode() for at, text in enumerate(texts)})

    check()
