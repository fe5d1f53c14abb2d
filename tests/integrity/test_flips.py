"""One byte flipped anywhere: the right rows or a clear error, never wrong rows."""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import penstock
from tests.integrity.flips import Original, Rows, answers, flip, kind_of, make, outcome, tell
from tests.told import say

SCALE = int(os.environ.get("PENSTOCK_FLIPS", "1"))
SEED = int(os.environ.get("PENSTOCK_SEED", "20"))
DATABASE_FLIPS = 25 * SCALE
FILE_FLIPS = SCALE


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that is flipped and put back again and again."""
    return make(tmp_path_factory.mktemp("flips") / "lake")


@pytest.fixture(scope="module")
def original(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Original:
    """The lake's files as they were."""
    kept = Original(lake, tmp_path_factory.mktemp("original"))
    kept.keep()
    return kept


@pytest.fixture(scope="module")
def truth(lake: Path, original: Original) -> Rows:
    """What queries gave before anything was flipped."""
    found = answers(lake, with_state=True)
    assert all(rows for rows in found.values()), "the lake is too small to show anything"
    assert original.lake == lake
    return found


def sealed_files(lake: Path) -> list[Path]:
    """Files of tables and of the quarantine that a seal stands for."""
    with penstock.open(lake) as opened:
        return [Path(seal.path) for seal in opened.seals.below(str(lake)) if Path(seal.path).exists()]


def live_files(lake: Path) -> set[str]:
    """Data files that tables hold now."""
    with penstock.open(lake) as opened:
        heads = [opened.catalog.head(name) for name in opened.catalog.tables()]
    return {file.path for head in heads if head for file in head.files}


@pytest.mark.parametrize("with_state", [True, False], ids=["with the state store", "state store deleted"])
def test_a_flipped_byte_is_never_served(lake: Path, original: Original, truth: Rows, *, with_state: bool) -> None:
    """Whichever byte of a database, metadata, manifest, data or quarantine file is flipped: right rows or an error.

    With the mtime set back, too; with what is remembered in the state store, and with nothing but the tables.
    """
    chance, counts = random.Random(SEED + with_state), defaultdict[str, Counter[str]](Counter)
    databases = [lake / "processed" / "catalog.db", lake / "processed" / "seals.db"]
    databases += [lake / ".penstock" / "state.db"] if with_state else []
    targets = [file for file in databases for _ in range(DATABASE_FLIPS)]
    targets += [file for file in sealed_files(lake) for _ in range(FILE_FLIPS)]
    live = live_files(lake)
    wrong = []
    for file in targets:
        original.put_back(file)
        at = flip(file, chance, hidden=chance.random() < 0.5)
        if not with_state:
            for path in (lake / ".penstock").glob("state.db*"):
                path.unlink()
        got = outcome(lake, truth, with_state=with_state)
        counts["live data" if str(file) in live else kind_of(file)][got] += 1
        if got == "wrong":
            wrong.append(f"{file.name} at byte {at}")
        original.put_back(file)
    say("flips", tell("with the state store" if with_state else "state store deleted", counts))
    assert not wrong
    assert counts["live data"] == Counter(error=counts["live data"].total()), "a damaged data file was served"
    assert answers(lake, with_state=True) == truth, "putting back must mend everything"


def test_verify_finds_every_flip_in_a_sealed_file(lake: Path, original: Original) -> None:
    """Whatever file of a table was changed, verify names it; once put back, it finds nothing."""
    chance, found, missed = random.Random(SEED), Counter[str](), []
    for file in sealed_files(lake):
        original.put_back(file)
        flip(file, chance, hidden=True)
        with penstock.open(lake) as opened:
            report = opened.verify(quick=True)
        if any(str(file) in finding.what or file.name in finding.what for finding in report.findings):
            found[kind_of(file)] += 1
        else:
            missed.append(str(file))
        original.put_back(file)
    say("flips", f"verify found {found.total()} of {found.total() + len(missed)} flips in sealed files")
    assert not missed
    assert set(found) == {"metadata", "manifest list", "manifest", "data", "quarantine"}
    with penstock.open(lake) as opened:
        assert opened.verify().findings == []
