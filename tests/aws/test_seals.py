"""Seals of copies: what is read is what was written, and what is not here is fetched first."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import IntegrityError
from penstock.storage.aws import MirrorSeals, S3Zone
from penstock.storage.mirror import Mirror
from penstock.storage.seals import digest_of
from tests.aws.proxy import wire
from tests.aws.zones import damage, publish, tables_zone

WHERE = "main.t"


@pytest.fixture
def maker(tmp_path: Path) -> S3Zone:
    """The zone as a function sees it that writes to it."""
    return tables_zone(tmp_path / "maker")


class Reader:
    """A machine of its own that reads the same bucket."""

    def __init__(self, root: Path, bucket: str) -> None:
        self.told: list[list[str]] = []
        self.looked: list[str] = []
        self.mirror = Mirror(root, bucket)
        self.seals = MirrorSeals(self.mirror, self.told.append)

    def assert_whole(self, *keys: str) -> None:
        """Make sure that files are there and whole, as a query does."""
        self.seals.assert_whole(map(self.path, keys), WHERE, self.looked.append)

    def path(self, key: str) -> str:
        """Where the copy of a file is."""
        return self.mirror.path(self.mirror.objects.uri(key))


@pytest.fixture
def reader(maker: S3Zone, tmp_path: Path) -> Reader:
    """A machine that has no copies yet."""
    return Reader(tmp_path / "reader", maker.objects.bucket)


def flip(path: str) -> None:
    """Flip a bit of a file."""
    content = Path(path).read_bytes()
    Path(path).write_bytes(bytes([content[0] ^ 1]) + content[1:])


def test_what_is_missing_is_fetched(maker: S3Zone, reader: Reader) -> None:
    """A machine without copies fetches them before they are read; then nothing more is asked of AWS.

    The writer said with each file what it is, so nobody is told of files without seals.
    """
    for name in ("a", "b", "c"):
        publish(maker, f"t/{name}", name.encode() * 1000)
    with wire() as line:
        reader.assert_whole("t/a", "t/b", "t/c")
        assert line.count("GET") == 3
        assert [Path(reader.path(f"t/{name}")).read_bytes()[:1] for name in ("a", "b", "c")] == [b"a", b"b", b"c"]
        reader.assert_whole("t/a", "t/b", "t/c")
        assert len(line.seen) == 3
    assert (reader.told, reader.looked) == ([], [])


def test_what_was_published_here_is_sealed(maker: S3Zone) -> None:
    """The writer's own copy is sealed with its publication: nothing is fetched to read it."""
    path = publish(maker, "t/a", b"rows")
    assert maker.seals is not None
    with wire() as line:
        maker.seals.assert_whole([path], WHERE)
        assert line.seen == []
    (seal,) = maker.seals.below(str(maker.root))
    assert (seal.path, seal.digest) == (path, digest_of(path))


def test_a_file_that_is_not_there_is_an_error(maker: S3Zone, reader: Reader) -> None:
    """Where an object is gone, the error says which, and of which table; the copies of others stay of use."""
    publish(maker, "t/a", b"rows")
    with pytest.raises(IntegrityError, match="t/missing is missing") as caught:
        reader.assert_whole("t/a", "t/missing")
    assert caught.value.where == WHERE


def test_a_damaged_copy_is_fetched_again(maker: S3Zone, reader: Reader, caplog: pytest.LogCaptureFixture) -> None:
    """A copy that was changed on the disk is never read: it is fetched again, and the log says so."""
    publish(maker, "t/a", b"rows")
    reader.assert_whole("t/a")
    flip(reader.path("t/a"))
    reader.assert_whole("t/a")
    assert Path(reader.path("t/a")).read_bytes() == b"rows"
    assert "is not as it was fetched" in caplog.text


def test_a_damaged_object_is_an_error(maker: S3Zone, reader: Reader) -> None:
    """Where the bucket gives other bytes than were sent, nothing of them is served, also in a copy's place."""
    publish(maker, "t/a", b"rows")
    reader.assert_whole("t/a")
    damage(maker, "t/a")
    reader.assert_whole("t/a")
    flip(reader.path("t/a"))
    with pytest.raises(IntegrityError, match="not those that were sent") as caught:
        reader.assert_whole("t/a")
    assert f"{WHERE}: s3://{maker.objects.bucket}/t/a" in str(caught.value.where)


def test_a_copy_that_was_only_touched_is_kept(maker: S3Zone, reader: Reader) -> None:
    """A copy with other times and the same bytes is hashed once, and nothing is fetched."""
    publish(maker, "t/a", b"rows")
    reader.assert_whole("t/a")
    with wire() as line:
        Path(reader.path("t/a")).touch()
        reader.assert_whole("t/a")
        assert line.seen == []


def test_copies_without_seals_are_not_trusted(maker: S3Zone, reader: Reader) -> None:
    """Where the seals are lost, or a file came from elsewhere, the bucket is asked: no copy is believed by itself."""
    publish(maker, "t/a", b"rows")
    Path(reader.path("t/a")).parent.mkdir(parents=True)
    Path(reader.path("t/a")).write_bytes(b"lies")
    reader.assert_whole("t/a")
    assert Path(reader.path("t/a")).read_bytes() == b"rows"


def test_files_of_other_writers_are_looked_into(maker: S3Zone, reader: Reader) -> None:
    """A file of which its writer did not say what it is, is looked into and sealed, and somebody is told, once."""
    maker.objects.s3.put_object(Bucket=maker.objects.bucket, Key="t/a", Body=b"of Athena")
    for _ in range(2):
        reader.assert_whole("t/a")
    assert reader.looked == [reader.path("t/a")]
    assert reader.told == [[reader.path("t/a")]]


def test_a_removed_copy_comes_back(maker: S3Zone, reader: Reader) -> None:
    """Copies can go at any time between two pieces of work: whoever needs them fetches them."""
    publish(maker, "t/a", b"rows")
    reader.assert_whole("t/a")
    assert reader.mirror.prune(0) == 4
    reader.assert_whole("t/a")
    assert Path(reader.path("t/a")).read_bytes() == b"rows"


def test_a_file_written_again_is_sealed_as_it_is(maker: S3Zone) -> None:
    """A file that takes the place of one that was deleted has the seal of its own bytes."""
    publish(maker, "_q/a", b"old one")
    maker.delete("_q/a")
    path = publish(maker, "_q/a", b"new one")
    assert maker.seals is not None
    maker.seals.assert_whole([path], WHERE)
    assert Path(path).read_bytes() == b"new one"
