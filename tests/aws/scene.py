"""A deployed lake, its function in this process, and its pump: what tests of a function play on."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from penstock import aws, faults
from penstock.clock import HeldClock
from tests.aws.lakes import deploy
from tests.aws.pump import Pump

DECLARATION = """
lake: intake
retry: {attempts: 3, wait: 1m, backoff: 1, jitter: 0}
tables:
  t: {files: "t/**/*.csv"}
  unlucky: {files: "unlucky/*.csv"}
"""


class Scene:
    """A lake, its function in this process, and its pump."""

    def __init__(self, folder: Path, declaration: str = DECLARATION, receives: int = 10) -> None:
        self.clock = HeldClock(1_780_000_000.0)
        self.lake = deploy(folder, declaration, receives=receives)
        self.runtime = self.lake.runtime(self.clock)
        self.pump = Pump(self.lake.deployed.intake_queue, self.runtime.take)
        self.unlucky, self._file = True, ""
        self.runtime.lake.signals.listen("started", self._note)
        faults.install(self._strike)

    def _note(self, event: dict[str, Any]) -> None:
        self._file = event["file"]

    def _strike(self, place: str) -> None:
        """The disk fails files that are out of luck."""
        if self.unlucky and place == "engine.write" and self._file.startswith("unlucky"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def close(self) -> None:
        """End it."""
        faults.install(None)
        self.runtime.close()

    def rows(self, sql: str) -> list[Any]:
        """Ask, as a laptop would."""
        with self.lake.open(self.clock) as opened_here:
            return opened_here.query(sql).fetchall()

    def drain(self, seconds: float = 61.0) -> None:
        """Let everything be worked on; each time something comes back, so many seconds have passed."""
        self.pump.drain(lambda: self.clock.sleep(seconds))

    def send(self, body: str) -> None:
        """Put a message into the queue."""
        aws.client("sqs").send_message(QueueUrl=self.lake.deployed.intake_queue, MessageBody=body)

    def waiting(self) -> tuple[int, int]:
        """Messages that wait, and that are away."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        queue = self.lake.deployed.intake_queue
        found = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])
