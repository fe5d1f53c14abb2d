"""When a file is finished, where the kernel can tell and where it cannot."""

from __future__ import annotations

import mmap
import os
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from penstock.arrivals import Recorder
from penstock.arrivals.noticing import sight
from penstock.arrivals.noticing.sight import glance, see
from penstock.declaration import loads
from penstock.naming import TableName
from penstock.signals import Signals
from penstock.state import SqliteState
from penstock.storage import LocalZone
from penstock.storage.settled import TICK, is_being_written, is_remote


class DumbZone(LocalZone):
    """A zone on a disk whose file system does not know who writes, like a network disk."""

    def written(self, _key: str) -> bool | None:
        """Nobody can tell."""
        return None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file in a zone, closed, and changed long enough ago for its times to tell."""
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n")
    time.sleep(2 * TICK)
    return path


def test_the_kernel_knows_who_writes(file: Path) -> None:
    """A file is being written as long as anybody has it open for it, through a link, too; a reader does not count."""
    link = file.with_name("b.csv")
    link.hardlink_to(file)
    with file.open() as _reader:
        assert is_being_written(file) is False
        with file.open("a") as _writer:
            assert is_being_written(file) is True
            assert is_being_written(link) is True
    assert is_being_written(file) is False


def test_a_mapped_file_is_being_written(file: Path) -> None:
    """A writer that maps the file into its memory and closes its handle is still a writer."""
    with file.open("r+b") as handle:
        mapped = mmap.mmap(handle.fileno(), 0)
    assert is_being_written(file) is True
    mapped.close()
    assert is_being_written(file) is False


def test_asking_harms_nobody(file: Path) -> None:
    """Writers open and close the file as fast as they can while it is asked about: none fails, and nobody is killed."""
    done = threading.Event()
    opened, failed = 0, list[OSError]()

    def write() -> None:
        nonlocal opened
        while not done.is_set():
            try:
                with file.open("a"):
                    opened += 1
            except OSError as error:
                failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    answers = {is_being_written(file) for _ in range(20_000)}
    done.set()
    writer.join()
    assert not failed
    assert opened > 100
    assert answers == {True, False}


def test_a_file_that_just_changed_rests_for_a_tick(file: Path) -> None:
    """Within one tick of the file system's clock a change would not show: so long the file is not read yet."""
    zone = LocalZone(file.parent)
    os.utime(file)
    first = glance(zone, "a.csv")
    assert first.found == "resting"
    assert 0 < first.wait <= TICK
    time.sleep(first.wait)
    assert glance(zone, "a.csv").found == "settled"


def test_where_nobody_can_tell_a_file_has_to_be_left_alone(file: Path) -> None:
    """Without the kernel's word, a file counts as being written until it has not changed for the declared time."""
    zone = DumbZone(file.parent)
    os.utime(file)
    with file.open("a"):
        assert glance(zone, "a.csv", settle=0.3).found == "written"
        time.sleep(0.31)
        assert glance(zone, "a.csv", settle=0.3).found == "settled"


def test_a_run_waits_for_the_declared_time_once(file: Path) -> None:
    """`see` waits until the file has been left alone for long enough; one that goes on changing is left for later."""
    zone = DumbZone(file.parent)
    os.utime(file)
    started = time.monotonic()
    assert see(zone, "a.csv", settle=0.2) is not None
    assert time.monotonic() - started >= 0.19
    os.utime(file)
    later = threading.Timer(0.1, os.utime, (file,))
    later.start()
    assert see(zone, "a.csv", settle=0.2) is None
    later.join()


def set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock, as those see it who look at files, be ten minutes behind what files say."""
    behind = SimpleNamespace(time=lambda: time.time() - 600, sleep=time.sleep)
    monkeypatch.setattr(sight, "time", behind)


def test_a_clock_that_was_set_back_keeps_no_file_waiting(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that nobody has open, of a time that is still to come, is settled: each later change gives another."""
    set_back(monkeypatch)
    os.utime(file)
    assert glance(LocalZone(file.parent), "a.csv").found == "settled"


def test_where_nobody_can_tell_a_time_to_come_is_waited_for_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the kernel's word and without a time of use, a file is read that kept its mark for the declared time."""
    set_back(monkeypatch)
    os.utime(file)
    zone, started = DumbZone(file.parent), time.monotonic()
    assert glance(zone, "a.csv", settle=0.2).found == "written"
    assert see(zone, "a.csv", settle=0.2) is not None
    assert 0.19 <= time.monotonic() - started < 1
    later = threading.Timer(0.1, os.utime, (file,))
    later.start()
    assert see(zone, "a.csv", settle=0.2) is None
    later.join()


def test_up_takes_files_in_after_the_clock_was_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorder, too, goes by how long it saw a file unchanged, where its times cannot tell."""
    set_back(monkeypatch)
    (tmp_path / "raw").mkdir()
    name, table = TableName.parse("orders"), loads('lake: shop\ntables:\n  orders: {files: "*.csv"}\n').tables["orders"]
    recorded = threading.Event()
    with closing(SqliteState(tmp_path / "state")) as state:
        recorder = Recorder(DumbZone(tmp_path / "raw"), {name: table}, state, Signals(), recorded.set, 0.2)
        thread = threading.Thread(target=recorder.run)
        thread.start()
        (tmp_path / "raw" / "a.csv").write_text("id\n1\n")
        recorder.hear(["a.csv"])
        came = recorded.wait(10)
        recorder.stop()
        thread.join()
        assert came
        assert [arrival.key for arrival in state.arrivals.find()] == ["a.csv"]


def test_a_missing_file_is_gone(tmp_path: Path) -> None:
    """A file that is not there, or is none, is neither settled nor being written."""
    (tmp_path / "folder").mkdir()
    assert glance(LocalZone(tmp_path), "none.csv").found == "gone"
    assert glance(LocalZone(tmp_path), "folder").found == "gone"


def test_a_disk_of_this_machine_is_not_remote(tmp_path: Path) -> None:
    """The disks that the tests run on belong to this machine; a folder that is not there is on none."""
    assert not is_remote(tmp_path)
    assert not is_remote(tmp_path / "nowhere")
