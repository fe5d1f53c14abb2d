"""A lake on AWS: files and tables in S3, the catalog in Glue, the state store in DynamoDB, the log in CloudWatch.

On this machine there is only a folder of copies, which may go at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from penstock.clock import Clock
from penstock.deployed import FUNCTIONS, Deployed
from penstock.runs import Journal, Limits, Log
from penstock.runs.aws import CloudJournal
from penstock.runs.stream import StreamJournal
from penstock.state import Heads
from penstock.state.aws import DynamoState
from penstock.storage.aws import BucketNotes, MirrorSeals, S3RawZone, S3Zone
from penstock.storage.mirror import Mirror
from penstock.tables.aws import GlueCatalog

KEPT_BYTES = 2_000_000_000
"""How much of each bucket is kept as copies between pieces of work, where nobody says more."""
NOTES = "_upkeep/"


class AwsSite:
    """A deployed lake; keeps the contract of `Site`."""

    def __init__(
        self,
        deployed: Deployed,
        work: Path,
        sealed: Callable[[list[str]], None],
        stream: TextIO | None = None,
        keep: int = KEPT_BYTES,
    ) -> None:
        """Stand where `deployed` says.

        Args:
            deployed: Where the parts are.
            work: A folder of this machine for copies and whatever else can be had again.
            sealed: Is told the paths of files that nobody had sealed.
            stream: Where the journal is written to, in a function; elsewhere it is read from where functions write.
            keep: Bytes of copies that `tidy` leaves.
        """
        self.deployed: Deployed | None = deployed
        self.work, self._stream = work, stream
        self._deployed = deployed
        region = deployed.region
        self._mirrors = {
            zone: Mirror(work / zone, bucket, region, keep)
            for zone, bucket in {
                "raw": deployed.raw_bucket,
                "processed": deployed.processed_bucket,
                "enriched": deployed.enriched_bucket,
            }.items()
        }
        self.raw = S3RawZone(self._mirrors["raw"])
        self.seals = MirrorSeals(self._mirrors["processed"], sealed)
        self.processed = S3Zone(self._mirrors["processed"], self.seals)
        self.enriched = S3Zone(self._mirrors["enriched"])
        self.notes = BucketNotes(self._mirrors["processed"], NOTES)

    def state(self, clock: Clock) -> DynamoState:
        """Open the state store."""
        return DynamoState(self._deployed.state_table, clock, self._deployed.region)

    def catalog(self, heads: Heads) -> GlueCatalog:
        """Open the catalog."""
        mirror, region = self._mirrors["processed"], self._deployed.region
        return GlueCatalog(self._deployed.lake, mirror, heads, self.seals, region)

    def journal(self, clock: Clock, limits: Callable[[], Limits]) -> Log:
        """Open the journal."""
        if self._stream is not None:
            return StreamJournal(self._stream, clock)
        groups = [self._deployed.log_group(function) for function in FUNCTIONS]
        local = Journal(self.work / "logs", clock, limits)
        return CloudJournal(groups, clock, local.write, self._deployed.region)

    def tidy(self) -> None:
        """Let go of the copies that were used least recently, beyond what is kept, and of all of raw files."""
        self.raw.tidy()
        self.prune()

    def prune(self, limit: int | None = None) -> None:
        """Let go of the copies that were used least recently; between two pieces of work.

        `limit` bytes of each bucket are left: as many as are kept otherwise, when left out.
        """
        for mirror in self._mirrors.values():
            mirror.prune(limit)
