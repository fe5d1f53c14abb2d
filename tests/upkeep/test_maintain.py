"""`penstock maintain`, upkeep that runs do by themselves, and both of them killed."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock import faults
from penstock.cli.main import main
from penstock.naming import TableName
from tests.road.lakes import CONTEXT

T = TableName.parse("t")
FAULTS = (1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 34, 37, 40)
LAKE = """
lake: kept
upkeep: {{automatic: {automatic}, min_input_files: 4, max_snapshots: 6, min_snapshots: 2, orphan_age: 1s}}
tables:
  t: {{files: "t*.csv"}}
  u: {{files: "u*.csv"}}
"""


def make(folder: Path, commits: int, *, automatic: bool = False) -> Path:
    """A lake with one run for each file."""
    (folder / "raw").mkdir(parents=True)
    (folder / "lake.yaml").write_text(LAKE.format(automatic=str(automatic).lower()))
    with penstock.open(folder) as lake:
        for at in range(commits):
            (folder / "raw" / f"t{at}.csv").write_text(f"id,name\n{at},a\n{at + 1000},b\n")
            lake.run()
    return folder


def contents(lake: penstock.Lake) -> tuple[Any, ...]:
    """The table's rows, and whose they are."""
    head = lake.catalog.head(T)
    assert head is not None
    rows = lake.query("SELECT * FROM t ORDER BY ALL").fetchall()
    return rows, sorted(str(member) for file in head.files for member in file.members)


def test_runs_look_after_tables_by_themselves(tmp_path: Path) -> None:
    """With no other command, files and snapshots stay few; the log says what was done."""
    with penstock.open(make(tmp_path / "lake", 24, automatic=True)) as lake:
        head = lake.catalog.head(T)
        assert head is not None
        assert len(head.files) <= 8
        assert len((lake.catalog.metadata(T) or {})["snapshots"]) <= 12
        rows, members = contents(lake)
        assert (len(rows), len(members)) == (48, 24)
        events = [event for event in lake.journal.tail(1000) if event["event"] == "maintained"]
        assert sum(event["files_joined"] for event in events) >= 24
        assert sum(event["snapshots_expired"] for event in events) > 0
        assert lake.verify().findings == []


def test_runs_do_nothing_where_it_is_switched_off(tmp_path: Path) -> None:
    """`automatic: false` leaves everything to the command."""
    with penstock.open(make(tmp_path / "lake", 10)) as lake:
        head = lake.catalog.head(T)
        assert head is not None
        assert (len(head.files), len((lake.catalog.metadata(T) or {})["snapshots"])) == (10, 10)
        before = contents(lake)
        foreseen = lake.maintain(dry_run=True).tables[0]
        assert (foreseen.files_before, foreseen.files_after, foreseen.joined) == (10, 1, 10)
        assert contents(lake) == before
        assert len(lake.catalog.head(T).files) == 10  # type: ignore[union-attr]
        done = lake.maintain(["t"]).tables[0]
        assert (done.files_before, done.files_after, done.joined) == (10, 1, 10)
        assert contents(lake) == before
        again = lake.maintain(["t"]).tables[0]
        assert (again.joined, again.snapshots, again.manifests) == (0, 0, 0)


def test_the_command_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table for people, JSON for programs, 3 where upkeep of a table failed; nothing changes on a dry run."""
    folder = make(tmp_path / "lake", 5)
    assert main(["-C", str(folder), "maintain", "--dry-run"]) == 0
    assert "5 -> 1" in (said := capsys.readouterr().out)
    assert "nothing was changed" in said
    assert main(["-C", str(folder), "maintain", "t", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [(one["table"], one["files_before"], one["files_after"], one["error"]) for one in facts["tables"]] == [
        ("t", 5, 1, None)
    ]
    assert main(["-C", str(folder), "maintain", "nothing"]) == 1
    capsys.readouterr()
    with penstock.open(folder) as lake:
        (data,) = [file.path for file in lake.catalog.head(T).files]  # type: ignore[union-attr]
        (folder / "raw" / "t9.csv").write_text("id,name\n7,x\n")
        lake.run()
    Path(data).write_bytes(b"damaged")
    assert main(["-C", str(folder), "maintain"]) == 3
    assert "is not as it was written" in capsys.readouterr().out


def upkeep(lake: str, kill_at: int) -> None:
    """Maintain a lake, and die at the n-th place that can fail."""
    left = kill_at

    def reach(_place: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            signal.raise_signal(signal.SIGKILL)

    faults.install(reach)
    with penstock.open(lake) as opened:
        opened.maintain()


@pytest.mark.parametrize("place", FAULTS)
def test_killed_upkeep_is_taken_up_again(tmp_path: Path, place: int) -> None:
    """Killed anywhere, upkeep leaves the very rows, and the next one ends what it began."""
    folder = make(tmp_path / "lake", 6)
    with penstock.open(folder) as lake:
        before = contents(lake)
    process = CONTEXT.Process(target=upkeep, args=(str(folder), place))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with penstock.open(folder) as lake:
        assert contents(lake) == before
        (done,) = lake.maintain().tables
        assert done.error is None
        assert contents(lake)[0] == before[0]
        assert len(lake.catalog.head(T).files) == 1  # type: ignore[union-attr]
        assert lake.verify().findings == []
