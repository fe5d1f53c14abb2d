"""The page of promises: it says what its figures say, and names only what is there."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def promises(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program that fills the table."""
    spec = importlib.util.spec_from_file_location("promises", ROOT / "scripts" / "promises.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "promises", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def alone(promises: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same program over copies of its files."""
    for name in ("PAGE", "SUITES"):
        copy = tmp_path / getattr(promises, name).name
        if getattr(promises, name).exists():
            copy.write_bytes(getattr(promises, name).read_bytes())
        monkeypatch.setattr(promises, name, copy)
    return promises


def test_page_agrees_with_its_figures(promises: Any) -> None:
    """docs/promises.md was written out of benchmarks/suites.json and benchmarks/figures.json."""
    assert promises.main(["--check"]) == 0


def test_figures_that_are_noted_appear_and_a_stale_page_is_refused(alone: Any) -> None:
    """A note changes the page; a page that does not have it is not as it should be."""
    assert alone.main(["races=1,234 of 1,234 commits"]) == 0
    assert "| 1,234 of 1,234 commits (" in alone.PAGE.read_text(encoding="utf-8")
    assert alone.main(["--check"]) == 0
    alone.PAGE.write_text(alone.PAGE.read_text(encoding="utf-8").replace("1,234 of", "1,235 of"), encoding="utf-8")
    assert alone.main(["--check"]) == 1


@pytest.mark.parametrize("note", ["no_such_promise=1", "races", "memory=1"])
def test_note_for_no_suite_is_refused(alone: Any, note: str) -> None:
    """Only what a suite says is noted by hand; measurements speak for themselves."""
    before = alone.PAGE.read_bytes()
    assert alone.main([note]) == 2
    assert alone.PAGE.read_bytes() == before


def test_figures_of_measurements_are_told(promises: Any) -> None:
    """The text of each promise about speed holds the measured figures and their goals."""
    heads = ["CPU s", "CPU ratio", "wall s", "wall ratio", "memory MB"]
    rows = {"penstock run": [12, 1.2, 6, 1.2, 400], "Polars": [10, 1, 5, 1, 500], "pandas": [60, 6, 60, 9, 4000]}
    table = {
        "columns": [[head, 2] for head in heads],
        "rows": [{"name": name, "figures": figures} for name, figures in rows.items()],
    }
    measured = {
        name: {"tables": [{**table, "title": f"CSV to table: {size} GB, many rows"}]}
        for name, size in (("road", "0.99"), ("large", "4.95"))
    }
    told = promises.table({}, measured)
    assert "| 400 MB at 0.99 GB, 400 MB at 4.95 GB (goal: 500) |" in told
    assert "| 0.99 GB: 1.20 times the CPU of a bare `COPY` (goal: 1.3), 1.2 times that of Polars (goal: 1.5); " in told
    assert "5.0 times faster and 10.0 times leaner than pandas (goals: 4, 8) |" in told
    assert told.count(promises.UNKNOWN) == len(promises.PROMISES) - 2


def test_everything_named_is_there(promises: Any) -> None:
    """Suites, programs and targets of make that the page names exist."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    page = promises.PAGE.read_text(encoding="utf-8")
    assert {target for target in re.findall(r"`make ([a-z]+)`", page) if target not in targets} == set()
    named = [path for promise in promises.PROMISES for path in promise.where]
    assert [path for path in named if not (ROOT / path).exists()] == []
    assert len({promise.key for promise in promises.PROMISES}) == len(promises.PROMISES)
