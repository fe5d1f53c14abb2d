"""The contract of `Zone`, on every implementation."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from penstock.errors import BadFileError
from penstock.storage import Zone


def put(zone: Zone, key: str, content: bytes = b"x") -> None:
    """Make a file appear in a zone, as the product does."""
    local = zone.staging(key)
    Path(local).write_bytes(content)
    zone.publish(local, key)


def keys(zone: Zone, pattern: str) -> list[str]:
    """Keys that match, in the order listed."""
    return [version.key for version in zone.list(pattern)]


def test_an_empty_zone_lists_nothing(zone: Zone) -> None:
    """A zone that was never written to can be listed and asked."""
    assert keys(zone, "**") == []
    assert zone.stat("a.csv") is None


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.csv", {"a.csv", "b.csv"}),
        ("?.csv", {"a.csv", "b.csv"}),
        ("[ab].csv", {"a.csv", "b.csv"}),
        ("[!a].csv", {"b.csv"}),
        ("**", {"a.csv", "b.csv", "c.txt", "d/a.csv", "d/e/a.csv"}),
        ("**/*.csv", {"a.csv", "b.csv", "d/a.csv", "d/e/a.csv"}),
        ("d/*.csv", {"d/a.csv"}),
        ("d/**", {"d/a.csv", "d/e/a.csv"}),
        ("*/a.csv", {"d/a.csv"}),
        ("a.csv", {"a.csv"}),
        ("A.csv", set()),
        ("a", set()),
        ("a.csvx", set()),
        ("a.cs", set()),
    ],
)
def test_patterns(zone: Zone, pattern: str, expected: set[str]) -> None:
    """`*` stays within a folder, `**` crosses folders, and a pattern matches the whole key."""
    for key in ("a.csv", "b.csv", "c.txt", "d/a.csv", "d/e/a.csv"):
        put(zone, key)
    assert set(keys(zone, pattern)) == expected


def test_listing_is_oldest_first(zone: Zone, tick: float) -> None:
    """Files come in the order of their last change, whatever they are called; then by key."""
    for key in ("c.csv", "a.csv", "b.csv"):
        put(zone, key)
        time.sleep(tick)
    assert keys(zone, "*") == ["c.csv", "a.csv", "b.csv"]
    times = [version.modified_ns for version in zone.list("*")]
    assert times == sorted(set(times))


def test_hidden_and_unfinished_files_are_left_out(zone: Zone) -> None:
    """Files that are hidden or still being written are not there yet; what starts with _ is not for readers."""
    for key in (".hidden", "a.tmp", "a.part", "A.TMP", ".d/a.csv", "_d/a.csv", "_a.csv", "a.csv"):
        put(zone, key)
    assert keys(zone, "**") == ["a.csv"]


def test_what_is_being_staged_is_not_listed(zone: Zone) -> None:
    """A staged file appears only when it is published."""
    Path(zone.staging("a.csv")).write_bytes(b"half")
    assert keys(zone, "**") == []
    assert zone.stat("a.csv") is None


def test_stat_tells_versions_apart(zone: Zone) -> None:
    """The mark stays while the file stays, and differs once it was replaced, even by as many bytes."""
    put(zone, "a.csv", b"one")
    first = zone.stat("a.csv")
    assert first is not None
    assert (first.key, first.size) == ("a.csv", 3)
    assert zone.stat("a.csv") == first
    assert list(zone.list("a.csv")) == [first]
    zone.delete("a.csv")
    put(zone, "a.csv", b"two")
    second = zone.stat("a.csv")
    assert second is not None
    assert second.mark != first.mark


def test_content_comes_back(zone: Zone) -> None:
    """What is published can be opened, and its digest is the SHA-256 of its bytes."""
    content = bytes(range(256)) * 1000
    put(zone, "d/ü ' [1]*.csv", content)
    with zone.open("d/ü ' [1]*.csv") as file:
        assert file.read() == content
    assert zone.digest("d/ü ' [1]*.csv") == hashlib.sha256(content).hexdigest()


def test_publish_moves_and_measures(zone: Zone) -> None:
    """Publishing gives the size in bytes, and the local file is gone."""
    local = zone.staging("deep/er/a.csv")
    Path(local).write_bytes(b"12345")
    assert zone.publish(local, "deep/er/a.csv") == 5
    assert not Path(local).exists()
    assert Path(zone.location("deep/er/a.csv")).read_bytes() == b"12345"
    assert Path(zone.location("deep/er/a.csv")).is_absolute()


def test_publish_takes_a_file_from_elsewhere(zone: Zone, tmp_path: Path) -> None:
    """The local file need not be the one that `staging` named."""
    local = tmp_path / "made elsewhere"
    local.write_bytes(b"abc")
    zone.publish(str(local), "a.csv")
    assert zone.digest("a.csv") == hashlib.sha256(b"abc").hexdigest()
    assert not local.exists()


def test_a_published_file_never_changes(zone: Zone) -> None:
    """Publishing under a key that is taken is refused, and what stood there stays."""
    put(zone, "a.csv", b"first")
    with pytest.raises(FileExistsError):
        put(zone, "a.csv", b"second")
    assert zone.digest("a.csv") == hashlib.sha256(b"first").hexdigest()


def test_a_file_is_replaced_whole(zone: Zone, tmp_path: Path) -> None:
    """What takes another file's place is there at once, under a mark of its own, and nothing is left over."""
    for content in (b"old", b"newer", b"newest"):
        local = tmp_path / "made"
        local.write_bytes(content)
        before = zone.stat("d/a.csv")
        assert zone.replace(str(local), "d/a.csv") == len(content)
        after = zone.stat("d/a.csv")
        assert after is not None
        assert after.size == len(content)
        assert before is None or before.mark != after.mark
        with zone.open("d/a.csv", after.mark) as file:
            assert file.read() == content
        assert not local.exists()
    assert keys(zone, "**") == ["d/a.csv"]
    if zone.seals is not None:
        zone.seals.assert_whole([zone.location("d/a.csv")], "d/a.csv")


