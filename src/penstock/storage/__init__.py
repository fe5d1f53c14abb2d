"""Zones and the bytes in them."""

from penstock.storage.local import LocalZone
from penstock.storage.notes import FolderNotes, Notes
from penstock.storage.seals import Seals
from penstock.storage.zone import FileVersion, Zone

__all__ = ["FileVersion", "FolderNotes", "LocalZone", "Notes", "Seals", "Zone"]
