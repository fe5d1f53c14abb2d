"""Lakes that are watched: opened as a process opens them, with time that stands still, and what was told of alarms."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock import faults
from penstock.clock import HeldClock
from penstock.lake import Lake

HOUR, DAY = 3600.0, 86_400.0
TABLES = """
lake: watched
tables:
  orders:
    files: "orders/*.csv"
    checks: [{between: {amount: [0, 100]}}]
  sales.items: {files: "items/*.csv"}
"""


class Watched:
    """A lake that is opened and closed as often as one likes, in one course of time."""

    def __init__(self, folder: Path, alarms: str = "") -> None:
        """Make the lake in `folder`, with what stands below `alarms:`."""
        self.folder = folder
        self.clock = HeldClock(1_790_000_000.0)
        folder.mkdir(exist_ok=True)
        self.declare(alarms)

    def declare(self, alarms: str) -> None:
        """Say anew which alarms there are."""
        (self.folder / "lake.yaml").write_text(TABLES + (f"alarms:\n{alarms}\n" if alarms else ""))

    @contextmanager
    def opened(self) -> Iterator[Lake]:
        """Open it as one more process."""
        with Lake(self.folder, self.clock) as lake:
            yield lake

    def drop(self, key: str, text: str = "id,amount\n1,5\n") -> None:
        """Let a file land, written long enough ago to be taken for whole."""
        file = self.folder / "raw" / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (1_600_000_000 + len(text), 1_600_000_000 + len(text)))

    def run(self, takes: float = 0.0) -> None:
        """Process what landed; the run takes so long."""
        with self.opened() as lake:
            lake.signals.listen("started", lambda _facts: self.clock.sleep(takes))
            lake.run()

    def attend(self) -> float | None:
        """Look at the alarms, as a process that ends thereafter."""
        with self.opened() as lake:
            return lake.alarms().attend()

    def states(self) -> dict[str, str]:
        """How the alarms stand, `NAME` or `NAME TABLE`; the disk's, which no test is about, left out."""
        with self.opened() as lake:
            return {
                f"{one.alarm} {one.table}" if one.table else one.alarm: one.state
                for one in lake.alarms().all()
                if one.alarm != "disk"
            }

    def told(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Every alarm that began or ended, as the events tell it."""
        with self.opened() as lake:
            return [
                (event.name, str(event.facts["alarm"]), {**event.facts, "table": event.table})
                for event in lake.state.events.after(0)
                if event.name in {"alarm", "ok"}
            ]

    def reasons(self) -> list[str]:
        """The reasons that were told, in order."""
        return [f"{name} {facts['reason']}" for name, _, facts in self.told()]


@contextmanager
def failing(place: str) -> Iterator[None]:
    """Let the first attempt fail that reaches a place of the road, as if the disk were sick for a moment."""
    left = [place]

    def reach(reached: str) -> None:
        if reached in left:
            left.remove(reached)
            message = "the disk is sick"
            raise OSError(message)

    faults.install(reach)
    try:
        yield
    finally:
        faults.install(None)
