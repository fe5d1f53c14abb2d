"""Zones in buckets of their own, over moto's S3."""

from __future__ import annotations

from pathlib import Path

from penstock.storage.aws import MirrorSeals, S3RawZone, S3Zone
from penstock.storage.mirror import Mirror
from tests.aws import cloud


def tables_zone(folder: Path) -> S3Zone:
    """A zone that Penstock writes to, with copies in `folder`."""
    mirror = Mirror(folder, cloud.bucket())
    return S3Zone(mirror, MirrorSeals(mirror))


def raw_zone(folder: Path) -> S3RawZone:
    """A zone that others write to, with copies in `folder`."""
    return S3RawZone(Mirror(folder, cloud.bucket()))


def unversioned_zone(folder: Path) -> S3RawZone:
    """The same where the bucket keeps no versions."""
    return S3RawZone(Mirror(folder, cloud.bucket(versioned=False)))


def land(zone: S3Zone, key: str, content: bytes) -> None:
    """Put an object as others do, without a checksum of theirs; what was there is replaced."""
    zone.objects.s3.put_object(Bucket=zone.objects.bucket, Key=key, Body=content)


def publish(zone: S3Zone, key: str, content: bytes) -> str:
    """Make a file appear as the product does; gives its path."""
    local = zone.staging(key)
    Path(local).write_bytes(content)
    zone.publish(local, key)
    return zone.location(key)


def damage(zone: S3Zone, key: str) -> None:
    """Flip a bit of an object behind S3's back: its checksum and facts stay."""
    from moto.s3.models import s3_backends

    kept = s3_backends[cloud.ACCOUNT]["aws"].buckets[zone.objects.bucket].keys[key]
    content = kept.value
    kept.value = bytes([content[0] ^ 1]) + content[1:]


def mark_of(zone: S3Zone, key: str) -> str:
    """The mark of the current version."""
    there = zone.stat(key)
    assert there is not None
    return there.mark


def files_in(folder: Path) -> list[str]:
    """Names of all files below a folder, those of the lake's housekeeping aside."""
    found = [path.name for path in folder.rglob("*") if path.is_file()]
    return sorted(name for name in found if not name.startswith((".users", "seals.db")))
