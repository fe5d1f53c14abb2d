"""Copies of tables' files: fetched by several at once, gone when they are not needed, and never damaged or stale."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import IntegrityError
from penstock.storage.aws import BucketNotes, S3Zone
from penstock.storage.mirror import Mirror
from tests.aws import cloud
from tests.aws.proxy import Wire
from tests.aws.zones import damage, files_in, mark_of, publish, tables_zone

SPAWN = multiprocessing.get_context("spawn")


def test_many_files_are_removed_by_few_calls(tables: S3Zone, line: Wire) -> None:
    """Upkeep removes files by the hundred, with their copies and seals."""
    paths = [publish(tables, f"t/{number}.parquet", b"x") for number in range(50)]
    line.seen.clear()
    tables.discard(paths)
    assert (line.count("POST"), line.count("DELETE")) == (1, 0)
    assert list(tables.everything("t")) == []
    assert files_in(tables.root) == []
    assert tables.seals is not None
    assert tables.seals.below(str(tables.root)) == []


def test_two_processes_fetch_the_same_copies(tmp_path: Path) -> None:
    """Processes that fetch the same copies at the same time all read them whole, and leave nothing else behind."""
    tables, content = tables_zone(tmp_path / "maker"), os.urandom(2_000_000)
    for number in range(6):
        publish(tables, f"t/{number}", content)
    root = tmp_path / "shared"
    with SPAWN.Pool(2) as pool:
        jobs = [(cloud.start(), tables.objects.bucket, str(root), 6)] * 2
        digests = pool.starmap(_digests, jobs)
    assert digests == [[hashlib.sha256(content).hexdigest()] * 6] * 2
    assert files_in(root) == [str(number) for number in range(6)]


def _digests(address: str, bucket: str, root: str, count: int) -> list[str]:
    cloud.point_at(address)
    zone = S3Zone(Mirror(Path(root), bucket))
    zone.bring((f"t/{number}", None) for number in range(count))
    return [hashlib.sha256(Path(zone.location(f"t/{number}")).read_bytes()).hexdigest() for number in range(count)]


def test_many_threads_fetch_a_copy_once(tables: S3Zone, line: Wire) -> None:
    """Threads that want the same copy at the same moment share one download."""
    path = publish(tables, "t/a", os.urandom(500_000))
    Path(path).unlink()
    threads = [threading.Thread(target=tables.location, args=("t/a",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert line.count("GET") == 1


def test_a_killed_fetch_leaves_nothing_half(tmp_path: Path) -> None:
    """A process killed in the middle of a download leaves no file under the copy's name; the next one fetches it.

    What it left under a hidden name goes with `prune`, once it is old.
    """
    tables, content = tables_zone(tmp_path / "maker"), os.urandom(4_000_000)
    publish(tables, "t/a", content)
    root = tmp_path / "copies"
    process = SPAWN.Process(target=_fetch_half, args=(cloud.start(), tables.objects.bucket, str(root)))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (half,) = (root / "t").iterdir()
    assert half.name.startswith(".")
    assert 0 < half.stat().st_size < len(content)
    mirror = Mirror(root, tables.objects.bucket, limit=10**9)
    zone = S3Zone(mirror)
    assert Path(zone.location("t/a")).read_bytes() == content
    mirror.prune()
    assert half.exists()
    os.utime(half, (0, 0))
    mirror.prune()
    assert files_in(root) == ["a"]


def _fetch_half(address: str, bucket: str, root: str) -> None:
    """Fetch, and be killed once half of it has arrived."""
    cloud.point_at(address)
    from botocore.response import StreamingBody

    def chunks(self: StreamingBody, size: int) -> Iterator[bytes]:
        yield self.read(size)
        yield self.read(size)
        os.kill(os.getpid(), signal.SIGKILL)

    StreamingBody.iter_chunks = chunks
    S3Zone(Mirror(Path(root), bucket)).location("t/a")


def test_the_least_recently_used_copies_go_first(tmp_path: Path) -> None:
    """Between two pieces of work copies are removed down to a limit, those first that were not used for longest."""
    mirror = Mirror(tmp_path / "m", cloud.bucket(), limit=250)
    zone = S3Zone(mirror)
    for name in "abcd":
        publish(zone, f"t/{name}", name.encode() * 100)
    time.sleep(0.01)
    mirror.fetch([str(zone.root / "t" / "a")])
    assert mirror.prune() == 200
    assert files_in(zone.root) == ["a", "d"]
    assert Path(zone.location("t/b")).read_bytes() == b"b" * 100


def test_copies_in_use_elsewhere_are_not_removed(tmp_path: Path) -> None:
    """While another process may be reading copies, none is removed."""
    bucket = cloud.bucket()
    mirror = Mirror(tmp_path / "m", bucket, limit=0)
    zone = S3Zone(mirror)
    publish(zone, "t/a", b"x")
    other = Mirror(tmp_path / "m", bucket)
    other.fetch([str(zone.root / "t" / "a")])
    assert mirror.prune() == 0
    del other
    assert mirror.prune() == 1


def test_a_file_that_was_written_again_is_seen_elsewhere(tmp_path: Path) -> None:
    """A record that took the place of one that never counted is read as it is now, with the mark that `stat` shows."""
    here = tables_zone(tmp_path / "here")
    there = S3Zone(Mirror(tmp_path / "there", here.objects.bucket))
    publish(here, "_q/r", b"old one")
    old = mark_of(there, "_q/r")
    assert Path(there.location("_q/r", old)).read_bytes() == b"old one"
    here.delete("_q/r")
    publish(here, "_q/r", b"new one")
    assert Path(there.location("_q/r", mark_of(there, "_q/r"))).read_bytes() == b"new one"


def test_notes_outlive_the_machine(tmp_path: Path) -> None:
    """What upkeep remembers is read by a process that has no copy of anything."""
    bucket = cloud.bucket()
    notes = BucketNotes(Mirror(tmp_path / "a", bucket), "_upkeep/")
    assert notes.read("main.t.json") is None
    notes.write("main.t.json", b"1")
    notes.write("main.t.json", b"2")
    assert BucketNotes(Mirror(tmp_path / "b", bucket), "_upkeep/").read("main.t.json") == b"2"


def test_a_damaged_object_is_never_served(tables: S3Zone) -> None:
    """Bytes in the bucket that are not those that were sent, under facts that are, are an error."""
    path = publish(tables, "t/a.parquet", b"rows of a table")
    Path(path).unlink()
    damage(tables, "t/a.parquet")
    with pytest.raises(IntegrityError, match="not those that were sent"):
        tables.location("t/a.parquet")
    assert files_in(tables.root) == []
