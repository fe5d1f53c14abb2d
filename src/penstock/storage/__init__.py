"""Zones and the bytes in them."""

from penstock.storage.local import LocalZone
from penstock.storage.seals import Seals
from penstock.storage.zone import FileVersion, Zone

__all__ = ["FileVersion", "LocalZone", "Seals", "Zone"]
