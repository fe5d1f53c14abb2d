"""Watching goes on whatever becomes of the raw zone's folder, and the same trouble is told once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.arrivals import Watcher
from penstock.arrivals.noticing.watch import MOVE_SECONDS
from penstock.clock import HeldClock
from penstock.declaration import loads
from penstock.naming import TableName
from penstock.signals import Signals
from penstock.state import SqliteState
from penstock.storage import FileVersion, LocalZone
from tests.waiting import until

if TYPE_CHECKING:
    import pytest

PATIENCE = 10.0
DECLARED = 'lake: shop\ntables:\n  orders: {files: "**/*.csv"}\n'
DRAIN = """
import os, sys, threading
from pathlib import Path
from penstock.lake import Lake
from penstock.arrivals import Recorder
from penstock.arrivals.noticing import recorder
begun = threading.Event()
def slow(raw, file):
    begun.set()
    threading.Event().wait()
recorder.version_of = slow
with Lake(Path(sys.argv[1])) as lake:
    made = Recorder(lake.raw, dict(lake.declared), lake.state, lake.signals, lambda: None, 0.0)
    thread = threading.Thread(target=made.run)
    thread.start()
    made.hear(["large.csv"])
    assert begun.wait(10)
    made.stop()
    thread.join(10)
    assert not thread.is_alive()
print("ended")
"""


class Watched:
    """A zone that is watched."""

    def __init__(self, folder: Path) -> None:
        self.raw = folder / "raw"
        self.zone = LocalZone(self.raw)
        self.keys = set[str]()
        self.told = list[dict[str, Any]]()
        signals = Signals()
        signals.listen("*", self.told.append)
        self.state = SqliteState(folder / ".penstock", HeldClock())
        tables = {TableName.parse(name): table for name, table in loads(DECLARED).tables.items()}
        self.watcher = Watcher(self.zone, tables, self.state, signals, self._hear)
        self.ended = False
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.watcher.run()
        self.ended = True

    def _hear(self, keys: Iterable[str], *, urgent: bool = True) -> None:  # noqa: ARG002 - the contract's
        self.keys.update(keys)

    def hears_of(self, key: str) -> bool:
        """Whether a new file is heard of in time, without a look at everything."""
        (self.raw / key).write_text("id\n1\n")
        return until(lambda: key in self.keys, PATIENCE)


@contextmanager
def watching(folder: Path) -> Iterator[Watched]:
    """Watch the raw zone of a lake, and hear only what the kernel says."""
    watched = Watched(folder)
    watched.thread.start()
    try:
        watched.watcher.wait_until_watching()
        yield watched
    finally:
        assert watched.thread.is_alive()
        watched.watcher.stop()
        watched.thread.join(PATIENCE)
        watched.state.close()
    assert watched.ended


def test_a_folder_made_again_is_watched(tmp_path: Path) -> None:
    """The raw folder is removed and made again at once, often with the number of the old one; files are heard of."""
    with watching(tmp_path) as watched:
        for number in range(4):
            shutil.rmtree(watched.raw)
            watched.raw.mkdir()
            time.sleep(0.6)
            assert watched.hears_of(f"a{number}.csv")


def test_another_folder_may_be_moved_to_its_place(tmp_path: Path) -> None:
    """Between two moves the folder is not made again, so that the second one does what was meant."""
    with watching(tmp_path) as watched:
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "mark.csv").touch()
        watched.raw.rename(tmp_path / "old")
        time.sleep(MOVE_SECONDS / 2)
        assert not watched.raw.exists()
        (tmp_path / "new").rename(watched.raw)
        assert (watched.raw / "mark.csv").exists()
        time.sleep(0.6)
        assert watched.hears_of("a.csv")


def test_a_folder_that_stays_away_is_made_again(tmp_path: Path) -> None:
    """A moment after the raw folder went there is a new one."""
    with watching(tmp_path) as watched:
        watched.raw.rmdir()
        assert until(watched.raw.is_dir, PATIENCE)


def test_a_link_may_lead_nowhere_for_a_moment(tmp_path: Path) -> None:
    """While the disk behind the raw folder is away it is told and waited for; afterwards files are heard of."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "raw").symlink_to(tmp_path / "disk")
    with watching(tmp_path) as watched:
        (tmp_path / "disk").rename(tmp_path / "away")
        assert until(lambda: any(one["event"] == "polling" for one in watched.told), PATIENCE)
        assert watched.thread.is_alive()
        (tmp_path / "away").rename(tmp_path / "disk")
        time.sleep(3)
        assert watched.hears_of("a.csv")


def test_what_cannot_be_looked_into_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without permission is told once as long as it stays so, and again when it is so anew; failures too."""
    watched = Watched(tmp_path)
    trouble: dict[str, str] = {"private": "permission denied"}
    walk = watched.zone._walk

    def walk_on(top: Path) -> Iterator[FileVersion]:
        watched.zone.unseen.update(trouble)
        return walk(top)

    monkeypatch.setattr(watched.zone, "_walk", walk_on)
    for _ in range(3):
        watched.watcher._look()
    assert [one["file"] for one in watched.told] == ["private"]
    trouble["other"] = "permission denied"
    watched.watcher._look()
    trouble.clear()
    watched.watcher._look()
    trouble["private"] = "permission denied"
    watched.watcher._look()
    assert [one["file"] for one in watched.told] == ["private", "other", "private"]
    for reason in ("a", "a", "b", "a"):
        watched.watcher._tell(OSError(reason))
    assert [one["reason"] for one in watched.told[3:]] == ["a", "b", "a"]
    watched.state.close()


def test_a_large_file_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """A process ends though a large file is still being read."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "lake.yaml").write_text(DECLARED)
    with (tmp_path / "raw" / "large.csv").open("wb") as large:
        os.truncate(large.fileno(), 5_000_000)
    call = [sys.executable, "-P", "-c", DRAIN, str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
