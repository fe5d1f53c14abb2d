"""The zone raw in S3: versions never mix, nothing is half there, and any name is a name.

Everything here talks HTTP to moto's server. What moto cannot show: names with line ends or control characters (its
server fails at them), and encryption with a key of KMS.
"""

from __future__ import annotations

import copy
import hashlib
import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest

from penstock import aws
from penstock.arrivals.noticing.sight import glance, see
from penstock.errors import BadFileError
from penstock.storage.aws import S3RawZone
from penstock.storage.copies import Copies
from penstock.storage.mirror import Mirror
from penstock.storage.objects import Objects
from tests.aws import cloud
from tests.aws.proxy import Wire
from tests.aws.zones import files_in, land, mark_of
from tests.told import say

SPAWN = multiprocessing.get_context("spawn")


def test_an_overwritten_file_is_read_as_it_was_seen(raw: S3RawZone) -> None:
    """With the mark of a version, its own bytes come back, however often the object was replaced; versions never mix.

    Each version has a copy of its own, so both can be read at the same time.
    """
    land(raw, "a.csv", b"first")
    first = mark_of(raw, "a.csv")
    land(raw, "a.csv", b"other")
    second = mark_of(raw, "a.csv")
    assert first != second
    assert Path(raw.location("a.csv", first)).read_bytes() == b"first"
    assert Path(raw.location("a.csv", second)).read_bytes() == b"other"
    assert Path(raw.location("a.csv", first)).read_bytes() == b"first"
    assert raw.digest("a.csv", first) == hashlib.sha256(b"first").hexdigest()
    assert raw.digest("a.csv") == hashlib.sha256(b"other").hexdigest()
    assert Path(raw.location("a.csv")).read_bytes() == b"other"


def test_equal_bytes_put_again_are_another_version(raw: S3RawZone) -> None:
    """A file that is delivered again as it was has another mark and the same digest."""
    land(raw, "a.csv", b"same")
    first = mark_of(raw, "a.csv")
    land(raw, "a.csv", b"same")
    assert mark_of(raw, "a.csv") != first
    assert raw.digest("a.csv", first) == raw.digest("a.csv")


def test_an_overwritten_file_of_an_unversioned_bucket(tmp_path: Path) -> None:
    """Where no versions are kept, a version that was replaced is gone, and its bytes are never another's."""
    raw = S3RawZone(Mirror(tmp_path, cloud.bucket(versioned=False)))
    land(raw, "a.csv", b"first")
    first = mark_of(raw, "a.csv")
    land(raw, "a.csv", b"other")
    assert not Path(raw.location("a.csv", first)).exists()
    with pytest.raises(FileNotFoundError):
        raw.digest("a.csv", first)


def test_a_deleted_file_is_gone(raw: S3RawZone) -> None:
    """A deleted object is not found, listed or read; the version that was seen can be read where S3 keeps it."""
    land(raw, "a.csv", b"x")
    seen = mark_of(raw, "a.csv")
    raw.objects.s3.delete_object(Bucket=raw.objects.bucket, Key="a.csv")
    assert raw.stat("a.csv") is None
    assert list(raw.list("**")) == []
    assert not Path(raw.location("a.csv")).exists()
    with pytest.raises(FileNotFoundError):
        raw.digest("a.csv")
    assert Path(raw.location("a.csv", seen)).read_bytes() == b"x"


def test_a_version_deleted_for_good_is_not_found(raw: S3RawZone) -> None:
    """Where somebody removed the very version, nothing stands in for it."""
    land(raw, "a.csv", b"first")
    seen = mark_of(raw, "a.csv")
    land(raw, "a.csv", b"other")
    version = seen.split("-", 2)[2]
    raw.objects.s3.delete_object(Bucket=raw.objects.bucket, Key="a.csv", VersionId=version)
    assert not Path(raw.location("a.csv", seen)).exists()


def test_an_object_has_settled_at_once(raw: S3RawZone) -> None:
    """A file that landed this very moment can be read: objects are never half-written."""
    land(raw, "a.csv", b"id\n1\n")
    assert glance(raw, "a.csv").found == "settled"
    found = see(raw, "a.csv")
    assert found is not None
    assert found[1] == hashlib.sha256(b"id\n1\n").hexdigest()
    assert glance(raw, "b.csv").found == "gone"


