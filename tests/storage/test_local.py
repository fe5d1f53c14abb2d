"""What only a folder of this machine has; what all zones have in common is in the contract suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.storage import FolderNotes, LocalZone


@pytest.fixture
def zone(tmp_path: Path) -> LocalZone:
    """A zone without files."""
    return LocalZone(tmp_path / "zone")


def put(zone: LocalZone, key: str) -> None:
    """Make a file appear."""
    local = zone.staging(key)
    Path(local).write_bytes(b"x")
    zone.publish(local, key)


def test_links_that_lead_out_are_left_out(zone: LocalZone, tmp_path: Path) -> None:
    """A link to a file outside the zone is no file of the zone; one inside is. A bucket has no links."""
    put(zone, "a.csv")
    (tmp_path / "outside.csv").write_bytes(b"secret")
    Path(zone.location("out.csv")).symlink_to(tmp_path / "outside.csv")
    Path(zone.location("in.csv")).symlink_to(zone.location("a.csv"))
    Path(zone.location("broken.csv")).symlink_to(zone.location("nowhere.csv"))
    assert {version.key for version in zone.list("**")} == {"a.csv", "in.csv"}
    assert zone.stat("out.csv") is None


def test_links_are_not_followed_by_upkeep(zone: LocalZone, tmp_path: Path) -> None:
    """Whoever looks for what can be removed sees a link as a file, and never what it leads to."""
    put(zone, "t/a")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_bytes(b"x" * 100)
    (zone.root / "t" / "folder").symlink_to(tmp_path / "outside")
    (zone.root / "t" / "file").symlink_to(tmp_path / "outside" / "precious")
    found = {version.key: version.size for version in zone.everything("t")}
    assert set(found) == {"t/a", "t/file"}
    assert found["t/file"] != 100


def test_notes_survive_and_are_whole(tmp_path: Path) -> None:
    """What was written last under a name is read back, by another process too; what was never written is None."""
    FolderNotes(tmp_path / "notes").write("a.json", b"1")
    FolderNotes(tmp_path / "notes").write("a.json", b"2")
    assert FolderNotes(tmp_path / "notes").read("a.json") == b"2"
    assert FolderNotes(tmp_path / "notes").read("b.json") is None
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["a.json"]
