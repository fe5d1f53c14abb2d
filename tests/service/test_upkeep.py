"""Upkeep while a lake is up: what fails is due again, and holds up nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from penstock.clock import HeldClock
from penstock.lake import Lake
from penstock.naming import TableName
from penstock.service.upkeep import TIDY_SECONDS, Upkeep

A, B, C = (TableName.parse(name) for name in "abc")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    """A lake with three tables and nothing in them."""
    tables = "".join(f"  {name}: {{files: '{name}*.csv'}}\n" for name in "abc")
    (tmp_path / "lake.yaml").write_text(f"lake: shop\ntables:\n{tables}")
    with Lake(tmp_path, HeldClock()) as opened:
        yield opened


def test_a_table_that_fails_holds_up_no_other(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tables and the tidying have their turn, the error is told, and only what failed is due again."""
    tended, broken = list[TableName](), {A}

    def tend(table: TableName) -> None:
        if table in broken:
            raise OSError("the disk is full")
        tended.append(table)

    monkeypatch.setattr(lake, "tender", lambda: tend)
    upkeep = Upkeep(lake, lambda: None)
    for table in (A, B, C):
        upkeep.note(table)
    with pytest.raises(OSError, match="the disk is full"):
        upkeep.attend()
    assert tended == [B, C]
    broken.clear()
    assert upkeep.attend() == lake.clock.now() + TIDY_SECONDS
    assert tended == [B, C, A]
    upkeep.attend()
    assert tended == [B, C, A]


def test_a_tidying_that_fails_is_due_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made the next time, not an hour later; once made it rests for an hour."""
    upkeep, purge, calls = Upkeep(lake, lambda: None), lake.purge, list[int]()

    def fails_once(tables: Iterable[TableName]) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("the disk is full")
        return purge(tables)

    monkeypatch.setattr(lake, "purge", fails_once)
    with pytest.raises(OSError, match="the disk is full"):
        upkeep.attend()
    assert upkeep.attend() == lake.clock.now() + TIDY_SECONDS
    upkeep.attend()
    assert len(calls) == 2
