"""What is known of files beside the state store: what stands in `raw/`, the log, and the quarantine.

Data files name arrivals by hashes. Here the hashes are given their names back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from penstock.naming import ArrivalName, TableName
from penstock.quality.quarantine import quarantine_key
from penstock.state import Accounting, DataFile
from penstock.storage import FileVersion, LocalZone
from penstock.upkeep.accounts import quarantined_rows

Event = Mapping[str, Any]


@dataclass
class Sources:
    """Finds the file behind a name that holds only hashes.

    Attributes:
        raw: The files as delivered.
        processed: Where quarantine files stand.
        events: The log's events, oldest first.
    """

    raw: LocalZone
    processed: LocalZone
    events: Iterable[Event]
    _digests: dict[str, str | None] = field(default_factory=dict)

    @cached_property
    def keys(self) -> dict[str, str]:
        """Keys by their hashes: of files in `raw/`, and of those that the log speaks of."""
        known = {event["file"] for event in self.finished if isinstance(event.get("file"), str)}
        known |= {version.key for version in self.raw.list("**")}
        return {ArrivalName.of(key, "").key_id: key for key in known}

    @cached_property
    def finished(self) -> list[Event]:
        """Events of files that were taken in."""
        return [event for event in self.events if event.get("event") == "finished"]

    def digest(self, key: str) -> str | None:
        """SHA-256 of a file in `raw/`; None where there is none."""
        if key not in self._digests:
            there = self.raw.stat(key) is not None
            self._digests[key] = self.raw.digest(key) if there else None
        return self._digests[key]

    def file_of(self, key: str, version_id: str) -> tuple[str, FileVersion] | None:
        """Version and facts of the file in `raw/`, where it still has the content whose hash begins so."""
        there, digest = self.raw.stat(key), self.digest(key)
        return (digest, there) if there is not None and digest is not None and digest.startswith(version_id) else None

    def account_of(self, table: TableName, key: str, rows_out: int) -> tuple[Accounting, Event] | None:
        """What the log says of the last time that a file gave so many rows."""
        for event in reversed(self.finished):
            if (event.get("table"), event.get("file"), event.get("rows_out")) == (str(table), key, rows_out):
                return account_in(event), event
        return None

    def quarantine_stem(self, table: TableName, name: ArrivalName, files: Iterable[DataFile]) -> str | None:
        """The quarantine file of an arrival: that of the attempt which wrote its rows, else the latest."""
        folder = Path(self.processed.location(quarantine_key(table, "any"))).parent
        stems = {path.stem: path.stat().st_mtime_ns for path in folder.glob(f"{name}-????????.parquet")}
        own = [stem for file in files if (stem := PurePosixPath(file.path).stem) in stems]
        return own[0] if own else max(stems, key=lambda stem: stems[stem], default=None)

    def quarantined(self, table: TableName, stem: str | None) -> int:
        """Quarantined rows of a quarantine file."""
        if stem is None:
            return 0
        return quarantined_rows(self.processed.location(quarantine_key(table, stem))) or 0


def account_in(event: Event) -> Accounting:
    """The account that an event tells."""
    return Accounting(
        rows_in=event.get("rows_in", 0),
        rows_out=event.get("rows_out", 0),
        dropped=dict(event.get("rows_dropped") or {}),
        quarantined=event.get("rows_quarantined", 0),
        bytes_in=event.get("bytes", 0),
        added=event.get("rows_added", 0),
        warned=dict(event.get("warnings") or {}),
    )
