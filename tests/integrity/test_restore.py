"""The backup page's commands, run as they stand there, and what comes of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import penstock
from tests.docs.pages import ROOT
from tests.docs.replay import agree, normal, replay
from tests.road.lakes import contents

PAGE = ROOT / "docs" / "backup.md"


@pytest.mark.timeout(300)  # a page full of commands, each a process of its own
def test_the_pages_commands_restore_a_lake(tmp_path: Path) -> None:
    """Copied while in use, lost, put back, repaired: every row is there once, and verify finds nothing in the copy."""
    for block, real in replay(PAGE, tmp_path):
        assert agree(normal(block.text), normal(real)), f"{block.place}: what happens is\n{real}"
    lake = tmp_path / "clinic"
    with penstock.open(lake) as opened:
        rows = opened.query("SELECT count(*), count(DISTINCT consultation_id) FROM consultations").fetchall()
        states = opened.query("SELECT state, count(*) FROM penstock.arrivals GROUP BY 1").fetchall()
    assert rows == [(2745, 1958)], "two files with the same content are two files; no row came twice"
    assert states == [("finished", 3)]
    live = contents_of_copy(tmp_path / "live", lake)
    assert live["waiting"] == 0
    assert len(live["rows"]["consultations"]) == 1962


def contents_of_copy(copy: Path, lake: Path) -> dict[str, Any]:
    """What a lake holds that is made of the copy taken while it was in use, at the place where it stood."""
    for name in ("processed", ".penstock"):
        shutil.rmtree(lake / name)
        shutil.copytree(copy / name, lake / name)
    (lake / "raw" / "consultations-2026.csv").unlink()
    with penstock.open(lake) as opened:
        assert opened.verify(raw=True).findings == []
    return contents(lake)
