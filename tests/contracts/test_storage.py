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


def test_listing_is_oldest_first(zone: Zone) -> None:
    """Files come in the order of their last change, whatever they are called."""
    for key in ("c.csv", "a.csv", "b.csv"):
        put(zone, key)
        time.sleep(0.02)
    assert keys(zone, "*") == ["c.csv", "a.csv", "b.csv"]


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
    assert Path(zone.location("deep/er/a.csv")).is_absolute() or "://" in zone.location("deep/er/a.csv")


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


def test_links_that_lead_out_are_left_out(zone: Zone, tmp_path: Path) -> None:
    """A link to a file outside the zone is no file of the zone; one inside is."""
    if "://" in zone.location("a"):
        pytest.skip("never: a bucket has no links")
    put(zone, "a.csv")
    (tmp_path / "outside.csv").write_bytes(b"secret")
    Path(zone.location("out.csv")).symlink_to(tmp_path / "outside.csv")
    Path(zone.location("in.csv")).symlink_to(zone.location("a.csv"))
    Path(zone.location("broken.csv")).symlink_to(zone.location("nowhere.csv"))
    assert set(keys(zone, "**")) == {"a.csv", "in.csv"}
    assert zone.stat("out.csv") is None