def test_delete_is_idempotent(zone: Zone) -> None:
    """Removing a file twice, or one that never was, is no error."""
    put(zone, "a.csv")
    zone.delete("a.csv")
    zone.delete("a.csv")
    zone.delete("never/was.csv")
    assert zone.stat("a.csv") is None


def test_missing_files(zone: Zone) -> None:
    """Reading a file that is not there says so in one way."""
    with pytest.raises(FileNotFoundError):
        zone.open("a.csv")
    with pytest.raises(FileNotFoundError):
        zone.digest("a.csv")


@pytest.mark.parametrize(
    "key", ["../a.csv", "d/../../a.csv", "/etc/passwd", "", ".", "..", "a//b", "./a.csv", "a/", "a\0b"]
)
def test_keys_never_leave_the_zone(zone: Zone, key: str) -> None:
    """A key that leads elsewhere is refused by every call."""
    calls = (zone.stat, zone.open, zone.digest, zone.staging, zone.delete, zone.location)
    for call in calls:
        with pytest.raises(BadFileError, match="leads out of its zone"):
            call(key)


def test_a_location_is_told_of_any_file(zone: Zone) -> None:
    """Where a file would be can be asked for; it is there once the file is."""
    assert not Path(zone.location("a.csv")).exists()
    put(zone, "a.csv", b"abc")
    assert Path(zone.location("a.csv")).read_bytes() == b"abc"


def test_the_version_that_was_seen_can_be_asked_for(zone: Zone) -> None:
    """With the mark of what is there, `open`, `digest` and `location` give just that."""
    put(zone, "a.csv", b"abc")
    there = zone.stat("a.csv")
    assert there is not None
    with zone.open("a.csv", there.mark) as file:
        assert file.read() == b"abc"
    assert zone.digest("a.csv", there.mark) == hashlib.sha256(b"abc").hexdigest()
    assert Path(zone.location("a.csv", there.mark)).read_bytes() == b"abc"


def test_many_files_are_brought_and_released(zone: Zone) -> None:
    """Files can be made ready together, also where one is missing, and are no less there after they were released."""
    for number in range(20):
        put(zone, f"{number}.csv", str(number).encode())
    wanted = [(version.key, version.mark) for version in zone.list("*")]
    zone.bring([*wanted, ("missing.csv", None)])
    for key, mark in wanted:
        assert Path(zone.location(key, mark)).read_bytes() == key.removesuffix(".csv").encode()
    zone.release(wanted)
    for key, mark in wanted:
        with zone.open(key, mark) as file:
            assert file.read() == key.removesuffix(".csv").encode()


def test_discarded_files_are_gone(zone: Zone) -> None:
    """What no commit names is removed by the paths under which engines know it; missing ones do not matter."""
    for key in ("t/a.parquet", "t/b.parquet", "t/c.parquet"):
        put(zone, key)
    root = zone.root / "t"
    zone.discard([str(root / "a.parquet"), str(root / "c.parquet"), str(root / "never.parquet")])
    zone.discard([])
    assert keys(zone, "**") == ["t/b.parquet"]
    assert not Path(zone.location("t/a.parquet")).exists()


def test_everything_in_a_folder(zone: Zone) -> None:
    """Upkeep sees what listings leave out, in one folder and below it, and nothing beside."""
    shown = ("t/a.parquet", "t/.hidden", "t/_x/y.tmp", "t/deep/er/b")
    for key in (*shown, "tt/a", "u/t/a", "t.csv"):
        put(zone, key, b"12")
    found = {version.key: version.size for version in zone.everything("t")}
    assert found == dict.fromkeys(shown, 2)
    assert list(zone.everything("nowhere")) == []


def test_below_a_key(zone: Zone) -> None:
    """The file of a key, or all files in the folder of that name that listings show."""
    for key in ("d/a.csv", "d/e/b.csv", "d/.hidden", "dd/c.csv", "f.csv"):
        put(zone, key)
    assert {version.key for version in zone.below("d")} == {"d/a.csv", "d/e/b.csv"}
    assert {version.key for version in zone.below("f.csv")} == {"f.csv"}
    assert {version.key for version in zone.below("")} == {"d/a.csv", "d/e/b.csv", "dd/c.csv", "f.csv"}
    assert list(zone.below("nowhere")) == []


@pytest.mark.parametrize(
    ("key", "listed"), [("a.csv", True), ("d/e/a.csv", True), (".d/a.csv", False), ("a.tmp", False)]
)
def test_the_key_of_a_path(zone: Zone, key: str, listed: bool) -> None:  # noqa: FBT001 - which it is
    """A path below the zone's root leads back to its key, unless listings leave it out."""
    assert zone.key_of(str(zone.root / key)) == (key if listed else None)


def test_finished_files_have_settled(zone: Zone, tick: float) -> None:
    """Nobody has a published file open, and soon after it was made its mark tells of every later change."""
    put(zone, "a.csv")
    time.sleep(min(tick, 0.1))
    assert not zone.written("a.csv")
    there = zone.stat("a.csv")
    assert there is not None
    assert there.changed_ns < time.time_ns()
