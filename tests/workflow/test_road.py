"""The whole chain with a real lake: files become rows, a commit starts a workflow, its end is told to people."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock import faults
from penstock.clock import HeldClock
from penstock.lake import Lake
from penstock.naming import TableName
from tests.workflow.worlds import DAY, START, settle

TEXT = """
lake: shop
notices:
  - {when: [workflow], to: "file:"}
tables:
  orders:
    files: "orders/*.csv"
    checks:
      - {references: {customer: customers.id}, on_breach: quarantine}
  customers: {files: "customers/*.csv"}
workflows:
  again: {on: {committed: customers}, steps: [{reprocess: orders}, {notify: {text: "customers are new"}}]}
  nightly: {cron: "0 2 * * *", steps: [{refresh: all}, {maintain: all}, {verify: all}]}
"""


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    """A lake with two tables, of which one refers to the other."""
    for name in ("orders", "customers"):
        (tmp_path / "raw" / name).mkdir(parents=True)
    (tmp_path / "lake.yaml").write_text(TEXT)
    with Lake(tmp_path, HeldClock(START)) as lake:
        lake.workflows().attend()
        yield lake


def drop(lake: Lake, name: str, text: str) -> None:
    """Let a file land."""
    (lake.folder / "raw" / name).write_text(text)


def test_a_commit_starts_a_workflow_whose_end_is_told(lake: Lake) -> None:
    """New customers have orders looked at again: one whose customer was missing is in, and people hear of it."""
    drop(lake, "customers/1.csv", "id,name\nC1,Ada\n")
    lake.run()
    settle(lake)
    drop(lake, "orders/1.csv", "id,customer\n1,C1\n2,C2\n")
    lake.run()
    settle(lake)
    assert lake.query("SELECT id FROM orders").fetchall() == [(1,)]
    drop(lake, "customers/2.csv", "id,name\nC2,Bob\n")
    lake.run()
    settle(lake)
    assert lake.query("SELECT id FROM orders ORDER BY id").fetchall() == [(1,), (2,)]
    runs = lake.workflows().runs("again")
    assert [run.state for run in runs] == ["finished", "finished"]
    assert runs[0].steps[0].outcome == {"tables": 1, "files": 1, "dead": 0, "rows_out": 2}
    lake.notifier().finish()
    told = "".join(file.read_text() for file in (lake.folder / ".penstock" / "outbox").rglob("*") if file.is_file())
    assert "customers are new" in told
    assert "again finished" in told


def test_a_nightly_workflow_processes_what_waits_and_keeps_the_lake(lake: Lake) -> None:
    """At its time it takes in what landed, looks after the tables, and checks them."""
    drop(lake, "customers/1.csv", "id,name\nC1,Ada\n")
    lake.clock.sleep(DAY)
    settle(lake)
    (run,) = lake.workflows().runs("nightly")
    assert [(step.words, step.state) for step in run.steps] == [
        ("refresh all", "finished"),
        ("maintain all", "finished"),
        ("verify all", "finished"),
    ]
    assert lake.query("SELECT name FROM customers").fetchall() == [("Ada",)]


def test_a_file_that_ends_dead_fails_the_step(lake: Lake) -> None:
    """As `penstock run` ends with 3, a refresh during which a file ended dead fails; the others are in."""
    drop(lake, "customers/1.csv", "id,name\nC1,Ada\n")
    (lake.folder / "raw" / "customers" / "3.csv").write_bytes(b"\xff\xfe\x00\xd8")
    lake.clock.sleep(DAY)
    settle(lake)
    (run,) = lake.workflows().runs("nightly")
    assert run.state == "failed"
    assert run.error is not None
    assert run.error.startswith("refresh all: 1 ended dead or wait: customers/3.csv; see penstock dead list")
    assert [step.state for step in run.steps] == ["failed", "waiting", "waiting"]
    assert lake.query("SELECT name FROM customers").fetchall() == [("Ada",)]


def test_a_damaged_table_fails_the_step(lake: Lake) -> None:
    """What `penstock verify` finds fails a `verify` step, and the run says what."""
    drop(lake, "customers/1.csv", "id,name\nC1,Ada\n")
    lake.run()
    (file,) = lake.processed.root.rglob("data/*.parquet")
    file.write_bytes(file.read_bytes()[:-20] + b"x" * 20)
    lake.clock.sleep(DAY)
    settle(lake)
    (run,) = lake.workflows().runs("nightly")
    assert run.state == "failed"
    assert "customers" in str(run.error)


def test_a_full_disk_fails_the_step_and_buries_no_file(lake: Lake) -> None:
    """A step that meets a disk without room ends with that reason and is tried again; its files wait, unharmed."""
    drop(lake, "customers/1.csv", "id,name\nC1,Ada\n")
    lake.run()
    settle(lake)
    for number in range(1, 4):
        drop(lake, f"orders/{number}.csv", f"id,customer\n{number},C1\n")

    def full(place: str) -> None:
        if place.startswith("engine.write"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lake.clock.sleep(DAY)
    faults.install(full)
    try:
        settle(lake)
    finally:
        faults.install(None)
    (run,) = lake.workflows().runs("nightly")
    assert (run.state, run.steps[0].attempts) == ("queued", 1)
    assert str(run.steps[0].error).startswith("a write found no room on the disk, or a quota is used up")
    waiting = [(arrival.state, arrival.attempts) for arrival in lake.state.arrivals.find(TableName.parse("orders"))]
    assert waiting == [("pending", 0)] * 3