def test_a_listing_shows_the_marks_that_stat_shows(raw: S3RawZone) -> None:
    """What a listing shows is known again by a look at the single file, after an overwrite, too."""
    for content in (b"1", b"22", b"1"):
        land(raw, "d/a.csv", content)
        land(raw, "b.csv", content)
    assert {version.key: version for version in raw.list("**")} == {key: raw.stat(key) for key in ("d/a.csv", "b.csv")}


def test_names_that_cannot_be_keys_are_told_of(raw: S3RawZone) -> None:
    """Objects with names that no file can have are not listed, and listed as unseen; folders of the console are not."""
    for key in ("a//b.csv", "/c.csv", "d/../e.csv", "./f.csv", "good.csv"):
        land(raw, key, b"x")
    land(raw, "folder/", b"")
    assert [version.key for version in raw.list("**")] == ["good.csv"]
    assert set(raw.unseen) == {"a//b.csv", "/c.csv", "d/../e.csv", "./f.csv"}
    assert raw.key_of("a//b.csv") is raw.key_of("folder/") is None
    with pytest.raises(BadFileError, match="leads out of its zone"):
        raw.stat("a//b.csv")


@pytest.mark.parametrize(
    "key",
    [
        "plain.csv",
        "with space & + %20 = ? #.csv",
        "ü/ß € 日本 🏠.csv",
        "quotes ' \" `.csv",
        "star * [1] {2} \\ |.csv",
        "tab\tand.csv",
        "x" * 300 + ".csv",
        f"{'deep/' * 150}a.csv",
    ],
)
def test_names_with_any_characters(raw: S3RawZone, key: str) -> None:
    """Any name that S3 takes is listed, read and copied, also one that is too long for a file of this machine."""
    land(raw, key, b"content")
    (found,) = raw.list("**")
    assert (found.key, found) == (key, raw.stat(key))
    assert Path(raw.location(key)).read_bytes() == b"content"
    assert [version.key for version in raw.below(key)] == [key]


def test_raw_copies_go_when_the_work_ends(raw: S3RawZone) -> None:
    """A released copy is gone, others stay; what was learned of the content is not asked for again."""
    for name in ("a.csv", "b.csv"):
        land(raw, name, name.encode())
    marks = {name: mark_of(raw, name) for name in ("a.csv", "b.csv")}
    raw.bring(marks.items())
    assert len(files_in(raw.root)) == 2
    raw.release([("a.csv", marks["a.csv"]), ("never.csv", "0-0-x"), ("b.csv", None)])
    assert len(files_in(raw.root)) == 1
    assert Path(raw.location("b.csv", marks["b.csv"])).read_bytes() == b"b.csv"
    raw.tidy()
    assert files_in(raw.root) == []


def test_a_version_is_downloaded_once(raw: S3RawZone, line: Wire) -> None:
    """Naming a file by its content, and reading it afterwards, costs one download; what S3 vouches for costs none."""
    land(raw, "a.csv", b"content")
    mark = mark_of(raw, "a.csv")
    raw.digest("a.csv", mark)
    raw.location("a.csv", mark)
    with raw.open("a.csv", mark) as file:
        assert file.read() == b"content"
    assert line.count("GET") == 1
    raw.objects.s3.put_object(Bucket=raw.objects.bucket, Key="b.csv", Body=b"vouched", ChecksumAlgorithm="SHA256")
    assert raw.digest("b.csv", mark_of(raw, "b.csv")) == hashlib.sha256(b"vouched").hexdigest()
    assert line.count("GET") == 1


