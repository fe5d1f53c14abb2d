"""Thousands of polluted files: nothing is wrong in silence, and no reader does better."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.formats.pollution import Polluted, corpus
from tests.formats.scoring import Reader, Score, ours, score, sniffer, told

FILES = corpus()
COMPARED = FILES[::4]
CLEAR_REFUSALS = {"missing", "doubled name", "empty name", "one name too few", "one name too many"}


def _scores(files: list[Polluted], reader: Reader, folder: Path) -> list[Score]:
    path = folder / "file.csv"
    scores = []
    for file in files:
        path.write_bytes(file.content)
        scores.append(score(file, reader(file, path)))
    return scores


def test_the_corpus_is_large_and_always_the_same() -> None:
    """There are at least 1,500 files of many kinds, each with its own name, and a second look finds the same ones."""
    assert len(FILES) >= 1_500
    assert len({file.kind for file in FILES}) >= 20
    assert [file.content for file in corpus()] == [file.content for file in FILES]


def test_nothing_is_wrong_in_silence(tmp_path: Path) -> None:
    """Whatever differs from the truth was set aside, carries a warning, or the file was refused; most is right."""
    scores = _scores(FILES, ours, tmp_path)
    wrong = [f"{file.kind}: {file.name}: {found.why}" for file, found in zip(FILES, scores, strict=True) if found.wrong]
    assert wrong == []
    verdicts = Counter(found.verdict for found in scores)
    assert verdicts["perfect"] >= 0.94 * len(FILES), verdicts
    for file, found in zip(FILES, scores, strict=True):
        if found.verdict == "refused":
            assert file.kind == "code page" or any(file.name.endswith(end) for end in CLEAR_REFUSALS), (file, found.why)
            assert "\n  " in found.why, "a refusal says the next step"


def test_better_than_a_sniffer_and_as_good_as_being_told(tmp_path: Path) -> None:
    """With nothing declared, more files are read without a fault than DuckDB reads with or without being told how."""
    perfect = {
        name: sum(found.verdict == "perfect" for found in _scores(COMPARED, reader, tmp_path))
        for name, reader in (("ours", ours), ("sniffer", sniffer), ("told", told))
    }
    assert perfect["sniffer"] < perfect["ours"], perfect
    assert perfect["told"] <= perfect["ours"], perfect
    assert perfect["ours"] >= 0.94 * len(COMPARED), perfect


@pytest.mark.parametrize("reader", [sniffer, told])
def test_the_score_finds_what_is_wrong(reader: Reader, tmp_path: Path) -> None:
    """The measure can fail: a reader that keeps an extra line as a row is wrong in silence."""
    content = b"a,b\n1,2\nTotal,\n3,4\n"
    file = Polluted("made", "totals", content, ["a", "b"], [["1", "2"], ["3", "4"]], told={"delim": ","})
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    assert score(file, reader(file, path)).verdict == "wrong"
    assert score(file, ours(file, path)).verdict == "flagged"
