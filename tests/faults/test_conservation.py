"""Rows are counted at each hop by two parts; where the two differ, the run fails and changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from penstock.clock import HeldClock
from penstock.engines import DuckDBEngine
from penstock.errors import AccountingError
from penstock.lake import Lake
from penstock.naming import TableName
from penstock.quality import quarantine
from penstock.state import DataFile
from penstock.storage import LocalZone
from penstock.tables.catalog import Change

T = TableName.parse("t")
DECLARED = 'lake: hops\ntables:\n  t:\n    files: "*.csv"\n    steps:\n      - parse: {at: date}\n'
FILE = "id,at\n1,2024-01-01\n2,2024-13-01\n3,2024-01-03\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A lake in which one file waits, with a row for quarantine."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "lake.yaml").write_text(DECLARED)
    (tmp_path / "raw" / "a.csv").write_text(FILE)
    return tmp_path


def reason(folder: Path) -> str:
    """Run the lake; gives why its file is a dead letter, having made sure that no row of it is served."""
    with Lake(folder, HeldClock()) as lake:
        dead = lake.run().dead
        assert lake.tables == [] or lake.query("SELECT count(*) FROM t").fetchall() == [(0,)]
    assert len(dead) == 1
    return str(dead[0].reason)


def test_the_engine_lost_a_row(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records read by the engine, and rows written, dropped and quarantined by it, must add up."""
    write = DuckDBEngine.write

    def losing(self: DuckDBEngine, work: Any, path: str) -> Any:
        written = write(self, work, path)
        return replace(written, rows_out=written.rows_out - 1)

    monkeypatch.setattr(DuckDBEngine, "write", losing)
    assert "3 rows came in, but 1 went out" in reason(folder)


def test_the_published_file_lacks_a_row(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The footer of a published file must hold the rows that the engine said it wrote."""
    publish = LocalZone.publish

    def lossy(self: LocalZone, local: str, key: str) -> int:
        if "/data/" in key:
            table = pq.read_table(local)
            pq.write_table(table.slice(1), local)
        return publish(self, local, key)

    monkeypatch.setattr(LocalZone, "publish", lossy)
    assert "2 rows in" in (said := reason(folder))
    assert "but the file holds 1 rows" in said


def test_the_quarantine_file_lacks_a_row(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The footer of a quarantine file must hold the rows that were handed to it."""
    monkeypatch.setattr(quarantine, "islice", _forgetful)
    assert "1 rows were set aside, but their file holds 0" in reason(folder)


def _forgetful(rows: Iterator[Any], _count: int) -> list[Any]:
    next(rows, None)
    return []


def head_of(folder: Path) -> tuple[Lake, Change]:
    """A lake with a table of two rows, and a change that replaces its file by a copy."""
    lake = Lake(folder)
    lake.run()
    head = lake.catalog.head(T)
    assert head is not None
    old = head.files[0]
    copy = old.path.replace("-g0-", "-g1-")
    shutil.copyfile(old.path, copy)
    return lake, Change(head, (DataFile(copy, old.rows, old.bytes),), (old.path,), {})


def test_a_snapshot_that_names_other_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifests of a snapshot must name the rows before it, plus those added, minus those removed."""
    lake, change = head_of(folder)
    with lake:
        monkeypatch.setattr(type(lake.catalog), "_live_data_files", lambda *_: [])
        with pytest.raises(AccountingError, match="2 rows, 2 are added and 2 removed, but the new snapshot names 4"):
            lake.catalog.commit(change)
        monkeypatch.undo()
        assert lake.catalog.pointer(T) == change.base.pointer
        assert lake.query("SELECT count(*) FROM t").fetchall() == [(2,)]
        assert sum(file.rows for file in lake.catalog.commit(change).files) == 2


def test_a_file_with_other_rows_than_its_members(folder: Path) -> None:
    """A file that names whose rows it holds must hold as many rows as they have."""
    lake, change = head_of(folder)
    with lake:
        file = change.add[0]
        packed = f"{'a' * 16}-{'b' * 16}-g0:1"
        with pytest.raises(AccountingError, match="the file holds 2 rows, but those that it names have 1"):
            lake.catalog.commit(replace(change, add=(replace(file, packed=packed),)))
        assert lake.catalog.pointer(T) == change.base.pointer


def test_figures_of_a_file_in_bytes(folder: Path) -> None:
    """A published file must have the bytes that publishing counted."""
    lake, change = head_of(folder)
    with lake, pytest.raises(AccountingError, match="were written, but the file holds"):
        lake.catalog.commit(replace(change, add=(replace(change.add[0], bytes=1),)))