def test_many_files_are_named_without_filling_the_disk(raw: S3RawZone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are only looked at are kept up to a bound; beyond it they are read without being kept."""
    monkeypatch.setattr("penstock.storage.copies.KEEP", 100)
    for number in range(10):
        land(raw, f"{number}.csv", bytes([number]) * 30)
    digests = {key: raw.digest(key) for key in (f"{number}.csv" for number in range(10))}
    assert digests == {f"{number}.csv": hashlib.sha256(bytes([number]) * 30).hexdigest() for number in range(10)}
    assert sum(path.stat().st_size for path in raw.root.rglob("*") if path.is_file()) == 90


def test_a_damaged_raw_copy_is_not_read(raw: S3RawZone) -> None:
    """A copy that was changed on this disk is fetched again before it is used."""
    land(raw, "a.csv", b"content")
    mark = mark_of(raw, "a.csv")
    Path(raw.location("a.csv", mark)).write_bytes(b"CONTENT")
    assert Path(raw.location("a.csv", mark)).read_bytes() == b"content"


def test_copies_of_dead_processes_are_removed(raw: S3RawZone) -> None:
    """What a killed process left is removed by the next one, what a living one has is not."""
    process = SPAWN.Process(target=_fetch_and_die, args=(cloud.start(), raw.objects.bucket, str(raw.root)))
    raw.root.mkdir(parents=True)
    land(raw, "a.csv", b"content")
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (left,) = (folder for folder in raw.root.iterdir() if folder.is_dir())
    other = Copies(raw.root, raw.objects)
    kept = other.fetch("a.csv", mark_of(raw, "a.csv"))
    assert not left.exists()
    raw.location("a.csv")
    assert Path(kept).exists()


def _fetch_and_die(address: str, bucket: str, root: str) -> None:
    cloud.point_at(address)
    zone = S3RawZone(Mirror(Path(root), bucket))
    assert Path(zone.location("a.csv")).read_bytes() == b"content"
    os.kill(os.getpid(), signal.SIGKILL)


def test_an_archived_file_cannot_be_read(raw: S3RawZone) -> None:
    """A file in S3's archives is bad input, and the error says how to get it out; it is seen, so that people hear."""
    s3, bucket = raw.objects.s3, raw.objects.bucket
    s3.put_object(Bucket=bucket, Key="a.csv", Body=b"id\n1\n", StorageClass="GLACIER")
    with pytest.raises(BadFileError, match="in an archive") as caught:
        raw.location("a.csv")
    assert "restore it" in str(caught.value.hint)
    found = see(raw, "a.csv")
    assert found is not None
    assert found[0] == raw.stat("a.csv")


def test_versions_never_mix_while_a_file_is_overwritten(raw: S3RawZone) -> None:
    """Readers get the bytes of the version that they saw, whole, and its digest, while another writes all the time."""
    done, seen = threading.Event(), list[tuple[str, str]]()
    land(raw, "a.csv", b"0" * 50_000)

    def overwrite() -> None:
        for number in range(1, 40):
            land(raw, "a.csv", str(number % 10).encode() * 50_000)
        done.set()

    def read() -> None:
        while not done.is_set():
            mark = mark_of(raw, "a.csv")
            content = Path(raw.location("a.csv", mark)).read_bytes()
            seen.append((raw.digest("a.csv", mark), hashlib.sha256(content).hexdigest()))

    threads = [threading.Thread(target=work) for work in (overwrite, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = {hashlib.sha256(str(number).encode() * 50_000).hexdigest() for number in range(10)}
    assert all(digest == read_digest for digest, read_digest in seen)
    assert {digest for digest, _ in seen} <= whole
    assert len(set(seen)) > 1
    say("storage on AWS", f"{len(seen)} reads of {len(set(seen))} contents while a file was overwritten 39 times")


def test_many_objects_are_listed_in_pages(raw: S3RawZone, line: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """5,000 objects come in pages of a thousand, each once and in order, also those that were replaced.

    They are put into moto's memory, not over the wire, which would take a minute; and moto is kept from copying the
    content of all objects for each page.
    """
    from moto.s3.models import FakeKey, s3_backends

    monkeypatch.setattr(FakeKey, "__deepcopy__", lambda self, _memo: copy.copy(self), raising=False)
    backend = s3_backends[cloud.ACCOUNT]["aws"]
    for number in range(5000):
        backend.put_object(raw.objects.bucket, f"d/{number:05}.csv", b"x")
    for number in range(0, 5000, 500):
        backend.put_object(raw.objects.bucket, f"d/{number:05}.csv", b"yy")
    found = list(raw.list("d/*.csv"))
    assert sorted(version.key for version in found) == [f"d/{number:05}.csv" for number in range(5000)]
    assert sum(version.size for version in found) == 5010
    assert line.count("GET", "versions") == 6
    line.seen.clear()
    assert len(list(raw.list("d/00[0-9]*.csv"))) == 1000
    assert 1 <= line.count("GET", "prefix=d%2F00") <= 2
    say("storage on AWS", "5,010 versions of 5,000 objects listed in pages, over HTTP")


def test_every_client_comes_from_one_place() -> None:
    """The zone's client is the process's own, so that credentials and retries are the same everywhere."""
    cloud.start()
    assert Objects("b").s3 is aws.client("s3")
